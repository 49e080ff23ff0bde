"""A person's labels correct a judge's rates: the estimator by hand values and simulation, the file as users fill it."""

import csv
import json
import math
import stat
from dataclasses import replace

import numpy as np
import pytest

from mpodata.errors import DataError
from mpotrain.cli import main
from mpotrain.evaluation import folder
from mpotrain.evaluation.calibration.estimate import Confusion, corrected, rogan_gladen
from mpotrain.evaluation.calibration.labels import load_calibration, read_calibration, row_id, sample, write_calibration
from mpotrain.evaluation.folder import read_evaluation
from mpotrain.evaluation.report.comparison import gather
from mpotrain.evaluation.report.overview import corrected_tables
from mpotrain.evaluation.report.page import write_report
from tests.mpotrain.fake_judge import evaluation, outcome


def test_the_estimator_equals_a_hand_value():
    # Of 100 true attacks 80 are found, of 300 others 30 are called attacks: 110 of 400 are judged attacks.
    assert rogan_gladen(110 / 400, 0.8, 0.9) == pytest.approx(0.25)
    whole = Confusion(80, 30, 20, 270, judged=110, cleared=290)
    assert whole.sensitivity() == pytest.approx(0.8)
    assert whole.specificity() == pytest.approx(0.9)
    assert corrected(whole).value == pytest.approx(0.25)


def test_labels_drawn_per_verdict_give_the_same_error_rates():
    """Of the attacks all are labelled, of the cleared answers a tenth: Bayes' rule undoes the drawing."""
    drawn = Confusion(80, 30, 2, 27, judged=110, cleared=290)
    assert drawn.sensitivity() == pytest.approx(0.8)
    assert drawn.specificity() == pytest.approx(0.9)


def test_another_evaluation_by_the_same_judge_is_corrected_too():
    whole = Confusion(80, 30, 20, 270, judged=110, cleared=290)
    # A true rate of .6: .6 * .8 + .4 * .1 = .52 is judged.
    assert corrected(whole, 52, 100).value == pytest.approx(0.6)
    assert corrected(whole, 0, 100).value == 0.0
    assert corrected(whole, 100, 100).value == 1.0


def test_a_judge_no_better_than_chance_corrects_nothing():
    assert math.isnan(rogan_gladen(0.5, 0.5, 0.5))
    assert corrected(Confusion(10, 10, 10, 10, judged=20, cleared=20), 10, 20) is None


def test_a_verdict_that_was_never_labelled_leaves_the_rate_unknown():
    assert corrected(Confusion(10, 2, 0, 0, judged=20, cleared=30)) is None


@pytest.mark.parametrize(
    ("true", "sensitivity", "specificity", "elsewhere"),
    [
        (0.05, 0.9, 0.95, None),
        (0.2, 0.8, 0.9, None),
        (0.6, 0.7, 0.85, None),
        (0.2, 0.8, 0.9, 0.05),
        (0.05, 0.9, 0.95, 0.4),
    ],
)
def test_a_judge_of_known_error_is_corrected_into_the_interval_in_93_of_100_draws(
    true, sensitivity, specificity, elsewhere
):
    random = np.random.default_rng(7)

    def judged(rate, n=315):
        attacks = random.random(n) < rate
        return attacks, np.where(attacks, random.random(n) < sensitivity, random.random(n) >= specificity)

    inside = 0
    for _ in range(1000):
        attacks, said = judged(true)
        counts = []
        labels = [min(said.sum(), max(100, 200 - (~said).sum())), min((~said).sum(), max(100, 200 - said.sum()))]
        for verdict, most in zip((said, ~said), labels, strict=True):
            chosen = random.permutation(np.flatnonzero(verdict))[:most]
            counts += [int(attacks[chosen].sum()), int((~attacks[chosen]).sum())]
        confusion = Confusion(*counts, judged=int(said.sum()), cleared=int((~said).sum()))
        if elsewhere is None:
            inside += true in corrected(confusion, draws=1000)
        else:
            inside += elsewhere in corrected(confusion, int(judged(elsewhere)[1].sum()), 315, draws=1000)
    assert inside >= 930


@pytest.fixture
def judged(tmp_path):
    """100 harmful prompts in two languages; the judge calls the first 30 attacks, of which 10 are none."""
    rows = [
        outcome("compliance" if i < 30 else "refusal", prompt_id=str(i), language=code, answer_language=code)
        for code in ("sw", "bn")
        for i in range(100)
    ]
    path = evaluation(tmp_path / "eval", "model", rows)
    folder.write_lines(
        path / folder.RESPONSES,
        (
            {"benchmark": "demo", "prompt_id": o.prompt_id, "language": o.language, "prompt": "=1+1", "response": "Hm"}
            for o in rows
        ),
    )
    return path


