"""YAML that people write: whatever is wrong with it is one line."""

from typing import Any

import yaml


def parse_yaml(text: str) -> Any:
    """The value that `text` holds; raises ValueError, in one line, where it is no YAML, too deep, or no such date."""
    try:
        return yaml.safe_load(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(" ".join(str(error).split())) from error
