"""What an audit found: findings by row, counts, what was concluded of the file as a whole, a few examples."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from mpodata.audit.preferences import Entry
from mpodata.display.notebook import table
from mpodata.quality.comparison import FieldComparison
from mpodata.records import Quality

# Worst first: what makes a row useless or teaches the wrong thing, before what is missing, before what is untidy.
SEVERITY: Final = (
    "empty",
    "wrong-language",
    "copied",
    "shuffled",
    "same-answers",
    "not-a-refusal",
    "is-a-refusal",
    "contaminated",
    "looping",
    "incomplete",
    "unterminated",
    "duplicate",
    "duplicate-across-languages",
    "length-ratio",
    "lost-newlines",
    "leftover-entities",
)


def severity(reason: str) -> int:
    """The place of a reason in SEVERITY, 0 the worst."""
    return SEVERITY.index(reason)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with one field of one row."""

    reason: str
    field: str  # "prompt", "chosen", "rejected", or "row"


@dataclass(frozen=True, slots=True)
class RowFindings:
    """One row with something wrong, worst finding first."""

    place: str  # "row-17"; the config and pair id in a version of mpodata
    identity: str | None  # the row's own id, where the data has one
    language: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """A row that shows a finding. Its texts are shown only when asked for."""

    finding: Finding
    entry: Entry
    quality: Quality


def _other_language(quality: Quality, findings: Iterable[Finding]) -> str | None:
    """The language that most fields with the finding wrong-language are in."""
    fields = [finding.field for finding in findings if finding.reason == "wrong-language"]
    detected = [code for name in fields if (code := getattr(quality, f"{name}_language"))]
    return max(detected, key=detected.count) if detected else None


@dataclass
class Audit:
    """What an audit found."""

    name: str
    format: str
    dominant: str = "en"  # the language the others were compared with
    rows: Counter[str] = field(default_factory=Counter)  # language -> rows
    faulty: Counter[str] = field(default_factory=Counter)  # language -> rows with at least one finding
    found: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # (language, reason, field) -> rows
    # (language, the other one its text is in) -> rows
    strays: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)  # (language, reason) -> rows
    unreadable: Counter[str] = field(default_factory=Counter)  # reason -> rows that could not be read
    unjudged: Counter[str] = field(default_factory=Counter)  # language -> answers the detector does not cover
    comparisons: dict[tuple[str, str], FieldComparison] = field(default_factory=dict)  # (language, field)
    conclusions: list[str] = field(default_factory=list)  # what was decided of the file as a whole, and why
    reliability: dict[str, str] = field(default_factory=dict)  # language -> how far its refusal findings can be trusted
    row_findings: list[RowFindings] = field(default_factory=list)  # every row with a finding, in file order
    examples: dict[str, list[Example]] = field(default_factory=lambda: defaultdict(list))  # reason -> a few rows
    contamination: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Counts, conclusions and the ids of all rows with findings, for machines; holds no text of the data."""
        return {
            "name": self.name,
            "format": self.format,
            "dominant": self.dominant,
            "rows": dict(sorted(self.rows.items())),
            "faulty_rows": dict(sorted(self.faulty.items())),
            "findings": [
                {"language": language, "reason": reason, "field": name, "rows": count}
                for (language, reason, name), count in sorted(
                    self.found.items(), key=lambda item: (severity(item[0][1]), item[0])
                )
            ],
            "conclusions": self.conclusions,
            "compared_fields": [comparison.as_dict() for _, comparison in sorted(self.comparisons.items())],
            "refusal_reliability": dict(sorted(self.reliability.items())),
            "unreadable_rows": dict(sorted(self.unreadable.items())),
            "unjudged_answers": dict(sorted(self.unjudged.items())),
            "contamination": self.contamination,
            "row_findings": list(self.records()),
        }

    def _repr_html_(self) -> str:
        """Rows with findings by reason and language, the most severe first, in a notebook; no text of the data."""
        codes = self.languages()
        rows = [("rows", *(self.rows[code] for code in codes))]
        rows += [(reason, *(self.reasons[code, reason] for code in codes)) for reason in self.all_reasons()]
        unreadable = [f"{count} rows could not be read: {reason}" for reason, count in sorted(self.unreadable.items())]
        faulty, total = sum(self.faulty.values()), sum(self.rows.values())
        caption = f"{self.name}: {faulty:,} of {total:,} rows have a finding"
        return table(caption, ("", *codes), rows, [*self.conclusions, *unreadable])

    def records(self) -> Iterable[dict[str, Any]]:
        """One record for each finding of each row, worst rows first, then in file order."""
        for row in sorted(self.row_findings, key=lambda row: severity(row.findings[0].reason)):
            for finding in row.findings:
                yield {
                    "row": row.place,
                    "id": row.identity,
                    "language": row.language,
                    "reason": finding.reason,
                    "field": finding.field,
                    "severity": severity(finding.reason),
                }

    def languages(self) -> list[str]:
        return sorted(self.rows)

    def all_reasons(self) -> list[str]:
        """Every reason found, the most severe first."""
        return sorted({reason for _, reason in self.reasons}, key=severity)

    def total(self, reason: str) -> int:
        """Rows with a reason, all languages together."""
        return sum(count for (_, other), count in self.reasons.items() if other == reason)

    def add(self, entry: Entry, quality: Quality, findings: Iterable[Finding], examples: int) -> None:
        """Count one row; keep it as an example where there are fewer than `examples` of a reason."""
        language = entry.side.language
        ordered = tuple(sorted(dict.fromkeys(findings), key=lambda finding: severity(finding.reason)))
        self.rows[language] += 1
        if not ordered:
            return
        self.faulty[language] += 1
        self.row_findings.append(RowFindings(entry.place, entry.identity, language, ordered))
        self.reasons.update({(language, finding.reason) for finding in ordered})
        if detected := _other_language(quality, ordered):
            self.strays[language, detected] += 1
        for finding in ordered:
            self.found[language, finding.reason, finding.field] += 1
            shown = self.examples[finding.reason]
            if len(shown) < examples and all(example.entry.place != entry.place for example in shown):
                shown.append(Example(finding, entry, quality))
