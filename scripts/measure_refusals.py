"""Measure the refusal rules in every language; `--write` puts the figures into the package's reliability.tsv.

    python scripts/measure_refusals.py [--data ../shared/data] [--file answers.tsv ...] [--write]
    python scripts/measure_refusals.py --answers FOLDER --xstest FOLDER/model_completions --write

Prints counts and shares only, never text. What is measured, and on which half:

    xstest      answers of other models with human labels (Röttger et al., NAACL 2024): prompts of odd number of the two
                models in `--data`; with `--xstest` (paul-rottger/exaggerated-safety) also two models that nobody read.
                Prompts of even number and a fifth model, llama2orig, were read. The rules are told whether a prompt is
                harmful, as `eval` and builds tell them; the page also shows the figures without
    wildguard   `--answers` (mainlp/Multilingual-Refusal): answers of Llama-3.1, Qwen2.5 and Gemma-2 to PolyRefuse's
                prompts of odd number, labelled by WildGuard, which knows no partial refusals: one counts as a refusal.
                Prompts of even number were read (Gemma; Llama in zh ja ko) or fitted on (Qwen)
    sentences   our own, scripts/refusals/LANGUAGE.tsv. The lines marked `fit` and `held` were read while the rules were
                written; lines marked `unseen` are written after the rules and measured before anybody looks at what was
                wrong. Whoever changes the rules because of one marks it `held` and writes new ones. The table's rows of
                bn cs jv lt lv pt sk sl sw vi were measured so (2026-11-28, 12 or 14 lines each) and the rules
                mended after that: those languages have no `unseen` lines now, and --write leaves their rows
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
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mpodata.refusals import Exchange
from mpodata.refusals.measured import NOT_BY_RULES, TABLE, Reliability, reliability
from mpodata.refusals.rules import RuleDetector
from mpodata.refusals.tables import covered

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "data"
SENTENCES = HERE / "refusals"
HUMAN = {"2_full_refusal": "refusal", "3_partial_refusal": "partial", "1_full_compliance": "compliance"}
LABELS = ("refusal", "partial", "compliance")
NEWS = {"en": "eng", "ar": "arb", "bn": "ben", "it": "ita", "ja": "jpn", "ko": "kor", "sw": "swa", "th": "tha",
        "vi": "vie", "zh": "zho-CN"}  # fmt: skip
MODELS = ("Meta-Llama-3.1-8B-Instruct", "Qwen2.5-7B-Instruct", "gemma-2-9b-it")
KINDS = ("baseline", "harm_ablation")  # the model as it is; one that can hardly refuse
XSTEST_HELD_OUT = {"gpt4": True, "mistralinstruct": True, "llama2new": None, "mistralguard": None}  # odd prompts or all
PAGE = HERE.parent / "docs" / "results.md"
BEGIN, END = "<!-- refusal rules: scripts/measure_refusals.py -->", "<!-- end of refusal rules -->"
COLUMNS = ("language", "agreement", "precision", "recall", "rows", "false_alarms", "false_alarm_rows", "data", "date")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One answer and the label it should get."""

    language: str
    answer: str
    label: str  # one of LABELS
    two_classes: bool = False  # the labeller knows no partial refusals: one counts as a refusal
    harmful: bool | None = None  # is the prompt? None: not known
    prompt: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with safety/, parallel/ and instructions/")
    parser.add_argument("--answers", type=Path, help="a checkout of mainlp/Multilingual-Refusal")
    parser.add_argument("--xstest", type=Path, help="model_completions of paul-rottger/exaggerated-safety")
    parser.add_argument("--file", type=Path, action="append", default=[], help="further labelled answers")
    parser.add_argument("--write", action="store_true", help="write reliability.tsv and docs/results.md")
    options = parser.parse_args()
    for path in options.file:
        print_by_language(path.stem, given(path))
    tables = [row for language in sorted(covered()) if (row := measured(language, options))]
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
    if xstest := list(xstest_answers(options.data / "safety", odd=True)):
        print_by_language("XSTest, odd prompts", xstest)
    if options.write:
        write(tables)
    if options.answers and options.xstest:
        page = held_out_tables(options.xstest, options.answers)
        print("\n" + page)
        if options.write:
            write_section(page)


def measured(language: str, options: argparse.Namespace) -> Reliability | None:
    """The figures of one language on the best answers there are for it; without any, what the table says; or None."""
    answers, on = best_answers(language, options)
    if not answers or language in NOT_BY_RULES:
        return None if language in NOT_BY_RULES else reliability(language)
    alarms = [verdict == "compliance" for verdict in verdicts(harmless(language, options.data))]
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


def best_answers(language: str, options: argparse.Namespace) -> tuple[list[Labelled], str]:
    """Labelled answers that nobody read, and what they are."""
    if language == "en" and options.xstest:
        return held_out_xstest(
            options.xstest
        ), "XSTest answers of four models, human labels of three kinds, kind of prompt known"
    if language == "en" and (answers := list(xstest_answers(options.data / "safety", odd=True))):
        return answers, "XSTest answers of odd prompt number, human labels"
    if options.answers and (answers := held_out_answers(options.answers, language)):
        return answers, "answers of Llama-3.1, Qwen2.5 and Gemma-2, WildGuard's labels"
    return list(sentences(language, "unseen")), "sentences of this project's authors"


def held_out_xstest(folder: Path) -> list[Labelled]:
    """The answers of models, or to prompts, that nobody read."""
    return [
        row for model, odd in XSTEST_HELD_OUT.items() for row in xstest_answers(folder, odd=odd, models=f"{model}.csv")
    ]


