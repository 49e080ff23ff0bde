"""Is a translated side fit to train on? `measure_many` measures, `first_reason` says what is wrong.

measured = measure_many(dominants, targets, among=("en", "sw", "bn"))
reason = first_reason(replace(pair, quality=measured[0]))    # None, or "copied", "wrong-language", ...
"""

from mpodata.quality.checks import CHECKS, Check, Fault, faults, first_reason
from mpodata.quality.measures import measure, measure_many
from mpodata.quality.rows import measure_and_check, measure_originals
from mpodata.quality.thresholds import Thresholds

__all__ = [
    "CHECKS",
    "Check",
    "Fault",
    "Thresholds",
    "faults",
    "first_reason",
    "measure",
    "measure_and_check",
    "measure_many",
    "measure_originals",
]
