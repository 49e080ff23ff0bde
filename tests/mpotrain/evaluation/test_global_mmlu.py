"""Global MMLU from files of its published layout: examples, cultures, languages that it lacks."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mpodata.errors import DataError
from mpodata.runtime.journal import Journal
from mpotrain.evaluation.model import EvaluatedModel
from mpotrain.evaluation.utility import global_mmlu, suite
from mpotrain.evaluation.utility.harness import Score
from mpotrain.evaluation.utility.suite import UtilityTasks


def question(number, subject="law", category="Humanities", culture="CA", answer="B"):
    return {
        "sample_id": f"{subject}/test/{number}", "subject": subject, "subject_category": category,
        "question": f"Swali la {number}?", "option_a": "moja", "option_b": "mbili", "option_c": "tatu",
        "option_d": "nne", "answer": answer, "cultural_sensitivity_label": culture,
    }  # fmt: skip


def write(place, split, rows):
    place.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), place / f"{split}-00000-of-00001.parquet")


@pytest.fixture
def published(tmp_path):
    """Two languages, as CohereForAI/Global-MMLU lies on the Hub."""
    for code in ("sw", "en"):
        place = tmp_path / "global" / code
        write(place, "dev", [question(n) for n in range(6)] + [question(9, "art")])
        write(place, "test", [question(20), question(21, culture="CS", answer="C"), question(22, "art")])
    return tmp_path / "global"


def test_examples_are_the_first_of_the_subject_in_the_full_set(published):
    asked = global_mmlu.prepare("global-mmlu", published, None, None, 1)
    assert [(task.language, len(task.docs)) for task in asked] == [("en", 3), ("sw", 3)]
    docs = asked[0].docs
    assert docs[0]["shots"].startswith("Swali la 0?\nA. moja\nB. mbili\nC. tatu\nD. nne\nAnswer: B\n\n")
    assert docs[2]["shots"].startswith("Swali la 9?")
    assert docs[1]["id"] == "law/test/21"


def test_examples_are_of_the_category_in_the_lite_set(published):
    (asked,) = global_mmlu.prepare("global-mmlu-lite", published, ["sw"], None)
    assert [doc["shot_count"] for doc in asked.docs] == [5, 5, 5]
    assert asked.docs[2]["shots"].startswith("Swali la 0?")
    assert asked.config["title"] == "Global MMLU Lite"


def test_too_few_examples_are_an_error(published):
    with pytest.raises(DataError, match=r"needs 5 examples of subject 'art' in its dev split, which has 1"):
        global_mmlu.prepare("global-mmlu", published, ["sw"], None)
    assert global_mmlu.prepare("global-mmlu", published, ["sw"], None, 0)[0].docs[0]["shots"] == ""


def test_what_is_no_global_mmlu_is_said_in_a_sentence(published, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        global_mmlu.prepare("global-mmlu", tmp_path / "nowhere", None, None)
    with pytest.raises(DataError, match="no Global MMLU in sk, sl; it has en, sw"):
        global_mmlu.prepare("global-mmlu", published, ["sk", "sl"], None)
    write(published / "de", "test", [question(1, answer="E")])
    with pytest.raises(DataError, match="must be A, B, C or D, got 'E'"):
        global_mmlu.prepare("global-mmlu", published, ["de"], None, 0)


def test_culturally_sensitive_and_agnostic_questions_have_their_own_rows(published):
    asked = global_mmlu.prepare("global-mmlu", published, ["sw"], None, 0)
    scores = [Score("global-mmlu", "sw", str(doc["id"]), float(n != 1)) for n, doc in enumerate(asked[0].docs)]
    split, tasks = global_mmlu.by_culture(scores, asked)
    assert {(row.task, row.question, row.score) for row in split} == {
        ("global-mmlu-cs", "law/test/21", 0.0),
        ("global-mmlu-ca", "law/test/20", 1.0),
        ("global-mmlu-ca", "art/test/22", 1.0),
    }
    assert tasks[0].config["title"] == "Global MMLU, culturally sensitive (CS)"


class NoEngine:
    """The harness loads the model itself; only the provenance is asked for."""

    def provenance(self):
        return {"model": "pocket"}


@pytest.mark.slow
def test_global_mmlu_runs_through_the_harness(published, tmp_path):
    tasks = UtilityTasks(("global-mmlu",), {"global-mmlu": str(published)}, ["en", "sw", "lv"], None, 1)
    with Journal(tmp_path / "journal.sqlite") as journal:
        model = EvaluatedModel("pocket", "pocket-chat", None)
        told = suite.run(tasks, model, NoEngine(), "transformers", [], None, journal)
    assert [(row.task, row.language, row.interval.n) for row in told.results] == [
        ("global-mmlu", "en", 3), ("global-mmlu", "sw", 3), ("global-mmlu-cs", "en", 1), ("global-mmlu-ca", "en", 2),
        ("global-mmlu-cs", "sw", 1), ("global-mmlu-ca", "sw", 2),
    ]  # fmt: skip
    assert told.results[0].shots == 1
    assert told.notes[0].startswith("Global MMLU: mean over 2 languages ")
    assert tasks.left_out() == ["global-mmlu has no questions in lv: no figure there; it has en, sw."]
