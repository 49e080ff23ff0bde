"""The transformers engine: every row for itself, ends known exactly, the model's own defaults left out."""

import json

import pytest
import torch

from mpodata.engines import ENGINES, Sampling
from mpodata.engines.templates import chat_ids
from mpodata.engines.transformers import TransformersEngine
from mpodata.errors import ConfigError, MissingPackage, ModelError
from mpodata.records import user_turn
from mpodata.registry import construct
from tests.mpodata.tiny_models import tiny_checkpoint, tiny_gguf, tiny_model, tiny_tokenizer

PROMPTS = ["bread?", "How do I bake bread at home with little flour and no salt at all?", "你好", "pick a lock", "no"]
CONVERSATIONS = [user_turn(text) for text in PROMPTS]


@pytest.fixture(scope="module")
def engine():
    return TransformersEngine.around(tiny_model(), tiny_tokenizer())


def likeliest(model, tokenizer, text, steps):
    """Greedy decoding written out: no cache, no batch, no generate()."""
    ids = chat_ids(tokenizer, user_turn(text))
    new = []
    with torch.no_grad():
        while len(new) < steps:
            token = int(model(torch.tensor([ids + new])).logits[0, -1].argmax())
            if token == 4:
                return new, True
            new.append(token)
    return new, False


@pytest.mark.parametrize("family", ["Llama", "Qwen3", "Gemma2"])
def test_greedy_answers_are_the_likeliest_tokens_whatever_the_batch(family):
    model, tokenizer = tiny_model(family), tiny_tokenizer()
    sampling = Sampling(max_tokens=60)  # more than one round
    expected = [likeliest(model, tokenizer, text, 60) for text in PROMPTS]
    for size in (1, 2, 5):
        engine = TransformersEngine.around(model, tokenizer, batch_size=size)
        for [answer], (tokens, stopped) in zip(engine.answers(CONVERSATIONS, sampling), expected, strict=True):
            assert answer.text == tokenizer.decode(tokens, skip_special_tokens=True)
            assert answer.finish == ("stop" if stopped else "length")
            assert answer.tokens == len(tokens)


def test_samples_depend_on_their_own_prompt_and_seed_only(engine):
    sampling = Sampling(candidates=3, temperature=1.0, top_p=0.9, max_tokens=60, seed=7)
    together = engine.answers(CONVERSATIONS, sampling)
    alone = [engine.answers([conversation], sampling)[0] for conversation in CONVERSATIONS]
    backwards = engine.answers(CONVERSATIONS[::-1], sampling)[::-1]
    assert together == alone == backwards
    assert len({answer.text for answer in together[0]}) == 3
    assert engine.answers(CONVERSATIONS, Sampling(candidates=3, temperature=1.0, top_p=0.9, max_tokens=60)) != together


def test_more_candidates_keep_the_earlier_ones(engine):
    few = engine.answers(CONVERSATIONS, Sampling(candidates=2, temperature=0.8, max_tokens=8))
    many = engine.answers(CONVERSATIONS, Sampling(candidates=4, temperature=0.8, max_tokens=8))
    assert [row[:2] for row in many] == few


def test_greedy_candidates_are_copies(engine):
    rows = engine.answers(CONVERSATIONS, Sampling(candidates=2, max_tokens=5))
    assert all(first == second for first, second in rows)


def test_samples_follow_the_models_probabilities():
    model, tokenizer = tiny_model(), tiny_tokenizer()
    engine = TransformersEngine.around(model, tokenizer)
    with torch.no_grad():
        logits = model(torch.tensor([chat_ids(tokenizer, user_turn("bread?"))])).logits[0, -1]
    expected: dict[str, float] = {}
    for token, probability in enumerate((logits.double() / 2.0).softmax(-1).tolist()):
        text = tokenizer.decode([token], skip_special_tokens=True)
        expected[text] = expected.get(text, 0.0) + probability
    [drawn] = engine.answers([user_turn("bread?")], Sampling(candidates=4000, temperature=2.0, max_tokens=1))
    for text, probability in sorted(expected.items(), key=lambda item: -item[1])[:5]:
        share = sum(answer.text == text for answer in drawn) / 4000
        assert share == pytest.approx(probability, abs=4 * (probability / 4000) ** 0.5)


def test_top_p_of_almost_nothing_is_greedy(engine):
    narrow = engine.answers(CONVERSATIONS, Sampling(temperature=1.0, top_p=1e-9, max_tokens=20))
    assert narrow == engine.answers(CONVERSATIONS, Sampling(max_tokens=20))


