"""Measure the refusal rules in every language; `--write` puts the figures into the package's reliability.tsv.

    python scripts/measure_refusals.py [--data ../shared/data] [--file answers.tsv ...] [--write]

Prints counts and shares only, never text. What is measured, and on which half:

    xstest      answers of other models with human labels (Röttger et al., NAACL 2024): prompts of odd number, which
                nobody read while the rules were written
    sentences   our own, scripts/refusals/LANGUAGE.tsv. The lines marked `fit` and `held` were read while the rules were
                written; the lines marked `unseen` were written after the rules and measured before anybody looked at
                what was wrong (2026-11-27: the table's figures; general forms were added to the rules after that,
                so new lines are needed before the next --write).
                Whoever changes the rules because of one marks it `held` and writes new ones.
    harmless    other people's texts that refuse nothing: NTREX news and Aya answers, every second one; every hit is a
                false alarm (the other ones were read while the rules were written)

`--file` takes further labelled answers: a TSV or CSV with the columns language, answer and label (refusal, partial or
compliance; anything else is an error), printed one row per language.
"""

import argparse
import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mpodata.refusals import Exchange
from mpodata.refusals.measured import NOT_BY_RULES, TABLE, Reliability
from mpodata.refusals.rules import RuleDetector
from mpodata.refusals.tables import covered

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "data"
SENTENCES = HERE / "refusals"
HUMAN = {"2_full_refusal": "refusal", "3_partial_refusal": "partial", "1_full_compliance": "compliance"}
LABELS = ("refusal", "partial", "compliance")
NEWS = {"en": "eng", "ar": "arb", "bn": "ben", "it": "ita", "ja": "jpn", "ko": "kor", "sw": "swa", "th": "tha",
        "vi": "vie", "zh": "zho-CN"}  # fmt: skip
COLUMNS = ("language", "agreement", "precision", "recall", "rows", "false_alarms", "false_alarm_rows", "data", "date")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One answer and the label it should get."""

    language: str
    answer: str
    label: str  # one of LABELS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with safety/, parallel/ and instructions/")
    parser.add_argument("--file", type=Path, action="append", default=[], help="further labelled answers")
    parser.add_argument("--write", action="store_true", help="write the package's reliability.tsv")
    options = parser.parse_args()
    for path in options.file:
        print_by_language(path.stem, given(path))
    tables = [row for language in sorted(covered()) if (row := measured(language, options.data))]
    print(f"{'':<5}{'agreement':>10}{'precision':>10}{'recall':>8}{'rows':>6}{'false alarms':>14}  on")
    for row in tables:
        shares = "".join(f"{_percent(share):>{width}}" for share, width in zip(
            (row.agreement, row.precision, row.recall), (10, 10, 8), strict=True))  # fmt: skip
        alarms = f"{_percent(row.false_alarms)} of {row.false_alarm_rows}"
        print(f"{row.language:<5}{shares}{row.rows:>6}{alarms:>14}  {row.data}")
    for language, warning in NOT_BY_RULES.items():
        print(f"{language:<5}{warning}")
    print_by_language(
        "own sentences, held", (row for language in sorted(covered()) for row in sentences(language, "unseen"))
    )
    if xstest := list(xstest_answers(options.data, odd=True)):
        print_by_language("XSTest, odd prompts", xstest)
    if options.write:
        write(tables)


def measured(language: str, data: Path) -> Reliability | None:
    """The figures of one language on the best answers there are for it; None without any."""
    answers = list(xstest_answers(data, odd=True)) if language == "en" else []
    on = "XSTest answers of odd prompt number, human labels" if answers else "sentences of this project's authors"
    answers = answers or list(sentences(language, "unseen"))
    alarms = [verdict == "compliance" for verdict in verdicts(harmless(language, data))]
    if not answers or language in NOT_BY_RULES:
        return None
    counts = confusion(answers)
    return Reliability(
        language,
        *_figures(counts),
        rows=sum(counts.values()),
        false_alarms=1 - sum(alarms) / len(alarms) if alarms else None,
        false_alarm_rows=len(alarms),
        data=on,
        date=datetime.now(UTC).date().isoformat(),
    )


def confusion(answers: Iterable[Labelled]) -> Counter[tuple[str, str]]:
    """How often each (label, verdict) occurs."""
    answers = list(answers)
    return Counter(zip((answer.label for answer in answers), verdicts(answers), strict=True))


def verdicts(answers: Iterable[Labelled]) -> list[str]:
    """The rules' labels; an answer they cannot judge counts as a compliance."""
    exchanges = [Exchange(answer.language, "", answer.answer) for answer in answers]
    return [verdict.label.replace("unknown", "compliance") for verdict in RuleDetector().verdicts(exchanges)]


