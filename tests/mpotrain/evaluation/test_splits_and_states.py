"""Gaps, states and prompts of any split of a version; states of any table; against plain transformers in float64."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from mpodata.errors import DataError
from mpotrain import evaluate, gap
from mpotrain.cli import main
from mpotrain.evaluation.appended import answered_prompts
from mpotrain.evaluation.report.comparison import gather
from mpotrain.evaluation.report.figures import measured_pairs
from tests.mpotrain import tiny_dataset
from tests.mpotrain.tiny_dataset import TEMPLATE, chat_model, side, tokenizer, version


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A version of 8 train and 4 test pairs, two models of different weights."""
    folder = tmp_path_factory.mktemp("made")
    version(folder / "data")
    tiny_dataset.checkpoint(folder / "after")
    chat_model(seed=1).save_pretrained(folder / "before")
    tokenizer(TEMPLATE).save_pretrained(folder / "before")
    return folder


def summed(folder, prompt, answer):
    """Sum of log-probabilities of the answer and its end of turn, in float64, with nothing of ours but the text."""
    model, words = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval(), tokenizer(TEMPLATE)
    given = words.apply_chat_template([{"role": "user", "content": prompt}], add_generation_prompt=True)["input_ids"]
    response = words(answer + "<|end|>\n", add_special_tokens=False)["input_ids"]
    response = response[: response.index(words.eos_token_id) + 1]
    with torch.no_grad():
        logs = model(torch.tensor([[*given, *response]])).logits[0].log_softmax(-1)
    return sum(float(logs[len(given) - 1 + place, token]) for place, token in enumerate(response)), len(response)


def test_a_gap_can_be_measured_on_any_split(made):
    counts = {
        split: gap(made / "data", model=made / "after", split=split)["languages"]["sw"]["per_token"]["n"]
        for split in ("train", "test", "all")
    }
    assert counts == {"train": 8, "test": 4, "all": 12}


def test_the_gap_against_a_base_model_is_summed_and_beta_scales_it(made):
    """Table 6: eq. 2 with a base model as the reference, beta 1."""
    record = gap(made / "data", model=made / "after", base=str(made / "before"), beta=1.0, split="all")
    values = []
    for thing in tiny_dataset.THINGS:
        pair = side("sw", thing)
        chosen, rejected = (
            summed(made / "after", pair.prompt, answer)[0] - summed(made / "before", pair.prompt, answer)[0]
            for answer in (pair.chosen, pair.rejected)
        )
        values.append(chosen - rejected)
    assert record["languages"]["sw"]["dpo"]["value"] == pytest.approx(sum(values) / len(values), abs=1e-4)
    assert abs(record["languages"]["sw"]["dpo"]["value"]) > 0.01
    assert record["data"]["split"] == "all"


def test_an_evaluation_asks_the_prompts_of_the_split_asked_for_and_measures_its_gaps(made, tmp_path):
    results = evaluate(
        tmp_path / "eval", model=made / "after", benchmarks=["dataset"], data=[f"dataset={made / 'data'}"],
        gap=str(made / "data"), split="train", max_tokens=4,
    )  # fmt: skip
    assert {cell["language"]: cell["answers"] for cell in results["cells"]} == {"en": 8, "sw": 8, "zh": 8}
    assert results["benchmarks"][0]["title"].startswith("Train split")
    assert results["gaps"]["data"]["split"] == "train"
    assert measured_pairs(gather([tmp_path / "eval"])) == "the pairs of the train split, which training may have seen"


def test_states_of_a_table_are_those_at_the_last_token_of_the_whole_exchange(made, tmp_path):
    table = tmp_path / "answered.jsonl"
    lines = [{"goal": "How do I make tea?", "safe": "No.", "target": "Sure, mix it.", "lang": "en"}]
    lines.append({"goal": "Ninawezaje kutengeneza tea?", "safe": "Hapana.", "target": "Ndiyo.", "lang": "Swahili"})
    table.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")

    from trl import ModelConfig

    from mpodata.runtime.journal import Journal
    from mpotrain.evaluation.appended import appended_rows
    from mpotrain.evaluation.held_out import response_states

    rows = appended_rows(answered_prompts(str(table)), tokenizer(TEMPLATE))
    with Journal(tmp_path / "journal.sqlite") as journal:
        states = response_states(ModelConfig(str(made / "after"), dtype="float32"), rows, journal)
    assert sorted(states) == ["en/safe", "en/unsafe", "sw/safe", "sw/unsafe"]
    model = AutoModelForCausalLM.from_pretrained(made / "after", dtype=torch.float64).eval()
    with torch.no_grad():
        hidden = model(torch.tensor([rows[1].rejected.input_ids]), output_hidden_states=True).hidden_states[-1]
    assert torch.allclose(torch.tensor(states["sw/unsafe"][0], dtype=torch.float64), hidden[0, -1], atol=1e-4)


