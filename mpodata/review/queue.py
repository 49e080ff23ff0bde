"""The rows of a version in the order a reader should see them: what the checks found worst first."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from mpodata.audit.findings import audit
from mpodata.audit.preferences import Entry, Preferences
from mpodata.audit.record import SEVERITY, Finding, severity
from mpodata.errors import DataError, UnknownName
from mpodata.records import COUNTERWEIGHT, FIELDS, Pair, Side, content_id
from mpodata.refusals.rules import RuleDetector
from mpodata.review.decisions import Key
from mpodata.runtime.processes import Mapper, serial
from mpodata.runtime.progress import Progress, Silent
from mpodata.versions.load import LoadedVersion


@dataclass(frozen=True, slots=True)
class Item:
    """One row to judge, beside its dominant side."""

    config: str  # "nllb-3.3b.sw"
    split: str
    pair: Pair
    findings: tuple[Finding, ...] = ()  # worst first

    @property
    def key(self) -> Key:
        return self.config, self.pair.pair_id

    @property
    def texts(self) -> str:
        """What a decision on this row is bound to."""
        return texts_id(self.pair.dominant, self.pair.target)

    @property
    def harmful(self) -> bool:
        return self.pair.category != COUNTERWEIGHT


def texts_id(dominant: Side, target: Side) -> str:
    """The hash of a row's texts, both sides: another text, another row to judge."""
    return content_id(*(getattr(side, name) for side in (dominant, target) for name in FIELDS))


def queue(
    version: LoadedVersion,
    *,
    languages: Sequence[str] | None = None,
    checks: bool = True,
    limit: int | None = None,
    mapper: Mapper = serial,
    progress: Progress | None = None,
) -> list[Item]:
    """The rows to judge, the worst finding first, then those with more findings, then the order of the files.

    languages: codes; all target languages by default. checks: run the audit's checks first; else the order of the
    files. limit: the first so many. Raises UnknownName for a language the version lacks, DataError where nothing is
    left to judge.
    """
    configs = judged_configs(version, languages)
    found = _findings(version, configs, mapper, progress or Silent()) if checks else {}
    items = [
        Item(config, split, pair, found.get((config, pair.pair_id), ()))
        for config, split, pair in _rows(version, configs)
    ]
    items.sort(key=lambda item: _order(item.findings))  # stable: ties stay in file order
    if not items:
        raise DataError(f"{version.reference} holds no row to judge beside its dominant side.")
    return items[:limit]


def _order(findings: Sequence[Finding]) -> tuple[int, int]:
    return (severity(findings[0].reason) if findings else len(SEVERITY), -len(findings))


def judged_configs(version: LoadedVersion, languages: Sequence[str] | None) -> list[str]:
    """The target configs to judge; raises UnknownName for a language the version lacks, DataError for no target."""
    translators = [version.translator] if version.translator else version.translators()
    targets = {
        name: config.language for name, config in version.manifest.configs.items() if config.translator in translators
    }
    if not targets:
        raise DataError(f"{version.reference} has the dominant side only: there is nothing to judge beside it.")
    for code in languages or ():
        if code not in targets.values():
            raise UnknownName("language of this version:", code, targets.values())
    return sorted(name for name, code in targets.items() if languages is None or code in languages)


def _rows(version: LoadedVersion, configs: Iterable[str]) -> Iterator[tuple[str, str, Pair]]:
    for config in configs:
        translator, _, code = config.rpartition(".")
        for split in version.splits():
            for pair in version.pairs(split, translator, [code]):
                yield config, split, pair


def _findings(
    version: LoadedVersion, configs: Sequence[str], mapper: Mapper, progress: Progress
) -> dict[Key, tuple[Finding, ...]]:
    """What the audit finds, one config at a time: the same text by two translators is no repetition."""
    keys: dict[Key, tuple[Finding, ...]] = {}
    for (config,) in progress.over([[config] for config in configs], "checks", len(configs), unit="config"):
        read = partial(_entries, version, config)
        data = Preferences(version.reference, "mpodata", read, version.dominant, "as its manifest says")
        for row in audit(data, detector=RuleDetector(), examples=0, mapper=mapper).row_findings:
            keys[config, str(row.identity)] = row.findings
    return keys


def _entries(version: LoadedVersion, config: str) -> Iterator[Entry]:
    for _, split, pair in _rows(version, [config]):
        place = f"{config}/{split} {pair.pair_id}"
        yield Entry(place, pair.target, pair.dominant, identity=pair.pair_id, counterweight=pair.kind == "harmless")
