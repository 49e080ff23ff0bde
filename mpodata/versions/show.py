"""One pair in every language it is in."""

from collections.abc import Iterator
from dataclasses import dataclass

from mpodata.errors import VersionError
from mpodata.versions.load import LoadedVersion
from mpodata.versions.schema import Row, read_table, row_of


@dataclass(frozen=True, slots=True)
class Shown:
    """One config's row of a pair."""

    config: str
    split: str
    row: Row


def rows_of_pair(version: LoadedVersion, pair: str) -> list[Shown]:
    """The rows of one pair, the dominant side first. `pair` is a pair_id, or a number counting dominant rows from 1.

    Raises VersionError where there is no such pair.
    """
    names = sorted(version.manifest.configs, key=lambda name: (name != version.dominant, name))
    wanted = {None, version.translator} if version.translator else {None, *version.translators()}
    kept = [name for name in names if version.manifest.configs[name].translator in wanted]
    pair_id = _pair_id(version, int(pair)) if pair.isdecimal() and len(pair) < 16 else pair
    sides = [shown for name in kept for shown in _find(version, name, pair_id)]
    if not sides:
        raise VersionError(f"{version.reference} has no pair {pair_id}. Name one by pair_id, or by number from 1.")
    return sides


def _pair_id(version: LoadedVersion, number: int) -> str:
    """The pair_id of the number-th dominant row, split after split."""
    config = version.manifest.configs[version.dominant]
    if not 1 <= number <= config.rows:
        raise VersionError(f"{version.reference} has pairs 1 to {config.rows}; there is no pair {number}.")
    before = number - 1
    for _, file in config.files():
        if before < file.rows:
            ids = read_table(version.fetch([file.path]) / file.path, columns=["pair_id"]).column("pair_id")
            return str(ids[before].as_py())
        before -= file.rows
    raise VersionError(f"{version.reference}: the row counts of its manifest are wrong. Run `mpodata verify`.")


def _find(version: LoadedVersion, config: str, pair_id: str) -> Iterator[Shown]:
    for split, file in version.manifest.configs[config].files():
        table = read_table(version.fetch([file.path]) / file.path, filters=[("pair_id", "=", pair_id)])
        for columns in table.to_pylist():
            yield Shown(config, split, row_of(columns))