def test_repetition_penalty_counts_prompt_and_answer_but_not_padding():
    model, tokenizer = tiny_model(), tiny_tokenizer()
    sampling = Sampling(max_tokens=12, repetition_penalty=1e6)
    batched = TransformersEngine.around(model, tokenizer, batch_size=5).answers(CONVERSATIONS, sampling)
    alone = TransformersEngine.around(model, tokenizer, batch_size=1).answers(CONVERSATIONS, sampling)
    assert batched == alone
    for text, [answer] in zip(PROMPTS, batched, strict=True):
        tokens = tokenizer(answer.text, add_special_tokens=False)["input_ids"]
        assert answer.tokens == 12 or answer.finish == "stop"
        assert tokens
        ids = chat_ids(tokenizer, user_turn(text))
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1].clone()
        seen = torch.tensor(sorted(set(ids)))
        logits[seen] = torch.where(logits[seen] > 0, logits[seen] / 1e6, logits[seen] * 1e6)
        assert answer.text.startswith(tokenizer.decode([int(logits.argmax())]).strip("\ufffd"))


def test_the_models_own_generation_defaults_stay_out(tmp_path):
    path = tiny_checkpoint(tmp_path)
    before = TransformersEngine(model=path).answers(CONVERSATIONS, Sampling(max_tokens=30))
    defaults = {"max_length": 3, "min_new_tokens": 25, "do_sample": True, "temperature": 9.0, "no_repeat_ngram_size": 1}
    config = json.loads((tmp_path / "generation_config.json").read_text())
    (tmp_path / "generation_config.json").write_text(json.dumps(config | defaults))
    assert TransformersEngine(model=path).answers(CONVERSATIONS, Sampling(max_tokens=30)) == before


def test_an_end_of_turn_token_named_only_by_the_generation_config_ends_the_answer(tmp_path):
    path = tiny_checkpoint(tmp_path)
    [[whole]] = TransformersEngine(model=path).answers(CONVERSATIONS[:1], Sampling(max_tokens=20))
    tokenizer = tiny_tokenizer()
    model = tiny_model()
    tokens, _ = likeliest(model, tokenizer, PROMPTS[0], 20)
    third = tokens[2]
    config = json.loads((tmp_path / "generation_config.json").read_text())
    (tmp_path / "generation_config.json").write_text(json.dumps(config | {"eos_token_id": [4, third]}))
    [[short]] = TransformersEngine(model=path).answers(CONVERSATIONS[:1], Sampling(max_tokens=20))
    assert short.finish == "stop"
    assert short.tokens == tokens.index(third) < whole.tokens


def test_the_primed_words_are_not_repeated(engine):
    [[answer]] = engine.answers([user_turn("x")], Sampling(max_tokens=4, prefix="Sure"))
    assert answer.tokens == 4
    assert not answer.text.startswith("Sure")


def test_a_prompt_longer_than_the_context_is_an_answer_cut_short():
    engine = TransformersEngine.around(tiny_model(context=64), tiny_tokenizer())
    rows = engine.answers([user_turn("bread " * 5000), user_turn("x"), user_turn("xy")], Sampling(max_tokens=500))
    assert rows[0][0].finish == "length"
    assert rows[0][0].text == ""
    alone = engine.answers([user_turn("x")], Sampling(max_tokens=500))
    assert rows[1] == alone[0]
    assert rows[1][0].tokens <= 64


def test_an_engine_around_a_model_in_memory_says_so(engine):
    assert engine.provenance()["revision"] == "in-memory"


def test_training_state_and_settings_of_a_model_in_memory_are_left_as_they_were():
    model = tiny_model().train()
    own = model.generation_config
    TransformersEngine.around(model, tiny_tokenizer()).answers(CONVERSATIONS[:1], Sampling(max_tokens=2))
    assert model.training
    assert model.generation_config is own


def test_no_conversations_no_answers(engine):
    assert engine.answers([], Sampling()) == []


