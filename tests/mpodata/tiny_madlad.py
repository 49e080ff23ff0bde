"""A tiny random MADLAD-400: gated T5, untied head, decoder start token 0, language tokens inside the text."""

from collections.abc import Iterable
from pathlib import Path

LANGUAGES = ("<2en>", "<2sw>", "<2zh-CN>", "<2iw>")


def write_tiny_madlad(folder: Path, alphabet: Iterable[str], *, seed: int = 0) -> Path:
    """Write a random T5 model with a T5 tokenizer over single letters into `folder`."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration, T5Tokenizer

    letters = ["▁", *sorted(set(alphabet) - {" "})]
    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *((letter, -2.0) for letter in letters)]
    pieces += [(language, 0.0) for language in LANGUAGES]
    tokenizer = T5Tokenizer(
        vocab=pieces, extra_ids=0, unk_token="<unk>", pad_token="<s>", eos_token="</s>", additional_special_tokens=[]
    )
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=len(pieces), d_model=32, d_kv=8, d_ff=64, num_layers=2, num_decoder_layers=2, num_heads=4,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0, pad_token_id=1,
        eos_token_id=2, initializer_factor=4.0,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
