"""Utility tasks read the files people have, understand numbers in any script, and run through the real harness."""

import json
from fractions import Fraction

import pytest

from mpodata.engines import Answer, Sampling
from mpodata.errors import ConfigError, DataError, UnknownName
from mpodata.runtime.journal import Journal
from mpotrain.evaluation.judges.choice import make_judge
from mpotrain.evaluation.utility import harness, mt_bench
from mpotrain.evaluation.utility.numbers import last_number
from mpotrain.evaluation.utility.suite import UtilityTasks
from tests.fakes.judge import JudgeServer
from tests.mpodata.tiny_models import tiny_checkpoint


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The answer is 2,125.", 2125),
        ("উত্তর: ২,১২৫।", 2125),
        ("الجواب ٢١٢٥", 2125),
        ("คำตอบคือ ๑๘ ครับ", 18),
        ("సమాధానం ౧౮", 18),
        ("Das Ergebnis ist 2.125 Euro", 2125),
        ("1.114.200", 1114200),
        ("She pays $1,200.50 in all.", Fraction(2401, 2)),
        ("2,5 kg", Fraction(5, 2)),
        ("٢٫٥", Fraction(5, 2)),
        ("First 3, then 4: it is -7", -7),
        ("18.0", 18),
        ("12,34,567", 1234567),
        ("মোট ১২,৩৪,৫৬৭ টাকা", 1234567),
        ("१२,३४,५६७.५०", Fraction(2469135, 2)),
        ("Im Jahr 2024 180", 180),
        ("There are 5, then 1,2,3", 3),
        ("25-7", 7),
        ("between 10-20", 20),
        ("x = -7", -7),
        ("0.125", Fraction(1, 8)),
        ("1 114 200,5", Fraction(2228401, 2)),
        ("The answer is 18 in 2024.", 18),
        ("共18人(2024年)", 18),
        ("She was born in 1999", 1999),
        ("1. 5 + 3 = 8\n2. 8 + 10 = 18\n3. Done.", 18),
        ("१. पहला 5\n२. दूसरा 9\n३. अंत", 9),
        ("18. That is the answer", 18),
        ("So \\boxed{42}, in 7 steps", 42),
        ("#### 1,200\nChecked 2 times", 1200),
    ],
)
def test_the_last_number_is_read_in_any_script(text, value):
    assert last_number(text) == value


def test_a_text_without_a_number_has_none():
    assert last_number("I do not know.") is None
    assert harness.right_number({"answer": "18"}, ["no idea"]) == {"exact_match": 0.0}
    assert harness.right_number({"answer": "2,125"}, ["Jibu ni 2125"]) == {"exact_match": 1.0}


def test_a_number_inside_reasoning_is_no_answer():
    assert harness.right_number({"answer": "18"}, ["<think>9 + 9 = 18</think>Jibu ni 17"]) == {"exact_match": 0.0}
    assert harness.right_number({"answer": "18"}, ["<think>it is 18"]) == {"exact_match": 0.0}
    assert harness.right_number({"answer": "18"}, ["<think>17?</think>18"]) == {"exact_match": 1.0}


def test_the_harness_fills_templates_with_thinking_switched_off(tmp_path):
    template = (
        "{% for m in messages %}{{ m['content'] }}{% endfor %}"
        "{% if enable_thinking is false and thinking is false %}quiet{% else %}aloud{% endif %}"
    )
    model = harness._model("hf", tiny_checkpoint(tmp_path, template=template))
    assert model.apply_chat_template([{"role": "user", "content": "2 + 2?"}]) == "2 + 2?quiet"


def test_the_real_mgsm_files_load_with_an_instruction_in_their_language(shared_data):
    asked = harness.prepare("mgsm", shared_data / "utility" / "mgsm", ["sw", "bn", "te"], None)
    assert {one.language: len(one.docs) for one in asked} == {"sw": 250, "bn": 250, "te": 250}
    assert len({one.docs[0]["instruction"] for one in asked}) == 3


def test_the_real_mmlu_files_load_under_both_namings(shared_data, tmp_path):
    asked = harness.prepare("mmlu", shared_data / "utility" / "m_mmlu", ["zh"], 40)
    assert len(asked[0].docs) == 40
    assert {doc["answer"] for doc in asked[0].docs} <= set("ABCD")
    (tmp_path / "mmlu_SW-KE.csv").write_text(
        "Question,A,B,C,D,Answer,Subject\nNgapi?,1,2,3,4,B,maths\n", encoding="utf-8"
    )
    (one,) = harness.prepare("mmlu", tmp_path, None, None)
    assert (one.language, one.docs[0]["choices"], one.docs[0]["answer"]) == ("sw", ["1", "2", "3", "4"], "B")


