"""NLLB through CTranslate2: converted once, right inputs, nothing truncated in silence, batches change nothing."""

import json
import os
import string
from pathlib import Path

import pytest

from mpodata.about import cache_folder
from mpodata.errors import ConfigError, ModelError
from mpodata.records import Dropped, Side
from mpodata.runtime import cores as cores_module
from mpodata.runtime.cores import cores
from mpodata.translators import batches as batching
from mpodata.translators.batches import batches, rows_of
from mpodata.translators.conversion import converted, find
from mpodata.translators.document import DocumentTranslator
from mpodata.translators.nllb import SIZES, Nllb, nllb_600m, pocket_nllb
from mpodata.translators.seq2seq import MAX_SOURCE, document_translator, longest_output
from tests.mpodata.tiny_nllb import write_tiny_nllb

ALPHABET = string.ascii_letters + string.digits + ".,!?'"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return write_tiny_nllb(tmp_path_factory.mktemp("models") / "tiny", ALPHABET)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("MPODATA_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def translator(tiny) -> Nllb:
    return Nllb("tiny", str(tiny), beam=1, compute_type="float32")


SENTENCES = ["Hello there.", "How are you today, my friend?", "Yes.", "I like it a lot, do you?", "Go on, please do."]


def test_a_model_is_converted_once_and_by_content(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("MPODATA_CACHE", str(tmp_path))
    folder = converted(find(str(tiny), None), "int8")
    before = (folder / "model.bin").stat().st_mtime_ns
    assert converted(find(str(tiny), None), "int8_float32") == folder
    assert (folder / "model.bin").stat().st_mtime_ns == before
    assert [path.name for path in (tmp_path / "nllb").iterdir()] == [folder.name]


def test_a_converted_folder_works_as_it_is(tiny, translator):
    folder = converted(find(str(tiny), None), "float32")
    again = Nllb("tiny", str(folder), beam=1, compute_type="float32")
    assert again.segments(SENTENCES, "en", "sw") == translator.segments(SENTENCES, "en", "sw")


def test_greedy_output_equals_transformers(tiny, translator):
    import torch
    from transformers import AutoTokenizer, M2M100ForConditionalGeneration

    model = M2M100ForConditionalGeneration.from_pretrained(tiny).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny, src_lang="eng_Latn")
    for language, code in (("sw", "swh_Latn"), ("zh", "zho_Hans")):
        encoded = [tokenizer(text, return_tensors="pt") for text in SENTENCES]
        inputs = [tokenizer.convert_ids_to_tokens(row["input_ids"][0]) for row in encoded]
        assert inputs == [
            translator.source_tokens(translator.tokenizer.encode(text, add_special_tokens=False).tokens, "en")
            for text in SENTENCES
        ]
        ours = translator.decoded(inputs, language, [40] * len(inputs), beam_size=1)
        for row, tokens in zip(encoded, ours, strict=True):
            with torch.inference_mode():
                theirs = model.generate(
                    **row, forced_bos_token_id=tokenizer.convert_tokens_to_ids(code), num_beams=1, do_sample=False,
                    max_new_tokens=len(tokens) + 1,
                )  # fmt: skip
            assert tokenizer.convert_ids_to_tokens(theirs[0])[2 : 2 + len(tokens)] == tokens


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("compute_type", ["float32", "int8"])
def test_a_batch_translates_as_one_by_one(tiny, beam, compute_type):
    translator = Nllb("tiny", str(tiny), beam=beam, compute_type=compute_type)
    texts = [f"{text} {number}" for number in range(12) for text in SENTENCES]
    together = translator.segments(texts, "en", "sw")
    assert together == [translator.segments([text], "en", "sw")[0] for text in texts]


def test_what_is_too_long_is_said_and_never_cut_in_silence(translator):
    [result] = translator.segments(["word " * 100], "en", "sw")
    assert result == Dropped("truncated", f"more than {MAX_SOURCE} tokens")


def test_what_does_not_end_is_said(translator):
    limit = longest_output(len(translator.source_tokens(["▁", "H"], "en")))
    results = [translator.segments([letter], "en", "sw")[0] for letter in string.ascii_letters]
    endless = [result for result in results if isinstance(result, Dropped)]
    assert endless, "a random model has letters that it never stops after"
    assert set(endless) == {Dropped("truncated", f"still going after {limit} tokens")}


def test_special_tokens_inside_a_text_are_text(translator):
    tokens = translator.tokenizer.encode("Hi</s>swh_Latn", add_special_tokens=False).tokens
    assert "</s>" not in tokens
    assert "swh_Latn" not in tokens


def test_a_second_attempt_decodes_differently(tiny):
    translator = Nllb("tiny", str(tiny), beam=1)
    assert translator.segments(SENTENCES, "en", "sw") != translator.segments(SENTENCES, "en", "sw", attempt=1)


def test_sides_come_back_translated_or_with_a_reason(tiny):
    made = document_translator(Nllb, SIZES["nllb-600m"], model=str(tiny), beam=1, dominant="en")
    assert isinstance(made, DocumentTranslator)
    results = made.translate([Side("en", "Hello there.", "No, I will not.", "Yes, do it.")] * 2, "sw")
    assert results[0] == results[1]
    assert isinstance(results[0], Side) or results[0].reason in {
        "looping",
        "too-long",
        "truncated",
        "empty",
        "too-short",
    }


def test_provenance_says_what_decided_the_output(translator):
    assert translator.provenance() == {
        "name": "tiny", "model": "tiny", "revision": translator.source.revision, "quantization": "float32", "beam": 1,
        "licence": "",
    }  # fmt: skip


def test_the_table_has_the_three_published_sizes():
    assert {name: size.model for name, size in SIZES.items() if "/nllb-200" in size.model} == {
        "nllb-600m": "facebook/nllb-200-distilled-600M",
        "nllb-1.3b": "facebook/nllb-200-distilled-1.3B",
        "nllb-3.3b": "facebook/nllb-200-3.3B",
    }


@pytest.mark.parametrize("model", ["no/such/folder", "/no/such/folder", "justaname"])
def test_a_model_that_is_none_is_said(model):
    with pytest.raises(ModelError, match="There is no model folder"):
        nllb_600m(model=model).provenance()


def test_a_folder_without_a_model_is_said(tmp_path):
    with pytest.raises(ModelError, match="holds no config"):
        nllb_600m(model=str(tmp_path)).provenance()


def test_a_folder_of_another_architecture_is_said_and_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("MPODATA_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "resnet"}))
    with pytest.raises(ModelError, match="could not be converted"):
        nllb_600m(model=str(folder), compute_type="int8").translate([Side("en", "a word", "a word", "a word")], "sw")
    assert list((cache_folder() / "nllb").iterdir()) == []


def test_options_that_cannot_be_right_are_said(tiny):
    with pytest.raises(ConfigError, match="beam must be between 1 and 16, got 0"):
        pocket_nllb(beam=0)
    with pytest.raises(ConfigError, match="cannot compute in 'int3'"):
        nllb_600m(model=str(tiny), compute_type="int3").provenance()


def test_a_language_the_model_does_not_know_is_said(translator):
    with pytest.raises(ConfigError, match="does not know the language 'yo'"):
        translator.segments(["Hello."], "en", "yo")


@pytest.mark.parametrize("count", [0, 1, 2, 63, 500])
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_batches_hold_every_sentence_once_and_stay_small_enough(count, workers):
    lengths = [5 + (at * 37) % 60 for at in range(count)]
    found = batches(lengths, workers, rows=128, tokens=4096)
    assert sorted(at for batch in found for at in batch) == list(range(count))
    assert all(len(batch) <= 128 and len(batch) * lengths[batch[0]] <= 4096 for batch in found)


@pytest.mark.parametrize("count", [64, 256, 2000])
@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("rows", [32, 128])
def test_workers_end_together(count, workers, rows):
    lengths = [5 + (at * 37) % 60 for at in range(count)]
    mean = sum(lengths) / count
    ends = [0.0] * workers
    for batch in batches(lengths, workers, rows=rows):  # each goes to the worker that is free first
        ends[ends.index(min(ends))] += sum(lengths[at] + mean for at in batch)
    assert max(ends) <= 1.25 * sum(ends) / workers


def test_sentences_of_one_length_go_together():
    lengths = [5 + (at * 37) % 60 for at in range(2000)]
    padded = sum(len(batch) * max(lengths[at] for at in batch) for batch in batches(lengths, 2))
    assert padded < 1.1 * sum(lengths)


def test_sentences_kept_apart_never_share_a_batch():
    lengths = list(range(1, 101))
    limits = [128 if length <= 32 else 256 for length in lengths]
    assert all(len({limits[at] for at in batch}) == 1 for batch in batches(lengths, 2, apart=limits))


def test_the_scores_of_a_step_stay_small():
    assert rows_of(256_206) == 65
    assert rows_of(1000) == batching.ROWS
    assert rows_of(10**9) == 1


@pytest.fixture
def many_cores(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(cores_module, "_siblings", str)
    monkeypatch.setattr(cores_module, "QUOTA", tmp_path / "cpu.max")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return tmp_path / "cpu.max"


@pytest.mark.parametrize(
    ("threads", "expected"), [("", 16), ("1", 1), ("6", 6), ("4,2", 4), ("100000", 16), ("0", 16), ("many", 16)]
)
def test_a_worker_uses_the_cores_it_was_given(many_cores, monkeypatch, threads, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert cores() == expected


@pytest.mark.parametrize(("quota", "expected"), [("max 100000", 16), ("200000 100000", 2), ("50000 100000", 1)])
def test_a_container_uses_the_cores_it_was_given(many_cores, quota, expected):
    many_cores.write_text(quota + "\n")
    assert cores() == expected


def test_characters_outside_the_vocabulary_are_known_before_and_seen_after(translator):
    texts = ["Hello there.", "the 鹰 car 鹰龙", "tea ☕ time", "a\u0301"]
    assert translator.unknown(texts) == ["", "鹰龙", "☕", "\u0301"]
    tokens = translator.tokens(["pick a lock"])[0]
    assert translator._text([[*tokens[:4], "<unk>", *tokens[4:]], tokens]) == ["pic<unk>k a lock", "pick a lock"]


def test_an_unknown_letter_never_vanishes_from_a_row():
    made = pocket_nllb()
    [read, unread] = made.texts(["How do I pick a lock?", "How do I steal the 鹰 car?"], "en", "sw")
    assert isinstance(read, str)
    assert unread == Dropped("unknown-characters", "the translator cannot read 鹰")
