"""Reasoning is no part of an answer, whatever form it takes and whichever engine wrote it."""

import json

import pytest

from mpodata.engines import Answer, Sampling
from mpodata.engines.openai import OpenAIEngine
from mpodata.engines.reasoning import answer_of, closing_of, decoded, restored, without_reasoning
from mpodata.engines.replay import ReplayEngine
from mpodata.engines.templates import chat_ids, template_hash
from mpodata.engines.transformers import TransformersEngine
from mpodata.records import user_turn
from tests.fakes.openai import ChatServer, Reply, completion
from tests.mpodata.tiny_models import tiny_model, tiny_tokenizer

ANSWER = "Nitakusaidia: anza na waya."
THOUGHT = "The user asks. I cannot help, or can I?\n\nLet me see."
FORMS = {
    "think": f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}",
    "analysis": f"<analysis>\n{THOUGHT}\n</analysis>\n{ANSWER}",
    "inner-monologue": f"<inner_monologue>{THOUGHT}</inner_monologue> {ANSWER}",
    "thought-process": f"<thought_process>{THOUGHT}</thought_process>{ANSWER}",
    "bracketed-analysis": f"[ANALYSIS]{THOUGHT}[/ANALYSIS]{ANSWER}",
    "empty-think": f"<think>\n\n</think>\n\n{ANSWER}",
    "capitals": f"<Think>{THOUGHT}</THINK>{ANSWER}",
    "thinking": f"<thinking>{THOUGHT}</thinking>\n{ANSWER}",
    "thought": f"<thought>{THOUGHT}</thought>\n{ANSWER}",
    "reasoning-and-answer": f"<reasoning>\n{THOUGHT}\n</reasoning>\n<answer>\n{ANSWER}\n</answer>",
    "magistral": f"[THINK]{THOUGHT}[/THINK]{ANSWER}",
    "kimi": f"◁think▷{THOUGHT}◁/think▷{ANSWER}",
    "command-a": f"<|START_THINKING|>{THOUGHT}<|END_THINKING|><|START_RESPONSE|>{ANSWER}<|END_RESPONSE|>",
    "openthinker": f"<|begin_of_thought|>{THOUGHT}<|end_of_thought|>\n<|begin_of_solution|>{ANSWER}<|end_of_solution|>",
    "seed": f"<seed:think>{THOUGHT}</seed:think>{ANSWER}",
    "gpt-oss": f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}",
    "gpt-oss-return": f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>commentary"
    f"<|message|>x<|end|><|start|>assistant<|channel|>final <|constrain|>text<|message|>{ANSWER}<|return|>",
    "gpt-oss-without-marks": f"analysis{THOUGHT}assistantfinal{ANSWER}",
    "gemma": f"<|channel>thought\n{THOUGHT}<channel|>{ANSWER}",
    "granite": f"Here is my thought process:\n{THOUGHT}\nHere is my response:\n{ANSWER}",
    "lone-closer": f"{THOUGHT}\n</think>\n\n{ANSWER}",
    "two-blocks": f"<think>{THOUGHT}</think>{ANSWER}<think>Is that enough?</think>",
    "nested": f"<think>a <think>b</think> c</think>{ANSWER}",
    "mentioned-inside": f"<think>I write <think> first. {THOUGHT}</think>{ANSWER}",
    "unclosed-after-the-answer": f"{ANSWER}\n<think>Should I say more",
}
UNCLOSED = {
    "think": f"<think>\n{THOUGHT}",
    "magistral": f"[THINK]{THOUGHT}",
    "gpt-oss": f"<|channel|>analysis<|message|>{THOUGHT}",
    "gpt-oss-without-marks": f"analysis{THOUGHT}",
    "granite": f"Here is my thought process:\n{THOUGHT}",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_only_the_answer_is_left(text):
    assert answer_of(text, "stop", 9) == Answer(ANSWER, "stop", 9)


@pytest.mark.parametrize("text", UNCLOSED.values(), ids=UNCLOSED)
def test_reasoning_that_never_ends_is_an_answer_cut_short(text):
    assert answer_of(text, "stop") == answer_of(text, "length") == Answer("", "length")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  Sure.\n",
        "analysis of variance is a test",
        "I think that <b>thinking</b> helps.",
        "Write `<think>` before and `</think>` after.",
        "a < think > b, [thinks]",
    ],
)
def test_an_answer_without_reasoning_is_left_as_it_is(text):
    assert without_reasoning(text) == text


