"""`verify` finds whatever was done to a version after it was made."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mpodata.cli import main
from mpodata.runtime.files import hash_file
from mpodata.versions.manifest import CARD, MANIFEST, Manifest, read_manifest
from mpodata.versions.schema import read_rows, table_of
from mpodata.versions.verify import problems
from tests.mpodata.small_versions import write_version


def swahili(folder: Path) -> Path:
    return folder / read_manifest(folder).configs["nllb-600m.sw"].splits["train"].path


def forge(folder: Path, path: Path, *, rows: int | None = None) -> None:
    """Make the manifest agree with a changed file, as a careful forger would."""
    manifest = read_manifest(folder)
    name = str(path.relative_to(folder))
    configs = {
        key: replace(
            config,
            splits={
                split: replace(file, sha256=hash_file(path), rows=file.rows if rows is None else rows)
                if file.path == name
                else file
                for split, file in config.splits.items()
            },
        )
        for key, config in manifest.configs.items()
    }
    (folder / MANIFEST).write_text(replace(manifest, configs=configs).text())


def flip_a_byte(folder: Path) -> None:
    data = bytearray(swahili(folder).read_bytes())
    data[len(data) // 2] ^= 1
    swahili(folder).write_bytes(data)


def remove_a_file(folder: Path) -> None:
    swahili(folder).unlink()


def edit_a_number_of_the_card(folder: Path) -> None:
    card = (folder / CARD).read_text()
    assert "| 10 |" in card
    (folder / CARD).write_text(card.replace("| 10 |", "| 1000 |", 1))


def remove_the_card(folder: Path) -> None:
    (folder / CARD).unlink()


def remove_a_pair(folder: Path) -> None:
    path = swahili(folder)
    rows = list(read_rows(path))[1:]
    pq.write_table(table_of(rows, "test"), path)


def remove_a_pair_and_forge_the_hash(folder: Path) -> None:
    remove_a_pair(folder)
    forge(folder, swahili(folder))


def remove_a_pair_and_forge_the_manifest(folder: Path) -> None:
    remove_a_pair(folder)
    forge(folder, swahili(folder), rows=9)


def remove_a_dominant_row_and_forge_the_manifest(folder: Path) -> None:
    path = folder / read_manifest(folder).configs["en"].splits["train"].path
    pq.write_table(table_of(list(read_rows(path))[:-1], "test"), path)
    forge(folder, path, rows=9)


def repeat_a_pair_and_forge_the_manifest(folder: Path) -> None:
    path = swahili(folder)
    rows = list(read_rows(path))
    pq.write_table(table_of([*rows, rows[0]], "test"), path)
    forge(folder, path, rows=11)


def change_the_schema(folder: Path) -> None:
    path = swahili(folder)
    table = pq.read_table(path).drop_columns(["category"]).append_column("score", pa.array([1.0] * 10))
    pq.write_table(table, path)
    forge(folder, path)


def claim_a_freer_licence(folder: Path) -> None:
    (folder / MANIFEST).write_text(replace(read_manifest(folder), licence="mit").text())


def point_the_card_at_other_files(folder: Path) -> None:
    card = (folder / CARD).read_text().replace("nllb-600m/sw/train-", "nllb-600m/sw/test-")
    (folder / CARD).write_text(card)
    manifest: Manifest = read_manifest(folder)
    (folder / MANIFEST).write_text(replace(manifest, files={CARD: hash_file(folder / CARD)}).text())


HARM: dict[Callable[[Path], None], str] = {
    flip_a_byte: "hash",
    remove_a_file: "missing",
    edit_a_number_of_the_card: "card",
    remove_the_card: "missing",
    remove_a_pair: "hash",
    remove_a_pair_and_forge_the_hash: "rows",
    remove_a_pair_and_forge_the_manifest: "pairs",
    remove_a_dominant_row_and_forge_the_manifest: "pairs",
    repeat_a_pair_and_forge_the_manifest: "pairs",
    change_the_schema: "schema",
    claim_a_freer_licence: "manifest",
    point_the_card_at_other_files: "card",
}


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__)
def test_every_kind_of_harm_is_found(
    harm: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_version(tmp_path / "out", languages=["sw", "ko"])
    assert main(["verify", str(tmp_path / "out")]) == 0
    assert "is sound: 6 files, 36 rows" in capsys.readouterr().out
    harm(tmp_path / "out")
    found = list(problems(tmp_path / "out", read_manifest(tmp_path / "out")))
    assert HARM[harm] in {problem.check for problem in found}
    assert main(["verify", str(tmp_path / "out")]) == 2
    told = capsys.readouterr()
    assert f"[{HARM[harm]}]" in told.out
    assert "is not sound" in told.err


def test_the_answer_is_also_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_version(tmp_path / "out")
    flip_a_byte(tmp_path / "out")
    assert main(["verify", str(tmp_path / "out"), "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert "hash" in {problem["check"] for problem in answer["problems"]}


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json", '{"schema": 99}', '{"schema": 1, "configs": {"en": 3}}'])
def test_a_manifest_that_is_none_is_one_sentence(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_version(tmp_path / "out")
    (tmp_path / "out" / MANIFEST).write_text(text)
    assert main(["verify", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert "manifest" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    "path", ["../../etc/passwd-0.parquet", "/etc/x.parquet", "en/../../x.parquet", "en/.hidden.parquet"]
)
def test_a_strangers_manifest_cannot_point_outside_its_folder(path: str, tmp_path: Path) -> None:
    write_version(tmp_path / "out")
    raw = json.loads((tmp_path / "out" / MANIFEST).read_text())
    raw["configs"]["en"]["splits"]["train"]["path"] = path
    (tmp_path / "out" / MANIFEST).write_text(json.dumps(raw))
    assert main(["verify", str(tmp_path / "out")]) == 2
