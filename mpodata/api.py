"""The public functions: what the commands do, for notebooks and scripts. Import them from `mpodata`.

What they return shows itself in a notebook, without harmful texts. They follow semantic versioning apart from datasets'
own: within one major version of the package a name, a parameter or a field of a result that stands in `mpodata.__all__`
or `mpotrain.__all__` is neither removed nor given another meaning; new ones may be added. Everything else may move.
"""

from collections.abc import Iterable
from pathlib import Path

from mpodata.about import cache_folder
from mpodata.pipeline.build import build as build_version
from mpodata.pipeline.plan import Plan
from mpodata.pipeline.plan import plan as plan_build
from mpodata.recipe import Recipe, read_recipe
from mpodata.runtime.journal import Journal
from mpodata.versions.diff import VersionDiff, compare
from mpodata.versions.load import LoadedVersion, load
from mpodata.versions.publish import publish
from mpodata.versions.verify import Problems, problems

__all__ = ["build", "diff", "load", "plan", "publish", "verify"]


def build(
    recipe: Recipe | str | Path,
    out: str | Path,
    *,
    settings: Iterable[str] = (),
    add_to: str | Path | None = None,
    workers: int = 1,
) -> LoadedVersion:
    """Build a dataset version in the folder `out` and load it; the same call again continues or finds it complete.

    Args:
        recipe: a Recipe, the name of one that ships ("quickstart", "mpo-paper") or a YAML file.
        settings: "key=value" as `--set` takes them; not together with a Recipe, which holds its values.
        add_to: a reference to a version whose other configs are kept byte-identical.
        workers: processes that measure and check rows; a script that asks for more than one needs
            `if __name__ == "__main__":`.
    Raises: MpoError with one sentence for whatever can be mended (recipe, source, model, service, folder).
    """
    base = None if add_to is None else load(add_to).folder
    with Journal(cache_folder() / "journal.sqlite") as journal:
        build_version(_recipe(recipe, settings), Path(out), journal=journal, base=base, workers=workers)
    return load(out)


def plan(recipe: Recipe | str | Path, *, settings: Iterable[str] = ()) -> Plan:
    """What `build` would do and cost: rows, calls, the share the journal holds, tokens, licence. Loads no model."""
    with Journal(cache_folder() / "journal.sqlite") as journal:
        return plan_build(_recipe(recipe, settings), journal)


def diff(before: str | Path, after: str | Path) -> VersionDiff:
    """What changed between two versions, row by row, and the smallest version step it asks for."""
    return compare(load(before), load(after))


def verify(reference: str | Path) -> Problems:
    """Everything that is wrong with a version: hashes, schema, pairs, card; empty for a sound one."""
    version = load(reference)
    return Problems(problems(version.folder, version.manifest))


def _recipe(recipe: Recipe | str | Path, settings: Iterable[str]) -> Recipe:
    if isinstance(recipe, Recipe):
        return recipe
    return read_recipe(recipe, settings)
