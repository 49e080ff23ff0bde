"""Readers' decisions become the next version: corrected texts replace, dropped rows leave, the rest stays as it is.

A row that a reader drops leaves its language. Dropped because the original is at fault, the pair leaves every language,
the dominant one included: a target row without its dominant row would be no pair.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from mpodata.errors import ConfigError, DataError
from mpodata.quality import measure
from mpodata.records import COUNTERWEIGHT, FIELDS, Quality, Side
from mpodata.refusals import Exchange
from mpodata.refusals.rules import RuleDetector
from mpodata.review.agreement import agreement
from mpodata.review.decisions import WHOLE_PAIR, Decision, Key, Reviews
from mpodata.review.queue import texts_id
from mpodata.versions.human import HUMAN
from mpodata.versions.load import LoadedVersion, joined
from mpodata.versions.manifest import Manifest
from mpodata.versions.schema import Row
from mpodata.versions.verify import check_folder
from mpodata.versions.write import VersionWriter

DISAGREED: Final = "disagreement"  # the reason of a row dropped under `drop`
READER: Final = "reader-"  # begins the reasons that a version counts for rows that readers dropped


@dataclass(frozen=True)
class Outcome:
    """What becomes of the judged rows."""

    corrected: Mapping[Key, Mapping[str, str]]  # row -> field -> new text
    dropped: Mapping[Key, str]  # row -> reason
    pairs: frozenset[str]  # pair_ids that leave every language
    disagreed: frozenset[Key]
    accepted: frozenset[Key] = field(default_factory=frozenset)


def settle(reviews: Sequence[Reviews], disagreements: str = "stop") -> Outcome:
    """One outcome for each judged row. Raises DataError where readers differ and `disagreements` is "stop"."""
    by_row: defaultdict[Key, list[Decision]] = defaultdict(list)
    for review in reviews:
        for key, decision in review.decisions.items():
            if decision.verdict != "open":
                by_row[key].append(decision)
    disagreed = frozenset(key for key, made in by_row.items() if len({_effect(one) for one in made}) > 1)
    if disagreed and disagreements == "stop":
        raise DataError(
            f"The readers decided {len(disagreed)} rows differently. Let them look again (`mpodata review`, list “rows "
            "readers disagree on”), or say --disagreements first, keep or drop."
        )
    corrected: dict[Key, Mapping[str, str]] = {}
    dropped: dict[Key, str] = {}
    accepted, pairs = set(), set()
    for key, made in by_row.items():
        if key in disagreed and disagreements != "first":
            if disagreements == "drop":
                dropped[key] = DISAGREED
            continue
        decision = made[0]
        if decision.verdict == "correct":
            corrected[key] = decision.corrected
        elif decision.whole_pair:
            pairs.add(decision.pair_id)
            dropped[key] = decision.reason
        elif decision.verdict == "drop":
            dropped[key] = decision.reason
        else:
            accepted.add(key)
    return Outcome(corrected, dropped, frozenset(pairs), disagreed, frozenset(accepted))


def _effect(decision: Decision) -> tuple[object, ...]:
    return decision.verdict, decision.whole_pair, tuple(sorted(decision.corrected.items()))


def apply_reviews(
    version: LoadedVersion, reviews: Sequence[Reviews], out: Path, *, disagreements: str = "stop"
) -> Manifest:
    """Write the version that follows from `version` and its readers' decisions into the folder `out`.

    Configs that nobody judged keep their bytes. Raises ConfigError for one reader named twice, DataError for decisions
    on rows or texts that the version does not hold, VersionError where the version is not sound.
    """
    if len({review.reader for review in reviews}) < len(reviews):
        raise ConfigError("Two of the files are by one reader: name each reader's file once.")
    outcome = settle(reviews, disagreements)
    _check_decisions(version, reviews)
    check_folder(version.folder, version.manifest)
    configs = version.manifest.configs
    rewritten = {key[0] for key in (*outcome.corrected, *outcome.dropped)}
    if outcome.pairs:
        rewritten |= {name for name in configs if _holds_any(version, name, outcome.pairs)}
    counts: dict[str, Counter[str]] = {}
    with VersionWriter(out, base=version.folder, parallel=version.manifest.parallel) as writer:
        for name in sorted(rewritten, key=lambda name: (name != version.dominant, name)):
            counts[name] = Counter()
            for split in version.splits():
                writer.add(name, split, _rows(version, name, split, outcome, counts[name]))
            if not writer.rows(name):
                raise DataError(f"No row of {name} would be left. Build the language again, or publish without it.")
        return writer.finish_review(
            {name: _summary(name, reviews, outcome) for name in sorted(_judged(reviews))},
            {name: dict(+reasons) for name, reasons in counts.items() if reasons},
        )


def _holds_any(version: LoadedVersion, config: str, pair_ids: frozenset[str]) -> bool:
    return any(row.pair_id in pair_ids for split in version.splits() for row in version.rows(config, split))


def _rows(version: LoadedVersion, name: str, split: str, outcome: Outcome, left: Counter[str]) -> Iterator[Row]:
    """The rows of a split that stay, corrected ones measured anew; those that leave are counted in `left`."""
    by_rules = _judged_by_rules(version.manifest, name)
    translator = version.manifest.configs[name].translator
    has_corrections = any(config == name for config, _ in outcome.corrected)
    among = {version.dominant, *(config.language for config in version.manifest.configs.values())}
    for dominant, row in joined(version.rows(version.dominant, split), version.rows(name, split), f"{name}/{split}"):
        key = (name, row.pair_id)
        if row.pair_id in outcome.pairs:
            left[f"{READER}{WHOLE_PAIR}"] += name == version.dominant  # a drop is counted where a pair was expected
        elif key in outcome.dropped:
            left[f"{READER}{outcome.dropped[key]}"] += 1
        elif key in outcome.corrected:
            corrected = _corrected(_naming_makers(row, translator), outcome.corrected[key])
            measured = measure(dominant.side, corrected.side, among)
            yield replace(corrected, quality=_verdicts(row, corrected.side, measured, by_rules))
        else:
            yield _naming_makers(row, translator) if has_corrections else row


def _naming_makers(row: Row, translator: str | None) -> Row:
    """The row with the names of its fields' translators, which one config has in all rows or in none."""
    name = translator or ""
    makers = row.side.translators or (name, name, name)
    return replace(row, side=replace(row.side, translators=makers))


