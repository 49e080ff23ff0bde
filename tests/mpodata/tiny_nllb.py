"""A tiny random NLLB: the real architecture, tokenizer class and file layout, weights of no use."""

from collections.abc import Iterable
from pathlib import Path

LANGUAGES = ("eng_Latn", "swh_Latn", "zho_Hans", "arb_Arab", "ben_Beng", "fra_Latn")
SPECIAL = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}


def write_tiny_nllb(folder: Path, alphabet: Iterable[str], *, seed: int = 0) -> Path:
    """Write a random M2M100 model with an NllbTokenizer over single letters into `folder`."""
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    letters = ["▁", *sorted(set(alphabet) - {" "})]
    vocabulary = {**SPECIAL, **{letter: 4 + at for at, letter in enumerate(letters)}}
    tokenizer = NllbTokenizer(vocab=vocabulary, merges=[], extra_special_tokens=list(LANGUAGES), src_lang="eng_Latn")
    torch.manual_seed(seed)
    config = M2M100Config(
        vocab_size=len(tokenizer), d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=1024,
        scale_embedding=True, activation_function="relu", init_std=0.5, decoder_start_token_id=2,
    )  # fmt: skip
    M2M100ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