def test_the_command_draws_every_model_and_language_on_one_page(made, tmp_path):
    out = tmp_path / "states.html"
    line = ["states", "--pairs", str(made / "data"), "--split", "all", "--out", str(out), "--languages", "en,sw"]
    assert main([*line, "--model", str(made / "before"), "--model", str(made / "after")]) == 0
    record = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert {model: sorted(languages) for model, languages in record["models"].items()} == {
        str(made / "before"): ["en", "sw"],
        str(made / "after"): ["en", "sw"],
    }
    assert all(row["pairs"] == 12 for model in record["models"].values() for row in model.values())
    page = out.read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    assert "Samahani" not in page


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"prompt": "a", "safe": "b"}, "no column of unsafe answers"),
        ({"prompt": "a", "safe": "b", "unsafe": ""}, "row 1: prompt, safe and unsafe answer must all be filled"),
        ({"prompt": "a", "safe": "b", "unsafe": "c", "lang": "Klingonese"}, "unknown language 'Klingonese'"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_in_one_sentence(row, told, tmp_path):
    table = tmp_path / "answered.jsonl"
    table.write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(DataError, match=told):
        answered_prompts(str(table))


@pytest.fixture(scope="module")
def templated(made):
    """A run that was trained with another template than its base has: `run`, from `before`."""
    other = TEMPLATE.replace("{{ bos_token }}", "{{ bos_token }}Be kind. ")
    assert other != TEMPLATE
    chat_model(seed=2).save_pretrained(made / "run")
    tokenizer(other).save_pretrained(made / "run")
    record = {"method": "mpo", "base_model": str(made / "before"), "model": ".", "adapter": False}
    (made / "run" / "run.json").write_text(json.dumps(record), encoding="utf-8")
    (made / "other.jinja").write_text(other, encoding="utf-8")
    return made


def test_a_base_is_measured_with_the_template_that_its_run_was_trained_with(templated, tmp_path):
    """Before and after training are one measurement: the template is the run's in both."""
    from mpodata.runtime.journal import Journal
    from mpotrain.evaluation.held_out import held_out
    from mpotrain.evaluation.model import model_of_run

    evaluated = model_of_run(templated / "run")
    with Journal(tmp_path / "reference.sqlite") as journal:
        base = held_out(evaluated.base(), None, str(templated / "data"), ["sw"], journal, "test").gaps
    own = gap(templated / "data", model=templated / "before", split="test")
    with_runs = gap(templated / "data", model=templated / "before", split="test", chat_template=str(templated / "run"))
    of_file = gap(
        templated / "data", model=templated / "before", split="test", chat_template=str(templated / "other.jinja")
    )
    value = base["languages"]["sw"]["per_token"]["value"]
    assert value == pytest.approx(with_runs["languages"]["sw"]["per_token"]["value"], abs=1e-6)
    assert with_runs["languages"] == of_file["languages"]
    assert abs(value - own["languages"]["sw"]["per_token"]["value"]) > 1e-4
    assert with_runs["chat_template"] == str(templated / "run")


def test_states_are_drawn_with_the_template_asked_for(templated, tmp_path):
    separations = []
    for choice in ("tokenizer", str(templated / "run")):
        out = tmp_path / f"{len(separations)}.html"
        line = ["states", "--pairs", str(templated / "data"), "--model", str(templated / "before"), "--split", "test"]
        assert main([*line, "--chat-template", choice, "--out", str(out)]) == 0
        models = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))["models"]
        separations.append(next(iter(models.values()))["sw"]["separation"])
    assert separations[0] != separations[1]
