"""The checks of a build over any multilingual preference data that exists already.

`mpodata.audit` is this package and the public function in one: `mpodata.audit("preferences.jsonl")`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpodata.audit.findings import Audit


def audit_data(
    data: str | Path,
    *,
    dominant: str | None = None,
    format: str | None = None,
    split: str | None = None,
    config: str | None = None,
    revision: str | None = None,
    against: Sequence[str] = (),
    refusals: bool = True,
) -> "Audit":
    """Run every check over every row of a file, a Hub dataset or a version.

    Args:
        dominant: code of the language the others are compared with; by default what the data says.
        format: a key of `mpodata.audit.preferences.FORMATS`; by default told from the columns.
        split, config, revision: of a Hub dataset.
        against: evaluation files whose prompts must not be inside.
        refusals: whether chosen should refuse and rejected comply; False for data about something else.
    Returns: counts by language and reason, conclusions of the file, ids of all rows with findings.
    Raises: DataError for data that cannot be read.
    """
    from mpodata.audit.findings import audit
    from mpodata.audit.preferences import preferences
    from mpodata.refusals.rules import RuleDetector
    from mpodata.selection.decontamination import evaluation_sets

    return audit(
        preferences(str(data), format=format, dominant=dominant, split=split, config=config, revision=revision),
        detector=RuleDetector() if refusals else None,
        evaluations=evaluation_sets(list(against)) if against else None,
    )


class _CallableRoom(ModuleType):
    __call__ = staticmethod(audit_data)


sys.modules[__name__].__class__ = _CallableRoom
