"""Leaving: a version's rows in the form that another trainer reads, with the configuration that points at them."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mpodata.errors import VersionError
from mpodata.records import Pair, Side, assistant_turn, user_turn
from mpodata.registry import resolve
from mpodata.runtime.files import sync_folder, take_aside
from mpodata.versions.load import LoadedVersion

FORMATS = {
    "trl": "mpodata.versions.export:trl",
    "llama-factory": "mpodata.versions.export:llama_factory",
    "axolotl": "mpodata.versions.export:axolotl",
    "mpo": "mpodata.versions.export:released_mpo",
}


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    files: tuple[str, ...]  # relative to the folder
    rows: int


def export(version: LoadedVersion, form: str, out: Path) -> Exported:
    """Write `version` to the new folder `out`, which appears whole or not at all.

    Of its translators, those that the reference picks: one by `#translator`, or all.
    Raises UnknownName for an unknown format, VersionError where `out` exists.
    """
    shape = resolve("export format", FORMATS, form)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise VersionError(f"{out} exists. Choose another folder, or remove it first.")
    try:
        staging, handle = take_aside(out, "export")
    except OSError as error:
        raise VersionError(f"The folder {out} cannot be made: {error.strerror}.") from error
    try:
        rows = shape(version, staging, out)
        staging.rename(out)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise VersionError(f"{out} cannot be written: {error.strerror or error}.") from error
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    finally:
        os.close(handle)
    sync_folder(out.parent)
    return Exported(tuple(sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())), rows)


def trl(version: LoadedVersion, folder: Path, out: Path) -> int:
    """JSON lines of `prompt`, `chosen`, `rejected` conversations, and `dpo.yaml` for `trl dpo --config`.

    The YAML names the train splits as seen from where the export was made.
    """
    rows, datasets = 0, []
    for config, split, sides in _configs(version):
        name = f"{config}.{split}.jsonl"
        rows += _lines(folder / name, (_preference(side) for side in sides))
        if split == "train":
            datasets.append({"path": "json", "data_files": str(out / name), "split": "train"})
    _yaml(folder / "dpo.yaml", {"datasets": datasets})
    return rows


def llama_factory(version: LoadedVersion, folder: Path, out: Path) -> int:  # noqa: ARG001 (its paths are relative)
    """JSON lines in its OpenAI form, and `dataset_info.json`: use the folder as `dataset_dir`.

    Source: LLaMA-Factory, data/README.md, "Sharegpt Format / Preference Dataset" with the tags of "OpenAI Format".
    """
    rows, info = 0, {}
    for config, split, sides in _configs(version):
        name = f"{config}.{split}.jsonl"
        rows += _lines(folder / name, (_chat(side) for side in sides))
        info[f"{config}.{split}"] = {
            "file_name": name,
            "formatting": "sharegpt",
            "ranking": True,
            "columns": {"messages": "messages", "chosen": "chosen", "rejected": "rejected"},
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
                "system_tag": "system",
            },
        }
    (folder / "dataset_info.json").write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
    return rows


def axolotl(version: LoadedVersion, folder: Path, out: Path) -> int:
    """JSON lines and `dpo.yaml`, the `rl` and `datasets` part of an axolotl config.

    Source: axolotl, docs/rlhf.qmd, `chat_template.default`; local files as in docs/dataset_loading.qmd.
    """
    rows, datasets = 0, []
    for config, split, sides in _configs(version):
        name = f"{config}.{split}.jsonl"
        rows += _lines(folder / name, (_chat(side) for side in sides))
        if split == "train":
            datasets.append(
                {
                    "path": str(out / name),
                    "ds_type": "json",
                    "split": "train",
                    "type": "chat_template.default",
                    "field_messages": "messages",
                    "field_chosen": "chosen",
                    "field_rejected": "rejected",
                    "message_property_mappings": {"role": "role", "content": "content"},
                    "roles": {"user": ["user"], "assistant": ["assistant"], "system": ["system"]},
                }
            )
    _yaml(folder / "dpo.yaml", {"rl": "dpo", "datasets": datasets})
    return rows


def released_mpo(version: LoadedVersion, folder: Path, out: Path) -> int:  # noqa: ARG001 (no file names another)
    """One JSON array per translator and split, as in the authors' files: a dominant exchange and its translation."""
    rows = 0
    for translator in _translators(version):
        for split in version.splits():
            rows += _array(folder / f"{translator}.{split}.json", map(_released, version.pairs(split, translator)))
    if rows == 0:
        raise VersionError(f"{version.reference} has no pair to export: it holds the dominant side only.")
    return rows


def _translators(version: LoadedVersion) -> tuple[str, ...]:
    return (version.translator,) if version.translator else version.translators()


def _configs(version: LoadedVersion) -> Iterator[tuple[str, str, Iterator[Side]]]:
    """(config, split, sides) of the dominant side and of the translators that the reference picks."""
    wanted = {None, *_translators(version)}
    for name, config in version.manifest.configs.items():
        if config.translator in wanted:
            for split, _ in config.files():
                yield name, split, (row.side for row in version.rows(name, split))


def _preference(side: Side) -> dict[str, Any]:
    return {
        "prompt": user_turn(side.prompt),
        "chosen": assistant_turn(side.chosen),
        "rejected": assistant_turn(side.rejected),
    }


def _chat(side: Side) -> dict[str, Any]:
    return {
        "messages": user_turn(side.prompt),
        "chosen": assistant_turn(side.chosen)[0],
        "rejected": assistant_turn(side.rejected)[0],
    }


def _released(pair: Pair) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, side in (("source", pair.dominant), ("target", pair.target)):
        row[f"{name}_conversations"] = [{"from": "human", "value": side.prompt}]
        row[f"{name}_chosen"] = {"from": "gpt", "value": side.chosen}
        row[f"{name}_rejected"] = {"from": "gpt", "value": side.rejected}
    return row


def _lines(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def _array(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """A JSON array, written row by row; no file where there is no row."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(("[\n" if count == 0 else ",\n") + json.dumps(row, ensure_ascii=False, indent=2))
            count += 1
        file.write("\n]\n")
    if count == 0:
        path.unlink()
    return count


def _yaml(path: Path, value: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), encoding="utf-8")
