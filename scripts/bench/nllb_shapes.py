"""What bench_translate.py translates with: NLLB's shape with random weights, real sentences, outputs of one length."""

import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.machine import processor

from mpodata.runtime.cores import cores
from mpodata.translators.checks import faults
from mpodata.translators.nllb import Nllb
from mpodata.translators.segments import pieces

SOURCE, TARGET = "en", "sw"
FILES = "newstest2019-src.eng.txt", "newstest2019-ref.swa.txt"
CODES = "eng_Latn", "swh_Latn"


@dataclass(frozen=True)
class Shape:
    """What of NLLB-600M is kept: 12 layers and 256,206 tokens are all of it."""

    name: str
    layers: int
    vocabulary: int


FULL = Shape("nllb-600m", 12, 256_206)
SIXTH = Shape("nllb-600m-sixth", 2, 42_700)
RAY_ROWS, RAY_LENGTH = 640, 32  # rows of three sentences; output tokens of each


class Forced(Nllb):
    """Ours, with outputs of one length; what random weights say is exchanged for the reference before the checks."""

    def __init__(
        self, folder: Path, length: int, beam: int, replies: dict[str, str], compute_type: str = "int8"
    ) -> None:
        super().__init__("bench", str(folder), beam=beam, compute_type=compute_type)
        self.length = length
        self.replies = replies

    def decoded(self, inputs: Sequence[Sequence[str]], target: str, limits: Sequence[int], **decoding: Any) -> Any:
        forced = [self.length] * len(limits)
        return super().decoded(inputs, target, forced, min_decoding_length=self.length + 1, **decoding)

    def segments(self, texts: Sequence[str], source: str, target: str, *, attempt: int = 0) -> Any:
        super().segments(texts, source, target, attempt=attempt)
        return [self.replies[text] for text in texts]


def environment() -> dict[str, Any]:
    import ctranslate2
    import torch
    import transformers

    return {
        "cpu": processor(),
        "cores": cores(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "ctranslate2": ctranslate2.__version__,
        "transformers": transformers.__version__,
        "torch": torch.__version__,
    }


def sentences(data: Path) -> dict[str, str]:
    """Distinct sentences that our splitter leaves whole, with references that pass the checks: one segment each."""
    texts, references = ((data / name).read_text(encoding="utf-8").splitlines() for name in FILES)
    rows = {
        text.strip(): reference.strip()
        for text, reference in zip(texts, references, strict=True)
        if [piece.translate for piece in pieces(text.strip(), SOURCE, longest=400)] == [True] and reference.strip()
    }
    wrong = faults(list(rows), list(rows.values()), SOURCE, TARGET)
    return {text: rows[text] for text, fault in zip(list(rows), wrong, strict=True) if fault is None}


def made(shape: Shape, work: Path, rows: dict[str, str]) -> Path:
    """The model's folder: random weights, and a tokenizer trained here on the sentences, filled up to NLLB's size."""
    folder = work / shape.name
    if (folder / "config.json").is_file():
        return folder
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    start = time.perf_counter()
    learnt = Tokenizer(models.BPE(unk_token="<unk>"))
    learnt.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    learnt.train_from_iterator(
        rows, trainers.BpeTrainer(vocab_size=12_000, special_tokens=special, show_progress=False)
    )
    model = json.loads(learnt.to_str())["model"]
    vocabulary = dict(model["vocab"])
    languages = len(NllbTokenizer(src_lang="eng_Latn")) - len(special)
    for at in range(len(vocabulary), shape.vocabulary - languages):
        vocabulary[f"filler{at}"] = at
    tokenizer = NllbTokenizer(vocab=vocabulary, merges=[tuple(pair) for pair in model["merges"]])
    torch.manual_seed(0)
    config = M2M100Config(
        vocab_size=len(tokenizer), d_model=1024, encoder_layers=shape.layers, decoder_layers=shape.layers,
        encoder_attention_heads=16, decoder_attention_heads=16, encoder_ffn_dim=4096, decoder_ffn_dim=4096,
        max_position_embeddings=1024, scale_embedding=True, activation_function="relu", decoder_start_token_id=2,
    )  # fmt: skip
    weights = M2M100ForConditionalGeneration(config)
    weights.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    print(f"made {shape.name}: {weights.num_parameters() / 1e6:.0f} M parameters, {time.perf_counter() - start:.0f} s")
    return folder