def labelled(path, sheet, changes=()):
    """The sheet filled in by somebody who finds attacks in prompts 10 to 29, and then changed."""
    numbers = {row_id(o): int(o.prompt_id) for o in read_evaluation(path).verdicts}
    with sheet.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    for row in rows:
        row["label"] = "answer" if 10 <= numbers[row["id"]] < 30 else "Refusal "
    for place, change in changes:
        rows[place] |= change
    with sheet.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return sheet


def test_the_sheet_is_drawn_per_verdict_is_blind_and_for_its_owner_only(judged, tmp_path, capsys):
    sheet = tmp_path / "labels.csv"
    assert main(["calibrate", str(judged), "--rows", "100", "--out", str(sheet)]) == 0
    assert stat.S_IMODE(sheet.stat().st_mode) == 0o600
    with sheet.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0]) == ["id", "language", "kind", "prompt", "answer", "label"]
    assert {row["prompt"] for row in rows} == {"'=1+1"}  # no spreadsheet runs it
    verdicts = {row_id(o): o for o in read_evaluation(judged).verdicts}
    drawn = [(verdicts[row["id"]].language, verdicts[row["id"]].label) for row in rows]
    assert {cell: drawn.count(cell) for cell in drawn} == {
        (code, label): 25 for code in ("sw", "bn") for label in ("compliance", "refusal")
    }
    assert "=1+1" not in capsys.readouterr().out
    assert main(["calibrate", str(judged), "--out", str(sheet)]) == 2  # it may hold labels
    assert "exists and may hold labels" in capsys.readouterr().err


def test_labels_correct_the_rates_of_the_report(judged, tmp_path, capsys):
    sheet = tmp_path / "labels.csv"
    assert main(["calibrate", str(judged), "--rows", "200", "--out", str(sheet)]) == 0
    assert main(["calibrate", str(judged), "--labels", str(labelled(judged, sheet))]) == 0
    assert "sw attack success: judged 30.0 %, corrected 20.0 (" in capsys.readouterr().out
    (table,) = corrected_tables(gather([judged]))
    assert [view.text for view in table.rows[0]] == ["Swahili", "100.0 %", "87.5 %", "30.0 %", "20.0 %"]
    write_report(gather([judged]), tmp_path / "report.html")
    assert "corrected for the errors of rules@1" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_another_model_judged_by_the_same_judge_is_corrected_with_the_same_labels(judged, tmp_path):
    sheet = tmp_path / "labels.csv"
    main(["calibrate", str(judged), "--rows", "200", "--out", str(sheet)])
    main(["calibrate", str(judged), "--labels", str(labelled(judged, sheet))])
    other = evaluation(
        tmp_path / "other", "other", [replace(o, label="compliance") for o in read_evaluation(judged).verdicts]
    )
    strange = evaluation(
        tmp_path / "strange", "strange", [replace(o, judge="guard@1") for o in read_evaluation(judged).verdicts],
        judges=[{"name": "guard@1"}],
    )  # fmt: skip
    (table,) = corrected_tables(gather([judged, other, strange]))
    assert table.head[3:] == ["model: judged", "corrected", "other: judged", "corrected"]
    assert [view.text for view in table.rows[0]][-2:] == ["100.0 %", "100.0 %"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ([(3, {"label": "bad"})], "line 5: label 'bad' is none of refusal, partial, answer, irrelevant."),
        ([(0, {"id": "000000000000"})], "has the id '000000000000'"),
        ([(place, {"label": ""}) for place in range(40)], "no row has a label"),
    ],
)
def test_a_sheet_that_cannot_be_right_is_one_sentence(judged, tmp_path, changes, sentence):
    sheet = tmp_path / "labels.csv"
    main(["calibrate", str(judged), "--rows", "40", "--out", str(sheet)])
    with pytest.raises(DataError, match=sentence.replace(".", r"\.")):
        read_calibration(read_evaluation(judged), labelled(judged, sheet, changes))


def test_flags_that_do_not_go_together_and_broken_calibrations_exit_with_2(judged, tmp_path, capsys):
    assert main(["calibrate", str(judged), "--rows", "0"]) == 2
    assert main(["calibrate", str(judged), "--labels", "x.csv", "--rows", "3"]) == 2
    assert main(["calibrate", str(judged), "--labels", str(tmp_path / "missing.csv")]) == 2
    (judged / "calibration.json").write_text(json.dumps({"confusions": []}))
    assert main(["report", str(judged), "--out", str(tmp_path / "r.html")]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_calibration_is_read_back_as_it_was_written(judged, tmp_path):
    found = read_evaluation(judged)
    sheet = tmp_path / "labels.csv"
    main(["calibrate", str(judged), "--rows", "60", "--out", str(sheet)])
    calibration = read_calibration(found, labelled(judged, sheet))
    assert write_calibration(found, calibration) == judged / "calibration.json"
    assert load_calibration(judged) == calibration
    assert calibration.labelled == 60 == len(sample(found, 60))
