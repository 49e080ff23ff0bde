"""pocket-nllb: an M2M100 translator with NLLB's tokenizer and FLORES codes, small enough for package data."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable

from tokenizers import Tokenizer, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import GenerationConfig, M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

from pocket.tables import LANGUAGES, words

VOCABULARY = 3600
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")  # NLLB's ids 0 to 3
POSITIONS = 256


def make_tokenizer(texts: Iterable[str]) -> NllbTokenizer:
    """Fit pieces on `texts` (a leading space where a word starts), then hand them to transformers' own class."""
    backend = Tokenizer(BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=list(string.printable.strip()),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    vocab = backend.get_vocab()
    codes = [words(language).flores for language in LANGUAGES]
    return NllbTokenizer(
        vocab=dict(sorted(vocab.items(), key=lambda item: item[1])),
        merges=_merges(backend),
        extra_special_tokens=codes,
        src_lang="eng_Latn",
        model_max_length=POSITIONS,
    )


def _merges(backend: Tokenizer) -> list[tuple[str, str]]:
    return [tuple(pair) for pair in json.loads(backend.to_str())["model"]["merges"]]


def make_model(tokenizer: NllbTokenizer) -> M2M100ForConditionalGeneration:
    """Fresh weights from torch's global generator: seed it first."""
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "decoder_start_token_id": tokenizer.eos_token_id,
    }
    config = M2M100Config(
        vocab_size=len(tokenizer),
        d_model=128,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=512,
        decoder_ffn_dim=512,
        encoder_layerdrop=0.0,
        decoder_layerdrop=0.0,
        dropout=0.0,
        attention_dropout=0.0,
        max_position_embeddings=POSITIONS,
        tie_word_embeddings=True,
        **special,
    )
    model = M2M100ForConditionalGeneration(config)
    model.generation_config = GenerationConfig(num_beams=1, do_sample=False, max_new_tokens=100, **special)
    return model
