"""Blocks of rows measured and checked: functions of their arguments alone, which any process may run."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from mpodata.quality.checks import first_reason
from mpodata.quality.measures import languages_of_fields, measure_many, measured
from mpodata.records import FIELDS, Pair, Quality, Side


def measure_and_check(
    pairs: Sequence[Pair], among: Collection[str], translated: Sequence[str] = FIELDS
) -> list[tuple[Quality, str | None]]:
    """What is measured of each target side, and the first reason against it; see `measure` and `first_reason`."""
    spoken = languages_of_fields([pair.dominant for pair in pairs], [pair.target for pair in pairs], among)
    return [_examined(pair, languages, translated) for pair, languages in zip(pairs, spoken, strict=True)]


def measure_originals(sides: Sequence[Side], among: Collection[str]) -> list[Quality]:
    """What is measured of dominant sides, which are translations of nothing."""
    return measure_many(sides, sides, among)


def _examined(pair: Pair, languages: Sequence[str], translated: Sequence[str]) -> tuple[Quality, str | None]:
    """Both at once, while the texts' measures are remembered."""
    quality = measured(pair.dominant, pair.target, languages)
    return quality, first_reason(replace(pair, quality=quality), translated=translated)
