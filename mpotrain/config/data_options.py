"""Which rows a run trains on: the flags of its data."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mpodata.errors import ConfigError
from mpodata.languages import code_of
from mpotrain.mixes import CODE_SWITCH, MIXES, PARALLEL


@dataclass
class DataConfig:
    """Which rows to train on."""

    dataset: str = field(
        default="",
        metadata={"help": "NAME@v1.2.0, user/name@v1.2.0#nllb-3.3b, a version's folder, or a table: pairs.csv."},
    )
    translator: str | None = field(
        default=None, metadata={"help": "Whose translations; needed where a version has several."}
    )
    languages: str | None = field(
        default=None, metadata={"help": "Target languages: zh,sw. Default: all of the version."}
    )
    dominant_language: str | None = field(
        default=None, metadata={"help": "Train towards this language's reward gap. Default: the version's own."}
    )
    language_weights: str | None = field(
        default=None, metadata={"help": "Weight of a language's rows in the loss: sw=2,bn=1.5. Default: 1 each."}
    )
    pairs_per_language: int | None = field(
        default=None,
        metadata={"help": "Use the first N pairs, the same in every language; of native rows N of each."},
    )
    mix: str | None = field(
        default=None, metadata={"help": f"Train on rows made of the pairs, for --method sft: {', '.join(MIXES)}."}
    )
    code_switch: float = field(default=CODE_SWITCH, metadata={"help": "With --mix: chance to switch a sentence."})
    parallel: float = field(default=PARALLEL, metadata={"help": "With --mix: share of pairs with translation rows."})


def language_list(text: str | Sequence[str] | None) -> list[str] | None:
    """`zh,sw` (flag) or a list (YAML), codes or English names, as codes; None where nothing was said."""
    if text is None:
        return None
    names = text.split(",") if isinstance(text, str) else [str(name) for name in text]
    codes = [code_of(name) for name in names if name.strip()]
    if not codes:
        raise ConfigError("--languages names no language: leave it out for all of the version.")
    for code, count in Counter(codes).items():
        if count > 1:
            raise ConfigError(f"--languages names {code} {count} times.")
    return codes


def weights(text: str | Mapping[str, float] | None) -> dict[str, float]:
    """`sw=2,bn=1.5` (flag) or a mapping (YAML) as weight per language; raises ConfigError."""
    if text is None:
        return {}
    if isinstance(text, str):
        parts = [part.partition("=") for part in text.split(",") if part.strip()]
        items: list[tuple[str, Any]] = [(name.strip(), value) for name, _, value in parts]
    else:
        items = list(text.items())
    try:
        numbers = [(name, float(value)) for name, value in items]
    except (TypeError, ValueError) as error:
        raise ConfigError(f"language_weights must look like sw=2,bn=1.5, got {text!r}.") from error
    if any(weight < 0 for _, weight in numbers):
        raise ConfigError(f"language_weights must not be negative, got {text!r}.")
    return {code_of(name): weight for name, weight in numbers}
