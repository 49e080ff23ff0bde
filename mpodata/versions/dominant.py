"""Do a version's target rows belong to its dominant texts? Hashes where the manifest has them, lengths where not.

A target row is a translation of the dominant row with its pair_id. When the dominant side is written anew (the policy
answered differently), older translations say something else under the same pair_id.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from mpodata.quality.measures import length_ratio
from mpodata.records import FIELDS, Side
from mpodata.versions.manifest import Config, Manifest
from mpodata.versions.schema import Row, read_groups, read_rows

DOMINANT_TEXTS: Final = "dominant_texts"  # of a build: config -> text_hash of what its rows were translated from
SLACK: Final = 0.0002  # two rounded length ratios of equal texts differ by less


def text_digests(folder: Path, dominant: Config) -> dict[str, bytes]:
    """pair_id -> 8-byte hash of the dominant prompt, chosen and rejected."""
    digests = {}
    for table in _groups(folder, dominant, ["pair_id", *FIELDS]):
        for row in table.to_pylist():
            texts = "\0".join(row[name][0]["content"] for name in FIELDS)
            digests[row["pair_id"]] = hashlib.blake2b(texts.encode(), digest_size=8).digest()
    return digests


def text_hash(folder: Path, config: Config, digests: Mapping[str, bytes]) -> str:
    """The sha256 over every row's pair_id and the dominant texts that belong to it, in the order of the files."""
    whole = hashlib.sha256()
    for table in _groups(folder, config, ["pair_id"]):
        for pair_id in table.column("pair_id").to_pylist():
            whole.update(pair_id.encode() + b"\0" + digests.get(pair_id, b""))
    return whole.hexdigest()


@dataclass(frozen=True, slots=True)
class Stranger:
    """A config whose rows belong to other dominant texts."""

    config: str
    detail: str


def strangers(folder: Path, manifest: Manifest) -> Iterator[Stranger]:
    """Every target config whose rows were translated from other texts than the dominant side holds now."""
    dominant = manifest.configs[manifest.dominant]
    digests = text_digests(folder, dominant)
    for name, config in manifest.configs.items():
        if name == manifest.dominant or not config.splits or config.build not in manifest.builds:
            continue
        recorded = manifest.builds[config.build].get(DOMINANT_TEXTS, {}).get(name)
        if recorded is not None:
            if text_hash(folder, config, digests) != recorded:
                yield Stranger(name, "its rows were translated from other dominant texts than those that are here")
        elif config.build != dominant.build and (count := _of_other_lengths(folder, dominant, config)):
            yield Stranger(
                name,
                f"{count} of its {config.rows} rows were translated from other dominant answers (their lengths tell)",
            )


def _of_other_lengths(folder: Path, dominant: Config, config: Config) -> int:
    """Rows whose recorded length ratio is that of the prompt here, but not that of the chosen answer here.

    The evidence of versions written before hashes were; the prompt's ratio says that lengths are measured as then.
    """
    targets = {row.pair_id: row for row in _rows(folder, config)}
    count = 0
    for row in _rows(folder, dominant):
        target = targets.get(row.pair_id)
        if target is None:
            continue
        recorded = target.quality
        if recorded.prompt_length_ratio is None:
            continue
        same_prompt = _agree(row.side, target.side, "prompt", recorded.prompt_length_ratio)
        same_answer = _agree(row.side, target.side, "chosen", recorded.chosen_length_ratio)
        count += same_prompt and not same_answer
    return count


def _agree(dominant: Side, target: Side, field: str, recorded: float | None) -> bool:
    present = length_ratio(getattr(dominant, field), getattr(target, field))
    return recorded is None or present is None or abs(present - recorded) < SLACK


def _rows(folder: Path, config: Config) -> Iterator[Row]:
    for _, file in config.files():
        yield from read_rows(folder / file.path)


def _groups(folder: Path, config: Config, columns: list[str]) -> Iterator[pa.Table]:
    for _, file in config.files():
        yield from read_groups(folder / file.path, columns)
