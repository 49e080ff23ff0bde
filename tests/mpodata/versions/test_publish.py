"""Publishing: versions follow from the difference, additions leave the rest alone, several may publish at once.

Everything here holds for a folder registry and for the Hub: the same code, two stores.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mpodata.errors import DataError, VersionError, VersionExists
from mpodata.versions.load import load_from, manifest_at
from mpodata.versions.manifest import read_manifest
from mpodata.versions.publish import Published, publish
from mpodata.versions.reference import Reference
from mpodata.versions.semver import SemVer
from mpodata.versions.stores.folder import FolderStore
from mpodata.versions.stores.hub import HubStore
from mpodata.versions.stores.protocol import Store
from mpodata.versions.write import VersionWriter
from tests.fakes.hub import LoopbackHub
from tests.mpodata.small_versions import rows, write_version

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

Open = Callable[[], Store]


@pytest.fixture(params=["folder", "hub"])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens one empty dataset, each time anew, as another process would."""
    if request.param == "folder":
        return lambda: FolderStore(tmp_path / "registry" / "demo")
    make: Callable[..., HubStore] = request.getfixturevalue("store")
    return make


def put(dataset: Open, folder: Path, **options: object) -> Published:
    return publish(folder, "unused", store=dataset(), **options)


def tags(dataset: Open) -> list[str]:
    return [version.tag for version in sorted(dataset().tags())]


def test_the_first_version_is_1_0_0_and_publishing_it_again_changes_nothing(dataset: Open, tmp_path: Path) -> None:
    write_version(tmp_path / "out")
    first = put(dataset, tmp_path / "out")
    again = put(dataset, tmp_path / "out")
    assert (first.version, first.new) == ("1.0.0", True)
    assert (again.version, again.new, again.commit) == ("1.0.0", False, first.commit)
    assert tags(dataset) == ["v1.0.0"]


@pytest.mark.parametrize(
    ("second", "version", "told"),
    [
        ({"count": 12}, "1.1.0", "2 rows added"),
        ({"languages": ["sw", "ko"]}, "1.1.0", "`nllb-600m.ko` added"),
        ({"count": 9}, "2.0.0", "1 rows removed"),
        ({"mark": "!"}, "2.0.0", "12 rows changed"),
        ({"command": "mpodata build --other"}, "1.0.1", "Only metadata changed"),
    ],
)
def test_the_difference_decides_the_version(
    second: dict[str, object], version: str, told: str, dataset: Open, tmp_path: Path
) -> None:
    write_version(tmp_path / "one")
    write_version(tmp_path / "two", **second)
    put(dataset, tmp_path / "one")
    published = put(dataset, tmp_path / "two")
    assert published.version == version
    assert told in " ".join(published.changes)
    changelog = (dataset().read(published.commit, "CHANGELOG.md") or b"").decode()
    assert changelog.index(f"## v{version}") < changelog.index("## v1.0.0")
    assert told in changelog


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({}, "translator nllb-600m is cc-by-nc-4.0"),
        ({"translator": "own", "source": {"name": "table", "path": "x"}}, "source is unknown, which nobody can judge"),
        ({"translator": "own", "policy": {"model": "m", "licence": "llama3.1"}}, "policy is llama3.1"),
    ],
)
def test_a_version_with_a_part_that_may_not_be_sold_is_refused_where_that_is_asked(
    parts: dict[str, object], told: str, dataset: Open, tmp_path: Path
) -> None:
    write_version(tmp_path / "out", **parts)
    with pytest.raises(VersionError, match="is not for commercial use alone: .*" + told):
        put(dataset, tmp_path / "out", commercial_only=True)
    assert dataset().head() is None
    assert put(dataset, tmp_path / "out").version == "1.0.0"


