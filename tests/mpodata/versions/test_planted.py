"""Links planted where mpodata writes are not followed, and arbitrary manifests and cards are one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpodata.cli import main
from mpodata.errors import VersionError
from mpodata.versions.card import parse_front_matter
from mpodata.versions.manifest import MANIFEST, parse_manifest
from tests.mpodata.small_versions import write_version

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))


@pytest.mark.parametrize("planted", [".out.partial", ".out.old", ".data.partial"])
def test_a_planted_link_beside_a_version_is_not_followed(planted: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("ten years")
    (tmp_path / planted).symlink_to(tmp_path / "mine")
    write_version(tmp_path / "out")
    assert main(["export", str(tmp_path / "out"), "--format", "trl", "--out", str(tmp_path / "data")]) == 0
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_planted_lock_of_a_registry_is_not_written_through(tmp_path: Path) -> None:
    write_version(tmp_path / "out")
    (tmp_path / "thesis.txt").write_text("ten years")
    (tmp_path / "registry" / "demo").mkdir(parents=True)
    (tmp_path / "registry" / "demo" / ".lock").symlink_to(tmp_path / "thesis.txt")
    assert main(["publish", str(tmp_path / "out"), "--to", str(tmp_path / "registry" / "demo")]) == 2
    assert (tmp_path / "thesis.txt").read_text() == "ten years"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    write_version(tmp_path_factory.mktemp("sound") / "out")
    text = next(tmp_path_factory.getbasetemp().glob("sound*/out/" + MANIFEST)).read_text()
    return dict(json.loads(text))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_value_anywhere_in_a_manifest_is_read_or_one_sentence(
    data: st.DataObject, manifest: dict[str, Any]
) -> None:
    raw: Any = json.loads(json.dumps(manifest))
    place = raw
    while isinstance(place, dict) and place:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or data.draw(st.booleans()):
            place[key] = data.draw(JSON)
            break
        place = place[key]
    try:
        parse_manifest(json.dumps(raw).encode(), "manifest.json")
    except VersionError as error:
        assert "\n" not in str(error)  # noqa: PT017 (both ways are right)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"---\n{text}\n---\n".encode(errors="replace")))
def test_any_bytes_are_a_card_or_none(data: bytes) -> None:
    assert isinstance(parse_front_matter(data.decode(errors="replace")), dict)
    with pytest.raises(VersionError):
        parse_manifest(data, "manifest.json")
