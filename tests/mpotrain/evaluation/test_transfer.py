"""The matrix of trained and evaluated languages: who was trained on what, what others gained, when there is none."""

import pytest

from mpotrain.evaluation.report.comparison import gather
from mpotrain.evaluation.report.page import write_report
from mpotrain.evaluation.report.transfer import TRAINED, trained_languages, transfer_tables
from tests.mpotrain.fake_judge import answers, evaluation

BASE = {"en": 0.8, "pl": 0.8, "cs": 0.8}


def first(i, rate):
    """The first `rate` of 200 prompts are bad."""
    return i < rate * 200


def trained_on(path, rates, *codes):
    run = {"method": "dpo", "data": {"reference": "native@v1.0.0", "rows": dict.fromkeys(codes, 40)}}
    return evaluation(path, path.name, answers(rates, "harmful", first), run=run)


@pytest.fixture
def folders(tmp_path):
    return [
        evaluation(tmp_path / "start", "start", answers(BASE, "harmful", first)),
        trained_on(tmp_path / "polish", {"en": 0.6, "pl": 0.1, "cs": 0.2}, "pl"),
        trained_on(tmp_path / "english", {"en": 0.1, "pl": 0.8, "cs": 0.9}, "en"),
    ]


@pytest.mark.flow
def test_a_row_is_a_training_set_and_a_column_an_evaluated_language(folders):
    (table,) = transfer_tables(gather(folders))
    assert table.title == "Trained and evaluated languages: Demo, harmful prompts"
    assert table.head == ["Model", "Trained on", "en", "pl", "cs", "Mean of these", "Mean of the others"]
    texts = [[view.text for view in row] for row in table.rows]
    assert texts == [
        ["start", "–", "80.0 %", "80.0 %", "80.0 %", "–", "–"],
        ["polish", "pl", "60.0 %", f"10.0 % {TRAINED}", "20.0 %", "10.0 %", "40.0 %"],
        ["english", "en", f"10.0 % {TRAINED}", "80.0 %", "90.0 %", "10.0 %", "85.0 %"],
    ]
    tones = [[view.tone for view in row[2:5]] for row in table.rows]
    assert tones == [["", "", ""], ["better", "better", "better"], ["better", "same", "worse"]]


@pytest.mark.flow
def test_the_page_and_its_twins_hold_the_matrix(folders, tmp_path):
    for path in write_report(gather(folders), tmp_path / "report.html"):
        if path.suffix != ".json":
            assert "Trained and evaluated languages: Demo" in path.read_text(encoding="utf-8")


@pytest.mark.flow
def test_there_is_no_matrix_where_all_were_trained_on_the_same_languages(folders, tmp_path):
    alike = trained_on(tmp_path / "again", {"en": 0.5, "pl": 0.1, "cs": 0.2}, "pl")
    assert transfer_tables(gather([folders[0], folders[1], alike])) == []
    assert transfer_tables(gather(folders[:1])) == []


@pytest.mark.parametrize("run", [None, {}, {"data": []}, {"data": {"rows": ["pl"]}}, {"data": {"rows": {"xx": 4}}}])
def test_a_run_that_does_not_say_its_languages_has_none(run, tmp_path):
    made = evaluation(tmp_path / "e", "e", answers(BASE, "harmful", first), run=run)
    assert trained_languages(gather([made]).runs[0]) == ()