def test_what_the_dataset_holds_already_counts_where_commercial_use_is_asked(dataset: Open, tmp_path: Path) -> None:
    write_version(tmp_path / "first")
    write_version(tmp_path / "free", languages=["bn"], translator="own")
    put(dataset, tmp_path / "first")
    with pytest.raises(VersionError, match=r"translator nllb-600m is cc-by-nc-4\.0"):
        put(dataset, tmp_path / "free", commercial_only=True)
    assert tags(dataset) == ["v1.0.0"]
    assert put(dataset, tmp_path / "free", commercial_only=True, replace_all=True).version == "2.0.0"


def test_a_wanted_version_may_be_larger_but_not_smaller(dataset: Open, tmp_path: Path) -> None:
    write_version(tmp_path / "one")
    write_version(tmp_path / "two", count=12)
    put(dataset, tmp_path / "one", version="1.0.0")
    with pytest.raises(VersionError, match=r"v1\.0\.5 is too small after v1\.0\.0 .* minor change needs v1\.1\.0"):
        put(dataset, tmp_path / "two", version="1.0.5")
    with pytest.raises(VersionExists, match=r"v1\.0\.0 exists and holds other content"):
        put(dataset, tmp_path / "two", version="1.0.0")
    assert put(dataset, tmp_path / "two", version="v3.0.0").version == "3.0.0"
    assert tags(dataset) == ["v1.0.0", "v3.0.0"]


def test_a_new_translator_and_a_new_language_leave_the_other_files_as_they_are(dataset: Open, tmp_path: Path) -> None:
    write_version(tmp_path / "one")
    write_version(tmp_path / "google", languages=["sw"], translator="google")
    write_version(tmp_path / "korean", languages=["ko"])
    first = put(dataset, tmp_path / "one")
    put(dataset, tmp_path / "google")
    third = put(dataset, tmp_path / "korean")
    assert third.version == "1.2.0"
    before, after = manifest_at(dataset(), first.commit), manifest_at(dataset(), third.commit)
    assert before is not None
    assert after is not None
    assert sorted(after.configs) == ["en", "google.sw", "nllb-600m.ko", "nllb-600m.sw"]
    assert before.parquet_files().items() <= after.parquet_files().items()
    for path in before.parquet_files():
        assert dataset().digest(first.commit, path) == dataset().digest(third.commit, path)


def test_a_writer_that_starts_from_a_version_keeps_its_files_byte_by_byte(tmp_path: Path) -> None:
    before = write_version(tmp_path / "one")
    after = write_version(tmp_path / "two", languages=["ko"], base=tmp_path / "one", dominant_too=False)
    assert sorted(after.configs) == ["en", "nllb-600m.ko", "nllb-600m.sw"]
    for path in before.parquet_files():
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


def test_kept_translations_must_still_fit_the_dominant_side(dataset: Open, tmp_path: Path) -> None:
    write_version(tmp_path / "one", languages=["sw"])
    write_version(tmp_path / "two", languages=["ko"], mark="rephrased")
    put(dataset, tmp_path / "one")
    with pytest.raises(VersionError, match=r"dominant side 'en' differs .* nllb-600m\.sw .* --replace"):
        put(dataset, tmp_path / "two")
    assert tags(dataset) == ["v1.0.0"]
    replaced = put(dataset, tmp_path / "two", replace_all=True)
    assert replaced.version == "2.0.0"
    manifest = manifest_at(dataset(), replaced.commit)
    assert manifest is not None
    assert sorted(manifest.configs) == ["en", "nllb-600m.ko"]
    assert not any("sw" in path for path in dataset().paths(replaced.commit))


def test_publishers_at_the_same_time_all_end_as_versions_of_their_own(dataset: Open, tmp_path: Path) -> None:
    languages = ["sw", "ko", "ja", "ar"]
    for code in languages:
        write_version(tmp_path / code, languages=[code])
    with ThreadPoolExecutor(len(languages)) as pool:
        list(pool.map(lambda code: put(dataset, tmp_path / code), languages))
    assert tags(dataset) == ["v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0"]
    newest = load_from(dataset(), Reference("demo"))
    assert newest.languages() == tuple(sorted(languages))
    for code in languages:
        assert len(list(newest.pairs("train", languages=[code]))) == 10


