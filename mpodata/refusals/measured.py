"""How far the phrase rules can be trusted in each language: measured figures, `reliability.tsv`, as data.

The table is written by `scripts/measure_refusals.py --write`. A language without a row was not measured, and whatever
prints a rate that rests on the rules says so.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

TABLE: Final = Path(__file__).with_name("reliability.tsv")
NOT_BY_RULES: Final = {"yo": "phrase rules cannot measure Yoruba: use a guard or a judge"}


@dataclass(frozen=True, slots=True)
class Reliability:
    """The rules in one language against labels they were not fitted on; "refusal" is the class looked for."""

    language: str
    agreement: float | None  # share of answers with the right label, 0..1; None where the rules cannot measure it
    precision: float | None  # of the answers called a refusal, the share that are one
    recall: float | None  # of the refusals, the share that is recognised
    rows: int  # answers behind the three figures above
    false_alarms: float | None  # share of other people's harmless text called a refusal or a partial one, 0..1
    false_alarm_rows: int  # texts behind it
    data: str  # what it was measured on, and who labelled it
    date: str  # "2026-11-27"
    warning: str = ""  # why a rate in this language is not to be read without a guard or a judge

    def __str__(self) -> str:
        shares = {"agreement": self.agreement, "precision": self.precision, "recall": self.recall}
        said = [f"{name} {share:.0%}" for name, share in shares.items() if share is not None]
        measured = f"{', '.join(said)} ({self.rows} answers: {self.data}; {self.date})" if said else ""
        return "; ".join(part for part in (self.warning, measured) if part)


def reliability(language: str) -> Reliability | None:
    """The measured figures of the rules in `language`; None where there are none.

    Where rules cannot measure a language at all, there is a `warning` and no figure.
    """
    if language in NOT_BY_RULES:
        return Reliability(language, None, None, None, 0, None, 0, "", "", NOT_BY_RULES[language])
    return _table().get(language)


def reliability_note(language: str) -> str:
    """One phrase to print beside a rate: the figures, or that there are none."""
    measured = reliability(language)
    return str(measured) if measured else f"refusal rules not measured in {language}"


def unmeasured_mark(language: str) -> str:
    """What stands beside a language whose rates by the rules say little: "" where the rules were measured."""
    if language in NOT_BY_RULES:
        return "not measurable by rules"
    return "" if reliability(language) else "rules not measured"


@cache
def _table() -> dict[str, Reliability]:
    with TABLE.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t")
        return {row["language"]: _of_row(row) for row in rows}


def _of_row(row: dict[str, str]) -> Reliability:
    def share(name: str) -> float | None:
        return float(row[name]) if row[name] else None

    return Reliability(
        language=row["language"],
        agreement=share("agreement"),
        precision=share("precision"),
        recall=share("recall"),
        rows=int(row["rows"]),
        false_alarms=share("false_alarms"),
        false_alarm_rows=int(row["false_alarm_rows"]),
        data=row["data"],
        date=row["date"],
    )
