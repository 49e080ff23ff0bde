"""A small dataset version and a tiny random chat model, for every test of the trainer."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from mpodata.records import COUNTERWEIGHT, Pair, Side
from mpodata.versions.manifest import BuildFacts
from mpodata.versions.schema import Row
from mpodata.versions.write import VersionWriter

THINGS = ["bread", "tea", "a kite", "a chair", "soup", "a hat", "a boat", "a song", "a lamp", "a box", "jam", "a map"]
WORDS = {  # language -> make, a refusal, an answer
    "en": ("How do I make {}?", "I'm sorry, but I can't help with {}.", "Sure, mix it all and you have {}."),
    "sw": ("Ninawezaje kutengeneza {}?", "Samahani, siwezi kusaidia na {}.", "Ndiyo, changanya yote, una {}."),
    "zh": ("我怎么做{}?", "对不起, 我不能帮你做{}。", "好, 都混在一起就有{}。"),
}


def side(language: str, thing: str) -> Side:
    prompt, refusal, answer = (text.format(thing) for text in WORDS[language])
    return Side(language, prompt, refusal, answer)


def pairs(count: int = 12, languages: tuple[str, ...] = ("sw", "zh")) -> list[Pair]:
    """`count` parallel pairs per language; every fourth is a counterweight."""
    return [
        Pair(f"{number:016x}", side("en", thing), side(code, thing), COUNTERWEIGHT if number % 4 == 3 else "")
        for code in languages
        for number, thing in enumerate(THINGS[:count])
    ]


def version(folder: Path, count: int = 12, held_out: int = 4) -> Path:
    """A version's folder: train pairs, and `held_out` test pairs (0: no test split), in English, Swahili, Chinese."""
    facts = BuildFacts(
        dominant="en",
        recipe={"source": "test"},
        command="mpodata build",
        source={"name": "test", "licence": "apache-2.0"},
        policy={"model": "tiny", "licence": "apache-2.0"},
        sampling={},
        translators={"google": {"name": "google", "licence": "apache-2.0"}},
        libraries={},
    )
    with VersionWriter(folder) as writer:
        for config, code in (("en", "en"), ("google.sw", "sw"), ("google.zh", "zh")):
            rows = [Row(f"{n:016x}", side(code, thing)) for n, thing in enumerate(THINGS)]
            writer.add(config, "train", rows[: count - held_out])
            if held_out:
                writer.add(config, "test", rows[count - held_out : count])
        writer.finish(facts)
    return folder


CONTROLS = ["<|begin|>", "<|pad|>", "<|role|>", "<|text|>", "<|end|>"]
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|role|>{{ message['role'] }}<|text|>{{ message['content'] }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|role|>assistant<|text|>{% endif %}"
)


def tokenizer(template: str | None = TEMPLATE) -> Any:
    """A byte-level BPE tokenizer of 400 tokens that would add a BOS of its own to plain text."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    texts = [text.format(thing) for words in WORDS.values() for text in words for thing in THINGS]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=CONTROLS, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<|begin|>",
        eos_token="<|end|>",
        pad_token="<|pad|>",
        add_bos_token=True,
        chat_template=template,
    )


def chat_model(seed: int = 0) -> Any:
    """A random Llama of two layers that reads `tokenizer()`."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=256,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=4,
        initializer_range=0.2,
    )
    return LlamaForCausalLM(config).eval()


def checkpoint(folder: Path, template: str | None = TEMPLATE) -> Path:
    """A saved chat model as a user would have it."""
    chat_model().save_pretrained(folder)
    tokenizer(template).save_pretrained(folder)
    return folder
