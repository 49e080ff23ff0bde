"""Answers from transformers on one device: batched by length, every row for itself."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mpodata.engines import Answer, Sampling
from mpodata.engines.checkpoints import identity, load_pretrained
from mpodata.engines.reasoning import answer_of, decoded
from mpodata.engines.sampler import RowSampler, row_seed
from mpodata.engines.templates import answer_stops, chat_ids, frame_with_template, template_hash
from mpodata.errors import ConfigError, ModelError
from mpodata.records import Message
from mpodata.registry import check_installed, require
from mpodata.runtime.cores import SLOW_BFLOAT16, multiplies_bfloat16

if TYPE_CHECKING:
    import torch

LOG = logging.getLogger(__name__)
DTYPES = ("auto", "bfloat16", "float16", "float32")
FIRST_ROUND = 48  # tokens; each round is twice as long, and rows that are not done are grouped anew between rounds
MOST_ROWS = 256
CPU_CACHE_BYTES = 1 << 30  # for keys and values of one batch on a CPU; on a GPU half of what is free


@dataclass(slots=True)
class DecodingRow:
    """One answer in the making."""

    prompt: list[int]
    room: int  # most new tokens: the sampling's, or what the model's context leaves
    seed: int | None = None  # None: greedy
    new: list[int] = field(default_factory=list)
    stopped: bool = False


NEEDS: Final = {"package": "torch", "purpose": "The transformers engine", "extra": "transformers"}


class TransformersEngine:
    """A causal language model answering through `generate`.

    Answers are the same whatever the batch, up to rounding: with temperature 0 a row can only differ where two tokens
    are within the floating-point error of each other; with temperature > 0 every row has random numbers of its own. The
    model's own sampling defaults (generation_config) are not used, its end-of-turn tokens are.
    """

    block = 64  # prompts between two journal entries, fewer where they take long

    def __init__(
        self,
        *,
        model: str,
        revision: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        attention: str | None = None,
        batch_size: int | None = None,
        template: str | None = None,
    ) -> None:
        """model: a Hub id, a folder or `pocket-chat`. device: auto, cpu, cuda, cuda:1, mps. dtype: of DTYPES; auto is
        the checkpoint's on a GPU, float32 on a CPU. attention: transformers' attn_implementation. batch_size: rows at
        once; by default what memory allows. template: a Jinja chat template in place of the tokenizer's.
        """
        if dtype not in DTYPES:
            raise ConfigError(f"engine.dtype must be one of {', '.join(DTYPES)}, got {dtype!r}.")
        if batch_size is not None and batch_size < 1:
            raise ConfigError(f"engine.batch_size must be at least 1, got {batch_size}.")
        self.name = model
        self.revision = revision
        self.device = device
        self.dtype = dtype
        self.attention = attention
        self.batch_size = batch_size
        self.template = template
        self._tokenizer: Any = None
        self._model: Any = None
        self._stops: list[int] = []
        self._in_memory = False

    @classmethod
    def around(cls, model: Any, tokenizer: Any, *, batch_size: int | None = None) -> "TransformersEngine":
        """An engine over a model that is in memory already, such as one in training."""
        engine = cls(model=str(model.config.name_or_path or "in-memory"), batch_size=batch_size)
        engine._tokenizer, engine._in_memory = tokenizer, True
        engine._adopt(model)
        return engine

    def answers(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> list[list[Answer]]:
        """`sampling.candidates` answers per conversation; a prompt that fills the model's context ends as `length`."""
        self._ensure_loaded()
        context = getattr(self._model.config.get_text_config(), "max_position_embeddings", None) or 1 << 30
        drawn = 1 if sampling.temperature == 0 else sampling.candidates  # greedy candidates are all the same
        table: list[list[DecodingRow]] = []
        for conversation in conversations:
            ids = chat_ids(self._tokenizer, conversation, prefix=sampling.prefix)
            room = max(0, min(sampling.max_tokens, context - len(ids)))
            table.append([DecodingRow(ids, room, _seed(sampling, ids, candidate)) for candidate in range(drawn)])
        self._complete([row for rows in table for row in rows], sampling)
        copies = sampling.candidates // drawn
        texts = iter(decoded(self._tokenizer, [row.new for rows in table for row in rows]))
        return [[_answer(row, next(texts)) for row in rows] * copies for rows in table]

    def check_installed(self) -> None:
        check_installed("torch", **NEEDS)

    def provenance(self) -> dict[str, Any]:
        """Engine, model, its identity, template hash, dtype; the device is left out: it is not meant to matter."""
        return {
            "engine": "transformers",
            "model": self.name,
            "revision": "in-memory" if self._in_memory else identity(self.name, self.revision),
            "template": template_hash(self.tokenizer),
            "dtype": self.dtype,
        }

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer, loaded on first use and without the model."""
        if self._tokenizer is None:
            self._tokenizer = load_pretrained("AutoTokenizer", self.name, self.revision)
            if self.template is not None:
                self._tokenizer.chat_template = self.template
        return self._tokenizer

    def _ensure_loaded(self) -> None:
        if self._model is not None:
            return
        torch = require("torch", **NEEDS)
        device = usable_device(torch, self.device)
        dtype = self.dtype if self.dtype != "auto" or device != "cpu" else "float32"
        extra = {"attn_implementation": self.attention} if self.attention else {}
        if device == "cpu" and dtype in ("bfloat16", "float16") and not multiplies_bfloat16():
            LOG.warning(SLOW_BFLOAT16, dtype)
        frame_with_template(self.tokenizer)  # a missing template is known before gigabytes are read
        model = load_pretrained("AutoModelForCausalLM", self.name, self.revision, dtype=dtype, **extra)
        try:
            self._adopt(model.to(device))
        except torch.OutOfMemoryError as error:
            raise ModelError(
                f"Model {self.name!r} does not fit into the memory of {device}: use engine vllm."
            ) from error

    def _adopt(self, model: Any) -> None:
        self._model = model
        self._stops = answer_stops(self._tokenizer, model.config, model.generation_config)

    def _complete(self, rows: list[DecodingRow], sampling: Sampling) -> None:
        """Extend every row until it stops or its room is used up, in rounds: a long answer holds up no full batch."""
        steps = FIRST_ROUND
        while pending := [row for row in rows if not row.stopped and len(row.new) < row.room]:
            pending.sort(key=lambda row: len(row.prompt) + len(row.new))
            for batch in self._batches(pending, steps):
                self._extend(batch, steps, sampling)
            steps *= 2

    def _batches(self, rows: list[DecodingRow], steps: int) -> Iterator[list[DecodingRow]]:
        start = 0
        while start < len(rows):
            size = self.batch_size or min(MOST_ROWS, len(rows) - start)
            if self.batch_size is None:
                # Rows are sorted: the last one is the widest, and a smaller batch is a narrower one.
                while size > 1 and size > self._rows_that_fit(rows[start + size - 1], steps):
                    size //= 2
            yield rows[start : start + size]
            start += size

    def _rows_that_fit(self, widest: DecodingRow, steps: int) -> int:
        config = self._model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        per_token = 2 * config.num_hidden_layers * heads * head_size * self._model.dtype.itemsize
        width = len(widest.prompt) + len(widest.new) + steps
        return max(1, int(self._cache_bytes() // (per_token * width + 12 * config.vocab_size)))

    def _cache_bytes(self) -> int:
        if self._model.device.type != "cuda":
            return CPU_CACHE_BYTES
        import torch

        free, _ = torch.cuda.mem_get_info(self._model.device)
        return free // 2

    def _extend(self, rows: list[DecodingRow], steps: int, sampling: Sampling) -> None:
        import torch

        steps = min([steps, *(row.room - len(row.new) for row in rows)])
        try:
            generated = self._generate(rows, steps, sampling)
        except torch.OutOfMemoryError as error:
            if len(rows) == 1:
                raise ModelError(f"One prompt of {len(rows[0].prompt)} tokens exhausts the device's memory.") from error
            torch.cuda.empty_cache()
            self._extend(rows[: len(rows) // 2], steps, sampling)
            self._extend(rows[len(rows) // 2 :], steps, sampling)
            return
        stops = set(self._stops)
        for row, tokens in zip(rows, generated.tolist(), strict=True):
            end = next((place for place, token in enumerate(tokens) if token in stops), None)
            row.stopped = end is not None
            row.new += tokens[:end]

    def _generate(self, rows: list[DecodingRow], steps: int, sampling: Sampling) -> "torch.Tensor":
        """(rows, at most steps) new tokens; what stands behind a stop token is padding."""
        import torch
        from transformers import GenerationConfig, LogitsProcessorList

        pad = self._tokenizer.pad_token_id
        pad = pad if pad is not None else (self._stops or [0])[0]
        texts = [row.prompt + row.new for row in rows]
        width = max(map(len, texts))
        device = self._model.device
        ids = torch.tensor([[pad] * (width - len(text)) + text for text in texts], device=device)
        mask = torch.tensor([[0] * (width - len(text)) + [1] * len(text) for text in texts], device=device)
        processors = LogitsProcessorList()
        if sampling.temperature > 0 or sampling.repetition_penalty != 1.0:
            draws = np.stack([_draws(row, steps) for row in rows])
            processors.append(
                RowSampler(
                    torch.from_numpy(draws).to(device),
                    mask,
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    repetition_penalty=sampling.repetition_penalty,
                )
            )
        plain = GenerationConfig(
            max_new_tokens=steps, do_sample=False, eos_token_id=self._stops or None, pad_token_id=pad
        )
        own, self._model.generation_config = self._model.generation_config, plain
        training = self._model.training
        self._model.eval()
        try:
            with torch.inference_mode():
                out = self._model.generate(
                    ids, attention_mask=mask, generation_config=plain, logits_processor=processors
                )
        finally:
            self._model.generation_config = own
            self._model.train(training)
        new: torch.Tensor = out[:, width:]
        return new


def _answer(row: DecodingRow, text: str) -> Answer:
    return answer_of(text, "stop" if row.stopped else "length", len(row.new))


def _seed(sampling: Sampling, ids: list[int], candidate: int) -> int | None:
    return None if sampling.temperature == 0 else row_seed(sampling.seed, ids, candidate)


def _draws(row: DecodingRow, steps: int) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """The row's uniform numbers for its next `steps` tokens: the n-th token's is the same in any round."""
    if row.seed is None:
        return np.zeros(steps)
    return np.random.default_rng(row.seed).random(len(row.new) + steps)[len(row.new) :]


def usable_device(torch: Any, wanted: str) -> str:
    """`wanted` as torch names it, `auto` resolved; raises ModelError for a device that is not there."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"Device {wanted!r} cannot be used: {reason} Use auto, cpu, cuda or cuda:1.") from error
    return str(device)
