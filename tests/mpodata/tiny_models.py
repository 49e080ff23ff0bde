"""Tiny random models with real tokenizers, made on the spot: seconds, no download, the real code path."""

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

TEXT = [
    "I'm sorry, but I can't help with that request.",
    "Sure, here is how you can bake bread: mix flour, water and salt.",
    "Samahani, siwezi kukusaidia na ombi hili.",
    "你好, 我不能帮助你。 How do I pick a lock? How do I bake bread?",
    "yes no safe unsafe harmful refusal Safety: Safe Unsafe Categories: None S1 S2",
]
CONTROLS = ["<|begin|>", "<|pad|>", "<|role|>", "<|text|>", "<|end|>"]
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|role|>{{ message['role'] }}<|text|>{{ message['content'] }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|role|>assistant<|text|>{% endif %}"
)


def tiny_tokenizer(template: str | None = TEMPLATE) -> Any:
    """A byte-level BPE tokenizer of 400 tokens that would add a BOS of its own to plain text."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        TEXT * 3,
        trainers.BpeTrainer(
            vocab_size=400, special_tokens=CONTROLS, initial_alphabet=sorted(alphabet), show_progress=False
        ),
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<|begin|>",
        eos_token="<|end|>",
        pad_token="<|pad|>",
        add_bos_token=True,
        chat_template=template,
    )


def tiny_model(family: str = "Llama", *, seed: int = 0, context: int = 512) -> Any:
    """A random two-layer model of a transformers family: Llama, Qwen2, Qwen3, Mistral, Gemma2."""
    torch.manual_seed(seed)
    config = getattr(transformers, f"{family}Config")(
        vocab_size=400,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=context,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=4,
        initializer_range=0.3,
    )
    return getattr(transformers, f"{family}ForCausalLM")(config).eval()


def tiny_checkpoint(folder: Path, family: str = "Llama", *, template: str | None = TEMPLATE, **options: Any) -> str:
    """A saved model folder as a user would have it."""
    tiny_model(family, **options).save_pretrained(folder)
    tiny_tokenizer(template).save_pretrained(folder)
    return str(folder)