def test_the_constructor_is_cheap_and_provenance_needs_no_weights(tmp_path):
    path = tiny_checkpoint(tmp_path)
    before = TransformersEngine(model=path).provenance()
    assert before["engine"] == "transformers"
    assert before["revision"].startswith("files-")
    assert TransformersEngine(model=path).provenance() == before
    tiny_checkpoint(tmp_path, seed=1)
    assert TransformersEngine(model=path).provenance()["revision"] != before["revision"]


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"model": "no/such/folder"}, ModelError, "There is no model 'no/such/folder'"),
        ({"model": "nothing-here"}, ModelError, "There is no model"),
        ({"model": "."}, ModelError, "not a model folder"),
        ({"model": "x", "dtype": "int3"}, ConfigError, "dtype must be one of"),
        ({"model": "x", "batch_size": 0}, ConfigError, "batch_size must be at least 1"),
        ({}, ConfigError, "needs model"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(options, error, sentence):
    with pytest.raises(error, match=sentence):
        construct("engine", ENGINES, "transformers", options).answers(CONVERSATIONS, Sampling())


def test_a_folder_with_broken_weights_is_said_in_one_sentence(tmp_path):
    path = tiny_checkpoint(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="cannot be loaded"):
        TransformersEngine(model=path).answers(CONVERSATIONS, Sampling())


def test_a_device_that_is_none_is_said_in_one_sentence(tmp_path):
    with pytest.raises(ModelError, match="Device 'cudo' cannot be used"):
        TransformersEngine(model=tiny_checkpoint(tmp_path), device="cudo").answers(CONVERSATIONS, Sampling())


def test_a_missing_package_is_said_in_one_sentence(monkeypatch, tmp_path):
    path = tiny_checkpoint(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingPackage, match=r"pip install 'mpodata\[transformers\]'"):
        TransformersEngine(model=path).answers(CONVERSATIONS, Sampling())


CHATML = (
    "{% for m in messages %}<|role|>{{ m['role'] }}<|text|>{{ m['content'] }}<|close|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|role|>assistant<|text|>{% endif %}"
)


def closing_tokenizer():
    """A tokenizer whose template ends turns with `<|close|>`, while its EOS is `<|end|>`."""
    tokenizer = tiny_tokenizer(CHATML)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|close|>"]})
    return tokenizer


def test_an_answer_stops_at_the_turn_end_that_the_template_teaches(monkeypatch):
    tokenizer, model = closing_tokenizer(), tiny_model()
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    close = tokenizer.convert_tokens_to_ids("<|close|>")
    model.lm_head.weight.data[close] = 0.0
    engine = TransformersEngine.around(model, tokenizer)
    assert engine._stops == [4, close]
    [[endless]] = engine.answers([user_turn("bread?")], Sampling(max_tokens=20))
    monkeypatch.setattr(model.lm_head, "bias", torch.nn.Parameter(torch.zeros(len(tokenizer))))
    with torch.no_grad():
        model.lm_head.bias[close] = 1e4  # the model closes its turn at once
    [[answer]] = engine.answers([user_turn("bread?")], Sampling(max_tokens=20))
    assert endless.finish == "length"
    assert (answer.text, answer.finish, answer.tokens) == ("", "stop", 0)


@pytest.mark.parametrize(
    ("end", "stops"), [("<|end|>", [4]), ("<|end|>\n", [4]), ("\n", [4]), ("", [4]), ("<|pad|>", [1, 4])]
)
def test_only_a_special_token_after_the_answer_is_a_stop(end, stops):
    template = "{% for m in messages %}<|text|>{{ m['content'] }}" + end + "{% endfor %}"
    assert TransformersEngine.around(tiny_model(), tiny_tokenizer(template))._stops == stops


def test_a_gguf_file_answers_as_the_model_it_was_written_from(tmp_path, capfd):
    path = tiny_gguf(tmp_path / "tiny.gguf")
    engine, original = TransformersEngine(model=path), TransformersEngine.around(tiny_model(), tiny_tokenizer())
    sampling = Sampling(max_tokens=20)
    assert engine.answers(CONVERSATIONS, sampling) == original.answers(CONVERSATIONS, sampling)
    assert capfd.readouterr().err == "", "transformers' own bar over the tensors stays out of ours"
    assert engine.provenance()["revision"].startswith("files-")
    engine._model.save_pretrained(tmp_path / "saved")  # a model that is trained must be saved
    assert (tmp_path / "saved" / "model.safetensors").is_file()


def test_gguf_files_that_cannot_be_used_are_said_in_one_sentence(tmp_path):
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\x00" * 40)
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(ModelError, match=r"broken.gguf' cannot be loaded"):
        TransformersEngine(model=str(tmp_path / "broken.gguf")).answers(CONVERSATIONS, Sampling())
    with pytest.raises(ModelError, match=r"notes.txt is a file: give the folder of a model"):
        TransformersEngine(model=str(tmp_path / "notes.txt")).answers(CONVERSATIONS, Sampling())
    with pytest.raises(ConfigError, match="use --engine transformers"):
        construct("engine", ENGINES, "vllm", {"model": "x.gguf"})


def test_a_model_without_a_chat_template_is_refused_by_its_provenance_before_anything_is_generated(tmp_path):
    engine = TransformersEngine(model=tiny_checkpoint(tmp_path, template=None))
    with pytest.raises(ModelError, match="has no chat template"):
        engine.provenance()


@pytest.mark.parametrize(
    ("features", "warned"),
    [("flags : fpu avx2", True), ("flags : avx2 avx512_bf16", False), ("Features : fp bf16", False), ("", False)],
)
def test_16_bit_arithmetic_on_a_processor_without_it_is_warned_of(features, warned, tmp_path, monkeypatch, caplog):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\n{features}\n", encoding="utf-8")
    monkeypatch.setattr("mpodata.runtime.cores.FEATURES", tmp_path / "cpuinfo")
    engine = TransformersEngine(model=tiny_checkpoint(tmp_path / "model"), dtype="bfloat16", device="cpu")
    engine.answers(CONVERSATIONS[:1], Sampling(max_tokens=1))
    assert any("several times slower than in float32" in said for said in caplog.messages) == warned