def held_out_answers(folder: Path, language: str) -> list[Labelled]:
    """All models' answers to odd-numbered prompts in one language."""
    return [
        row for model in MODELS for kind in KINDS for row in wildguard_answers(folder, model, kind, language, odd=True)
    ]


def confusion(answers: Iterable[Labelled]) -> Counter[tuple[str, str]]:
    """How often each (label, verdict) occurs; the rules are told what is known of the prompt."""
    answers = list(answers)
    return Counter(zip((answer.label for answer in answers), verdicts(answers), strict=True))


def verdicts(answers: Iterable[Labelled]) -> list[str]:
    """The rules' labels; an answer they cannot judge counts as a compliance."""
    answers = list(answers)
    found = RuleDetector().verdicts(
        [Exchange(answer.language, answer.prompt, answer.answer, answer.harmful) for answer in answers]
    )
    labels = [verdict.label.replace("unknown", "compliance") for verdict in found]
    return [
        label.replace("partial", "refusal") if answer.two_classes else label
        for answer, label in zip(answers, labels, strict=True)
    ]


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


def xstest_answers(folder: Path, *, odd: bool | None, models: str = "*.csv") -> Iterator[Labelled]:
    """XSTest's completions with a final label, of prompts with an odd or an even number; None: of all."""
    return (row for _, row in xstest_rows(folder, odd=odd, models=models))


def xstest_rows(folder: Path, *, odd: bool | None, models: str = "*.csv") -> Iterator[tuple[int, Labelled]]:
    """The same with the numbers of the prompts."""
    for path in sorted(folder.glob(f"xstest_v2_completions_{models}")):
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                number = int(row["id"].rpartition("-")[2])
                if row["final_label"] in HUMAN and odd in (None, bool(number % 2)):
                    harmful = row["type"].startswith("contrast_")
                    label = HUMAN[row["final_label"]]
                    yield number, Labelled("en", row["completion"], label, harmful=harmful, prompt=row["prompt"])


def wildguard_answers(folder: Path, model: str, kind: str, language: str, *, odd: bool) -> Iterator[Labelled]:
    """Answers of a model to PolyRefuse's harmful prompts with WildGuard's label, from mainlp/Multilingual-Refusal.

    kind: one of KINDS. odd: of the odd-numbered prompts, else of the even-numbered ones, counted from 0.
    """
    pattern = f"output/*/*/{model}/{language}/*/*/completions/harmful_{kind}_evaluations.json"
    for path in sorted(folder.glob(pattern)):
        for number, row in enumerate(json.loads(path.read_text(encoding="utf-8"))["completions"]):
            refuses = row["wildguard"]["refusal"]
            if refuses in (0, 1) and number % 2 == odd:
                yield Labelled(language, row["response"], "refusal" if refuses else "compliance", True, harmful=True)


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


def held_out_tables(xstest: Path, answers: Path) -> str:
    """Two Markdown tables: XSTest by model, WildGuard's labels by language and model."""
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}. In percent.\n",
        "| XSTest, human labels | answers | three labels right | refuses or not right | partial recognised | of "
        "partial said, right |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for model, odd in XSTEST_HELD_OUT.items():
        rows = list(xstest_answers(xstest, odd=odd, models=f"{model}.csv"))
        lines.append(_xstest_line(f"{model}, {'odd prompts' if odd else 'all'}", rows))
    together = held_out_xstest(xstest)
    lines.append(_xstest_line("together", together))
    lines.append(_xstest_line("together, kind of prompt unknown", [replace(row, harmful=None) for row in together]))
    lines += [
        "\n| WildGuard's labels | " + " | ".join(f"{model}: right | called partial" for model in MODELS) + " | other "
        "answers called refusals |",
        "|---|" + "---:|" * (2 * len(MODELS) + 1),
    ]
    for language in sorted(covered()):
        if language not in NOT_BY_RULES and any(held_out_answers(answers, language)):
            lines.append(_wildguard_line(language, answers))
    return "\n".join(lines) + "\n"


def _xstest_line(name: str, rows: list[Labelled]) -> str:
    counts = confusion(rows)
    total = sum(counts.values())
    right = sum(counts[label, label] for label in LABELS)
    refuses = sum(n for (label, said), n in counts.items() if (label == "compliance") == (said == "compliance"))
    both, labelled = counts["partial", "partial"], sum(counts["partial", said] for said in LABELS)
    said = sum(counts[label, "partial"] for label in LABELS)
    return (
        f"| {name} | {total} | {right / total:.1%} | {refuses / total:.1%} | {both} of {labelled} | {both} of {said} |"
    ).replace("%", "")


def _wildguard_line(language: str, answers: Path) -> str:
    cells = []
    for model in MODELS:
        rows = [
            replace(row, two_classes=False) for row in wildguard_answers(answers, model, "baseline", language, odd=True)
        ]
        counts = confusion(rows)
        total, refusals = sum(counts.values()), sum(counts["refusal", said] for said in LABELS)
        right = counts["refusal", "refusal"] + counts["refusal", "partial"] + counts["compliance", "compliance"]
        cells += [
            f"{100 * right / total:.1f}" if total else "",
            f"{100 * counts['refusal', 'partial'] / refusals:.1f}" if total else "",
        ]
    others = [row for row in held_out_answers(answers, language) if row.label == "compliance"]
    alarms = sum(verdict != "compliance" for verdict in verdicts(others))
    return f"| {language} | " + " | ".join(cells) + f" | {alarms} of {len(others)} |"


def write_section(text: str) -> None:
    """Replace what stands between the two markers of docs/results.md."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{text}{END}{rest.split(END)[1]}", encoding="utf-8")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


if __name__ == "__main__":
    main()
