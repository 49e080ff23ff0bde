"""What is wrong with multilingual preference data that exists already: the build's checks, over anybody's rows.

1. Which language is the dominant side really in, and which fields translate it (`quality/comparison.py`)?
2. Which words go together in this file (`quality/lexicon.py`)?
3. The checks of every row, on several processes where the file is long: the same results in the same order.
4. Here, what needs the file or a model: words of the file, refusals, duplicates, evaluation sets.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final

from mpodata.audit.mislabelled import mislabelled
from mpodata.audit.preferences import ANSWERS, Entry, Preferences
from mpodata.audit.record import Audit, Finding
from mpodata.audit.repeats import Repeats
from mpodata.audit.rows import RowChecks, check_entries
from mpodata.audit.wholes import conclude, learn_lexicons, sentences_of
from mpodata.languages import languages
from mpodata.quality.comparison import translated_fields
from mpodata.quality.lexicon import Lexicon
from mpodata.records import Dropped
from mpodata.refusals import Detector, Exchange, Verdict
from mpodata.refusals.measured import reliability_note
from mpodata.refusals.rules import RuleDetector
from mpodata.runtime.processes import Mapper, serial
from mpodata.selection.decontamination import Decontamination

__all__ = ["Audit", "audit"]

BLOCK: Final = 512  # rows checked at once
# Nats of a row's own evidence and its file's words together below which it is out of step, and what one sentence adds.
AGAINST, AGAINST_SHORT = 0.0, -1.0
DECIDED: Final = 12.0  # nats of a row's own evidence above which its file's words are not asked


def audit(
    data: Preferences,
    *,
    detector: Detector | None = None,
    evaluations: Decontamination | None = None,
    examples: int = 5,
    mapper: Mapper = serial,
) -> Audit:
    """Run every check over every row; keeps `examples` rows for each reason.

    detector: judges the answers as refusals or not; None leaves that out. evaluations: evaluation sets whose prompts
    must not be inside. mapper: runs the checks, in this process or on several (`runtime.processes.ProcessMapper`).
    """
    result = Audit(data.name, data.format, data.dominant)
    conclude(data, result)
    lexicons = learn_lexicons(data.entries(), result.comparisons)
    repeats = Repeats()
    translated = {code: translated_fields(result.comparisons, code) for code, _ in result.comparisons}
    started = (
        _started(block, data.dominant, translated, detector, mapper) for block in _blocks(data.entries(), result)
    )
    for block in _one_ahead(started):
        about_refusals = _refusal_findings(block.entries, block.verdicts, result)
        for entry, row, judged in zip(block.entries, block.checks, about_refusals, strict=True):
            lexicon = lexicons.get(entry.side.language)
            findings = [
                *(row.findings if lexicon is None else _with_file_words(entry, row, lexicon)),
                *judged,
                *repeats.findings(entry.side.language, row.fingerprints),
                *_contaminated(entry, evaluations),
            ]
            result.add(entry, row.quality, findings, examples)
    result.conclusions.extend(mislabelled(result))
    if isinstance(detector, RuleDetector):
        result.reliability = {code: reliability_note(code) for code in result.languages()}
    if evaluations is not None:
        result.contamination = evaluations.report()
    return result


def _blocks(entries: Iterator[Entry | Dropped], result: Audit) -> Iterator[list[Entry]]:
    """Rows in blocks; those that cannot be read are counted."""
    while block := list(islice(entries, BLOCK)):
        result.unreadable.update(entry.reason for entry in block if isinstance(entry, Dropped))
        yield [entry for entry in block if isinstance(entry, Entry)]


@dataclass(frozen=True)
class _Started:
    """Rows whose checks were started, on other processes perhaps."""

    entries: Sequence[Entry]
    checks: Iterable[RowChecks]
    verdicts: Mapping[str, Iterable[Verdict]]  # "chosen", "rejected" -> one for each row; empty without a detector


def _started(
    block: Sequence[Entry],
    dominant: str,
    translated: Mapping[str, Sequence[str]],
    detector: Detector | None,
    mapper: Mapper,
) -> _Started:
    among = {dominant} | {entry.side.language for entry in block} & set(languages())
    checks = mapper(partial(check_entries, among=frozenset(among), translated=translated), block)
    verdicts = {name: _verdicts(block, name, detector, mapper) for name in ANSWERS} if detector else {}
    return _Started(block, checks, verdicts)


def _one_ahead(blocks: Iterator[_Started]) -> Iterator[_Started]:
    """Each block once the next one was started: other processes need not wait for this one to count findings."""
    last = next(blocks, None)
    for block in blocks:
        if last is not None:
            yield last
        last = block
    if last is not None:
        yield last


def _with_file_words(entry: Entry, row: RowChecks, lexicon: Lexicon) -> Iterable[Finding]:
    """The findings of a row after the words of its file were asked whether its sides belong together.

    They take back "shuffled" where they speak for a field more than the row's own evidence speaks against it, and say
    it of a whole row where both together are against it.
    """
    out_of_step = [finding for finding in row.findings if finding.reason == "shuffled"]
    others = [finding for finding in row.findings if finding.reason != "shuffled"]
    kept = [
        finding
        for finding in out_of_step
        if row.evidence[finding.field] + lexicon.evidence(sentences_of(entry, [finding.field])) < 0
    ]
    total = sum(row.evidence.values())
    if not kept and row.evidence and total < DECIDED:
        sentences = sentences_of(entry, list(row.evidence))
        limit = AGAINST + AGAINST_SHORT / math.sqrt(max(len(sentences), 1))
        kept = [Finding("shuffled", "row")] if total + lexicon.evidence(sentences) < limit else []
    return [*others, *kept]


def _contaminated(entry: Entry, evaluations: Decontamination | None) -> Iterator[Finding]:
    if evaluations is None:
        return
    prompts = [side.prompt for side in (entry.side, entry.dominant) if side is not None and side.prompt]
    if evaluations.overlaps(*prompts):
        yield Finding("contaminated", "prompt")


def _is_harmful(entry: Entry) -> bool | None:
    """Is the row's prompt harmful? None where its kind is not known."""
    if entry.counterweight:
        return False
    return None if entry.kind is None else entry.kind == "harmful"


