"""Values of a stranger's manifest: each is what it should be, or a ValueError says what is wrong.

Nothing is converted: a manifest that mpodata wrote passes unchanged. `where` names the value for the message.
"""

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Final

from mpodata.display.terminal import printable
from mpodata.versions.schema import SUMMARISED_NUMBERS
from mpodata.versions.semver import SemVer

LONGEST_NAME: Final = 200  # characters of a dataset's name
DEEPEST: Final = 40  # levels of nested values in the free parts of a manifest

# The facts of a build that the card and the checks read, and what each must be.
_BUILD_MAPPINGS: Final = (
    "recipe", "source", "policy", "sampling", "translators", "detector", "checks", "dropped", "decontamination",
    "libraries", "licences",
)  # fmt: skip


def as_mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be a mapping, not {type(value).__name__}")
    return value


def as_list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{where} must be a list, not {type(value).__name__}")
    return value


def as_text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where} must be text, not {type(value).__name__}")
    return value


def as_switch(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{where} must be true or false")
    return value


def as_count(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise ValueError(f"{where} must be a count")
    return value


def as_counts(value: object, where: str) -> dict[str, int]:
    return {as_text(key, where): as_count(count, where) for key, count in as_mapping(value, where).items()}


def as_number(value: object, where: str) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or abs(value) > 1e15:
        raise ValueError(f"{where} must be a number")
    return value


def as_sha256(value: object, where: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", as_text(value, where)):
        raise ValueError(f"{where} must be a sha256")
    return as_text(value, where)


def as_licence(value: object) -> str:
    text = as_text(value, "licence")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]{0,63}", text):
        raise ValueError(f"{printable(text[:60])!r} is not a licence id of the Hub")
    return text


def as_version(value: object) -> str:
    text = as_text(value, "a version")
    if SemVer.of_tag(f"v{text}") is None:
        raise ValueError(f"{text[:40]!r} is not a version")
    return text


def as_dataset_name(value: object) -> str:
    """`user/name` or the name of a folder: one line, nothing that leads out of a folder."""
    text = as_text(value, "name")
    parts = text.split("/")
    if (
        not 0 < len(text) <= LONGEST_NAME
        or len(parts) > 2
        or any(part in ("", ".", "..") for part in parts)
        or printable(text) != text
    ):
        raise ValueError(f"{printable(text[:60])!r} cannot be a dataset's name")
    return text


def refuse_unknown(raw: Mapping[str, Any], record: type, where: str) -> None:
    """Raise ValueError for keys that the dataclass `record` does not have, or lacks without a default."""
    names = {field.name for field in fields(record)}
    needed = {field.name for field in fields(record) if field.default is MISSING and field.default_factory is MISSING}
    for key in sorted(raw.keys() - names):
        raise ValueError(f"{where} has an unknown key {key!r}")
    for key in sorted(needed - raw.keys()):
        raise ValueError(f"{where} lacks {key!r}")


def check_quality(value: object, where: str) -> Mapping[str, Any]:
    """The summary of one split: counts of labels, and rows, mean, min and max of measured numbers."""
    quality = as_mapping(value, f"the quality of {where}")
    for name, summary in quality.items():
        place = f"quality {name} of {where}"
        if name in SUMMARISED_NUMBERS:
            numbers = as_mapping(summary, place)
            as_count(numbers.get("rows"), place)
            for key in ("mean", "min", "max"):
                as_number(numbers.get(key), place)
        else:
            as_counts(summary, place)
    return quality


def check_build(facts: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What one build recorded: the mappings that the card and the checks read are mappings."""
    where = f"build {key}"
    for name in _BUILD_MAPPINGS:
        as_mapping(facts.get(name), f"{name} of {where}")
    for name in ("dominant", "command", "chosen"):
        as_text(facts.get(name), f"{name} of {where}")
    for name, made in facts["translators"].items():
        as_mapping(made, f"translator {name} of {where}")
    for part, licence in facts["licences"].items():
        as_text(licence, f"licence of {part} of {where}")
    for stage, reasons in facts["dropped"].items():
        as_counts(reasons, f"drops at {stage} of {where}")
    for config, reasons in as_mapping(facts["checks"].get("flagged", {}), f"flagged rows of {where}").items():
        as_counts(reasons, f"flagged rows of {config} of {where}")
    for name, digest in as_mapping(facts.get("dominant_texts", {}), f"dominant_texts of {where}").items():
        as_sha256(digest, f"dominant_texts {name} of {where}")
    for name, result in facts["decontamination"].items():
        as_counts(as_mapping(result, f"decontamination {name} of {where}").get("by", {}), f"decontamination of {where}")
    for name, rounds in as_mapping(facts.get("review", {}), f"review of {where}").items():
        for one_round in as_list(rounds, f"review of {name} of {where}"):
            check_review(one_round, f"review of {name} of {where}")
    for name, counts in as_mapping(facts.get("shortfall", {}), f"shortfall of {where}").items():
        as_counts(counts, f"shortfall {name} of {where}")
        if not {"asked", "taken"} <= counts.keys():
            raise ValueError(f"shortfall {name} of {where} must say what was asked and taken")
    check_depth(facts, where)
    return facts


def check_review(value: object, where: str) -> None:
    """What readers did with one config: counts and agreement."""
    review = as_mapping(value, where)
    for name in ("rows", "accepted", "corrected", "dropped", "disagreed"):
        as_count(review.get(name), f"{name} of {where}")
    for reader in as_list(review.get("readers"), f"readers of {where}"):
        as_counts(reader, f"a reader of {where}")
    for pair in as_list(review.get("agreement", []), f"agreement of {where}"):
        agreed = as_mapping(pair, f"agreement of {where}")
        as_count(agreed.get("rows"), f"rows of agreement of {where}")
        for name in ("raw", "kappa"):
            if agreed.get(name) is not None:
                as_number(agreed[name], f"{name} of agreement of {where}")


def other_config(value: object) -> Mapping[str, Any]:
    """A config of the card that mpodata did not make: a mapping with a name, carried along and shown by name only."""
    config = as_mapping(value, "other_configs")
    as_text(config.get("config_name"), "the name of another config")
    check_depth(config, "other_configs")
    return config


def check_depth(value: object, where: str) -> None:
    """Raise ValueError for values nested so deeply that writing them would fail."""
    level: list[object] = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise ValueError(f"{where} is nested too deeply")
