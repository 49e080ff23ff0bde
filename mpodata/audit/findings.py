"""What is wrong with multilingual preference data that exists already: the build's checks, over anybody's rows.

Three passes: the first asks of each language and field whether it translates the dominant side at all (lengths of
translations go together; those of answers sampled in each language do not), the second learns from what does which
words go together, the third runs the checks, comparing with the dominant side only what translates it.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import numpy as np

from mpodata.audit.preferences import Entry, Preferences
from mpodata.languages import languages
from mpodata.languages.text import normalised
from mpodata.quality import faults, measure_many
from mpodata.quality.alignment import matched
from mpodata.quality.checks import row_agreement
from mpodata.quality.lexicon import MAX_SENTENCES, Lexicon, learn
from mpodata.quality.measures import ends_sentences, size, terminated
from mpodata.quality.thresholds import thresholds
from mpodata.records import FIELDS, Dropped, Pair, Quality, Side, content_id
from mpodata.refusals import Detector, Exchange
from mpodata.selection.decontamination import Decontamination

BLOCK: Final = 512  # rows checked at once
TRANSLATION: Final = 0.45  # correlation of log-lengths: released MPO prompts have .93-.98, their sampled answers < .4
ENOUGH: Final = 20  # pairs from which a correlation says something; with fewer, fields are taken as translations
SHORTEST_ANSWER: Final = 40  # characters; shorter answers may end as they like
SHUFFLED: Final = "shuffled"
AGAINST, AGAINST_SHORT = -2.0, -2.0  # nats of evidence below which a row is out of step, and what one sentence adds


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with one field of one row."""

    reason: str
    field: str  # "prompt", "chosen", "rejected", or "row"


@dataclass(frozen=True, slots=True)
class Example:
    """A row that shows a finding. Its texts are shown only when asked for."""

    finding: Finding
    entry: Entry
    quality: Quality


@dataclass
class Audit:
    """What an audit found."""

    name: str
    format: str
    rows: Counter[str] = field(default_factory=Counter)  # language -> rows
    faulty: Counter[str] = field(default_factory=Counter)  # language -> rows with at least one finding
    found: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # (language, reason, field) -> rows
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)  # (language, reason) -> rows
    unreadable: Counter[str] = field(default_factory=Counter)  # reason -> rows that could not be read
    unjudged: Counter[str] = field(default_factory=Counter)  # language -> answers the detector does not cover
    correlations: dict[tuple[str, str], float] = field(default_factory=dict)  # (language, field) -> with the dominant
    examples: dict[str, list[Example]] = field(default_factory=lambda: defaultdict(list))  # reason -> a few rows
    contamination: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Counts and rates for machines; holds no text of the data."""
        return {
            "name": self.name,
            "format": self.format,
            "rows": dict(sorted(self.rows.items())),
            "faulty_rows": dict(sorted(self.faulty.items())),
            "findings": [
                {"language": language, "reason": reason, "field": name, "rows": count}
                for (language, reason, name), count in sorted(self.found.items())
            ],
            "unreadable_rows": dict(sorted(self.unreadable.items())),
            "unjudged_answers": dict(sorted(self.unjudged.items())),
            "length_correlation": [
                {
                    "language": language,
                    "field": name,
                    "correlation": round(value, 3),
                    "translation": value >= TRANSLATION,
                }
                for (language, name), value in sorted(self.correlations.items())
            ],
            "contamination": self.contamination,
        }

    def languages(self) -> list[str]:
        return sorted(self.rows)

    def all_reasons(self) -> list[str]:
        """Every reason found, the most frequent first."""
        totals: Counter[str] = Counter()
        for (_, reason), count in self.reasons.items():
            totals[reason] += count
        return [reason for reason, _ in totals.most_common()]


def audit(
    data: Preferences,
    *,
    detector: Detector | None = None,
    evaluations: Decontamination | None = None,
    examples: int = 5,
) -> Audit:
    """Run every check over every row; keeps `examples` rows for each reason."""
    result = Audit(data.name, data.format, correlations=length_correlations(data.entries()))
    lexicons = learn_lexicons(data.entries(), result.correlations)
    seen: set[str] = set()
    for block in _blocks(data.entries(), result.unreadable):
        qualities = _measured(block)
        judged = _refusal_findings(block, detector, result.unjudged) if detector else [[] for _ in block]
        for entry, quality, about_refusals in zip(block, qualities, judged, strict=True):
            findings = [
                *_text_findings(entry, quality, result.correlations, lexicons.get(entry.side.language)),
                *about_refusals,
                *_row_findings(entry, seen, evaluations),
            ]
            _count(result, entry, quality, list(dict.fromkeys(findings)), examples)
    if evaluations is not None:
        result.contamination = evaluations.report()
    return result


def length_correlations(entries: Iterable[Entry | Dropped]) -> dict[tuple[str, str], float]:
    """(language, field) -> correlation of log-lengths with the dominant side, where there are enough pairs."""
    sizes: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for entry in entries:
        if isinstance(entry, Entry) and entry.dominant is not None:
            for name in FIELDS:
                both = size(getattr(entry.dominant, name)), size(getattr(entry.side, name))
                if all(both):
                    sizes[entry.side.language, name].append(both)
    return {key: _correlation(both) for key, both in sizes.items() if len(both) >= ENOUGH}


def learn_lexicons(
    entries: Iterable[Entry | Dropped], correlations: Mapping[tuple[str, str], float]
) -> dict[str, Lexicon]:  # fmt: skip
    """language -> which words go together with the dominant side's, learned from the data's own translations."""
    pairs: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for entry in entries:
        if isinstance(entry, Entry) and entry.dominant is not None:
            learned = pairs[entry.side.language]
            if len(learned) < MAX_SENTENCES:
                learned.extend(_sentences(entry, _translated(entry, correlations)))
    found = {language: learn(learned) for language, learned in pairs.items()}
    return {language: lexicon for language, lexicon in found.items() if lexicon is not None}


def _translated(entry: Entry, correlations: Mapping[tuple[str, str], float]) -> list[str]:
    """The fields of a row that translate its dominant side."""
    language = entry.side.language
    if entry.dominant is None:
        return []
    return [name for name in FIELDS if correlations.get((language, name), 1.0) >= TRANSLATION]


def _sentences(entry: Entry, names: Sequence[str]) -> list[tuple[str, str]]:
    """Sentences of these fields beside their originals."""
    dominant = entry.dominant
    if dominant is None:
        return []
    return [pair for name in names for pair in matched(getattr(dominant, name), getattr(entry.side, name))]


def _correlation(sizes: Sequence[tuple[int, int]]) -> float:
    logs = np.log(np.array(sizes, dtype=float))
    if logs.std(axis=0).min() < 1e-9:  # all of one length: nothing to go together
        return 1.0
    return float(np.corrcoef(logs[:, 0], logs[:, 1])[0, 1])


def _blocks(entries: Iterator[Entry | Dropped], unreadable: Counter[str]) -> Iterator[list[Entry]]:
    while block := list(islice(entries, BLOCK)):
        unreadable.update(one.reason for one in block if isinstance(one, Dropped))
        yield [one for one in block if isinstance(one, Entry)]


def _measured(block: Sequence[Entry]) -> list[Quality]:
    among = {"en"} | {entry.side.language for entry in block} & set(languages())
    return measure_many([entry.dominant or entry.side for entry in block], [entry.side for entry in block], among)


def _text_findings(
    entry: Entry, quality: Quality, correlations: Mapping[tuple[str, str], float], lexicon: Lexicon | None
) -> Iterator[Finding]:
    """The quality checks; what needs an original is asked of translations only."""
    language = entry.side.language
    translated = _translated(entry, correlations)
    pair = Pair("", entry.dominant or Side(language, "", "", ""), entry.side, quality=quality)
    for fault in faults(pair, translated=translated):
        if fault.reason != SHUFFLED:
            yield Finding(fault.reason, fault.field)
        elif lexicon is None:  # without one, the row's own names, numbers and lengths have to be enough
            yield Finding(SHUFFLED, "row")
    if lexicon is not None and translated and shuffled(pair, translated, lexicon):
        yield Finding(SHUFFLED, "row")
    if ends_sentences(language):
        for name in ("chosen", "rejected"):
            text = getattr(entry.side, name)
            if size(text) >= SHORTEST_ANSWER and not terminated(text):
                yield Finding("unterminated", name)


def shuffled(pair: Pair, translated: Sequence[str], lexicon: Lexicon) -> bool:
    """Do the row's names, numbers, marks, lengths and words together speak against its two sides?"""
    limits = thresholds(pair.target.language, pair.dominant.language)
    own, count = row_agreement(pair, limits, translated)
    sentences = _sentences(Entry("", pair.target, pair.dominant), translated)
    return own + lexicon.evidence(sentences) < AGAINST + AGAINST_SHORT / math.sqrt(max(count, 1))


