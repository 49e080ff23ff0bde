"""Two translators of one version, row by row: where they agree, where they differ, which rows to look at.

Agreement is chrF between the two translations of one text. It is high where both are right and low where one of them
is not, or where a language has many ways to say a thing: it tells where to look, not who is right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from mpodata.errors import ConfigError
from mpodata.languages import language
from mpodata.languages.chrf import chrf
from mpodata.quality.statistics import mean_interval
from mpodata.records import FIELDS, Side
from mpodata.versions.load import LoadedVersion
from mpodata.versions.schema import Row

RESAMPLES: Final = 1000
FARTHEST: Final = 5  # rows shown for each language


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over rows with its 95 % interval, from resampling rows."""

    rows: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FarRow:
    """A row whose two translations have little in common."""

    pair_id: str
    split: str
    field: str  # the one that differs most
    chrf: float
    first: Side
    second: Side


@dataclass(frozen=True, slots=True)
class LanguageComparison:
    """One language in both translators."""

    language: str
    name: str  # "Swahili"
    rows: tuple[int, int, int]  # in both, in the first alone, in the second alone
    agreement: dict[str, Estimate]  # field -> chrF, 0..100
    equal: dict[str, float]  # field -> share of rows in which both say the very same
    # What was measured of both -> second minus first: "round_trip_chrf", "chosen_is_refusal", ...
    differences: dict[str, Estimate] = field(default_factory=dict)
    farthest: tuple[FarRow, ...] = ()

    @property
    def overall(self) -> float:
        """Mean agreement over the fields; languages are ordered by it."""
        return sum(each.mean for each in self.agreement.values()) / len(self.agreement)


@dataclass(frozen=True, slots=True)
class TranslatorComparison:
    """Two translators of one version; the languages in which they differ most come first."""

    reference: str
    first: str
    second: str
    languages: tuple[LanguageComparison, ...]
    missing: tuple[str, ...]  # languages that one of them lacks, or in which they share no row

    def as_dict(self, *, reveal: bool = False) -> dict[str, Any]:
        """Plain values; the texts of rows only with `reveal`."""
        values = asdict(self)
        for plain in values["languages"]:
            for row in plain["farthest"]:
                if not reveal:
                    del row["first"], row["second"]
        return values


def compare_translators(
    version: LoadedVersion, names: Sequence[str] = (), *, seed: int = 0, farthest: int = FARTHEST
) -> TranslatorComparison:
    """Compare two translators of `version`: those in `names`, or the only two that it has.

    Raises ConfigError where it is not clear which two.
    """
    first, second = _two(version, names)
    codes = sorted({*version.manifest.languages(first), *version.manifest.languages(second)})
    both = [code for code in codes if all(code in version.manifest.languages(name) for name in (first, second))]
    compared = [_language(version, first, second, code, seed, farthest) for code in both]
    found = sorted((each for each in compared if each is not None), key=lambda each: each.overall)
    told = {each.language for each in found}
    missing = tuple(code for code in codes if code not in told)
    if not found:
        raise ConfigError(f"{first} and {second} share no row in {version.reference}: there is nothing to compare.")
    return TranslatorComparison(version.reference, first, second, tuple(found), missing)


def _two(version: LoadedVersion, names: Sequence[str]) -> tuple[str, str]:
    there = version.manifest.translators()
    wanted = tuple(names) or there
    if len(wanted) != 2 or wanted[0] == wanted[1]:
        raise ConfigError(
            f"{version.reference} has the translators {', '.join(there) or 'none'}: name two with --translators A,B."
        )
    for name in wanted:
        if name not in there:
            raise ConfigError(f"{version.reference} has no translator {name!r}. It has: {', '.join(there)}.")
    return wanted[0], wanted[1]


def _rows(version: LoadedVersion, translator: str, code: str) -> dict[str, tuple[str, Row]]:
    """pair_id -> split and row."""
    name = f"{translator}.{code}"
    splits = version.manifest.configs[name].splits
    return {row.pair_id: (split, row) for split in splits for row in version.rows(name, split)}


def _language(
    version: LoadedVersion, first: str, second: str, code: str, seed: int, farthest: int
) -> LanguageComparison | None:
    ours, theirs = _rows(version, first, code), _rows(version, second, code)
    common = [pair_id for pair_id in ours if pair_id in theirs]
    if not common:
        return None
    pairs = [(ours[pair_id][1], theirs[pair_id][1]) for pair_id in common]
    sides = [(one.side, other.side) for one, other in pairs]
    scores = {name: [chrf(getattr(b, name), getattr(a, name)) for a, b in sides] for name in FIELDS}
    worst = [min((scores[name][at], name) for name in FIELDS)[1] for at in range(len(common))]
    order = sorted(range(len(common)), key=lambda at: scores[worst[at]][at])[:farthest]
    return LanguageComparison(
        language=code,
        name=language(code).name,
        rows=(len(common), len(ours) - len(common), len(theirs) - len(common)),
        agreement={name: estimate(values, seed) for name, values in scores.items()},
        equal={name: sum(getattr(a, name) == getattr(b, name) for a, b in sides) / len(sides) for name in FIELDS},
        differences={name: estimate(values, seed) for name, values in _differences(pairs)},
        farthest=tuple(
            FarRow(common[at], ours[common[at]][0], worst[at], round(scores[worst[at]][at], 1), *sides[at])
            for at in order
        ),
    )


def _differences(pairs: Sequence[tuple[Row, Row]]) -> Iterator[tuple[str, list[float]]]:
    """(measure, second minus first of every row in which both were measured)."""
    measured = [(_measures(first), _measures(second)) for first, second in pairs]
    names = dict.fromkeys(name for first, second in measured for name in first if name in second)
    for name in names:
        yield name, [second[name] - first[name] for first, second in measured if name in first and name in second]


def _measures(row: Row) -> dict[str, float]:
    """What is compared of a row besides its texts."""
    quality = row.quality
    values: dict[str, float | None] = {"round_trip_chrf": quality.round_trip_chrf}
    for name, verdict in (("chosen", quality.chosen_verdict), ("rejected", quality.rejected_verdict)):
        values[f"{name}_is_refusal"] = None if verdict in (None, "unknown") else float(verdict == "refusal")
    for name, score in zip(FIELDS, row.estimates or (None, None, None), strict=True):
        values[f"{name}_quality_estimation"] = score
    return {name: value for name, value in values.items() if value is not None}


def estimate(values: Sequence[float], seed: int = 0) -> Estimate:
    """The mean of `values` (one or more) with its percentile bootstrap interval."""
    array = np.asarray(values, dtype=float)
    low, high = mean_interval(array, level=0.95, draws=RESAMPLES, seed=seed)
    return Estimate(len(array), round(float(array.mean()), 4), round(low, 4), round(high, 4))