def _figures(counts: Counter[tuple[str, str]]) -> tuple[float, float | None, float | None]:
    """Agreement over the three labels; precision and recall of "refusal" (whole or partial)."""
    refusing = {label: label != "compliance" for label in LABELS}
    both = sum(count for (label, said), count in counts.items() if refusing[label] and refusing[said])
    labelled = sum(count for (label, _), count in counts.items() if refusing[label])
    said = sum(count for (_, verdict), count in counts.items() if refusing[verdict])
    right = sum(counts[label, label] for label in LABELS)
    return right / sum(counts.values()), both / said if said else None, both / labelled if labelled else None


def print_by_language(name: str, answers: Iterable[Labelled]) -> None:
    """One table per language: labels down, verdicts across; then the figures of partial refusals."""
    by_language: defaultdict[str, list[Labelled]] = defaultdict(list)
    for answer in answers:
        by_language[answer.language].append(answer)
    for language, rows in sorted(by_language.items()):
        counts = confusion(rows)
        print(f"\n{name}, {language}: {len(rows)} answers" + "".join(f"{label:>12}" for label in LABELS))
        for label in LABELS:
            print(f"  labelled {label:<30}" + "".join(f"{counts[label, said]:>12}" for said in LABELS))
        agreement, precision, recall = _figures(counts)
        partial = sum(counts["partial", said] for said in LABELS), sum(counts[label, "partial"] for label in LABELS)
        print(
            f"  agreement {agreement:.1%}, precision {_percent(precision)}, recall {_percent(recall)}; partial: "
            f"recognised {counts['partial', 'partial']} of {partial[0]}, said {partial[1]} times"
        )


def xstest_answers(data: Path, *, odd: bool) -> Iterator[Labelled]:
    """XSTest's completions with a final label, of prompts with an odd or an even number."""
    for path in sorted((data / "safety").glob("xstest_v2_completions_*.csv")):
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                if row["final_label"] in HUMAN and int(row["id"].rpartition("-")[2]) % 2 == odd:
                    yield Labelled("en", row["completion"], HUMAN[row["final_label"]])


def wildguard_answers(folder: Path, model: str, kind: str, *, odd: bool | None = None) -> Iterator[Labelled]:
    """Answers of a model to PolyRefuse's harmful prompts with WildGuard's label, from mainlp/Multilingual-Refusal.

    kind: `baseline` or `harm_ablation` (a model that can hardly refuse). odd: of odd- or even-numbered prompts only.
    """
    pattern = f"output/*/*/{model}/*/*/*/completions/harmful_{kind}_evaluations.json"
    for path in sorted(folder.glob(pattern)):
        code = path.parents[3].name
        if code not in covered():
            continue
        for number, row in enumerate(json.loads(path.read_text(encoding="utf-8"))["completions"]):
            refuses = row["wildguard"]["refusal"]
            if refuses in (0, 1) and odd in (None, bool(number % 2)):
                yield Labelled(code, row["response"], "refusal" if refuses else "compliance")


def sentences(language: str, split: str) -> Iterator[Labelled]:
    """Our own sentences of one split (`fit` or `held`); lines are split, form, label, text."""
    path = SENTENCES / f"{language}.tsv"
    if not path.is_file():
        return
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["split"] == split:
                yield Labelled(language, row["text"].replace("\\n", "\n"), row["label"])


def harmless(language: str, data: Path, *, odd: bool = True) -> list[Labelled]:
    """Every second of the texts of other people that refuse nothing: news, and answers to harmless instructions.

    odd: from the second text on.
    """
    texts: list[str] = []
    if language in NEWS:
        side = "src" if language == "en" else "ref"
        path = data / "parallel" / "ntrex" / f"newstest2019-{side}.{NEWS[language]}.txt"
        texts += path.read_text(encoding="utf-8").splitlines()[:600] if path.is_file() else []
    aya = data / "parallel" / "aya_en_zh_ja_ar_ko_bn_sw_300.jsonl"
    if aya.is_file():
        rows = [json.loads(line) for line in aya.read_text(encoding="utf-8").splitlines()]
        texts += [row[language] for row in rows if row.get(language)]
    return [Labelled(language, text, "compliance") for text in texts[int(odd) :: 2]]


def given(path: Path) -> list[Labelled]:
    """The rows of a user's own file of labelled answers."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t" if path.suffix == ".tsv" else ","))
    if wrong := sorted({row["label"] for row in rows} - set(LABELS)):
        raise SystemExit(f"{path}: label {wrong[0]!r} is none of {', '.join(LABELS)}.")
    return [Labelled(row["language"], row["answer"], row["label"]) for row in rows]


def write(tables: Iterable[Reliability]) -> None:
    """Write the package's table."""
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        file.write("# Written by scripts/measure_refusals.py --write.\n")
        out = csv.writer(file, delimiter="\t", lineterminator="\n")
        out.writerow(COLUMNS)
        for row in tables:
            values = (getattr(row, column) for column in COLUMNS)
            out.writerow([f"{value:.3f}" if isinstance(value, float) else value for value in values])


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


if __name__ == "__main__":
    main()
