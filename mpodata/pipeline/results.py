"""What a stage makes of a row: kept on its way into a version, or lost with the stage and the reason."""

from dataclasses import dataclass

from mpodata.versions.schema import Row


@dataclass(frozen=True, slots=True)
class Lost:
    """A row that did not make it, and where. Holds no text."""

    stage: str  # "source", or a config name: "en", "nllb-3.3b.sw"
    pair_id: str
    source_id: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A row on its way into a version."""

    split: str  # "train" or "test"
    row: Row
    flagged: str = ""  # the check it failed, where checks keep rows
