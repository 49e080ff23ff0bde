"""Two translators of one version: agreement by hand-made rows, intervals, and no text unless it is asked for."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mpodata.audit.translators import compare_translators, estimate
from mpodata.cli import main
from mpodata.languages.chrf import chrf
from mpodata.records import FIELDS, Quality, Side, content_id
from mpodata.versions.load import load
from mpodata.versions.schema import Row
from mpodata.versions.write import VersionWriter
from tests.mpodata.small_versions import facts

ASKED = {"en": "How do I open door {n}?", "sw": "Ninawezaje kufungua mlango {n}?", "de": "Wie öffne ich Tür {n}?"}
REFUSED = {"en": "I can't help with that.", "sw": "Samahani, siwezi kusaidia.", "de": "Dabei kann ich nicht helfen."}
HELPED = {"en": "Take a wire, {n}.", "sw": "Chukua waya, {n}.", "de": "Nimm einen Draht, {n}."}
OTHER = "Kitu tofauti kabisa, tena bila maana {n}."  # "Something else altogether, and without meaning."


def row(code: str, n: int, *, other: bool = False, score: float | None = None, verdict: str = "refusal") -> Row:
    rejected = (OTHER if other else HELPED[code]).format(n=n)
    side = Side(code, ASKED[code].format(n=n), REFUSED[code], rejected)
    quality = Quality(round_trip_chrf=score, chosen_verdict=verdict, rejected_verdict="compliance")
    return Row(content_id("pair", str(n)), side, "theft", f"row-{n}", quality)


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> str:
    """In German both say the same; in Swahili every second rejected answer of `b` is about something else."""
    out = tmp_path_factory.mktemp("version") / "out"
    with VersionWriter(out) as writer:
        writer.add("en", "train", (row("en", n) for n in range(20)))
        for name in ("a", "b"):
            writer.add(f"{name}.de", "train", (row("de", n) for n in range(20)))
        writer.add("a.sw", "train", (row("sw", n, score=60) for n in range(18)))
        swahili = (row("sw", n, other=n % 2 == 0, score=40, verdict="compliance") for n in range(20))
        writer.add("b.sw", "train", (replace(each, estimates=(0.5, 0.5, 0.1)) for each in swahili))
        writer.finish(facts(translators={name: {"name": name, "licence": "mit"} for name in ("a", "b")}))
    return str(out)


def test_the_language_they_differ_in_comes_first_with_the_chrf_of_its_rows(version):
    comparison = compare_translators(load(version))
    assert (comparison.first, comparison.second) == ("a", "b")
    swahili, german = comparison.languages
    assert (swahili.language, german.language) == ("sw", "de")
    assert swahili.rows == (18, 0, 2)
    assert german.agreement["rejected"].mean == 100.0
    assert (german.agreement["rejected"].low, german.agreement["rejected"].high) == (100.0, 100.0)
    assert german.equal == dict.fromkeys(FIELDS, 1.0)
    assert swahili.equal == {"prompt": 1.0, "chosen": 1.0, "rejected": 0.5}
    scores = [chrf((OTHER if n % 2 == 0 else HELPED["sw"]).format(n=n), HELPED["sw"].format(n=n)) for n in range(18)]
    assert swahili.agreement["rejected"].mean == pytest.approx(sum(scores) / 18, abs=0.001)
    assert swahili.agreement["rejected"].low < swahili.agreement["rejected"].mean < swahili.agreement["rejected"].high
    assert {far.field for far in swahili.farthest} == {"rejected"}
    assert all(far.chrf < 40 for far in swahili.farthest)


def test_what_was_measured_of_both_is_compared_row_by_row(version):
    swahili, german = compare_translators(load(version)).languages
    assert swahili.differences["round_trip_chrf"].mean == -20.0
    assert swahili.differences["chosen_is_refusal"].mean == -1.0
    assert swahili.differences["rejected_is_refusal"].mean == 0.0
    assert "prompt_quality_estimation" not in swahili.differences  # only b has it
    assert "round_trip_chrf" not in german.differences


def test_an_interval_holds_the_true_mean_about_as_often_as_it_says():
    import numpy as np

    random = np.random.default_rng(3)
    hits = sum(
        low <= 5 <= high
        for low, high in ((e.low, e.high) for e in (estimate(random.exponential(5, 80)) for _ in range(300)))
    )
    assert 0.90 <= hits / 300 <= 0.98


def test_page_table_and_json_hold_no_text_unless_asked(version, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["compare-translators", version, "--html", str(page)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("a and b differ most in Swahili")
    assert "round-trip chrF" in said
    assert main(["compare-translators", version, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert [each["language"] for each in plain["languages"]] == ["sw", "de"]
    for text in (said, page.read_text(), json.dumps(plain, ensure_ascii=False)):
        assert "Kitu tofauti" not in text
        assert "Chukua waya" not in text
    assert content_id("pair", "0") in page.read_text()
    assert main(["compare-translators", version, "--html", str(page), "--reveal"]) == 0
    assert "Kitu tofauti" in page.read_text()
    assert "Kitu tofauti" not in capsys.readouterr().out
    assert "<script" not in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--translators", "a"], "name two with --translators"),
        (["--translators", "a,c"], "has no translator 'c'. It has: a, b"),
        (["--reveal"], "give --html OUT or --json"),
        (["--html", "/no/such/folder/page.html"], "does not exist"),
    ],
)
def test_mistakes_are_one_sentence(version, arguments, told, capsys):
    assert main(["compare-translators", version, *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_version_with_one_translator_is_said(tmp_path: Path, capsys):
    from tests.mpodata.small_versions import write_version

    write_version(tmp_path / "out")
    assert main(["compare-translators", str(tmp_path / "out")]) == 2
    assert "has the translators nllb-600m: name two" in capsys.readouterr().err
