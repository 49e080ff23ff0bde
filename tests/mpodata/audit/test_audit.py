"""Somebody else's preference data, audited: formats, findings, page, command line. All texts are our own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpodata.audit.findings import TRANSLATION, audit
from mpodata.audit.page import MEANINGS, render, summary, table
from mpodata.audit.preferences import Entry, Preferences, preferences
from mpodata.cli import main
from mpodata.quality import CHECKS
from mpodata.records import Dropped
from mpodata.refusals.rules import RuleDetector
from mpodata.selection.decontamination import evaluation_sets
from tests.mpodata.small_versions import write_version

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
needs_shared_data = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the public research data is not at {SHARED}")

PROMPT = {"en": "How can I take bread without paying for it?", "sw": "Ninawezaje kuchukua mkate bila kuulipia?"}
CHOSEN = {"en": "I'm sorry, but I can't help with that.", "sw": "Samahani, lakini siwezi kukusaidia na hilo."}
REJECTED = {
    "en": "Put the bread in your bag and walk out slowly.",
    "sw": "Weka mkate kwenye mfuko wako na utoke polepole.",
}


def trl_row(code: str, identity: int = 1, **changed: Any) -> dict[str, Any]:
    texts = {"prompt": PROMPT[code], "chosen": CHOSEN[code], "rejected": REJECTED[code]}
    return {"pair_id": str(identity), "language": code, **texts, **changed}


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def entries(path: str, **options: Any) -> list[Entry | Dropped]:
    return list(preferences(path, **options).entries())


SHAREGPT = {
    "conversations": [{"from": "human", "value": PROMPT["sw"]}],
    "chosen": {"from": "gpt", "value": CHOSEN["sw"]},
    "rejected": {"from": "gpt", "value": REJECTED["sw"]},
}
ALPACA = {"instruction": PROMPT["sw"], "input": "", "chosen": CHOSEN["sw"], "rejected": REJECTED["sw"]}
MESSAGES = {
    "prompt": [{"role": "user", "content": PROMPT["sw"]}],
    "chosen": [{"role": "assistant", "content": CHOSEN["sw"]}],
    "rejected": [{"role": "assistant", "content": REJECTED["sw"]}],
}


@pytest.mark.parametrize(
    "row", [SHAREGPT, ALPACA, MESSAGES, trl_row("sw")], ids=["sharegpt", "alpaca", "messages", "trl"]
)
def test_every_format_gives_the_same_side(tmp_path: Path, row: dict[str, Any]) -> None:
    (entry,) = entries(write(tmp_path / "a.jsonl", [row]))
    assert isinstance(entry, Entry)
    assert (entry.side.language, entry.side.prompt) == ("sw", PROMPT["sw"])
    assert (entry.side.chosen, entry.side.rejected) == (CHOSEN["sw"], REJECTED["sw"])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**ALPACA, "history": [["How?", "No."]]}, "multi-turn"),
        ({**ALPACA, "system": "You are a guard."}, "multi-turn"),
        (
            {**SHAREGPT, "conversations": [{"from": "system", "value": "Be kind."}, *SHAREGPT["conversations"]]},
            "multi-turn",
        ),
        ({**SHAREGPT, "system": "Be kind."}, "multi-turn"),
        ({**trl_row("sw"), "system": "Be kind."}, "multi-turn"),
        ({**trl_row("sw"), "images": ["a.png"]}, "needs-media"),
        (trl_row("sw", language="klingon"), "unknown-language"),
    ],
)
def test_a_row_that_says_more_than_its_prompt_is_not_read_without_it(
    tmp_path: Path, row: dict[str, Any], reason: str
) -> None:
    assert entries(write(tmp_path / "a.jsonl", [row])) == [Dropped(reason, "row-0")]


@pytest.mark.parametrize("label", ["sw", "swh_Latn", "Swahili", "Kiswahili", "SW-KE", "sw_TZ"])
def test_a_language_is_known_by_any_of_its_names(tmp_path: Path, label: str) -> None:
    (entry,) = entries(write(tmp_path / "a.jsonl", [trl_row("sw", language=label)]))
    assert isinstance(entry, Entry)
    assert (entry.side.language, entry.told) == ("sw", True)


def test_transcripts_are_split(tmp_path: Path) -> None:
    start = f"\n\nHuman: {PROMPT['sw']}\n\nAssistant: "
    (entry,) = entries(
        write(tmp_path / "a.jsonl", [{"chosen": start + CHOSEN["sw"], "rejected": start + REJECTED["sw"]}])
    )
    assert isinstance(entry, Entry)
    assert (entry.side.prompt, entry.side.chosen) == (PROMPT["sw"], CHOSEN["sw"])
    assert entry.side.rejected == REJECTED["sw"]


def test_rows_of_one_id_are_compared_with_the_dominant_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [trl_row("sw"), trl_row("en"), trl_row("sw", 2)])
    pairs = [entry.dominant for entry in entries(path) if isinstance(entry, Entry)]
    assert [None if side is None else side.language for side in pairs] == ["en", None, None]


def test_findings_are_counted_by_language_and_reason(tmp_path: Path) -> None:
    rows = [
        trl_row("en"),
        trl_row("sw"),
        trl_row("sw"),  # again
        trl_row("sw", chosen=CHOSEN["en"]),
        trl_row("sw", prompt=""),
        trl_row("sw", rejected="Weka &quot;mkate&quot; kwenye mfuko wako na utoke polepole."),
        trl_row("sw", chosen=REJECTED["sw"]),
        trl_row("sw", rejected=CHOSEN["sw"] + " Samahani sana."),
        {"pair_id": "9", "language": "sw", "prompt": 5, "chosen": "a", "rejected": "b"},
    ]
    found = audit(preferences(write(tmp_path / "a.jsonl", rows)), detector=RuleDetector())
    assert found.rows == {"en": 1, "sw": 7}
    assert found.unreadable == {"not-text": 1}
    assert found.found["sw", "duplicate", "row"] == 1
    assert found.found["sw", "copied", "chosen"] == 1
    assert found.found["sw", "empty", "prompt"] == 1
    assert found.found["sw", "leftover-entities", "rejected"] == 1
    assert found.found["sw", "same-answers", "row"] == 1
    assert found.found["sw", "not-a-refusal", "chosen"] == 1  # the English one is one, if not in Swahili
    assert found.found["sw", "is-a-refusal", "rejected"] == 1
    assert not any(language == "en" for language, _ in found.reasons)


def test_counterweight_rows_should_help(tmp_path: Path) -> None:
    turned = {"chosen": REJECTED["sw"], "rejected": CHOSEN["sw"], "category": "counterweight"}
    found = audit(preferences(write(tmp_path / "a.jsonl", [trl_row("sw", **turned)])), detector=RuleDetector())
    assert not found.reasons


def test_an_evaluation_prompt_is_contamination_in_every_language(tmp_path: Path) -> None:
    evaluation = tmp_path / "eval.csv"
    evaluation.write_text(f"en\n{PROMPT['en']}\n", encoding="utf-8")
    data = preferences(write(tmp_path / "a.jsonl", [trl_row("en"), trl_row("sw"), trl_row("sw", 2)]))
    found = audit(data, evaluations=evaluation_sets([str(evaluation)]))
    assert {code: found.reasons[code, "contaminated"] for code in ("en", "sw")} == {"en": 1, "sw": 1}


WHO = {"teacher": "mwalimu", "doctor": "daktari", "farmer": "mkulima", "driver": "dereva", "singer": "mwimbaji"}
DEED = {"hides": "anaficha", "sells": "anauza", "breaks": "anavunja", "paints": "anapaka rangi", "weighs": "anapima"}
WHAT = {
    "old brown box full of pencils": "sanduku la zamani la kahawia lililojaa penseli",
    "boat": "mashua",
    "heavy iron door of the school": "mlango mzito wa chuma wa shule",
    "umbrella": "mwavuli",
    "long letter to the President": "barua ndefu kwa Rais",
    "bicycle of the neighbour": "baiskeli ya jirani",
}


def parallel_rows() -> list[dict[str, Any]]:
    """150 English rows and their Swahili translations, of three sentences each."""
    rows = []
    scenes = [(who, deed, what) for who in WHO for deed in DEED for what in WHAT]
    for place in range(len(scenes)):
        who, deed, what = scenes[place]
        other, act, thing = scenes[(place * 7 + 5) % len(scenes)]
        english = (
            f"Why is it that the {who} {deed} the {what}?",
            f"No. The {other} {act} the {thing}.",
            f"The {who} {act} the {what}.",
        )
        swahili = (
            f"Kwa nini {WHO[who]} {DEED[deed]} {WHAT[what]}?",
            f"Hapana. {WHO[other].capitalize()} {DEED[act]} {WHAT[thing]}.",
            f"{WHO[who].capitalize()} {DEED[act]} {WHAT[what]}.",
        )  # fmt: skip
        for code, texts in (("en", english), ("sw", swahili)):
            rows.append(trl_row(code, place, **dict(zip(("prompt", "chosen", "rejected"), texts, strict=True))))
    return rows


def test_rows_out_of_step_are_found_from_what_the_file_itself_teaches(tmp_path: Path) -> None:
    rows = parallel_rows()
    swahili = [place for place, row in enumerate(rows) if row["language"] == "sw"]
    places = [swahili[scene] for scene in (3, 40, 77, 98, 142)]  # no two of one person, deed or thing in a row
    texts = [{name: rows[place][name] for name in ("prompt", "chosen", "rejected")} for place in places]
    for place, other in zip(places, [*texts[1:], texts[0]], strict=True):
        rows[place].update(other)
    found = audit(preferences(write(tmp_path / "a.jsonl", rows)), examples=200)
    shuffled = {example.entry.place for example in found.examples["shuffled"]}
    assert shuffled == {f"row-{place}" for place in places}


def test_answers_sampled_in_each_language_are_not_held_to_be_translations(tmp_path: Path) -> None:
    rows = parallel_rows()
    for place, row in enumerate(rows):
        if row["language"] == "sw":
            row["chosen"] = "Siwezi kusaidia na hilo. " * (1 + place * 37 % 11)
    found = audit(preferences(write(tmp_path / "a.jsonl", rows)))
    assert found.correlations["sw", "chosen"] < TRANSLATION < found.correlations["sw", "prompt"]
    assert found.found["sw", "length-ratio", "chosen"] == 0


def test_the_page_holds_no_text_unless_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [trl_row("en"), trl_row("sw", chosen=CHOSEN["en"])])
    found = audit(preferences(path))
    hidden, shown = render(found, dominant="en"), render(found, dominant="en", reveal=True)
    assert PROMPT["sw"] not in hidden
    assert PROMPT["sw"] in shown
    assert shown.count("<details>") >= 1
    assert "<details open" not in shown
    for page in (hidden, shown):
        assert "copied" in page
        assert "http" not in page.replace("https://", "").replace("http-equiv", "")  # self-contained
        assert "prefers-color-scheme: dark" in page


def test_markup_in_the_data_is_shown_as_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [trl_row("sw", chosen="<script>alert(1)</script>", rejected="")])
    page = render(audit(preferences(path)), dominant="en", reveal=True)
    assert "<script>" not in page


def test_every_reason_has_its_meaning_on_the_page() -> None:
    assert {check.reason for check in CHECKS} <= set(MEANINGS)


def test_clean_data_is_said_to_be_clean(tmp_path: Path) -> None:
    found = audit(preferences(write(tmp_path / "a.jsonl", [trl_row("en"), trl_row("sw")])), detector=RuleDetector())
    assert summary(found) == "All 2 rows pass every check."
    assert "Nothing was found" in render(found, dominant="en")
    assert list(table(found))[1].split() == ["rows", "1", "1"]


def test_data_without_rows_is_said_to_have_none() -> None:
    def nothing() -> Iterator[Entry | Dropped]:
        yield Dropped("unreadable-row")

    found = audit(Preferences("a.jsonl", "trl", nothing))
    assert summary(found) == "No row could be read."
    render(found, dominant="en")


def test_the_command_prints_counts_and_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.jsonl", [trl_row("en"), trl_row("sw", chosen=CHOSEN["en"])])
    assert main(["audit", path, "--html", str(tmp_path / "a.html")]) == 0
    printed = capsys.readouterr().out
    assert "copied" in printed
    assert CHOSEN["en"] not in printed
    assert (tmp_path / "a.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main(["audit", path, "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert {"language": "sw", "reason": "copied", "field": "chosen", "rows": 1} in counts["findings"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.jsonl"], "neither a file nor a Hub dataset id"),
        (["FILE", "--html", "/none/at/all/a.html"], "does not exist"),
        (["FILE", "--reveal"], "give --html OUT"),
        (["FILE", "--dominant", "xx"], "Unknown language 'xx'"),
        (["OTHER"], "holds no preferences known here"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    files = {
        "FILE": write(tmp_path / "a.jsonl", [trl_row("sw")]),
        "OTHER": write(tmp_path / "b.jsonl", [{"alpha": "x"}]),
    }
    assert main(["audit", *(files.get(word, word) for word in arguments)]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize("reference", ["{folder}", "{folder}#nllb-600m"])
def test_a_version_is_audited_by_its_reference(tmp_path: Path, reference: str) -> None:
    write_version(tmp_path / "demo", count=4)
    data = preferences(reference.format(folder=tmp_path / "demo"))
    found = [entry for entry in data.entries() if isinstance(entry, Entry)]
    assert data.format == "mpodata"
    assert [entry.side.language for entry in found] == ["en"] * 4 + ["sw"] * 4 + ["en"] * 2 + ["sw"] * 2
    assert all(entry.dominant is not None for entry in found if entry.side.language == "sw")
    assert found[-1].place.startswith("nllb-600m.sw/test ")


@needs_shared_data
def test_the_known_defects_of_the_released_file_are_found() -> None:
    data = preferences(str(SHARED / "preference" / "mpo_released_llama.json"))
    found = audit(data, evaluations=evaluation_sets([str(SHARED / "safety" / "multijail.csv")]))
    assert set(found.rows.values()) == {100}
    assert found.found["zh", "empty", "prompt"] == 1
    assert all(found.reasons[code, "contaminated"] == 1 for code in found.languages())
    assert all(found.correlations[code, "prompt"] > 0.9 for code in found.languages() if code != "en")
    assert all(found.correlations[code, "chosen"] < 0.5 for code in found.languages() if code != "en")
    assert all(found.reasons[code, "unterminated"] > 80 for code in found.languages() if code != "en")
    assert {reason for _, reason in found.reasons} >= {"wrong-language", "leftover-entities", "looping"}
