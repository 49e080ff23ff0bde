"""Somebody else's preference data, audited: formats, findings, page, command line. All texts are our own."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpodata.audit.findings import audit
from mpodata.audit.page import MEANINGS, render, report, summary, table
from mpodata.audit.preferences import ANSWERS, Entry, Preferences, preferences
from mpodata.audit.record import SEVERITY
from mpodata.cli import main
from mpodata.quality import CHECKS
from mpodata.records import Dropped
from mpodata.refusals.rules import RuleDetector
from mpodata.runtime.processes import ProcessMapper
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
    assert not found.comparisons["sw", "chosen"].translation
    assert found.comparisons["sw", "prompt"].translation
    assert found.found["sw", "length-ratio", "chosen"] == 0


def test_the_page_holds_no_text_unless_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [trl_row("en"), trl_row("sw", chosen=CHOSEN["en"])])
    found = audit(preferences(path))
    hidden, shown = render(found), render(found, reveal=True)
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
    page = render(audit(preferences(path)), reveal=True)
    assert "<script>" not in page


def test_every_reason_has_its_meaning_on_the_page() -> None:
    assert {check.reason for check in CHECKS} <= set(MEANINGS) == set(SEVERITY)


def test_clean_data_is_said_to_be_clean(tmp_path: Path) -> None:
    found = audit(preferences(write(tmp_path / "a.jsonl", [trl_row("en"), trl_row("sw")])), detector=RuleDetector())
    assert summary(found) == "All 2 rows pass every check."
    assert "Nothing was found" in render(found)
    assert list(table(found))[1].split() == ["rows", "1", "1"]


def test_data_without_rows_is_said_to_have_none() -> None:
    def nothing() -> Iterator[Entry | Dropped]:
        yield Dropped("unreadable-row")

    found = audit(Preferences("a.jsonl", "trl", nothing))
    assert summary(found) == "No row could be read."
    render(found)


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
        (["FILE", "--rows", "rows.xlsx"], "ends in .csv"),
        (["FILE", "--workers", "0"], "--workers must be at least 1"),
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


TURN = "\n\nHuman: {} \n\nAssistant: {}"


def test_transcripts_are_split_into_a_prompt_and_two_answers(tmp_path: Path) -> None:
    row = {
        name: TURN.format(PROMPT["en"], answers["en"])
        for name, answers in zip(ANSWERS, (CHOSEN, REJECTED), strict=True)
    }
    longer = {name: text + TURN.format("And then?", "Then rest.") for name, text in row.items()}
    data = preferences(write(tmp_path / "hh.jsonl", [row, longer]))
    first, second = data.entries()
    assert data.format == "trl"
    assert isinstance(first, Entry)
    assert (first.side.prompt, first.side.chosen, first.side.rejected) == (PROMPT["en"], CHOSEN["en"], REJECTED["en"])
    assert isinstance(second, Dropped)
    assert second.reason == "multi-turn"


EARLIER = [["How do I take a pen?", "Ask first."]]
CONTEXT = [
    ALPACA | {"history": EARLIER},
    ALPACA | {"system": "You are a guard."},
    trl_row("sw") | {"system": "You are a guard."},
    MESSAGES | {"history": EARLIER},
    MESSAGES | {"prompt": [{"role": "system", "content": "Be brief."}, *MESSAGES["prompt"]]},
    SHAREGPT | {"conversations": [{"from": "system", "value": "Be kind."}, *SHAREGPT["conversations"]]},
    SHAREGPT | {"conversations": SHAREGPT["conversations"] * 2},
]


@pytest.mark.parametrize("row", CONTEXT)
def test_earlier_turns_and_system_prompts_are_counted_and_never_cut_off(tmp_path: Path, row: dict[str, Any]) -> None:
    found = audit(preferences(write(tmp_path / "a.jsonl", [row])))
    assert (sum(found.rows.values()), found.unreadable) == (0, {"multi-turn": 1})


def test_empty_context_columns_are_no_context(tmp_path: Path) -> None:
    found = audit(preferences(write(tmp_path / "a.jsonl", [ALPACA | {"history": [], "system": ""}])))
    assert found.rows == {"sw": 1}


@pytest.mark.parametrize(
    ("label", "code"),
    [("Swahili", "sw"), ("swh_Latn", "sw"), ("sw-KE", "sw"), ("kiswahili", "sw"), ("jp", "ja"), ("zh-TW", "zh")],
)
def test_a_language_goes_by_every_label_of_the_table(tmp_path: Path, label: str, code: str) -> None:
    (entry,) = entries(write(tmp_path / "a.jsonl", [trl_row("sw", language=label)]))
    assert isinstance(entry, Entry)
    assert entry.side.language == code


def test_a_label_that_no_language_has_is_counted(tmp_path: Path) -> None:
    found = audit(preferences(write(tmp_path / "a.jsonl", [trl_row("sw", language="Klingon"), trl_row("sw")])))
    assert (found.rows, found.unreadable) == ({"sw": 1}, {"unknown-language": 1})


def test_the_dominant_language_is_the_one_that_others_share_their_ids_with(tmp_path: Path) -> None:
    german = {
        "prompt": "Wie nehme ich Brot, ohne zu bezahlen?",
        "chosen": "Dabei helfe ich nicht.",
        "rejected": "Steck es ein.",
    }
    rows = [trl_row("sw", 1), trl_row("sw", 2)] + [trl_row("en", n, language="de", **german) for n in (1, 2, 3)]
    rows.append(trl_row("en", 3, language="fr", prompt="Comment prendre du pain sans payer ?"))
    data = preferences(write(tmp_path / "a.jsonl", rows))
    assert data.dominant == "de"
    assert "3 of 3 ids" in data.dominant_reason
    assert preferences(write(tmp_path / "a.jsonl", rows), dominant="fr").dominant == "fr"


CHINESE = ["我怎样才能不付钱就拿走面包？", "我怎样才能进入邻居的房子而不被发现？", "我怎样才能不问就骑走别人的自行车？"]


def test_a_dominant_side_in_another_language_than_it_is_called_is_said(tmp_path: Path) -> None:
    rows = [trl_row("en", n, prompt=prompt) for n, prompt in enumerate(CHINESE)]
    found = audit(preferences(write(tmp_path / "a.jsonl", rows)))
    assert any(
        "are in zh (100% of 3 prompts)" in sentence and "--dominant zh" in sentence for sentence in found.conclusions
    )


def test_the_most_severe_reasons_come_first(tmp_path: Path) -> None:
    rows = [
        trl_row("en"),
        trl_row("sw", rejected="Weka &quot;mkate&quot; kwenye mfuko wako na utoke polepole."),
        trl_row("sw", 2, rejected="Weka &quot;mkate&quot; kwenye mfuko wako na utoke polepole sasa."),
        trl_row("sw", chosen=CHINESE[0]),
        trl_row("sw", chosen=CHOSEN["en"]),
    ]
    found = audit(preferences(write(tmp_path / "a.jsonl", rows)))
    reasons = found.all_reasons()
    assert reasons.index("wrong-language") < reasons.index("copied") < reasons.index("leftover-entities")
    assert summary(found).startswith("4 of 5 rows (80%) have at least one finding; the most severe is wrong-language")
    assert next(record["row"] for record in found.records()) in ("row-3", "row-4")
    assert next(record["severity"] for record in found.records()) == SEVERITY.index("wrong-language")


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl"])
def test_every_row_with_a_finding_is_written_with_its_id(tmp_path: Path, suffix: str) -> None:
    rows = [trl_row("en", 7), *(trl_row("sw", n, chosen=CHOSEN["en"]) for n in range(30))]
    out = tmp_path / f"rows{suffix}"
    assert main(["audit", write(tmp_path / "a.jsonl", rows), "--rows", str(out), "--examples", "1"]) == 0
    text = out.read_text(encoding="utf-8")
    if suffix == ".csv":
        records = list(csv.DictReader(text.splitlines()))
    else:
        records = json.loads(text) if suffix == ".json" else [json.loads(line) for line in text.splitlines()]
    untranslated = [record for record in records if record["reason"] == "wrong-language"]
    assert [record["id"] for record in untranslated] == [str(n) for n in range(30)]
    assert untranslated[0]["row"] == "row-1"
    assert CHOSEN["en"] not in text


def test_one_text_under_two_languages_is_found(tmp_path: Path) -> None:
    twice = trl_row("sw", 1) | {"language": "ig", "pair_id": "2"}
    found = audit(preferences(write(tmp_path / "a.jsonl", [trl_row("sw", 1), twice])))
    assert found.found["ig", "duplicate-across-languages", "row"] == 1
    assert found.found["sw", "duplicate-across-languages", "row"] == 0


@pytest.mark.flow
def test_several_processes_find_what_one_finds(tmp_path: Path) -> None:
    rows = parallel_rows()
    for place in range(1, len(rows), 14):
        rows[place]["chosen"] = rows[place]["chosen"].split()[0]
    path = write(tmp_path / "a.jsonl", rows)
    with ProcessMapper(2, alone=0) as mapper:
        several = audit(preferences(path), mapper=mapper)
    assert several.as_dict() == audit(preferences(path)).as_dict()
    assert several.row_findings


def test_findings_that_rest_on_phrase_rules_come_with_the_rules_reliability(tmp_path: Path) -> None:
    rows = [trl_row("sw", 1, chosen=REJECTED["sw"]), trl_row("sw", 2, language="yo")]
    found = audit(preferences(write(tmp_path / "a.jsonl", rows)), detector=RuleDetector())
    assert set(found.reliability) == {"sw", "yo"}
    assert "agreement" in found.reliability["sw"]
    assert "cannot measure Yoruba" in found.reliability["yo"]
    assert any("Refusal rules, yo" in line for line in report(found))
    assert "cannot measure Yoruba" in render(found)


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
    targets = [code for code in found.languages() if code != "en"]
    assert all(found.comparisons[code, "prompt"].translation for code in targets)
    assert not any(found.comparisons[code, name].translation for code in targets for name in ("chosen", "rejected"))
    assert found.dominant == "en"
    assert all(found.reasons[code, "unterminated"] > 80 for code in found.languages() if code != "en")
    assert {reason for _, reason in found.reasons} >= {"wrong-language", "leftover-entities", "looping"}