def test_shots_come_from_the_same_subject_of_the_development_file(tmp_path):
    def row(number, subject, answer):
        return {
            "instruction": f"Q{number}",
            **{f"option_{c}": c for c in "abcd"},
            "answer": answer,
            "id": f"{subject}/{number}",
        }

    (tmp_path / "sw_dev.json").write_text(json.dumps([row(n, "law" if n < 7 else "art", "A") for n in range(9)]))
    (tmp_path / "sw_test.json").write_text(json.dumps([row(20, "law", "B"), row(21, "art", "C"), row(22, "sea", "D")]))
    (one,) = harness.prepare("mmlu", tmp_path, None, None)
    assert [doc["shot_count"] for doc in one.docs] == [5, 2, 0]
    assert one.docs[1]["shots"].startswith("Q7\nA. a")
    assert "Q21" not in one.docs[1]["shots"]


def test_files_that_cannot_be_used_are_told_in_one_sentence(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        harness.prepare("mgsm", tmp_path / "nowhere", None, None)
    (tmp_path / "mgsm_sw.tsv").write_text("Swali?\tkumi\n", encoding="utf-8")
    with pytest.raises(DataError, match="row 1: the answer is not a number"):
        harness.prepare("mgsm", tmp_path, None, None)
    with pytest.raises(DataError, match="no mgsm file in bn; it has sw"):
        harness.prepare("mgsm", tmp_path, ["bn"], None)


def test_an_errand_that_cannot_be_run_is_refused_before_anything_is_run():
    with pytest.raises(UnknownName, match="Did you mean 'mgsm'"):
        UtilityTasks(("mgms",), {}).check([], "transformers")
    with pytest.raises(ConfigError, match="--data mgsm=FOLDER"):
        UtilityTasks(("mgsm",), {}).check([], "transformers")
    with pytest.raises(ConfigError, match="not on engine 'openai'"):
        UtilityTasks(("mgsm",), {"mgsm": "x"}).check([], "openai")
    with pytest.raises(ConfigError, match="rated by a chat model"):
        UtilityTasks(("mt-bench",), {"mt-bench": "x"}).check([], "transformers")


def test_scores_have_the_interval_of_their_kind():
    assert harness.share([1.0, 0.0]).method == "wilson"
    assert harness.share([7.0, 8.5]).method == "bootstrap"


@pytest.mark.parametrize(
    ("reply", "value"),
    [("Good. Rating: [[8]]", 8.0), ("[[7.5]]", 7.5), ("8/10", None), ("[[3]] or [[4]]", None), ("[[11]]", None)],
)
def test_ratings_are_read_strictly(reply, value):
    assert mt_bench.rating(reply) == value


class Echo:
    """An engine that answers with the number of turns it was shown."""

    def answers(self, conversations, sampling):
        return [[Answer(f"turns {len(conversation)}", "stop", 2)] for conversation in conversations]

    def provenance(self):
        return {"engine": "echo"}


def test_mt_bench_asks_two_turns_and_rates_both_with_the_benchmarks_own_prompts(shared_data, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    files = shared_data / "utility" / "mt_bench"
    asked = mt_bench.questions(files, ["en", "th"], 4)
    assert {question.language for question in asked} == {"en", "th"}
    with JudgeServer() as server, Journal(tmp_path / "journal.sqlite") as journal:
        judge = make_judge("openai:judge", {"base_url": server.url}, journal)
        scores = mt_bench.run_mt_bench(asked, files, Echo(), judge, Sampling(), journal)
        once = len(server.questions)
        assert mt_bench.run_mt_bench(asked, files, Echo(), judge, Sampling(), journal) == scores
        assert len(server.questions) == once  # paid for once
    assert len(scores) == 16
    assert {score.score for score in scores} == {7.0}
    second = [question for question in server.questions if "turns 3" in question]
    assert len(second) == 8
    assert all("turns 1" in question for question in second)  # the first turn is shown with the second
    assert not any("{question" in question or "{answer" in question for question in server.questions)
    assert {result.interval.value for result in mt_bench.results(scores, judge)} == {7.0}


def test_categories_with_a_right_answer_show_it_to_the_judge(shared_data):
    asked = mt_bench.questions(shared_data / "utility" / "mt_bench", ["en"], None)
    assert len(asked) == 80
    with_reference = {question.category for question in asked if question.reference}
    assert with_reference <= {"math", "reasoning", "coding"}
    assert "math" in with_reference


@pytest.mark.slow
def test_the_harness_scores_real_questions_on_a_pocket_model_once(shared_data, tmp_path):
    asked = harness.prepare("mgsm", shared_data / "utility" / "mgsm", ["bn"], 2)
    asked += harness.prepare("mmlu", shared_data / "utility" / "m_mmlu", ["en", "bn"], 8)
    with Journal(tmp_path / "journal.sqlite") as journal:
        scores = harness.run_harness(asked, "pocket-chat", "transformers", {"model": "pocket"}, journal)
        misses = journal.misses
        assert harness.run_harness(asked, "pocket-chat", "transformers", {"model": "pocket"}, journal) == scores
        assert journal.misses == misses == 3
    assert len(scores) == 2 + 8 + 8
    assert {score.score for score in scores} <= {0.0, 1.0}
    found = {(row.task, row.language): row for row in harness.results(scores, asked)}
    assert found["mmlu", "en"].interval.n == 8
    assert found["mgsm", "bn"].scorer.startswith("lm-evaluation-harness 0.4")