def _corrected(row: Row, texts: Mapping[str, str]) -> Row:
    """The row with its new texts, marked as a person's; what was estimated of the old ones is gone."""
    old = row.side
    makers = [HUMAN if name in texts else maker for name, maker in zip(FIELDS, old.translators or (), strict=True)]
    prompt, chosen, rejected = (texts.get(name, getattr(old, name)) for name in FIELDS)
    side = Side(old.language, prompt, chosen, rejected, translators=(makers[0], makers[1], makers[2]))
    if row.estimates is None:
        return replace(row, side=side)
    kept = [None if name in texts else score for name, score in zip(FIELDS, row.estimates, strict=True)]
    return replace(row, side=side, estimates=(kept[0], kept[1], kept[2]))


def _judged_by_rules(manifest: Manifest, name: str) -> bool:
    return bool(manifest.builds[manifest.configs[name].build]["detector"].get("detector") == "rules")


def _verdicts(row: Row, side: Side, measured: Quality, by_rules: bool) -> Quality:
    """`measured` with the verdicts on a corrected row: those on unchanged texts stay, a guard's on others are gone."""

    def verdict(name: str, before: str | None) -> str | None:
        same = (row.side.prompt, getattr(row.side, name)) == (side.prompt, getattr(side, name))
        if before is None or same:
            return before
        exchange = Exchange(side.language, side.prompt, getattr(side, name), row.category != COUNTERWEIGHT)
        return RuleDetector().verdicts([exchange])[0].label if by_rules else None

    return replace(
        measured,
        chosen_verdict=verdict("chosen", row.quality.chosen_verdict),
        rejected_verdict=verdict("rejected", row.quality.rejected_verdict),
    )


def _judged(reviews: Iterable[Reviews]) -> set[str]:
    return {config for review in reviews for (config, _), made in review.decisions.items() if made.verdict != "open"}


def _check_decisions(version: LoadedVersion, reviews: Sequence[Reviews]) -> None:
    """Raise DataError where a decision was made on a row or texts that the version does not hold."""
    for config in _judged(reviews):
        known = version.manifest.configs.get(config)
        if known is None or known.translator is None:
            raise DataError(f"{version.reference} has no config {config!r} to correct. Was another version reviewed?")
    texts: dict[Key, tuple[str, Side]] = {
        (config, row.pair_id): (texts_id(dominant.side, row.side), row.side)
        for config in _judged(reviews)
        for split in version.splits()
        for dominant, row in joined(version.rows(version.dominant, split), version.rows(config, split), config)
    }
    for review in reviews:
        made = {key: one for key, one in review.decisions.items() if one.verdict != "open"}
        other = [key for key, one in made.items() if key not in texts or texts[key][0] != one.texts]
        if other:
            raise DataError(
                f"{review.path}: {len(other)} of {len(made)} decisions were made on rows or texts that "
                f"{version.reference} does not hold (it was {review.reference}). Apply them to that version, or review "
                "these rows again."
            )
        for key, decision in made.items():
            answers = [decision.corrected.get(name, getattr(texts[key][1], name)) for name in ("chosen", "rejected")]
            if answers[0] == answers[1]:
                raise DataError(f"{review.path}: the correction of {key[1]} makes chosen and rejected the same text.")


def _summary(config: str, reviews: Sequence[Reviews], outcome: Outcome) -> dict[str, Any]:
    """What the manifest keeps of a round: counts and agreement; no names, texts or dates."""
    ours = [
        {key: one for key, one in review.decisions.items() if key[0] == config and one.verdict != "open"}
        for review in reviews
    ]
    ours = [made for made in ours if made]
    keys = {key for made in ours for key in made}
    return {
        "rows": len(keys),
        "accepted": sum(key in outcome.accepted for key in keys),
        "corrected": sum(key in outcome.corrected for key in keys),
        "dropped": sum(key in outcome.dropped for key in keys),
        "disagreed": sum(key in outcome.disagreed for key in keys),
        "readers": [_counts(made.values()) for made in ours],
        "agreement": [agreement(first, second).as_json() for first, second in combinations(ours, 2)],
    }


def _counts(decisions: Iterable[Decision]) -> dict[str, int]:
    """One reader's rows by verdict, and how many were read in every field."""
    counts = Counter({"accept": 0, "correct": 0, "drop": 0})
    whole = 0
    for decision in decisions:
        counts[decision.verdict] += 1
        whole += decision.read == FIELDS
    return {**counts, "read_whole": whole}
