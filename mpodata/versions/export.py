"""Leaving: a version's rows in the form that another trainer reads, with the configuration that runs it on them."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from mpodata.engines.checkpoints import located
from mpodata.errors import ModelError, VersionError
from mpodata.registry import resolve
from mpodata.runtime.files import sync_folder, take_aside
from mpodata.versions.formats.job import ExportJob
from mpodata.versions.load import LoadedVersion

FORMATS = {
    "trl": "mpodata.versions.formats.trl:trl",
    "llama-factory": "mpodata.versions.formats.llama_factory:llama_factory",
    "axolotl": "mpodata.versions.formats.axolotl:axolotl",
    "nemo-rl": "mpodata.versions.formats.nemo_rl:nemo_rl",
    "openrlhf": "mpodata.versions.formats.openrlhf:openrlhf",
    "verl": "mpodata.versions.formats.verl:verl",
    "mpo": "mpodata.versions.formats.released_mpo:released_mpo",
}


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    files: tuple[str, ...]  # relative to the folder
    rows: int
    model: str | None  # what the configuration trains; None: nobody knows


def export(version: LoadedVersion, form: str, out: Path, *, model: str | None = None) -> Exported:
    """Write `version` to the new folder `out`, which appears whole or not at all.

    Of its translators, those that the reference picks: one by `#translator`, or all. model: what the configuration
    trains, by default the policy that answered.
    Raises UnknownName for an unknown format, VersionError where `out` exists, ModelError for no model.
    """
    shape = resolve("export format", FORMATS, form)
    if out.is_symlink() and not out.exists():
        raise VersionError(f"{out} is a link to nowhere. Remove it, or choose another folder.")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise VersionError(f"{out} exists. Choose another folder, or remove it first.")
    trained = _place(model) if model is not None else _policy(version)
    try:
        staging, handle = take_aside(out, "export")
    except OSError as error:
        raise VersionError(f"The folder {out} cannot be made: {error.strerror}. Choose another place.") from error
    try:
        rows = shape(ExportJob(version, staging, Path(os.path.abspath(out)), trained))
        staging.rename(out)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise VersionError(
            f"{out} cannot be written: {error.strerror or error}. Free some space or choose another place, then run "
            "the same command again."
        ) from error
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    finally:
        os.close(handle)
    sync_folder(out.parent)
    files = tuple(sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()))
    return Exported(files, rows, trained)


def _place(model: str) -> str:
    """A model as a configuration names it: a Hub id, or the absolute path of a folder."""
    place = located(model)
    return os.path.abspath(place) if Path(place).exists() else place


def _policy(version: LoadedVersion) -> str | None:
    """The one policy that answered in all builds; a stranger's manifest names no folder of this machine."""
    policies = {str(facts["policy"].get("model") or "") for facts in version.manifest.builds.values()}
    if len(policies) != 1 or not (policy := policies.pop()):
        return None
    if (
        Path(policy).is_absolute()
        or policy.startswith((".", "~"))
        or any(character in policy for character in "\n\r\0")
    ):
        return None
    try:
        return _place(policy)
    except ModelError:
        return None
