"""The presets that ship with mpotrain, and YAML files of the user's that read the same way."""

from pathlib import Path
from typing import Any

from mpodata.errors import UnknownName
from mpotrain.flags import read_yaml

PRESETS = Path(__file__).parent.with_name("presets")
SEARCH = "search"  # the file with the papers' search spaces, which is no preset


def load_preset(name: str, method: str) -> dict[str, Any]:
    """Flags of a preset for one method; raises UnknownName, ConfigError.

    A preset is YAML: `source` (where its numbers come from), flags for every method, `methods: {name: flags}` on top of
    them, `extends` (a preset whose flags come first), and `search: {method: {flag: [values]}}`, the space that
    `mpotrain sweep` walks.
    """
    if name == SEARCH:
        raise UnknownName("preset", name, preset_names())
    content = preset_file(name)
    first = load_preset(str(content["extends"]), method) if "extends" in content else {}
    flags = {key: value for key, value in content.items() if key not in ("source", "methods", "search", "extends")}
    return {**first, **flags, **(content.get("methods") or {}).get(method, {})}


def preset_file(name: str) -> dict[str, Any]:
    """The content of a preset that ships with mpotrain, or of a YAML file of the user's; raises UnknownName."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else PRESETS / f"{name}.yaml"
    if not path.is_file():
        raise UnknownName("preset", name, preset_names())
    return read_yaml(path)


def preset_names() -> list[str]:
    """The presets that `--preset` takes, a YAML file of one's own aside."""
    return [path.stem for path in PRESETS.glob("*.yaml") if path.stem != SEARCH]