def _row_findings(entry: Entry, seen: set[str], evaluations: Decontamination | None) -> Iterator[Finding]:
    side = entry.side
    texts = [normalised(text) for text in (side.prompt, side.chosen, side.rejected)]
    identity = content_id(side.language, *texts)
    if identity in seen:
        yield Finding("duplicate", "row")
    seen.add(identity)
    if texts[1] and texts[1] == texts[2]:
        yield Finding("same-answers", "row")
    prompts = [one.prompt for one in (side, entry.dominant) if one is not None and one.prompt]
    if evaluations is not None and evaluations.overlaps(*prompts):
        yield Finding("contaminated", "prompt")


def _refusal_findings(block: Sequence[Entry], detector: Detector, unjudged: Counter[str]) -> list[list[Finding]]:
    """Does each chosen refuse and each rejected not (the other way round for counterweight rows)?"""
    findings: list[list[Finding]] = [[] for _ in block]
    for name in ("chosen", "rejected"):
        verdicts = detector.verdicts(
            [Exchange(entry.side.language, entry.side.prompt, getattr(entry.side, name)) for entry in block]
        )
        for entry, verdict, found in zip(block, verdicts, findings, strict=True):
            should_refuse = (name == "chosen") != entry.counterweight
            if verdict.label == "unknown":
                unjudged[entry.side.language] += 1
            elif not getattr(entry.side, name):
                continue  # empty: found already
            elif should_refuse and verdict.label != "refusal":
                found.append(Finding("not-a-refusal", name))
            elif not should_refuse and verdict.label == "refusal":
                found.append(Finding("is-a-refusal", name))
    return findings


def _count(result: Audit, entry: Entry, quality: Quality, findings: Sequence[Finding], examples: int) -> None:
    language = entry.side.language
    result.rows[language] += 1
    result.faulty[language] += bool(findings)
    result.reasons.update({(language, reason) for reason in {finding.reason for finding in findings}})
    for finding in findings:
        result.found[language, finding.reason, finding.field] += 1
        shown = result.examples[finding.reason]
        if len(shown) < examples and all(one.entry.place != entry.place for one in shown):
            shown.append(Example(finding, entry, quality))
