"""Encoder-decoder translation models through CTranslate2: batches, limits, decoding; NLLB and MADLAD stand on it.

CTranslate2 truncates silently at both ends; here what is too long, or decoded up to its limit, comes back as
Dropped("truncated") and is cut smaller by DocumentTranslator.
"""

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Final, Literal

from mpodata.errors import ConfigError, ModelError
from mpodata.records import Dropped
from mpodata.registry import check_installed, require
from mpodata.runtime.cores import cores
from mpodata.runtime.journal import Journal
from mpodata.translators import SentenceTranslator
from mpodata.translators.batches import ROWS_GPU, TOKENS, TOKENS_GPU, batches, rows_of
from mpodata.translators.conversion import TOKENIZER, ModelFiles, converted, find, tokenizer_at_hand
from mpodata.translators.document import DocumentTranslator

NEEDS: Final[Mapping[str, str]] = {"package": "ctranslate2", "purpose": "CTranslate2", "extra": "nllb"}
Device = Literal["auto", "cpu", "cuda"]

END: Final = "</s>"
UNKNOWN: Final = "<unk>"
NO_CHARACTER: Final = "\U0010fffd"  # in no vocabulary
BYTE: Final = re.compile("<0x[0-9A-Fa-f]{2}>")
MAX_SOURCE: Final = 200  # tokens; these models lose accuracy beyond 150-200
LIMITS: Final = ((32, 128), (80, 256))  # longest source, longest output, in tokens
MAX_TARGET: Final = 512  # tokens; the longest output of longer sources
ANOTHER: Final = {"no_repeat_ngram_size": 3, "repetition_penalty": 1.1}  # the second decoding, with a wider beam


@dataclass(frozen=True, slots=True)
class Size:
    """One size of a model."""

    name: str  # as users type it
    model: str  # Hub id or folder
    licence: str


