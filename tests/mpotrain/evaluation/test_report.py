"""The report answers a reader's questions from itself alone, shows no answer's text and needs no network."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from mpodata.errors import DataError
from mpotrain.evaluation import folder
from mpotrain.evaluation.compare import TARGETS, Change, changes, find
from mpotrain.evaluation.report.comparison import gather, language_view, sections, summary
from mpotrain.evaluation.report.figures import gap_against_rate, state_clouds
from mpotrain.evaluation.report.page import write_report
from mpotrain.evaluation.report.pca import plane, separation
from mpotrain.evaluation.report.plots import Series, forest, moves
from mpotrain.evaluation.report.words import overall
from mpotrain.evaluation.states import read_states, write_states
from mpotrain.evaluation.statistics import Interval, wilson
from tests.mpotrain.fake_judge import answers, evaluation, outcome

BEFORE = {"en": 0.05, "sw": 0.60, "bn": 0.80}
AFTER = {"en": 0.05, "sw": 0.10, "bn": 0.30}
RUN = {
    "method": "mpo",
    "hyper_parameters": {"beta": 1.0},
    "data": {
        "reference": "someone/pairs@v1.2.0",
        "version": "1.2.0",
        "commit": "0123456789abcdef",
        "trained_rows": 600,
    },
}


def first(i, rate):
    """The first `rate` of 200 prompts are bad."""
    return i < rate * 200


def gap(value):
    return {
        "per_token": {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 20},
        "accuracy": 1.0,
        "dpo": None,
    }


@pytest.fixture
def compared(tmp_path):
    """A run and its base: safer in both target languages, less helpful in Swahili only."""
    base = answers(BEFORE, "harmful", first) + answers({"en": 0.0, "sw": 0.02}, "harmless", first)
    trained = answers(AFTER, "harmful", first) + answers({"en": 0.01, "sw": 0.20}, "harmless", first)
    evaluation(tmp_path / "run" / "base", "small (base)", base, gaps={"beta": 0.1, "languages": {c: gap(g) for c, g in
        {"en": 1.0, "sw": 0.3, "bn": 0.1}.items()}})  # fmt: skip
    return evaluation(tmp_path / "run", "small-mpo", trained, baseline="base", run=RUN, warnings=["Mind the gap."])


def told(path):
    ((_, statements),) = summary(gather([path]))
    return [statement.text for statement in statements]


def test_the_words_say_whether_the_change_is_significant(compared):
    sentences = told(compared)
    assert sentences[1].startswith("Demo: attack success averaged over the target languages went from 70.0 % to 20.0 %")
    assert "(−50.0 points" in sentences[1]
    assert sentences[1].endswith("p < 0.001): a significant improvement. Usable answers: 100.0 %.")


def test_the_headline_is_safe_and_useful_and_names_the_lowest_language(compared):
    assert told(compared)[0] == (
        "Safe and useful: 90.8 % (88.5 to 93.0 %): harmful prompts withstood 92.5 %, harmless prompts helped 89.5 %; "
        "lowest in Swahili, 84.7 %. Not in this score: Bengali 70.0 % withstood (harmful prompts alone were asked)."
    )


def test_the_words_say_where_another_language_than_the_assumed_one_leads(tmp_path):
    gaps = {"beta": 0.1, "languages": {c: gap(g) for c, g in {"en": 0.03, "zh": 0.30, "sw": -0.3}.items()}}
    path = evaluation(tmp_path, "small", answers(BEFORE, "harmful", first), gaps=gaps)
    assert (
        "English is taken as the dominant language, but in small Chinese has the larger reward gap: +0.30 against "
        "+0.03 nats per token. MPO has little to transfer from English there." in told(path)
    )


def test_the_same_rate_in_every_language_is_good_news_only_where_it_is_low(tmp_path):
    for rate, sentence in (
        (1.0, "Demo: every language is equally bad, attack success 100.0 %."),
        (0.0, "Demo: no language is worse than the others (attack success 0.0 % in all)."),
    ):
        path = evaluation(tmp_path / str(rate), "m", answers({"en": rate, "sw": rate}, "harmful", first))
        assert sentence in told(path)
        assert f"Demo: attack success is {100 * rate:.1f} % in every language. Usable answers: 100.0 %." in told(path)


def test_the_words_say_which_language_is_worst(compared):
    assert any("the worst language is now Bengali, attack success 30.0 %" in sentence for sentence in told(compared))


def test_the_words_say_whether_english_degraded(compared):
    (english,) = [sentence for sentence in told(compared) if sentence.startswith("English")]
    assert english.startswith("English did not get measurably worse: attack success on Demo 5.0 % → 5.0 %")
    assert "helpful answers on Demo 100.0 % → 99.0 %" in english


def test_the_words_say_that_english_degraded_where_it_did(tmp_path):
    base, trained = (answers({"en": rate, "sw": 0.1}, "harmless", first) for rate in (0.0, 0.2))
    evaluation(tmp_path / "base", "base", base)
    path = evaluation(tmp_path, "worse", trained, baseline="base")
    assert any(
        sentence.startswith("English got worse: helpful answers on Demo 100.0 % → 80.0 %") for sentence in told(path)
    )


def test_the_words_name_languages_that_paid_for_it(compared):
    assert any(
        sentence.startswith("Significantly worse in Swahili (helpful answers on Demo") for sentence in told(compared)
    )


def test_the_words_say_which_data_and_which_judge(compared):
    assert told(compared)[-1] == (
        "Trained with mpo on someone/pairs@v1.2.0 (dataset version 1.2.0, commit 0123456789ab, 600 pairs). "
        "Answers were judged by rules@1."
    )


def test_an_evaluation_without_a_base_is_described_and_not_compared(tmp_path):
    path = evaluation(tmp_path, "alone", answers(BEFORE, "harmful", first))
    sentences = told(path)
    assert sentences[:2] == [
        "Safe and useful: not known. No harmless prompts were asked: a model that refuses everything would look the "
        "same. Add some, for example --benchmarks xstest, or a dataset version with a counterweight.",
        "Demo: attack success lies between 5.0 % (English) and 80.0 % (Bengali). Usable answers: 100.0 %.",
    ]
    assert not any("significant" in sentence for sentence in sentences)
    write_report(gather([path]), tmp_path / "report.html")


def test_changes_equal_hand_counts_and_are_corrected_for_several_languages():
    before = [outcome("compliance" if i < 10 else "refusal", prompt_id=str(i)) for i in range(50)]
    after = [outcome("compliance" if i < 1 else "refusal", prompt_id=str(i)) for i in range(50)]
    (alone,) = find(changes(before, after, "en"), benchmark="demo", rate="asr", language="sw")
    assert alone.p == alone.adjusted == pytest.approx(2 / 2**9)
    assert alone.change.value == pytest.approx(-0.18)
    assert alone.direction("lower") == "better"
    assert alone.direction("higher") == "worse"
    other = [outcome("refusal", prompt_id=str(i), language="bn", answer_language="bn") for i in range(50)]
    rows = changes(before + other, after + other, "en")
    (corrected,) = find(rows, benchmark="demo", rate="asr", language="sw")
    assert corrected.adjusted == pytest.approx(2 * corrected.p)
    (targets,) = find(rows, benchmark="demo", rate="asr", language=TARGETS)
    assert targets.change.value == pytest.approx(-0.09)


def test_only_prompts_that_both_runs_answered_are_compared():
    before = [outcome("compliance", prompt_id=str(i)) for i in range(10)]
    after = [outcome("refusal", prompt_id=str(i)) for i in range(5, 20)]
    (change,) = find(changes(before, after, "en"), benchmark="demo", rate="asr", language="sw")
    assert change.change.n == 5
    assert (change.before.value, change.after.value) == (1.0, 0.0)


def test_the_page_is_whole_and_needs_no_network(compared, tmp_path):
    html, markdown, data = write_report(gather([compared]), tmp_path / "report.html")
    page = html.read_text(encoding="utf-8")
    assert "<script" not in page
    assert not re.findall(r"""(?:src|href|url\()\s*=?\s*["']?https?:""", page)
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(svg)
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page
    for text in (page, markdown.read_text(encoding="utf-8")):
        assert "worst language is now Bengali" in text
        assert "policy:small-mpo@abc|bench:demo|judge:rules@1" in text
        assert "Mind the gap." in text
    content = json.loads(data.read_text(encoding="utf-8"))
    assert content["base"] == "small (base)"
    assert {row["language"] for row in content["changes"]} == {"en", "sw", "bn", TARGETS}


def test_no_prompt_or_answer_reaches_the_page(compared, tmp_path):
    folder.write_lines(compared / folder.RESPONSES, [{"prompt": "SECRETPROMPT", "response": "SECRETANSWER"}])
    for path in write_report(gather([compared]), tmp_path / "report.html"):
        assert "SECRET" not in path.read_text(encoding="utf-8")


def test_names_in_results_cannot_inject_markup(tmp_path):
    path = evaluation(tmp_path, "<script>alert(1)</script>", answers(BEFORE, "harmful", first))
    html, *_ = write_report(gather([path]), tmp_path / "report.html")
    assert "<script>" not in html.read_text(encoding="utf-8")


def test_several_runs_are_each_compared_with_the_first_runs_base(compared, tmp_path):
    other = evaluation(tmp_path / "dpo", "small-dpo", answers(BEFORE, "harmful", first))
    comparison = gather([compared, other])
    assert comparison.titles() == ["small (base)", "small-mpo", "small-dpo"]
    (section,) = [s for s in sections(comparison) if s.kind == "harmful"]
    assert section.main.head == ["Language", "small (base)", "small-mpo", "Change", "small-dpo", "Change"]
    assert [view.text for view in section.main.rows[1]][:4] == ["Swahili", "60.0 %", "10.0 %", "−50.0 ✓"]
    assert section.main.rows[1][5].text == "0.0"


def test_runs_of_one_name_are_told_apart(tmp_path):
    paths = [evaluation(tmp_path / name, "same", answers(BEFORE, "harmful", first)) for name in ("a", "b")]
    assert gather(paths).titles() == ["same [a]", "same [b]"]


@pytest.mark.parametrize(
    "run", [{"data": {"reference": "someone/pairs"}}, {"data": []}, {"data": "pairs", "hyper_parameters": [1]}]
)
def test_a_run_that_says_less_of_itself_is_shown_all_the_same(run, tmp_path):
    made = evaluation(tmp_path / "e", "small", answers(BEFORE, "harmful", first), run=run)
    page, _, _ = write_report(gather([made]), tmp_path / "report.html")
    assert ("someone/pairs" in page.read_text(encoding="utf-8")) is ("reference" in run["data"])


def test_a_training_run_is_found_by_its_own_folder(tmp_path):
    evaluation(tmp_path / "run" / "eval", "small", answers(BEFORE, "harmful", first))
    assert gather([tmp_path / "run"]).titles() == ["small"]


def test_what_is_no_finished_evaluation_is_told_in_one_sentence(tmp_path):
    with pytest.raises(DataError, match=r"holds no evaluation\. Make one with: mpotrain eval"):
        gather([tmp_path])
    folder.write_lines(tmp_path / folder.RESPONSES, [])
    with pytest.raises(DataError, match="did not finish"):
        gather([tmp_path])


def test_the_gap_is_correlated_with_attack_success_across_languages(compared):
    (row,) = gap_against_rate(gather([compared]))
    assert (row.run, row.languages) == ("small (base)", 3)
    assert row.spearman == pytest.approx(-1.0)


def test_two_clouds_are_told_apart_in_the_plane_of_most_variance():
    random = np.random.default_rng(0)
    noise = random.normal(scale=0.1, size=(60, 30)).astype(np.float32)
    shift = np.zeros(30, dtype=np.float32)
    shift[3] = 5.0
    near, far = noise[:30], noise[30:] + shift
    fitted = plane([near, far])
    assert fitted.explained[0] > 0.9
    assert fitted.axes @ fitted.axes.T == pytest.approx(np.eye(2), abs=1e-9)
    assert separation(fitted(near), fitted(far)) > 10
    assert separation(fitted(near), fitted(near)) == 0.0


def test_states_are_drawn_on_common_axes_for_both_models(compared):
    random = np.random.default_rng(0)
    for path in (compared, compared / "base"):
        states = {f"sw/{side}": random.normal(size=(8, 4)).astype(np.float32) for side in ("safe", "unsafe")}
        write_states(path / folder.STATES, states)
        assert read_states(path / folder.STATES)["sw/safe"] == pytest.approx(states["sw/safe"], abs=1e-2)
    ((language, panels),) = state_clouds(gather([compared]))
    assert language == "Swahili"
    assert [caption.split(",")[0] for caption, _ in panels] == ["small (base)", "small-mpo"]


def test_a_forest_plot_puts_an_estimate_where_it_belongs():
    drawing = ElementTree.fromstring(forest("Rates", [Series("one", {"Swahili": wilson(50, 100)})]))
    (dot,) = [element for element in drawing if element.tag == "circle"]
    ticks = [element for element in drawing if element.get("class") == "tick"]
    positions = {tick.text: float(tick.get("x")) for tick in ticks}
    assert float(dot.get("cx")) == pytest.approx(positions["50%"], abs=0.1)
    assert dot[0].text == "one, Swahili: 50 % (40.4 to 59.6)"


def test_a_rate_that_reads_the_same_before_and_after_stayed_at_it():
    before, after = (Interval(value, 0.9, 0.95, 600, "wilson") for value in (0.9170, 0.9174))
    moved = Interval(0.0004, -0.01, 0.01, 600, "bootstrap")
    change = Change("Demo", "harmful", "asr", "sw", before, after, moved, 0.9, 0.9)
    assert " stayed at 91.7 % (" in overall(change, "Demo").text


@pytest.mark.flow
def test_ten_models_have_ten_colours_and_a_model_that_was_not_asked_has_no_column(tmp_path):
    paths = [evaluation(tmp_path / f"m{n}", f"m{n}", answers(BEFORE, "harmful", first)) for n in range(10)]
    other = [replace(o, benchmark="other") for o in answers({"sw": 0.5}, "harmful", first)]
    row = {"name": "other", "title": "Other", "source": "nowhere", "licence": "MIT", "revision": "1", "note": "",
           "origin": {}, "limit": None, "prompts": 200, "languages": ["sw"]}  # fmt: skip
    paths.append(evaluation(tmp_path / "o", "other model", other, benchmarks=[row]))
    compared = gather(paths)
    by_title = {section.title: section.main for section in sections(compared)}
    assert by_title["Other: harmful prompts"].head == ["Language", "other model", "Change"]
    assert "other model" not in by_title["Demo (nobody 2026): harmful prompts"].head
    write_report(compared, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for colour in range(10):
        assert f"svg .s{colour} {{" in page
        assert f'class="k{colour}"' in page
    assert "--s9:" in page


def test_points_near_100_percent_are_drawn_on_an_axis_that_tells_them_apart():
    shares = [Series("m", {"English": wilson(98, 100), "Swahili": wilson(94, 100)})]
    drawn = ElementTree.fromstring(moves("near the top", shares, shares, ("across", "up")))
    labels = [text.text for text in drawn.iter("text")]
    assert "90%" in labels
    assert "0%" not in labels
    heights = [float(text.get("y")) for text in drawn.iter("text") if text.text in ("English", "Swahili")]
    assert all(20 <= height <= 290 for height in heights)


@pytest.mark.parametrize("place", [("model", "title"), ("judges", 0, "name"), ("cells", 0, "language")])
def test_what_a_strangers_evaluation_says_is_shown_on_the_terminal_not_obeyed(place, tmp_path, capsys):
    from mpotrain.cli import main
    from mpotrain.evaluation.folder import RESULTS
    from tests.mpotrain.fake_judge import answers, evaluation

    judged = answers({"en": 0.1, "sw": 0.5}, "harmful", lambda i, rate: i < rate * 20, n=20)
    path = evaluation(tmp_path / "eval", "small", judged) / RESULTS
    results = json.loads(path.read_text(encoding="utf-8"))
    inside = results
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] += "\x1b]0;owned\x07\u202e"
    path.write_text(json.dumps(results), encoding="utf-8")
    assert main(["report", str(tmp_path / "eval"), "--out", str(tmp_path / "report.html")]) == 0
    told = capsys.readouterr().out
    assert "\\u001b]0;owned" in told
    assert not {"\x1b", "\x07", "\u202e"} & set(told)


@pytest.mark.parametrize("damage", ["judges", "cells", "baseline", "verdict", "half a line", "states"])
def test_a_damaged_evaluation_is_one_sentence(damage, tmp_path, capsys):
    from mpotrain.cli import main
    from mpotrain.evaluation.folder import RESULTS, STATES, VERDICTS
    from tests.mpotrain.fake_judge import answers, evaluation

    judged = answers({"en": 0.1}, "harmful", lambda i, rate: i < rate * 20, n=20)
    place = evaluation(tmp_path / "eval", "small", judged)
    if damage in ("judges", "cells", "baseline"):
        changed = {"judges": [], "cells": [{}], "baseline": "../../elsewhere"}[damage]
        results = json.loads((place / RESULTS).read_text(encoding="utf-8")) | {damage: changed}
        (place / RESULTS).write_text(json.dumps(results), encoding="utf-8")
    elif damage == "states":
        (place / STATES).write_bytes(b"PK\x03\x04 not a zip file")
    else:
        lines = (place / VERDICTS).read_text(encoding="utf-8").splitlines()
        lines[-1] = lines[-1][:40] if damage == "half a line" else lines[-1].replace('"harmful"', '"harmfull"')
        (place / VERDICTS).write_text("\n".join(lines), encoding="utf-8")
    assert main(["report", str(place), "--out", str(tmp_path / "report.html")]) == 2
    told = capsys.readouterr().err
    assert "Evaluate again" in told
    assert told.count("\n") == 1
    assert not (tmp_path / "report.html").exists()


def test_a_language_of_the_rate_tables_says_how_far_the_rules_can_be_trusted_in_it(compared):
    comparison = gather([compared])
    assert language_view(comparison, "de").note.startswith("rules right in ")
    assert language_view(comparison, "yo").note == "not measurable by rules"
    assert language_view(comparison, "am").note == "rules not measured"
    assert language_view(comparison, "targets").note == ""
