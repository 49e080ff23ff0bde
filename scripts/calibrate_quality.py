"""Fit the thresholds of the quality checks on real parallel text and measure them on the half they were not fitted on.

    python scripts/calibrate_quality.py --data ../shared/data/parallel            # measures, prints the table
    python scripts/calibrate_quality.py --data ../shared/data/parallel --write    # fits first and writes the tables

Prints rates only, never text. A row of the table is one language: the share of correct rows dropped, then the share of
rows dropped after each injected fault. `1 sentence`: the row has one translated sentence; `answers`: ten consecutive
sentences, prompt 1, chosen 3 (one a line), rejected 6 (on two lines), and a fault hits one field of the three.
"""

import argparse
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, fields, replace
from itertools import groupby
from pathlib import Path
from types import ModuleType

from calibration import fit
from calibration.corpora import (
    Corpus,
    answer_rows,
    aya_correlation,
    aya_texts,
    read_corpora,
    sentence_rows,
    separate_rows,
)
from calibration.faults import FAULTS, Material

from mpodata.audit import findings
from mpodata.quality import alignment as agreements
from mpodata.quality import checks, completeness, measure_many
from mpodata.quality import thresholds as tables
from mpodata.quality.alignment import matched
from mpodata.quality.lexicon import learn
from mpodata.quality.measures import repetition, spoken
from mpodata.records import Pair

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "parallel"
ROWS = 400  # answer rows measured for each collection and language
DRAWS = 5  # of shuffled rows in a whole file
LOOSEST_IS_LARGEST = ("spread", "spread_short", "longest", "repetition", "incomplete")
ANSWERS = ("prompt", "chosen", "rejected")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with ntrex/, tatoeba/ and the other files")
    parser.add_argument("--write", action="store_true", help="fit, and write thresholds.tsv and alignment.tsv")
    options = parser.parse_args()
    corpora = read_corpora(options.data)
    if options.write:
        write_tables(corpora)
    among = ("en", *sorted({corpus.language for corpus in corpora}))
    for shape in ("1 sentence", "answers"):
        print_table(shape, corpora, among)
    print_files(corpora)
    print_aya(options.data, among)


def print_table(shape: str, corpora: Sequence[Corpus], among: Sequence[str]) -> None:
    """One line for each language and collection, then one for each language."""
    rows = {(c.language, c.name): _rows(shape, c) for c in corpora}
    translated = ANSWERS if shape == "answers" else ("prompt",)
    print(f"\n{shape}: correct rows dropped, then rows caught after each fault (%)")
    print(f"{'':12}{'rows':>6}{'correct':>9}" + "".join(f"{name:>18}" for name in FAULTS))
    totals: dict[str, Counter[str]] = {}
    for (language, name), correct in rows.items():
        others = [row for (code, _), found in rows.items() if code != language for row in found]
        counts = _counts(correct, Material(correct, others, translated), among, translated)
        totals.setdefault(language, Counter()).update(counts)
        print(_line(f"{language} {name}", counts))
    for language, counts in totals.items():
        print(_line(f"{language} all", counts))
    print(_line("all", sum(totals.values(), Counter())))


def _rows(shape: str, corpus: Corpus) -> list[Pair]:
    if shape == "answers":
        return answer_rows(corpus, corpus.measuring, ROWS, seed=1)
    return sentence_rows(corpus, corpus.measuring)


def _counts(
    correct: Sequence[Pair], material: Material, among: Sequence[str], translated: Sequence[str]
) -> Counter[str]:  # fmt: skip
    """Rows tried and rows dropped, correct and after each fault."""
    counts: Counter[str] = Counter()
    draw = random.Random(2)
    trials = {"correct": list(correct)} | {
        name: [bad for row in correct if (bad := inject(row, draw, material))] for name, inject in FAULTS.items()
    }
    for name, rows in trials.items():
        if translated == ("prompt",):  # answers are compared with nothing; only the sentence itself is hit
            rows = [
                replace(r, target=replace(r.target, chosen=r.target.prompt, rejected=r.target.prompt)) for r in rows
            ]
        counts[f"{name} rows"] += len(rows)
        counts[f"{name} dropped"] += sum(reason is not None for reason in _reasons(rows, among, translated))
    return counts


def _reasons(rows: Sequence[Pair], among: Sequence[str], translated: Sequence[str]) -> list[str | None]:
    measured = measure_many([row.dominant for row in rows], [row.target for row in rows], among)
    return [
        checks.first_reason(replace(row, quality=quality), translated=translated)
        for row, quality in zip(rows, measured, strict=True)
    ]


def _line(title: str, counts: Counter[str]) -> str:
    def rate(name: str) -> str:
        tried = counts[f"{name} rows"]
        return f"{100 * counts[f'{name} dropped'] / tried:.2f}" if tried else "-"

    faults = "".join(f"{rate(name):>18}" for name in FAULTS)
    return f"{title:12}{counts['correct rows']:>6}{rate('correct'):>9}{faults}"


def print_files(corpora: Sequence[Corpus]) -> None:
    """Shuffled rows as `mpodata audit` finds them: a whole file, one row in ten shuffled, ten draws."""
    print("\nwhole files (audit): a tenth of the answer rows shuffled, five draws; rows dropped as shuffled (%)")
    print(f"{'':12}{'rows':>6}{'correct':>9}{'shuffled':>18}")
    totals: Counter[str] = Counter()
    for corpus in corpora:
        rows = separate_rows(corpus, corpus.measuring)
        counts: Counter[str] = Counter()
        for seed in range(DRAWS):
            counts.update(_file_counts(rows, random.Random(seed)))
        totals.update(counts)
        print(_file_line(f"{corpus.language} {corpus.name}", len(rows), counts))
    print(_file_line("all", sum(len(separate_rows(c, c.measuring)) for c in corpora), totals))


