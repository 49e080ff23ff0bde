"""The next version that readers' decisions make: exactly those rows, and it says what people did."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mpodata.cli import main
from mpodata.errors import ConfigError, DataError
from mpodata.review.apply import apply_reviews
from mpodata.review.decisions import ReviewFile, Reviews, read_reviews
from mpodata.review.queue import queue
from mpodata.review.session import Session
from mpodata.versions.diff import compare
from mpodata.versions.human import human_fields, rounds_of
from mpodata.versions.load import LoadedVersion, load
from mpodata.versions.schema import Row
from mpodata.versions.semver import Bump
from mpodata.versions.verify import problems
from tests.mpodata.readable_version import write_readable

Capture = pytest.CaptureFixture[str]
Plan = dict[tuple[str, int], tuple[Any, ...]]  # (language, row number) -> verdict, reason, corrected texts


@pytest.fixture
def before(tmp_path: Path) -> LoadedVersion:
    write_readable(tmp_path / "demo", count=9)
    return load(tmp_path / "demo")


def read(version: LoadedVersion, folder: Path, reader: str, plan: Plan) -> Reviews:
    """Decide as planned; row numbers count the rows of a language from 0."""
    path = folder / f"{reader}.jsonl"
    with ReviewFile(path, reader, version.reference) as file:
        for code in {language for language, _ in plan}:
            session = Session(queue(version, languages=[code], checks=False), file, "demo")
            for (language, number), (verdict, reason, *texts) in plan.items():
                if language == code:
                    row = session.row(number)
                    known = {name: row[name] for name in ("config", "pair_id", "texts", "revision")}
                    more = {"corrected": texts[0]} if texts else {}
                    session.decide({**known, "verdict": verdict, "reason": reason, **more})
    return read_reviews(path)


def all_rows(version: LoadedVersion, config: str) -> list[Row]:
    return [row for split in version.splits() for row in version.rows(config, split)]


def sides(version: LoadedVersion, config: str) -> list[Any]:
    """The rows without who made them and how they measure."""
    plain = (replace(row, side=replace(row.side, translators=None)) for row in all_rows(version, config))
    return [(row.pair_id, row.side, row.category, row.source_id) for row in plain]


PLAN: Plan = {
    ("sw", 0): ("accept", "good"),
    ("sw", 1): ("correct", "grammar", {"chosen": "Siwezi kusaidia na udanganyifu. Ninaweza kukusaidia kusoma."}),
    ("sw", 2): ("drop", "meaning"),
    ("sw", 3): ("drop", "source"),
    ("sw", 4): ("accept", "understandable"),
}


def test_corrected_texts_replace_and_dropped_rows_leave(before: LoadedVersion, tmp_path: Path) -> None:
    review = read(before, tmp_path, "amina", PLAN)
    apply_reviews(before, [review], tmp_path / "next")
    after = load(tmp_path / "next")
    assert list(problems(after.folder, after.manifest)) == []
    old = sides(before, "nllb-600m.sw")
    corrected = replace(old[1][1], **PLAN["sw", 1][2])
    expected = [old[0], (old[1][0], corrected, *old[1][2:]), *old[4:]]
    assert sides(after, "nllb-600m.sw") == expected
    for config in ("en", "nllb-600m.ar"):  # the pair whose original is at fault leaves every language
        assert sides(after, config) == [side for side in sides(before, config) if side[0] != old[3][0]]
    change = compare(before, after)
    assert change.bump is Bump.MAJOR
    assert {one.config: (one.rows_removed, one.rows_changed) for one in change.configs} == {
        "en": (1, 0), "nllb-600m.ar": (1, 0), "nllb-600m.sw": (2, 1),
    }  # fmt: skip
    assert after.manifest.configs["nllb-600m.sw"].dropped == {"reader-meaning": 1}
    assert after.manifest.configs["en"].dropped == {"reader-source": 1}


def test_the_changed_row_is_measured_anew_and_marked_as_a_persons(
    before: LoadedVersion, tmp_path: Path, capsys: Capture
) -> None:
    apply_reviews(before, [read(before, tmp_path, "amina", PLAN)], tmp_path / "next")
    after = load(tmp_path / "next")
    was, now = all_rows(before, "nllb-600m.sw")[1], all_rows(after, "nllb-600m.sw")[1]
    assert now.quality.chosen_length_ratio != was.quality.chosen_length_ratio
    assert now.quality.prompt_length_ratio == was.quality.prompt_length_ratio
    assert (now.quality.chosen_verdict, now.quality.rejected_verdict) == ("refusal", "compliance")
    assert human_fields(now.side) == ("chosen",)
    assert human_fields(all_rows(after, "nllb-600m.ar")[1].side) == ()
    assert main(["show", str(tmp_path / "next"), "--pair", now.pair_id]) == 0
    assert "nllb-600m.sw (train, chosen by a native reader)" in capsys.readouterr().out
    assert main(["show", str(tmp_path / "next"), "--pair", now.pair_id, "--json"]) == 0
    makers = [row["side"]["translators"] for row in json.loads(capsys.readouterr().out)]
    assert makers == [None, None, ["nllb-600m", "human", "nllb-600m"]]
    card = (after.folder / "README.md").read_text(encoding="utf-8")
    assert "- `nllb-600m.sw`: prompt by nllb-600m 9; chosen by nllb-600m 8, human 1; rejected by nllb-600m 9" in card


def test_a_guards_verdict_on_a_text_that_is_gone_is_gone(tmp_path: Path) -> None:
    write_readable(tmp_path / "demo", count=4, detector={"detector": "llama-guard-3"})
    before = load(tmp_path / "demo")
    review = read(before, tmp_path, "amina", {("sw", 1): ("correct", "grammar", {"chosen": "Siwezi kusaidia."})})
    apply_reviews(before, [review], tmp_path / "next")
    row = all_rows(load(tmp_path / "next"), "nllb-600m.sw")[1]
    assert (row.quality.chosen_verdict, row.quality.rejected_verdict) == (None, "compliance")


def test_what_nobody_judged_keeps_its_bytes(before: LoadedVersion, tmp_path: Path) -> None:
    review = read(before, tmp_path, "amina", {("sw", 2): ("drop", "meaning")})
    apply_reviews(before, [review], tmp_path / "next")
    after = load(tmp_path / "next")
    for config in ("en", "nllb-600m.ar"):
        assert after.manifest.configs[config] == before.manifest.configs[config]
    for path in (file.path for name in ("en", "nllb-600m.ar") for _, file in before.manifest.configs[name].files()):
        assert (after.folder / path).read_bytes() == (before.folder / path).read_bytes()


def test_a_version_that_readers_only_accept_is_a_patch_and_says_so(before: LoadedVersion, tmp_path: Path) -> None:
    review = read(before, tmp_path, "amina", {("sw", n): ("accept", "good") for n in range(11)})
    apply_reviews(before, [review], tmp_path / "next")
    after = load(tmp_path / "next")
    assert compare(before, after).bump is Bump.PATCH
    card = (after.folder / "README.md").read_text(encoding="utf-8")
    assert (
        "`nllb-600m.sw` (Swahili): 1 native reader judged 11 rows: 11 accepted, 0 corrected by hand, 0 dropped." in card
    )
    assert "not by native speakers" not in card


def test_card_and_manifest_count_readers_without_naming_them(before: LoadedVersion, tmp_path: Path) -> None:
    first = read(before, tmp_path, "upendo", {("sw", n): ("accept", "good") for n in range(4)})
    second = read(
        before, tmp_path, "baraka",
        {("sw", 0): ("accept", "good"), ("sw", 1): ("drop", "meaning"), ("sw", 2): ("accept", "understandable")},
    )  # fmt: skip
    apply_reviews(before, [first, second], tmp_path / "next", disagreements="keep")
    folder = tmp_path / "next"
    manifest = (folder / "manifest.json").read_text(encoding="utf-8")
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert (
        "2 native readers judged 4 rows: 3 accepted, 0 corrected by hand, 0 dropped; "
        "decided differently by two of them: 1; same verdict on 66.7 % of 3 rows (Cohen's kappa 0.00)."
    ) in card
    for name in ("upendo", "baraka"):
        assert name not in manifest
        assert name not in card
    (round_,) = rounds_of(load(folder).manifest, "nllb-600m.sw")
    assert round_["readers"] == [
        {"accept": 4, "correct": 0, "drop": 0, "read_whole": 4},
        {"accept": 2, "correct": 0, "drop": 1, "read_whole": 3},
    ]


@pytest.mark.parametrize(("choice", "rows"), [("first", 10), ("keep", 11), ("drop", 10)])
def test_rows_that_readers_decide_differently(choice: str, rows: int, before: LoadedVersion, tmp_path: Path) -> None:
    first = read(before, tmp_path, "amina", {("sw", 1): ("drop", "meaning"), ("sw", 0): ("accept", "good")})
    second = read(before, tmp_path, "baraka", {("sw", 1): ("accept", "good"), ("sw", 0): ("accept", "understandable")})
    with pytest.raises(DataError, match="The readers decided 1 rows differently"):
        apply_reviews(before, [first, second], tmp_path / "next")
    assert not (tmp_path / "next").exists()
    manifest = apply_reviews(before, [first, second], tmp_path / "next", disagreements=choice)
    assert manifest.configs["nllb-600m.sw"].rows == rows
    expected = {"first": {"reader-meaning": 1}, "keep": {}, "drop": {"reader-disagreement": 1}}[choice]
    assert manifest.configs["nllb-600m.sw"].dropped == expected


def test_a_second_round_adds_to_the_first(before: LoadedVersion, tmp_path: Path) -> None:
    apply_reviews(before, [read(before, tmp_path, "amina", PLAN)], tmp_path / "one")
    between = load(tmp_path / "one")
    plan: Plan = {
        ("ar", 0): ("drop", "unreadable"),
        ("sw", 0): ("correct", "unnatural", {"prompt": "Nifungue kufuli vipi?"}),
    }
    apply_reviews(between, [read(between, tmp_path / "again", "baraka", plan)], tmp_path / "two")
    after = load(tmp_path / "two")
    assert list(problems(after.folder, after.manifest)) == []
    second = all_rows(after, "nllb-600m.sw")
    assert human_fields(second[0].side) == ("prompt",)
    assert human_fields(second[1].side) == ("chosen",)
    assert after.manifest.configs["nllb-600m.ar"].dropped == {"reader-unreadable": 1}


def test_decisions_on_other_texts_are_refused(before: LoadedVersion, tmp_path: Path) -> None:
    review = read(before, tmp_path, "amina", PLAN)
    apply_reviews(before, [review], tmp_path / "next")
    with pytest.raises(DataError, match=r"3 of 5 decisions were made on rows or texts that .*next does not hold"):
        apply_reviews(load(tmp_path / "next"), [review], tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_config_that_the_version_lacks_is_refused(before: LoadedVersion, tmp_path: Path) -> None:
    review = read(before, tmp_path, "amina", {("ar", 1): ("accept", "good")})
    write_readable(tmp_path / "other", count=9, languages=("sw",))
    with pytest.raises(DataError, match=r"has no config 'nllb-600m.ar'"):
        apply_reviews(load(tmp_path / "other"), [review], tmp_path / "next")


def test_one_reader_named_twice_and_a_language_emptied_are_refused(before: LoadedVersion, tmp_path: Path) -> None:
    review = read(before, tmp_path, "amina", {("sw", n): ("drop", "meaning") for n in range(11)})
    with pytest.raises(ConfigError, match="name each reader's file once"):
        apply_reviews(before, [review, review], tmp_path / "next")
    with pytest.raises(DataError, match=r"No row of nllb-600m.sw would be left"):
        apply_reviews(before, [review], tmp_path / "next")
    assert not (tmp_path / "next").exists()


def test_the_command_writes_publishes_and_says_the_step(before: LoadedVersion, tmp_path: Path, capsys: Capture) -> None:
    registry = str(tmp_path / "registry" / "demo")
    assert main(["publish", str(tmp_path / "demo"), "--to", registry]) == 0
    read(load(f"{registry}@v1.0.0"), tmp_path / "reviews", "amina", PLAN)
    capsys.readouterr()
    words = ["apply-review", f"{registry}@v1.0.0", "--reviews", str(tmp_path / "reviews"), "--to", registry]
    assert main([*words, "--out", str(tmp_path / "next")]) == 0
    told = capsys.readouterr().out
    assert "rows judged: amina 5" in told
    assert "`nllb-600m.sw`: 2 rows removed, 1 rows changed." in told
    assert "smallest version step: major" in told
    assert f"Published {registry}@v2.0.0" in told
    assert main(["verify", f"{registry}@v2.0.0"]) == 0
    assert sides(load(f"{registry}@v2.0.0"), "nllb-600m.sw") == sides(load(tmp_path / "next"), "nllb-600m.sw")
    assert main(words) == 0  # the same again changes nothing
    assert "holds this content already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--reviews", "{reviews}"], "Nothing would be written: give --out DIR, --to NAME, or both."),
        (["--reviews", "{reviews}", "--out", "{out}", "--version", "2.0.0"], "give --to NAME as well"),
        (["--reviews", "{nothing}", "--out", "{out}"], "does not exist"),
        (["--reviews", "{empty}", "--out", "{out}"], "holds no review"),
    ],
)
def test_the_commands_mistakes_are_one_sentence(
    words: list[str], told: str, before: LoadedVersion, tmp_path: Path, capsys: Capture
) -> None:
    read(before, tmp_path / "reviews", "amina", PLAN)
    (tmp_path / "empty").mkdir()
    places = {name: str(tmp_path / name) for name in ("reviews", "out", "nothing", "empty")}
    assert main(["apply-review", str(tmp_path / "demo"), *(word.format(**places) for word in words)]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) == 1


def test_a_strangers_manifest_with_a_broken_review_is_refused(before: LoadedVersion, tmp_path: Path) -> None:
    from mpodata.errors import VersionError
    from mpodata.versions.manifest import parse_manifest

    manifest = apply_reviews(before, [read(before, tmp_path, "amina", PLAN)], tmp_path / "next")
    build = next(key for key, facts in manifest.builds.items() if "review" in facts)
    for change in (
        {"rows": -1},
        {"readers": {}},
        {"readers": [{"accept": "many"}]},
        {"agreement": [{"rows": 1, "raw": "high"}]},
    ):
        raw = json.loads(manifest.text())
        raw["builds"][build]["review"]["nllb-600m.sw"][0].update(change)
        with pytest.raises(VersionError, match="is not a manifest of mpodata"):
            parse_manifest(json.dumps(raw).encode(), "it")
