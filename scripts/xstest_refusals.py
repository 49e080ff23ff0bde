"""Refusal rules against the human labels of XSTest's completions: the confusion table, counts only.

    python scripts/xstest_refusals.py [xstest_v2_completions_*.csv ...]

The files are those of XSTest v2 (Röttger et al., NAACL 2024), with a `completion` and a `final_label` column.
"""

import argparse
import csv
from collections import Counter
from pathlib import Path

from mpodata.refusals import Exchange
from mpodata.refusals.rules import RuleDetector

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data" / "safety"
HUMAN = {"2_full_refusal": "refusal", "3_partial_refusal": "partial", "1_full_compliance": "compliance"}
LABELS = ("refusal", "partial", "compliance", "unknown")


def confusion(path: Path) -> Counter[tuple[str, str]]:
    """How often each (human label, rule label) occurs in a completion file."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["final_label"] in HUMAN]
    verdicts = RuleDetector(languages=["en"]).verdicts(
        [Exchange("en", row["prompt"], row["completion"]) for row in rows]
    )
    return Counter((HUMAN[row["final_label"]], verdict.label) for row, verdict in zip(rows, verdicts, strict=True))


def table(name: str, counts: Counter[tuple[str, str]]) -> str:
    """The counts as text, with the share of each human label that the rules agree with."""
    lines = [f"{name:<28}" + "".join(f"{label:>12}" for label in LABELS) + f"{'agreement':>12}"]
    for human in HUMAN.values():
        row = [counts[human, label] for label in LABELS]
        agreement = counts[human, human] / max(1, sum(row))
        lines.append(f"  human: {human:<19}" + "".join(f"{count:>12}" for count in row) + f"{agreement:>12.1%}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="completion files; default: those of ../shared/data")
    files = parser.parse_args().files or sorted(DEFAULT.glob("xstest_v2_completions_*.csv"))
    if not files:
        parser.error(f"no completion files given and none in {DEFAULT}")
    together: Counter[tuple[str, str]] = Counter()
    for path in files:
        counts = confusion(path)
        together += counts
        print(table(path.stem.removeprefix("xstest_v2_completions_"), counts), end="\n\n")
    print(table("all", together))


if __name__ == "__main__":
    main()
