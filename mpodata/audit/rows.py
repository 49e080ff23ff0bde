"""The checks of single rows: functions of their arguments alone, which any process may run."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mpodata.audit.preferences import Entry
from mpodata.audit.record import Finding
from mpodata.audit.repeats import Fingerprints, fingerprints
from mpodata.languages import languages
from mpodata.quality import faults
from mpodata.quality.checks import row_evidence
from mpodata.quality.measures import ends_sentences, languages_of_fields, measured, size, terminated
from mpodata.quality.thresholds import thresholds
from mpodata.records import FIELDS, Pair, Quality, Side

SHORTEST_ANSWER = 40  # characters; shorter answers may end as they like


@dataclass(frozen=True, slots=True)
class RowChecks:
    """What was measured of one row and what the quality checks say."""

    quality: Quality
    findings: tuple[Finding, ...]
    evidence: Mapping[str, float]  # compared field -> the evidence that its two sides belong together, in nats
    fingerprints: Fingerprints


def check_entries(
    entries: Sequence[Entry], among: Collection[str], translated: Mapping[str, Sequence[str]]
) -> list[RowChecks]:  # fmt: skip
    """The quality checks of each row. `translated`: language -> the fields that are compared with the dominant side."""
    spoken = languages_of_fields(
        [entry.dominant or entry.side for entry in entries], [entry.side for entry in entries], among
    )
    return [
        _checked(entry, languages_of_entry, translated.get(entry.side.language, FIELDS))
        for entry, languages_of_entry in zip(entries, spoken, strict=True)
    ]


def _checked(entry: Entry, languages_of_entry: Sequence[str], translated: Sequence[str]) -> RowChecks:
    dominant = entry.dominant
    compared = tuple(translated) if dominant is not None else ()
    quality = measured(dominant or entry.side, entry.side, languages_of_entry)
    pair = Pair("", dominant or Side(entry.side.language, "", "", ""), entry.side, quality=quality)
    findings = [
        Finding(fault.reason, fault.field)
        for fault in faults(pair, translated=compared)
        if fault.field not in entry.absent
    ]
    evidence = row_evidence(pair, thresholds(pair.target.language, pair.dominant.language), compared)
    findings = [*dict.fromkeys(findings), *_unterminated(entry.side)]
    return RowChecks(quality, tuple(findings), evidence, fingerprints(entry.side))


def _unterminated(side: Side) -> Iterator[Finding]:
    if side.language in languages() and ends_sentences(side.language):
        for name in ("chosen", "rejected"):
            text = getattr(side, name)
            if size(text) >= SHORTEST_ANSWER and not terminated(text):
                yield Finding("unterminated", name)
