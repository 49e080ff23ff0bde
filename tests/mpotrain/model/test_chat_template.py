"""The authors' templates, letter by letter, and which one a model is trained with."""

from pathlib import Path
from typing import Any

import pytest

from mpodata.engines.templates import chat_ids, template_hash
from mpodata.errors import ConfigError
from mpodata.records import assistant_turn, user_turn
from mpotrain.data import turn_end
from mpotrain.model.chat_template import set_chat_template
from tests.mpotrain.tiny_dataset import TEMPLATE, tokenizer

LLAMA = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
GEMMA = ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"]


def family(tokens: list[str], eos: str) -> Any:
    """A tokenizer with a family's control tokens, and a template of its own that is not the authors'."""
    made = tokenizer()
    made.add_special_tokens({"additional_special_tokens": tokens, "bos_token": tokens[0], "eos_token": eos})
    return made


def text(made: Any, *answers: str) -> str:
    turns = [turn for answer in answers for turn in (*user_turn("Hi"), *assistant_turn(answer))]
    return str(made.decode(chat_ids(made, [*turns, *user_turn("Bye")])))


def test_llama_3_has_no_system_block_and_no_date() -> None:
    made = family(LLAMA, "<|eot_id|>")
    set_chat_template(made, "authors")
    assert text(made, "Hello") == (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nHello<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    assert made.decode(turn_end(made)) == "<|eot_id|>"


def test_gemmas_answers_end_with_eos() -> None:
    made = family(GEMMA, "<eos>")
    set_chat_template(made, "authors")
    assert text(made, "Hello") == (
        "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello<eos><end_of_turn>\n"
        "<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n"
    )
    assert made.decode(turn_end(made)) == "<eos>"


def test_another_family_keeps_its_own_as_with_the_authors() -> None:
    made = tokenizer()
    set_chat_template(made, "authors")
    assert made.chat_template == TEMPLATE


def test_a_file_can_be_the_template_and_changes_the_hash(tmp_path: Path) -> None:
    made, before = tokenizer(), template_hash(tokenizer())
    (tmp_path / "mine.jinja").write_text("{{ bos_token }}{% for m in messages %}{{ m['content'] }}<|end|>{% endfor %}")
    set_chat_template(made, str(tmp_path / "mine.jinja"))
    assert made.decode(chat_ids(made, user_turn("Hi"))) == "<|begin|>Hi<|end|>"
    assert template_hash(made) != before


def test_a_template_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--chat_template must be authors, tokenizer or a Jinja file, got 'author'"):
        set_chat_template(tokenizer(), "author")
    (tmp_path / "broken.jinja").write_text("{% for m in messages %}\n{{ m }")
    with pytest.raises(ConfigError, match=r"broken\.jinja, line 2"):
        set_chat_template(tokenizer(), str(tmp_path / "broken.jinja"))
