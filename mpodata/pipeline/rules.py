"""What decides a row beside the recipe: calibrated tables, phrase tables and the constants of the rules, by hash."""

from pathlib import Path
from typing import Any, Final

from mpodata.refusals.rules import MODULES as REFUSAL_RULES
from mpodata.runtime.fingerprint import constants_hash, file_hash
from mpodata.translators.document import RULES as SEGMENT_RULES

PACKAGE: Final = Path(__file__).parents[1]
FOLDERS: Final = ("quality", "quality/words", "refusals/phrases", "languages")  # of the package, that hold tables
QUALITY_MODULES: Final = (
    "alignment", "checks", "comparison", "completeness", "cues", "measures", "quotations", "words",
)  # fmt: skip
RULES: Final = {  # what a rule is called in the manifest -> the modules whose constants it is made of
    "quality": tuple(f"mpodata.quality.{name}" for name in QUALITY_MODULES),
    "segments": SEGMENT_RULES,
    "languages": ("mpodata.languages.identification", "mpodata.languages.text"),
    "refusals": REFUSAL_RULES,
    "selection": tuple(
        f"mpodata.selection.{name}" for name in ("counterweight", "decontamination", "dominant", "sampling")
    ),
}


def row_rules() -> dict[str, Any]:
    """For the manifest: `tables`, each file by its path in the package, and `rules`, the constants of the code."""
    paths = [path for folder in FOLDERS for path in sorted((PACKAGE / folder).glob("*.tsv"))]
    return {
        "tables": {path.relative_to(PACKAGE).as_posix(): file_hash(path) for path in paths},
        "rules": {name: constants_hash(*modules) for name, modules in RULES.items()},
    }