def _file_counts(rows: Sequence[Pair], draw: random.Random) -> Counter[str]:
    moved = draw.sample(range(len(rows)), max(2, len(rows) // 10))
    shuffled = list(rows)
    for place, other in zip(moved, (*moved[1:], moved[0]), strict=True):
        shuffled[place] = replace(rows[place], target=rows[other].target)
    lexicon = learn(s for r in shuffled for n in ANSWERS for s in matched(getattr(r.dominant, n), getattr(r.target, n)))
    if lexicon is None:
        return Counter()
    caught = {place for place, row in enumerate(shuffled) if findings.shuffled(row, ANSWERS, lexicon)}
    return Counter(
        {
            "correct rows": len(rows) - len(moved),
            "correct dropped": len(caught - set(moved)),
            "shuffled rows": len(moved),
            "shuffled dropped": len(caught & set(moved)),
        }
    )


def _file_line(title: str, rows: int, counts: Counter[str]) -> str:
    if not counts:
        return f"{title:12}{rows:>6}   too few sentences to learn from"
    rates = [100 * counts[f"{name} dropped"] / counts[f"{name} rows"] for name in ("correct", "shuffled")]
    return f"{title:12}{rows:>6}{rates[0]:>9.2f}{rates[1]:>18.2f}"


def print_aya(folder: Path, among: Sequence[str]) -> None:
    """The Aya file: is it parallel, and what do the checks that need no original say of its texts?"""
    print("\nAya file: correlation of log-lengths with the English column (translations have .8 or more),")
    print("then genuine texts of 20+ characters that wrong-language and looping would drop (%)")
    for language, correlation in aya_correlation(folder).items():
        texts = [text for text in aya_texts(folder, language) if len(text) >= 20]
        wrong = sum(spoken(text, language, frozenset(among)) not in (language, "und") for text in texts)
        limit = tables.thresholds(language).repetition
        looping = sum(repetition(text) > limit for text in texts)
        print(f"{language:4}{correlation:>7.2f}{100 * wrong / len(texts):>8.2f}{100 * looping / len(texts):>8.2f}")


def write_tables(corpora: Sequence[Corpus]) -> None:
    """Fit everything on the fitting half and write both tables beside the checks."""
    by_language = {
        code: list(part) for code, part in groupby(sorted(corpora, key=lambda c: c.language), lambda c: c.language)
    }
    limits = {code: fit.fit_lengths(part) for code, part in by_language.items()}
    weights = fit.fit_weights(corpora, limits)
    _write_weights(agreements, weights, "log-likelihood ratio of one sentence translating another")
    _write_endings(by_language)
    _write_weights(completeness, fit.fit_completeness(corpora, limits), "log-odds that the second half is missing")
    limits = {code: fit.fit_agreement(by_language[code], one) for code, one in limits.items()}
    limits = {code: fit.fit_incomplete(by_language[code], one) for code, one in limits.items()}
    _write_thresholds(limits)
    tables._table.cache_clear()
    tables.thresholds.cache_clear()


def _write_endings(by_language: dict[str, list[Corpus]]) -> None:
    lines = [
        "# Fitted by scripts/calibrate_quality.py --write: log-odds that these letters stand inside of a sentence."
    ]
    for code, corpora in by_language.items():
        odds = fit.fit_endings([sentence for corpus in corpora for sentence in corpus.fitting])
        lines += [f"{code}\t{ending}\t{value}" for ending, value in odds.items()]
    completeness.ENDINGS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    completeness.endings.cache_clear()


def _write_weights(module: ModuleType, weights: dict[str, fit.Floats], meaning: str) -> None:
    """One line a feature, one column a regression."""
    lines = [f"# Fitted by scripts/calibrate_quality.py --write: {meaning}.", "\t".join(["feature", *weights])]
    for name, *values in zip(module.FEATURES, *weights.values(), strict=True):
        lines.append("\t".join([name, *map(str, values)]))
    module.TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    module._weights.cache_clear()


def _write_thresholds(limits: dict[str, tables.Thresholds]) -> None:
    names = [field.name for field in fields(tables.Thresholds)]
    english = tables.Thresholds("en", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    loosest = {
        name: (max if name in LOOSEST_IS_LARGEST else min)(getattr(one, name) for one in limits.values())
        for name in names[2:]
    }
    rows = [
        *(astuple(limits[code]) for code in sorted(limits)),
        astuple(replace(english, language="en", **loosest)),
        astuple(replace(english, language=tables.DEFAULT, **(loosest | {"spread": 0.35}))),
    ]
    note = (
        "# Fitted by scripts/calibrate_quality.py --write on NTREX, Tatoeba and Alpaca-safe sentences of 20+\n"
        "# characters, English to each language, every second block of 20; its table measures the other half.\n"
        "# Columns: mpodata/quality/thresholds.py. `*` and `en`: languages that were not measured have the loosest\n"
        "# value of those that were; `*` has a wide spread, because its length ratio is not known.\n"
    )
    table = "\n".join("\t".join(str(value) for value in row) for row in (names, *rows))
    tables.TABLE.write_text(note + table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
