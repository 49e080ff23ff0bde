"""Blocks of rows measured and checked: functions of their arguments alone, which any process may run."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from mpodata.quality.checks import first_reason
from mpodata.quality.measures import identify_ahead, measure, measure_many
from mpodata.records import FIELDS, Pair, Quality, Side


def measure_and_check(
    pairs: Sequence[Pair], among: Collection[str], translated: Sequence[str] = FIELDS
) -> list[tuple[Quality, str | None]]:
    """What is measured of each target side, and the first reason against it; see `measure` and `first_reason`."""
    identify_ahead([pair.dominant for pair in pairs], [pair.target for pair in pairs])
    return [_examined(pair, among, translated) for pair in pairs]


def measure_originals(sides: Sequence[Side], among: Collection[str]) -> list[Quality]:
    """What is measured of dominant sides, which are translations of nothing."""
    return measure_many(sides, sides, among)


def _examined(pair: Pair, among: Collection[str], translated: Sequence[str]) -> tuple[Quality, str | None]:
    """Both at once, while the texts' measures are remembered."""
    measured = measure(pair.dominant, pair.target, among)
    return measured, first_reason(replace(pair, quality=measured), translated=translated)
