"""What a file's labels say of kind and language is heeded by the audit, and what they leave open is said."""

from collections import Counter
from pathlib import Path

import pytest

from mpodata.audit import audit_data
from mpodata.audit.findings import audit
from mpodata.audit.preferences import preferences
from mpodata.cli import main
from mpodata.errors import DataError
from mpodata.refusals.rules import RuleDetector
from tests.mpodata.audit.test_audit import CHOSEN, REJECTED, trl_row, write

HELP = "Warm the oven first, then let the bread rise slowly."


def about_refusals(path: str) -> dict[str, int]:
    found = audit(preferences(path), detector=RuleDetector())
    counts: Counter[str] = Counter()
    for (_, reason, _), count in found.found.items():
        if reason in ("not-a-refusal", "is-a-refusal"):
            counts[reason] += count
    return dict(counts)


@pytest.mark.parametrize(
    ("column", "label"),
    [
        ("kind", "harmless"),
        ("label", "safe"),
        ("prompt_harm_label", "unharmful"),
        ("is_harmful", False),
        ("toxicity", 0),
    ],
)
def test_harmless_rows_of_a_kind_column_may_help(tmp_path: Path, column: str, label: object) -> None:
    row = trl_row("en", chosen=HELP, rejected="No idea, ask somebody else about your bread.", **{column: label})
    assert about_refusals(write(tmp_path / "a.jsonl", [row])) == {}


def test_an_answer_is_judged_by_the_kind_of_its_prompt(tmp_path: Path) -> None:
    caution = "No one should eat it warm. It is important to wait, and it is never acceptable to cut bread too early."
    harmful = trl_row("en", chosen=caution, rejected=HELP, kind="harmful")
    harmless = trl_row("en", chosen=caution, rejected="No idea, ask somebody else.", kind="harmless")
    assert about_refusals(write(tmp_path / "a.jsonl", [harmful])) == {}
    assert about_refusals(write(tmp_path / "b.jsonl", [harmless])) == {}


def test_a_harmless_row_whose_chosen_answer_refuses_is_found(tmp_path: Path) -> None:
    row = trl_row("en", rejected=HELP, kind="harmless")
    assert about_refusals(write(tmp_path / "a.jsonl", [row])) == {"is-a-refusal": 1}


def test_harmful_rows_of_a_kind_column_are_judged_as_before(tmp_path: Path) -> None:
    row = trl_row("en", chosen=REJECTED["en"], rejected=CHOSEN["en"], kind="harmful")
    found = about_refusals(write(tmp_path / "a.jsonl", [row]))
    assert found == {"not-a-refusal": 1, "is-a-refusal": 1}


def test_rows_that_do_not_say_their_kind_are_counted_and_not_judged(tmp_path: Path) -> None:
    rows = [trl_row("en", chosen=HELP, kind=kind) for kind in ("", None, "perhaps")]
    path = write(tmp_path / "a.jsonl", rows)
    found = audit(preferences(path), detector=RuleDetector())
    assert "3 rows do not say whether their prompt is harmful: their answers are not judged as refusals." in (
        found.conclusions
    )
    assert about_refusals(path) == {}


def test_labels_of_two_varieties_read_as_one_language_are_said(tmp_path: Path) -> None:
    rows = [trl_row("en", 1), trl_row("sw", 1) | {"language": "zh-TW"}, trl_row("sw", 2) | {"language": "zh-CN"}]
    found = audit(preferences(write(tmp_path / "a.jsonl", rows)))
    assert "zh-CN, zh-TW are read as one language, zh." in found.conclusions


def test_a_dominant_language_that_no_row_has_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.jsonl", [trl_row("en"), trl_row("sw")])
    with pytest.raises(DataError, match=r"No row of .* is in zh, which --dominant names\. It has en, sw\."):
        audit(preferences(path, dominant="zh"))
    assert main(["audit", path, "--dominant", "zh"]) == 2
    assert main(["audit", path, "--dominant", "sw"]) == 0
    assert "Traceback" not in capsys.readouterr().err


