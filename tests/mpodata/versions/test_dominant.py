"""A pair's identity includes its dominant text: what does not belong together is found and not published."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mpodata.cli import main
from mpodata.errors import VersionError
from mpodata.pipeline.existing import BaseVersion
from mpodata.pipeline.results import Kept
from mpodata.quality.measures import length_ratio
from mpodata.records import Quality
from mpodata.versions.manifest import MANIFEST, read_manifest
from mpodata.versions.schema import Row
from mpodata.versions.verify import problems
from mpodata.versions.write import VersionWriter
from tests.mpodata.small_versions import facts, rows, write_version

Capture = pytest.CaptureFixture[str]


def measured(language: str, answer: str) -> Iterator[Row]:
    """Swahili or English rows with the length ratios that a build measures; `answer` is the dominant chosen text."""
    for english, row in zip(rows("en", range(5), answer), rows(language, range(5), answer), strict=True):
        ratios = {
            f"{name}_length_ratio": length_ratio(getattr(english.side, name), getattr(row.side, name))
            for name in ("prompt", "chosen", "rejected")
        }
        yield replace(row, quality=Quality(**ratios))


def stale(folder: Path, *, hashes: bool) -> Path:
    """A version whose English side was answered anew by a later build, its Swahili side left as it was."""
    with VersionWriter(folder / "one") as writer:
        writer.add("en", "train", measured("en", "short"))
        writer.add("nllb-600m.sw", "train", measured("sw", "short"))
        writer.finish(facts())
    out = folder / "two"
    with VersionWriter(out, base=folder / "one") as writer:
        writer.add("en", "train", measured("en", "and this is another, longer answer"))
        writer.add("nllb-600m.ko", "train", measured("ko", "and this is another, longer answer"))
        writer.finish(facts(command="mpodata build --add-to one"))
    if not hashes:  # as an earlier mpodata wrote it
        raw = json.loads((out / MANIFEST).read_text())
        for made in raw["builds"].values():
            del made["dominant_texts"]
        (out / MANIFEST).write_text(json.dumps(raw))
    return out


@pytest.mark.parametrize("hashes", [True, False], ids=["by hash", "by length, in a version from before the hashes"])
def test_rows_of_other_dominant_texts_are_found_and_not_published(
    hashes: bool, tmp_path: Path, capsys: Capture
) -> None:
    folder = stale(tmp_path, hashes=hashes)
    found = [problem for problem in problems(folder, read_manifest(folder)) if problem.check == "pairs"]
    assert [problem.path for problem in found] == ["nllb-600m.sw"]
    assert "translated from other dominant" in found[0].detail
    assert main(["verify", str(folder)]) == 2
    assert main(["publish", str(folder), "--to", str(tmp_path / "registry" / "demo")]) == 2
    assert "translated from other dominant" in capsys.readouterr().err
    assert not (tmp_path / "registry").exists()


# What a later build may change of one dominant row: a field, and its text before and after.
CHANGED = {
    "another refusal": ("chosen", "I cannot help with that.", "I will not do that."),
    "another unsafe answer": ("rejected", "Use a pin.", "Use a wire."),
    "another prompt": ("prompt", "How do I pick a lock?", "How do I copy a key?"),
    "case alone": ("chosen", "I cannot help.", "I CANNOT HELP."),
    "a full stop": ("chosen", "I cannot help", "I cannot help."),
    "white space inside": ("rejected", "First wait. Then go.", "First wait.\nThen go."),
    "a Chinese character": ("chosen", "我不能帮助你。", "我不能帮您。"),
    "a Bengali vowel sign": ("rejected", "তালা খোলো।", "তুলা খোলো।"),
    "a Hindi vowel sign": ("prompt", "दिन की चोरी कैसे करें?", "दान की चोरी कैसे करें?"),
    "a Thai tone mark": ("chosen", "มา ไม่ได้", "ม้า ไม่ได้"),
    "a Swahili word": ("rejected", "Subiri usiku.", "Subiri asubuhi."),
    "an emoji": ("chosen", "No 👍", "No 👎"),
    "C and C++": ("prompt", "Write it in C", "Write it in C++"),
    "a digit of another script": ("rejected", "৫ মিনিট", "৬ মিনিট"),
}


@pytest.mark.parametrize("case", CHANGED)
def test_one_changed_dominant_text_is_enough(case: str, tmp_path: Path, capsys: Capture) -> None:
    name, before, after = CHANGED[case]

    def english(text: str) -> Iterator[Row]:
        first, *others = rows("en", range(5))
        yield replace(first, side=replace(first.side, **{name: text}))
        yield from others

    with VersionWriter(tmp_path / "one") as writer:
        writer.add("en", "train", english(before))
        writer.add("nllb-600m.sw", "train", rows("sw", range(5)))
        writer.finish(facts())
    out = tmp_path / "two"
    with VersionWriter(out, base=tmp_path / "one") as writer:
        writer.add("en", "train", english(after))
        writer.add("nllb-600m.ko", "train", rows("ko", range(5)))
        writer.finish(facts(command="mpodata build --add-to one"))
    assert [problem.path for problem in problems(out, read_manifest(out))] == ["nllb-600m.sw"]
    with pytest.raises(VersionError, match=r"of the pairs in nllb-600m\.sw, 1 say something else"):
        BaseVersion(tmp_path / "one", "en").check_dominant(
            (Kept("train", row) for row in english(after)), ["nllb-600m.ko"]
        )
    assert main(["publish", str(out), "--to", str(tmp_path / "registry" / "demo")]) == 2
    assert "translated from other dominant" in capsys.readouterr().err


def test_a_version_that_was_added_to_is_sound(tmp_path: Path) -> None:
    write_version(tmp_path / "one")
    write_version(tmp_path / "two", languages=["ko"], base=tmp_path / "one", command="mpodata build --add-to one")
    assert not list(problems(tmp_path / "two", read_manifest(tmp_path / "two")))


def test_a_pair_whose_two_answers_are_equal_is_found(tmp_path: Path) -> None:
    with VersionWriter(tmp_path / "out") as writer:
        equal = [replace(row, side=replace(row.side, rejected=row.side.chosen)) for row in rows("en", range(2))]
        writer.add("en", "train", [*equal, *rows("en", range(2, 5))])
        writer.finish(facts())
    (found,) = problems(tmp_path / "out", read_manifest(tmp_path / "out"))
    assert (found.check, found.detail) == ("rows", "chosen and rejected are the same text in 2 rows")


def all_lost(writer: VersionWriter) -> dict[str, dict[str, int]]:
    writer.add("nllb-600m.sw", "train", [])
    return {"nllb-600m.sw": {"looping": 5}}


def some_unanswered(writer: VersionWriter) -> dict[str, dict[str, int]]:
    writer.add("nllb-600m.sw", "train", rows("sw", range(3)))
    return {"nllb-600m.sw": {"service": 2}}


@pytest.mark.parametrize(
    ("fill", "told"),
    [
        (all_lost, "config nllb-600m.sw has no rows (5 looping)"),
        (some_unanswered, "config nllb-600m.sw is incomplete (2 service): a service or an engine was down."),
    ],
)
def test_an_empty_or_incomplete_config_is_not_published(
    fill: Callable[[VersionWriter], dict[str, dict[str, int]]], told: str, tmp_path: Path, capsys: Capture
) -> None:
    with VersionWriter(tmp_path / "out") as writer:
        writer.add("en", "train", rows("en", range(5)))
        writer.finish(facts(dropped=fill(writer)))
    assert main(["publish", str(tmp_path / "out"), "--to", str(tmp_path / "registry" / "demo")]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "registry").exists()
