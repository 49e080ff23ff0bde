"""What a file's labels say of kind and language is heeded by the audit, and what they leave open is said."""

from collections import Counter
from pathlib import Path

import pytest

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
