"""MADLAD-400 through CTranslate2: the real architecture and conversion, and transformers' tokens."""

import string
from pathlib import Path

import pytest

from mpodata.errors import ConfigError
from mpodata.records import Dropped, Side
from mpodata.translators import TRANSLATORS
from mpodata.translators.madlad import SIZES, Madlad, madlad_3b
from mpodata.translators.seq2seq import MAX_SOURCE, document_translator
from tests.mpodata.tiny_madlad import write_tiny_madlad

SENTENCES = ["Hello there.", "How are you today, my friend?", "Yes.", "I like it a lot, do you?", "Go on, please do."]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return write_tiny_madlad(tmp_path_factory.mktemp("models") / "tiny", string.ascii_letters + string.digits + ".,!?'")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("MPODATA_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def translator(tiny) -> Madlad:
    return Madlad("tiny", str(tiny), beam=1, compute_type="float32")


@pytest.mark.parametrize(("language", "code"), [("sw", "<2sw>"), ("zh", "<2zh-CN>"), ("he", "<2iw>")])
def test_greedy_output_equals_transformers(tiny, translator, language, code):
    import torch
    from transformers import AutoTokenizer, T5ForConditionalGeneration

    model = T5ForConditionalGeneration.from_pretrained(tiny).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    encoded = [tokenizer(f"{code} {text}", return_tensors="pt") for text in SENTENCES]
    inputs = translator.inputs(SENTENCES, "en", language)
    assert inputs == [tokenizer.convert_ids_to_tokens(row["input_ids"][0]) for row in encoded]
    assert {code in row for row in inputs} == {True}
    ours = translator.decoded(inputs, language, [40] * len(inputs), beam_size=1)
    for row, tokens in zip(encoded, ours, strict=True):
        with torch.inference_mode():
            theirs = model.generate(**row, num_beams=1, do_sample=False, max_new_tokens=40)[0].tolist()
        assert theirs[0] == 0
        ended = theirs[1 : theirs.index(2)] if 2 in theirs else theirs[1:]
        assert tokenizer.convert_ids_to_tokens(ended) == tokens
    assert len({tuple(tokens) for tokens in ours}) > 1  # the model reads its input


@pytest.mark.parametrize("beam", [1, 4])
def test_a_batch_translates_as_one_by_one(tiny, beam):
    translator = Madlad("tiny", str(tiny), beam=beam, compute_type="float32")
    texts = [f"{text} {number}" for number in range(6) for text in SENTENCES]
    assert translator.segments(texts, "en", "sw") == [translator.segments([text], "en", "sw")[0] for text in texts]


def test_what_is_too_long_is_said_and_never_cut_in_silence(translator):
    assert translator.segments(["word " * 100], "en", "sw") == [Dropped("truncated", f"more than {MAX_SOURCE} tokens")]


def test_a_language_token_inside_a_text_is_text(translator):
    [plain] = translator.inputs(["Write <2zh-CN> twice"], "en", "sw")
    assert "<2zh-CN>" not in plain
    assert plain.count("<2sw>") == 1


def test_a_language_that_the_model_does_not_know_is_said(translator):
    with pytest.raises(ConfigError, match=r"tiny does not know the language 'ko' \(<2ko>\)"):
        translator.segments(["Hello"], "en", "ko")


def test_characters_outside_the_vocabulary_are_known(translator):
    assert translator.unknown(["Hello", "the 鹰 car"]) == ["", "鹰"]


def test_the_sizes_are_apache_licensed_and_open_to_users_by_name(tiny):
    for name, size in SIZES.items():
        assert size.model == f"google/madlad400-{name.removeprefix('madlad-')}-mt"
        assert size.licence == "Apache-2.0"
        assert TRANSLATORS[name].startswith("mpodata.translators.madlad:")
    made = madlad_3b(model=str(tiny), beam=1)
    results = made.translate([Side("en", "Hello there.", "No, I will not.", "Yes, do it.")] * 2, "sw")
    assert results[0] == results[1]
    assert made.provenance()["licence"] == "Apache-2.0"
    [row] = [document_translator(Madlad, SIZES["madlad-7b"], model=str(tiny), beam=2).translator]
    assert (row.provenance()["name"], row.provenance()["beam"]) == ("madlad-7b", 2)