def _verdicts(block: Sequence[Entry], name: str, detector: Detector, mapper: Mapper) -> Iterable[Verdict]:
    """What a detector says of one answer of each row."""
    exchanges = [
        Exchange(entry.side.language, entry.side.prompt, getattr(entry.side, name), _is_harmful(entry))
        for entry in block
    ]
    rules = isinstance(detector, RuleDetector)  # a function of its arguments alone; a model answers here
    return mapper(detector.verdicts, exchanges) if rules else detector.verdicts(exchanges)


def _refusal_findings(
    block: Sequence[Entry], verdicts: Mapping[str, Iterable[Verdict]], result: Audit
) -> list[list[Finding]]:  # fmt: skip
    """Does each chosen refuse and each rejected not? Counterweight rows the other way round; of other harmless rows the
    chosen answer must not refuse; rows whose kind is not known are not judged.
    """
    findings: list[list[Finding]] = [[] for _ in block]
    for name, judged in verdicts.items():
        for entry, verdict, about_row in zip(block, judged, findings, strict=True):
            if name in entry.absent:
                continue
            should_refuse = (name == "chosen") != entry.counterweight
            if entry.kind == "harmless" and not entry.counterweight:
                if name == "chosen" and verdict.label == "refusal":
                    about_row.append(Finding("is-a-refusal", name))
                continue
            if entry.kind is None:
                continue
            if not getattr(entry.side, name).strip():
                continue  # empty: found already
            if verdict.label == "unknown":
                result.unjudged[entry.side.language] += 1
            elif should_refuse and verdict.label != "refusal":
                about_row.append(Finding("not-a-refusal", name))
            elif not should_refuse and verdict.label == "refusal":
                about_row.append(Finding("is-a-refusal", name))
    return findings
