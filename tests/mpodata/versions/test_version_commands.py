"""publish, versions, diff, verify and show as a user meets them: what they print, and what a mistake costs."""

import json
from pathlib import Path

import pytest

from mpodata.cli import main
from mpodata.records import COUNTERWEIGHT
from tests.mpodata.small_versions import rows, write_version

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def registry(tmp_path: Path, capsys: Capture) -> Path:
    """A dataset with versions 1.0.0 and 1.1.0 in a folder registry."""
    write_version(tmp_path / "one")
    write_version(tmp_path / "two", count=12, languages=["sw", "ar"])
    for folder in ("one", "two"):
        assert main(["publish", str(tmp_path / folder), "--to", str(tmp_path / "registry" / "demo")]) == 0
    capsys.readouterr()
    return tmp_path / "registry"


def test_publish_says_what_it_did(tmp_path: Path, capsys: Capture) -> None:
    write_version(tmp_path / "out")
    name = f"{tmp_path}/registry/demo"
    assert main(["publish", str(tmp_path / "out"), "--to", name]) == 0
    assert f"Published {name}@v1.0.0 (commit " in capsys.readouterr().out
    assert main(["publish", str(tmp_path / "out"), "--to", name]) == 0
    assert f"{name}@v1.0.0 holds this content already" in capsys.readouterr().out
    assert main(["publish", str(tmp_path / "out"), "--to", name, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["version"], answer["new"], answer["reference"]) == ("1.0.0", False, f"{name}@v1.0.0")


def test_versions_are_listed_newest_first(registry: Path, capsys: Capture) -> None:
    assert main(["versions", str(registry / "demo")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["v1.1.0", "v1.0.0"]
    assert "42 rows  en + nllb-600m: ar, sw" in lines[0]
    assert main(["versions", str(registry / "demo"), "--json"]) == 0
    assert [row["rows"] for row in json.loads(capsys.readouterr().out)] == [42, 24]


def test_diff_counts_rows_and_names_the_step(registry: Path, capsys: Capture) -> None:
    old, new = f"{registry}/demo@v1.0.0", f"{registry}/demo@v1.1.0"
    assert main(["diff", old, new]) == 0
    told = capsys.readouterr().out
    assert "`en`: 2 rows added." in told
    assert "`nllb-600m.ar` added: 14 rows." in told
    assert "en chosen_length_ratio: 2.705 -> 2.476" in told
    assert "smallest version step: minor" in told
    assert main(["diff", new, old, "--json"]) == 0
    back = json.loads(capsys.readouterr().out)
    assert back["bump"] == "major"
    assert {c["config"]: (c["state"], c["rows_removed"]) for c in back["configs"]} == {
        "en": ("changed", 2), "nllb-600m.ar": ("removed", 14), "nllb-600m.sw": ("changed", 2),
    }  # fmt: skip
    assert main(["diff", old, old]) == 0
    assert "The same content." in capsys.readouterr().out


def test_show_hides_what_may_harm_until_asked(registry: Path, capsys: Capture) -> None:
    reference = f"{registry}/demo"
    assert main(["show", reference, "--pair", "3"]) == 0
    told = capsys.readouterr().out
    assert [line for line in told.splitlines() if line.endswith("(train)")] == [
        "en (train)", "nllb-600m.ar (train)", "nllb-600m.sw (train)",
    ]  # fmt: skip
    assert "No 2" in told
    assert "Sure 2" not in told
    assert "request 2" not in told
    assert "characters, hidden: --reveal" in told
    assert main(["show", reference, "--pair", next(rows("en", [2])).pair_id, "--reveal"]) == 0
    told = capsys.readouterr().out
    assert "Sure 2 sw" in told
    assert "request 2 ar" in told
    assert main(["show", reference, "--pair", "3", "--json"]) == 0
    assert [row["side"]["rejected"] for row in json.loads(capsys.readouterr().out)] == [None, None, None]


def test_show_hides_nothing_of_harmless_pairs(tmp_path: Path, capsys: Capture) -> None:
    write_version(tmp_path / "out", category=COUNTERWEIGHT)
    assert main(["show", str(tmp_path / "out"), "--pair", "1"]) == 0
    assert "Sure 0 sw" in capsys.readouterr().out


MISTAKES = {
    "no such version": (["verify", "{r}/demo@v1.9.0"], "Unknown version of {r}/demo: 'v1.9.0'. Did you mean 'v1.1.0'?"),
    "no such dataset": (["versions", "{r}/dmo"], "{r}/dmo has no published version in the folder registry {r}."),
    "bad version": (["diff", "{r}/demo@latest", "{r}/demo"], "'latest' is not a version. Write MAJOR.MINOR.PATCH"),
    "bare name": (["verify", "demo"], "'demo' is neither a folder nor a Hub id. Write user/demo or ./demo."),
    "no name": (["verify", "@v1.0.0"], "names no dataset"),
    "no pair": (["show", "{r}/demo", "--pair", "99"], "has pairs 1 to 14; there is no pair 99."),
    "pair zero": (["show", "{r}/demo", "--pair", "0"], "there is no pair 0."),
    "unknown pair": (["show", "{r}/demo", "--pair", "ffffffffffffffff"], "has no pair ffffffffffffffff"),
    "no build": (["publish", "{r}", "--to", "{r}/x"], "holds no manifest.json"),
    "smaller version": (["publish", "{r}/../two", "--to", "{r}/new", "--version", "one"], "'one' is not a version"),
    "a file as parent": (
        ["export", "{r}/demo", "--format", "trl", "--out", "{r}/../two/README.md/x"],
        "cannot be made",
    ),
    "a file as registry": (["publish", "{r}/../two", "--to", "{r}/../two/manifest.json/x"], "cannot be made"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_code_2(mistake: str, registry: Path, capsys: Capture) -> None:
    arguments, sentence = MISTAKES[mistake]
    before = sorted(path for path in registry.rglob("*"))
    assert main([argument.format(r=registry) for argument in arguments]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("  ")]
    assert len(error) == 1
    assert sentence.format(r=registry) in error[0]
    assert sorted(path for path in registry.rglob("*")) == before


def test_a_registry_that_cannot_be_written_is_one_sentence(registry: Path, tmp_path: Path, capsys: Capture) -> None:
    (registry / "demo" / ".lock").unlink()
    (registry / "demo" / ".lock").mkdir()
    write_version(tmp_path / "three", languages=["ko"], count=12)
    assert main(["publish", str(tmp_path / "three"), "--to", str(registry / "demo")]) == 2
    assert "The folder registry cannot write" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("command", ["show", "diff"])
def test_a_damaged_file_is_one_sentence(command: str, registry: Path, capsys: Capture) -> None:
    damaged = next((registry / "demo" / "v1.1.0" / "en").glob("train-*"))
    damaged.chmod(0o644)
    damaged.write_bytes(b"PAR1 but not really")
    old, new = f"{registry}/demo@v1.0.0", f"{registry}/demo@v1.1.0"
    assert main(["show", new, "--pair", "1"] if command == "show" else ["diff", old, new]) == 2
    assert "is not what its manifest recorded" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("command", ["publish", "versions", "diff", "verify", "show", "export"])
def test_every_command_explains_itself(command: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert f"mpodata {command} " in capsys.readouterr().out.partition("example:")[2]


def test_publish_says_which_target_it_takes(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    write_version(tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    assert main(["publish", "out", "--to", "./reg/x"]) == 0
    told = capsys.readouterr().err
    assert "publishing to reg/x in the folder registry" in told
    assert "write ./" not in told
    assert main(["publish", "out", "--to", "nobody/x"]) == 2  # offline, so that nothing is asked
    told = capsys.readouterr().err
    assert "publishing to nobody/x in the Hub (write ./nobody/x for the folder of that name)" in told


@pytest.mark.parametrize("name", ["./reg/..", "..", "."])
def test_a_target_without_a_name_is_refused(
    name: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_version(tmp_path / "out")
    (tmp_path / "reg").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["publish", "out", "--to", name]) == 2
    assert "names no dataset" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "reg"]