def test_a_dataset_that_appears_while_it_is_being_made_is_built_on(
    hub: LoopbackHub, store: Callable[..., HubStore], tmp_path: Path
) -> None:
    for code in ("sw", "ko"):
        write_version(tmp_path / code, languages=[code])
    late = hub.fault("GET", r"/api/datasets/ana/demo$", "hang")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(publish, tmp_path / "sw", "ana/demo", store=store())  # it saw no dataset
        assert late.reached.wait(10)
        assert publish(tmp_path / "ko", "ana/demo", store=store()).version == "1.0.0"
        late.release.set()
        assert slow.result().version == "1.1.0"
    assert len(hub.repos["ana/demo"].tags) == 2


def test_a_broken_folder_is_not_published(dataset: Open, tmp_path: Path) -> None:
    manifest = write_version(tmp_path / "out")
    file = tmp_path / "out" / next(iter(manifest.parquet_files()))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(VersionError, match=r"is not a sound version.*\[hash\]"):
        put(dataset, tmp_path / "out")
    assert dataset().head() is None


def test_a_folder_that_is_no_version_is_refused(dataset: Open, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "missing"):
        with pytest.raises(VersionError, match=r"holds no manifest\.json"):
            put(dataset, tmp_path / folder)


def test_published_files_of_a_folder_registry_are_read_only_and_unchanged_ones_are_shared(tmp_path: Path) -> None:
    dataset = tmp_path / "registry" / "demo"
    first = write_version(tmp_path / "one")
    write_version(tmp_path / "two", languages=["ko"])
    publish(tmp_path / "one", str(dataset))
    publish(tmp_path / "two", str(dataset))
    for path in first.parquet_files():
        old, new = dataset / "v1.0.0" / path, dataset / "v1.1.0" / path
        assert old.stat().st_ino == new.stat().st_ino
        assert old.stat().st_mode & 0o222 == 0
    assert read_manifest(dataset / "v1.1.0").name == "demo"


def test_a_commit_that_is_tagged_while_it_is_read_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_version(tmp_path / "out")
    publish(tmp_path / "out", str(tmp_path / "registry" / "demo"))
    tagged = tmp_path / "registry" / "demo" / "v1.0.0"
    store = FolderStore(tagged.parent)
    commit = store.tags()[SemVer(1, 0, 0)]
    waiting = tagged.rename(tagged.parent / f".commit-{commit}")
    found = FolderStore._path

    def renamed_after_it_was_found(self: FolderStore, name: str) -> Path:
        path = found(self, name)
        if waiting.is_dir():
            waiting.rename(tagged)
        return path

    monkeypatch.setattr(FolderStore, "_path", renamed_after_it_was_found)
    assert store.read(commit, "manifest.json") == (tagged / "manifest.json").read_bytes()
    assert store.read(commit, "no such file") is None


def test_a_version_is_published_to_a_dataset_not_to_another_version(tmp_path: Path) -> None:
    write_version(tmp_path / "out")
    for name in (str(tmp_path / "out"), f"{tmp_path}/registry/demo@v1.0.0", f"{tmp_path}/registry/demo#google"):
        with pytest.raises(VersionError, match="is one version; publish to a dataset"):
            publish(tmp_path / "out", name)


def test_texts_that_cannot_be_stored_are_named(tmp_path: Path) -> None:
    for bad, told in (("a\0b", "NUL"), ("a\ud800b", "lone surrogate")):
        row = next(rows("en", [1], mark=bad))
        with (
            VersionWriter(tmp_path / "out") as writer,
            pytest.raises(DataError, match=f"row {row.pair_id}: chosen .*{told}"),
        ):
            writer.add("en", "train", [row])
        assert list(tmp_path.iterdir()) == []