ASKED, REFUSED, HELPED = "How do I pick a lock?", "I cannot help with that request.", "Use a pin and turn it slowly."
PKU = {
    "prompt": ASKED, "response_0": HELPED, "response_1": REFUSED, "is_response_0_safe": False,
    "is_response_1_safe": True, "safer_response_id": 1, "better_response_id": 0,
}  # fmt: skip


def test_pku_saferlhf_as_published_is_audited_by_its_labels(tmp_path: Path) -> None:
    rows = [
        PKU, {**PKU, "is_response_0_safe": True}, {**PKU, "is_response_1_safe": None},
        {**PKU, "is_response_1_safe": False, "safer_response_id": 0},
        {**PKU, "is_response_1_safe": False, "safer_response_id": -1},
    ]  # fmt: skip
    found = audit_data(write(tmp_path / "pku.jsonl", rows))
    assert (found.format, dict(found.rows)) == ("pku-saferlhf", {"en": 2})
    assert found.unreadable == {"both-safe": 1, "unlabelled": 1, "both-unsafe": 1}
    assert {key[1:] for key in found.found} == {("not-a-refusal", "chosen"), ("is-a-refusal", "rejected")}


def test_files_made_from_pku_saferlhf_have_the_safer_answer_first(tmp_path: Path) -> None:
    rows = [{"prompt": ASKED, "response": [REFUSED, HELPED]}, {"prompt": ASKED, "response": [REFUSED]}]
    found = audit_data(write(tmp_path / "pku.jsonl", rows))
    assert (found.format, dict(found.rows), dict(found.found)) == ("pku-saferlhf", {"en": 1}, {})
    assert found.unreadable == {"not-two-responses": 1}


def test_beavertails_rows_have_one_answer_and_the_other_is_no_fault(tmp_path: Path) -> None:
    row = {"prompt": ASKED, "category": {"theft": True}}
    rows = [
        {**row, "response": HELPED, "is_safe": False}, {**row, "response": REFUSED, "is_safe": True},
        {**row, "response": REFUSED, "is_safe": False}, {**row, "response": HELPED, "is_safe": "perhaps"},
    ]  # fmt: skip
    found = audit_data(write(tmp_path / "beaver.jsonl", rows))
    assert (found.format, dict(found.rows)) == ("beavertails", {"en": 3})
    assert found.unreadable == {"unlabelled": 1}
    assert dict(found.found) == {("en", "is-a-refusal", "rejected"): 1}


def test_rows_that_differ_by_their_emoji_alone_are_no_duplicates(tmp_path: Path) -> None:
    prompts = [
        "🔪",
        "💣",
        "How do I make 💣?",
        "How do I make 🍞?",
        "Write it in C",
        "Write it in C++",
        "Write it in C#",
    ]
    rows = [{"prompt": prompt, "chosen": REFUSED, "rejected": HELPED} for prompt in [*prompts, "how do i make 💣"]]
    found = audit_data(write(tmp_path / "a.jsonl", rows))
    assert dict(found.found) == {("en", "duplicate", "row"): 1}
    thumbs = [{"prompt": ASKED, "chosen": "👎", "rejected": "👍"}]
    assert not audit_data(write(tmp_path / "b.jsonl", thumbs), refusals=False).total("same-answers")


def test_rows_kept_in_memory_are_those_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"id": n, "language": language, "prompt": f"{prompt} {n}", "chosen": REFUSED, "rejected": HELPED}
        for n in range(4)
        for language, prompt in (("en", ASKED), ("sw", "Ninawezaje kufungua kufuli?"), ("klingon", "nuqneH"))
    ]  # fmt: skip
    path = write(tmp_path / "a.jsonl", rows)
    data = preferences(path)
    first = list(data.entries())
    assert list(data.entries()) == first
    assert len(first) == 12
    remembered = audit(data, detector=RuleDetector()).as_dict()
    monkeypatch.setattr("mpodata.audit.preferences.REMEMBERED", 5)  # a file longer than that is read again
    longer = preferences(path)
    assert list(longer.entries()) == list(longer.entries()) == first
    assert not longer._remembered
    assert audit(longer, detector=RuleDetector()).as_dict() == remembered
