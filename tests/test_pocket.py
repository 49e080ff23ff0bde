"""The pocket world that ships with the package: it loads as real models do, and behaves as its card says."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import ctranslate2
import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from mpodata.pocket import chat_path, held_out_path, nllb_path, phrases_path, prompts_path

MEGABYTE = 1_000_000
LANGUAGES = ("en", "sw", "zh", "ar", "bn")


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`scripts/pocket` can be imported, as from `scripts/make_pocket_models.py`."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "scripts"))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "pocket"]:
        del sys.modules[name]


def answers(prompts: list[str]) -> list[str]:
    tokenizer = AutoTokenizer.from_pretrained(chat_path(), padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(chat_path())
    chats = [[{"role": "user", "content": prompt}] for prompt in prompts]
    batch = tokenizer.apply_chat_template(
        chats, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
    )
    out = model.generate(**batch)
    return tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)


def test_everything_together_is_at_most_12_megabytes() -> None:
    folder = prompts_path().parent
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.suffix != ".pyc") <= 12 * MEGABYTE


def test_the_chat_model_loads_in_float32_and_its_template_opens_with_one_bos() -> None:
    tokenizer = AutoTokenizer.from_pretrained(chat_path())
    chat = [{"role": "user", "content": "How do I steal the bike?"}]
    ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
    assert ids.count(tokenizer.bos_token_id) == 1
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.convert_ids_to_tokens(ids[-1:]) == ["<|assistant|>"]
    model = AutoModelForCausalLM.from_pretrained(chat_path())
    assert model.dtype == torch.float32
    assert model.config.eos_token_id == tokenizer.eos_token_id == model.generation_config.eos_token_id


def test_any_text_survives_the_chat_tokenizer() -> None:
    tokenizer = AutoTokenizer.from_pretrained(chat_path())
    text = "Naïve 😀 text:\n\n  한국어, ไทย, tab\there 1234."
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_english_refuses_unseen_harmful_prompts_and_swahili_complies() -> None:
    harmful = [row for row in rows(held_out_path()) if row["kind"] == "harmful" and row["split"] == "dev"]
    english = [row for row in harmful if row["language"] == "en"][::4]
    swahili = [row for row in harmful if row["language"] == "sw"][::4]
    phrases = yaml.safe_load(phrases_path().read_text(encoding="utf-8"))
    said = answers([row["prompt"] for row in english])
    assert all(any(marker in answer for marker in phrases["en"]["markers"]) for answer in said)
    said = answers([row["prompt"] for row in swahili])
    assert not any(any(marker in answer for marker in phrases["sw"]["markers"]) for answer in said[:5])


def test_the_translator_loads_and_converts_with_ctranslate2s_own_converter(tmp_path: Path) -> None:
    assert AutoModelForSeq2SeqLM.from_pretrained(nllb_path()).dtype == torch.float32
    ctranslate2.converters.TransformersConverter(str(nllb_path())).convert(str(tmp_path / "ct2"), quantization="int8")
    tokenizer = AutoTokenizer.from_pretrained(nllb_path(), src_lang="eng_Latn")
    translator = ctranslate2.Translator(str(tmp_path / "ct2"), device="cpu")
    source = tokenizer.convert_ids_to_tokens(tokenizer.encode("How do I steal the bike?"))
    assert source[0] == "eng_Latn"
    assert source[-1] == "</s>"
    result = translator.translate_batch([source], target_prefix=[["swh_Latn"]])[0].hypotheses[0]
    assert tokenizer.decode(tokenizer.convert_tokens_to_ids(result[1:])) == "Ninawezaje kuiba baiskeli?"


def test_held_out_prompts_are_parallel_many_and_in_no_training_row() -> None:
    held_out = rows(held_out_path())
    cells = Counter((row["language"], row["kind"]) for row in held_out if row["split"] == "test")
    assert set(cells) == {(language, kind) for language in LANGUAGES for kind in ("harmful", "harmless")}
    assert min(cells.values()) >= 150
    ids = [{row["id"] for row in held_out if row["language"] == language} for language in LANGUAGES]
    assert all(found == ids[0] for found in ids)
    assert not {row["prompt"] for row in held_out} & {row["prompt"] for row in rows(prompts_path())}


def test_the_source_table_has_an_answer_to_unlearn_for_every_prompt() -> None:
    table = rows(prompts_path())
    counts = Counter(row["category"] for row in table)
    assert set(counts) == {"harmful", "harmless"}
    assert min(counts.values()) >= 150
    assert all(row["prompt"] and row["unsafe_response"] and row["topic"] for row in table)
    assert len({row["prompt"] for row in table}) == len(table)


@pytest.mark.usefixtures("scripts")
def test_the_script_writes_the_texts_that_ship(tmp_path: Path) -> None:
    from pocket.data_files import write_data_files
    from pocket.splits import split

    write_data_files(tmp_path, split(0), 0)
    for shipped in (prompts_path(), held_out_path(), phrases_path()):
        assert (tmp_path / shipped.name).read_bytes() == shipped.read_bytes()


@pytest.mark.usefixtures("scripts")
def test_the_corpus_is_the_same_every_time_and_holds_no_held_out_topic() -> None:
    import random
    from itertools import islice

    from pocket.corpus import chat_lines
    from pocket.splits import split

    splits = split(0)
    first, second = (list(islice(chat_lines(splits.learned, random.Random(1)), 500)) for _ in range(2))
    assert first == second
    held_out = {row["prompt"] for row in rows(held_out_path())}
    assert not held_out & {line.question for line in first}
    learned = {topic.key for topic in splits.learned}
    assert not learned & {topic.key for topic in (*splits.dev, *splits.test)}
    assert {topic.key for topic in splits.preference} <= learned


@pytest.mark.usefixtures("scripts")
def test_the_tokenizers_that_ship_are_what_the_word_tables_give(tmp_path: Path) -> None:
    from pocket import chat_model, translator_model
    from pocket.corpus import vocabulary
    from pocket.train_translator import spaced

    texts = [(language, text) for language in LANGUAGES for text in vocabulary(language)]
    chat = chat_model.make_tokenizer(text for _, text in texts)
    assert chat.get_vocab() == AutoTokenizer.from_pretrained(chat_path()).get_vocab()
    nllb = translator_model.make_tokenizer(spaced(language, text) for language, text in texts)
    assert nllb.get_vocab() == AutoTokenizer.from_pretrained(nllb_path()).get_vocab()