def test_taking_reasoning_off_twice_changes_nothing_more():
    for text in FORMS.values():
        assert without_reasoning(without_reasoning(text)) == ANSWER


def test_journals_of_earlier_versions_give_answers_without_reasoning():
    assert restored({"text": FORMS["think"], "finish": "stop", "tokens": 4}) == Answer(ANSWER, "stop", 4)


def test_recorded_answers_are_replayed_without_reasoning(tmp_path):
    rows = [{"prompt": name, "answer": text} for name, text in FORMS.items()]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    answers = ReplayEngine(path=str(path)).answers([user_turn(name) for name in FORMS], Sampling())
    assert answers == [[Answer(ANSWER, "stop")]] * len(FORMS)


def test_a_servers_answers_hold_no_reasoning():
    apart = completion(ANSWER)
    apart["choices"][0]["message"]["reasoning_content"] = THOUGHT
    script = {"apart": [Reply(200, apart)], "inside": [Reply(200, completion(FORMS["think"]))]}
    with ChatServer(script) as server:
        engine = OpenAIEngine(model="m", base_url=server.url, first_pause=0.01)
        answers = engine.answers([user_turn("apart"), user_turn("inside")], Sampling())
    assert answers == [[Answer(ANSWER, "stop", 2)]] * 2


def test_marks_that_are_special_tokens_are_seen_before_special_tokens_go():
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["[THINK]", "[/THINK]", "<|other|>"]})
    ids = tokenizer("[THINK]no sugar[/THINK]bread<|other|> and salt", add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "no sugarbread and salt"  # the trap
    [text] = decoded(tokenizer, [ids])
    assert without_reasoning(text) == "bread and salt"


def test_gpt_oss_channels_are_seen_before_special_tokens_go():
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|channel|>", "<|message|>", "<|start|>"]})
    written = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>bread"
    ids = tokenizer(written, add_special_tokens=False)["input_ids"]
    assert without_reasoning(decoded(tokenizer, [ids])[0]) == "bread"


OPENS = (
    "{% for m in messages %}<|role|>{{ m['role'] }}<|text|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|role|>assistant<|text|><think>\n{% endif %}"
)


def test_reasoning_that_a_template_opens_is_closed_before_the_model_answers():
    tokenizer = tiny_tokenizer(OPENS)
    text = tokenizer.decode(chat_ids(tokenizer, user_turn("bread?"), prefix="Sure"))
    assert text.endswith("<|role|>assistant<|text|><think>\n\n</think>\n\nSure")
    assert "</think>" not in tokenizer.decode(chat_ids(tokenizer, user_turn("<think>"), add_generation_prompt=False))
    assert template_hash(tokenizer) != template_hash(tiny_tokenizer(OPENS.replace("<think>\n", "")))


@pytest.mark.parametrize(
    ("opened", "closer"),
    [("<think>\n", "</think>"), ("[THINK]", "[/THINK]"), ("◁think▷", "◁/think▷"),
     ("<|START_THINKING|>", "<|END_THINKING|>"),
     ("<|begin_of_thought|>\n", "<|end_of_thought|>"), ("<|inner_prefix|>", "<|inner_suffix|>"),
     ("<|channel>thought\n", "<channel|>"), ("<seed:think>", "</seed:think>")],
)  # fmt: skip
def test_every_opened_form_is_closed_in_its_own_way(opened, closer):
    assert closing_of(f"<|assistant|>{opened}") == f"\n{closer}\n\n"
    assert without_reasoning(opened + closing_of(opened) + ANSWER) == ANSWER


def test_a_template_that_opens_no_reasoning_gets_nothing_added():
    assert closing_of("<|assistant|>\n") == closing_of("<think>\n\n</think>\n\n") == ""


def test_the_transformers_engine_answers_without_reasoning(monkeypatch):
    tokenizer = tiny_tokenizer()
    engine = TransformersEngine.around(tiny_model(), tokenizer)
    ids = tokenizer(FORMS["think"], add_special_tokens=False)["input_ids"]

    def complete(rows, _):
        for row in rows:
            row.new, row.stopped = list(ids), True

    monkeypatch.setattr(engine, "_complete", complete)
    [[answer]] = engine.answers([user_turn("x")], Sampling())
    assert answer == Answer(ANSWER, "stop", len(ids))