class Seq2Seq(SentenceTranslator):
    """An encoder-decoder model; a subclass names its language tokens. Cheap to make: the model loads at first use."""

    max_segment = 400  # characters of English: about 100 tokens

    def __init__(
        self,
        name: str,
        model: str,
        *,
        revision: str | None = None,
        licence: str = "",
        device: Device = "auto",
        compute_type: str = "auto",
        beam: int = 4,
    ) -> None:
        if not 1 <= beam <= 16:
            raise ConfigError(f"translator.options.beam must be between 1 and 16, got {beam}.")
        if device not in ("auto", "cpu", "cuda"):
            raise ConfigError(f"translator.options.device must be auto, cpu or cuda, got {device!r}.")
        self.name, self.model, self.revision, self.licence = name, model, revision, licence
        self.beam = beam
        self._device, self._compute_type = device, compute_type

    @cached_property
    def installed(self) -> bool:
        """Is CTranslate2 there?"""
        return find_spec("ctranslate2") is not None

    def check_installed(self) -> None:
        check_installed("ctranslate2", **NEEDS)

    @property
    def block(self) -> int:  # type: ignore[override]
        """Segments that the journal keeps at once: a minute of work or so."""
        return 1024 if self.device == "cpu" else 8192 * self.workers

    @cached_property
    def device(self) -> str:
        if self._device != "auto" or not self.installed:
            return "cpu" if self._device == "auto" else self._device
        return "cuda" if _ctranslate2().get_cuda_device_count() else "cpu"

    @cached_property
    def compute_type(self) -> str:
        """int8 on a CPU; on a GPU int8_float16 where it is supported, else what comes next.

        As given, "auto" too, where CTranslate2 is not installed: `mpodata plan` translates nothing.
        """
        if not self.installed:
            return self._compute_type
        try:
            supported = _ctranslate2().get_supported_compute_types(self.device)
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"translator.options.device {self.device!r} cannot be used here: {error}") from error
        if self._compute_type != "auto":
            if self._compute_type not in supported:
                types = ", ".join(sorted(supported))
                raise ConfigError(f"{self.device} cannot compute in {self._compute_type!r}. It can in: {types}.")
            return self._compute_type
        wanted = ("int8",) if self.device == "cpu" else ("int8_float16", "bfloat16", "float16")
        return next((kind for kind in wanted if kind in supported), "float32")

    @cached_property
    def source(self) -> ModelFiles:
        return find(self.model, self.revision)

    @cached_property
    def workers(self) -> int:
        """Batches translated at once: one per core, which beats several cores on one batch; one per GPU."""
        return cores() if self.device == "cpu" else int(_ctranslate2().get_cuda_device_count())

    @cached_property
    def translator(self) -> Any:
        folder = converted(self.source, self.compute_type)
        at: dict[str, Any] = {"device": self.device, "compute_type": self.compute_type}
        if self.device == "cpu":
            at |= {"inter_threads": self.workers, "intra_threads": 1}
        else:
            at |= {"device_index": list(range(self.workers))}
        try:
            return _ctranslate2().Translator(str(folder), max_queued_batches=-1, **at)
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"CTranslate2 could not load {self.name} from {folder}: {error}") from error

    @property
    def languages_at_hand(self) -> bool:  # type: ignore[override]
        """Is the tokenizer, which knows the languages, on this machine, and what reads it?"""
        return find_spec("tokenizers") is not None and tokenizer_at_hand(self.source) is not None

    def has_token(self, token: str) -> bool:
        """Is `token` in the vocabulary? Converts nothing where a tokenizer is at hand."""
        return token in self._vocabulary

    @cached_property
    def _vocabulary(self) -> Mapping[str, int]:
        at_hand = tokenizer_at_hand(self.source)
        if at_hand is None:
            at_hand = converted(self.source, self.compute_type) / TOKENIZER
        vocabulary: dict[str, int] = _tokenizers().Tokenizer.from_file(str(at_hand)).get_vocab(with_added_tokens=True)
        return vocabulary

    @cached_property
    def tokenizer(self) -> Any:
        tokenizer = _tokenizers().Tokenizer.from_file(str(converted(self.source, self.compute_type) / TOKENIZER))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True  # "</s>" inside a text is text
        return tokenizer

    def provenance(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "model": self.source.model,
            "revision": self.source.revision,
            "quantization": self.compute_type,
            "beam": self.beam,
            "licence": self.licence,
        }

    def segments(self, texts: Sequence[str], source: str, target: str, *, attempt: int = 0) -> list[str | Dropped]:
        """One sentence each; a second attempt decodes with a wider beam that may not repeat itself."""
        inputs = self.inputs(texts, source, target)
        results: list[str | Dropped] = [Dropped("truncated", f"more than {MAX_SOURCE} tokens") for _ in texts]
        fitting = [at for at, tokens in enumerate(inputs) if len(tokens) <= MAX_SOURCE]
        decoding: dict[str, Any] = {"beam_size": self.beam}
        if attempt:
            decoding = {"beam_size": max(self.beam, 4), **ANOTHER}
        limits = [longest_output(len(inputs[at])) for at in fitting]
        outputs = self.decoded([inputs[at] for at in fitting], target, limits, **decoding)
        whole = [len(tokens) < limit for tokens, limit in zip(outputs, limits, strict=True)]
        texts_out = self._text([tokens if fits else [] for tokens, fits in zip(outputs, whole, strict=True)])
        for at, text, fits, limit in zip(fitting, texts_out, whole, limits, strict=True):
            results[at] = text if fits else Dropped("truncated", f"still going after {limit} tokens")
        return results

    def decoded(
        self, inputs: Sequence[Sequence[str]], target: str, limits: Sequence[int], **decoding: Any
    ) -> list[list[str]]:
        """Output tokens without the target prefix, in order of `inputs`; each at most its limit."""
        prefix = self.target_prefix(target)
        beam = decoding["beam_size"]
        on_cpu = rows_of(self.tokenizer.get_vocab_size()), TOKENS
        rows, tokens = on_cpu if self.device == "cpu" else (ROWS_GPU, TOKENS_GPU)
        apart = limits if beam > 1 else None
        lengths = [len(each) for each in inputs]
        started = []
        for batch in batches(lengths, self.workers, rows=max(1, rows // beam), tokens=tokens, apart=apart):
            results = self.translator.translate_batch(
                [list(inputs[at]) for at in batch],
                target_prefix=[prefix] * len(batch) if prefix else None,
                asynchronous=True,
                max_input_length=0,
                max_decoding_length=max(limits[at] for at in batch) + len(prefix),
                **decoding,
            )
            started.append((batch, results))
        outputs: list[list[str]] = [[] for _ in inputs]
        for batch, results in started:
            for at, result in zip(batch, results, strict=True):
                outputs[at] = result.result().hypotheses[0][len(prefix) :]
        return outputs

    @abstractmethod
    def inputs(self, texts: Sequence[str], source: str, target: str) -> list[list[str]]:
        """The encoder's input tokens of each text; raises ConfigError for a language that the model does not know."""

    def target_prefix(self, target: str) -> list[str]:  # noqa: ARG002
        """The tokens that the decoder is given to begin with."""
        return []

    def tokens(self, texts: Sequence[str]) -> list[list[str]]:
        """The tokens of each text, without any that the model adds."""
        return [encoding.tokens for encoding in self.tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    @cached_property
    def _unknown_id(self) -> int | None:
        """The token that stands for what the vocabulary lacks; None where it falls back to bytes and lacks nothing."""
        encoding = self.tokenizer.encode(NO_CHARACTER, add_special_tokens=False)
        bytes_ = any(BYTE.fullmatch(token) for token in encoding.tokens)
        return None if bytes_ or not encoding.ids else int(encoding.ids[-1])

    def unknown(self, texts: Sequence[str]) -> list[str]:
        """For each text the characters that the vocabulary lacks."""
        unknown = self._unknown_id
        encodings = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        spans = [
            [span for token, span in zip(encoding.ids, encoding.offsets, strict=True) if token == unknown]
            for encoding in encodings
        ]
        lacking = ["".join(text[start:end] for start, end in row) for text, row in zip(texts, spans, strict=True)]
        return ["".join(dict.fromkeys("".join(characters.split()))) for characters in lacking]

    def _text(self, outputs: Sequence[Sequence[str]]) -> list[str]:
        """The texts of output tokens; an unknown token is written as `<unk>`, which the checks see."""
        runs = [_runs(tokens) for tokens in outputs]
        ids = [[self.tokenizer.token_to_id(token) for token in run] for row in runs for run in row]
        decoded = iter(self.tokenizer.decode_batch([[i for i in run if i is not None] for run in ids]))
        return [UNKNOWN.join(str(next(decoded)).strip() for _ in row) for row in runs]


def _runs(tokens: Sequence[str]) -> list[list[str]]:
    """`tokens` cut at unknown ones."""
    runs: list[list[str]] = [[]]
    for token in tokens:
        if token == UNKNOWN:
            runs.append([])
        else:
            runs[-1].append(token)
    return runs


def longest_output(source_tokens: int) -> int:
    """Output tokens after which a decoding counts as not ending: three to four times a usual source of that length.

    In classes and not per sentence: a beam search chooses by how far it may go, so only sentences with one limit may
    share a batch without changing each other's translation.
    """
    return next((limit for longest, limit in LIMITS if source_tokens <= longest), MAX_TARGET)


def _tokenizers() -> Any:
    return require("tokenizers", package="transformers", purpose="CTranslate2", extra="nllb")


def _ctranslate2() -> Any:
    return require("ctranslate2", **NEEDS)


def document_translator(
    kind: type[Seq2Seq],
    size: Size,
    /,
    *,
    model: str | None = None,
    revision: str | None = None,
    device: Device = "auto",
    compute_type: str = "auto",
    beam: int = 4,
    dominant: str = "en",
    journal: Journal | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> DocumentTranslator:
    """A Translator of one size; `model` puts another Hub id or folder (Hugging Face or CTranslate2) in its place."""
    translator = kind(
        size.name,
        model or size.model,
        revision=revision,
        licence=size.licence,
        device=device,
        compute_type=compute_type,
        beam=beam,
    )
    return DocumentTranslator(translator, dominant=dominant, journal=journal, progress=progress)
