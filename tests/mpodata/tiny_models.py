"""Tiny random models with real tokenizers, made on the spot: seconds, no download, the real code path."""

import json
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


def tiny_gguf(path: Path, *, template: str | None = TEMPLATE, seed: int = 0) -> str:
    """A Llama GGUF file with tokenizer and template, as llama.cpp writes one; float32."""
    import gguf
    import numpy as np

    model, tokenizer = tiny_model(seed=seed), tiny_tokenizer(template)
    config = model.config
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    padded = [token for token, _ in vocabulary] + [f"<unused{n}>" for n in range(config.vocab_size - len(vocabulary))]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(padded)
    writer.add_token_types([3 if token in CONTROLS else 1 for token in padded])
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_bos_token_id(0)
    writer.add_pad_token_id(1)
    writer.add_eos_token_id(4)
    if template is not None:
        writer.add_chat_template(template)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    names = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    }  # fmt: skip
    whole = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    for key, value in model.state_dict().items():
        array, stem = value.numpy().astype(np.float32), key.removesuffix(".weight")
        if stem in whole:
            writer.add_tensor(f"{whole[stem]}.weight", array)
            continue
        _, _, layer, part = stem.split(".", 3)
        if (last := part.rpartition(".")[2]) in heads:  # llama.cpp interleaves the halves of each head
            array = array.reshape(heads[last], 2, -1, array.shape[1]).swapaxes(1, 2).reshape(array.shape)
        writer.add_tensor(f"blk.{layer}.{names[part]}.weight", np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(path)
