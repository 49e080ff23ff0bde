"""Answers from vLLM offline: one engine per GPU (or per group of GPUs), token ids in, token ids out."""

import weakref
from collections.abc import Sequence
from typing import Any, Final

from mpodata.engines import Answer, Sampling
from mpodata.engines.checkpoints import GGUF, identity, load_pretrained, located
from mpodata.engines.reasoning import answer_of, decoded
from mpodata.engines.sampler import row_seed
from mpodata.engines.templates import answer_stops, chat_ids, frame_with_template, template_hash
from mpodata.engines.vllm_llm import Completion, Task, completions, started
from mpodata.engines.vllm_workers import EngineProcesses, device_groups
from mpodata.errors import ConfigError
from mpodata.records import Message
from mpodata.registry import check_installed, require

NEEDS: Final = {"package": "vllm", "purpose": "The vllm engine", "extra": "vllm"}


class VllmEngine:
    """A causal language model answering through vLLM's offline engine.

    The chat template is applied here, once: vLLM gets token ids, so nothing can add a second BOS, and template, stop
    tokens and seeds are those of the transformers engine. Every sampling parameter is given; the model's own defaults
    (generation_config) are left out. vLLM repeats its answers only on the same hardware, version and batch shape.
    """

    block = 4096  # conversations between two journal entries

    def __init__(
        self,
        *,
        model: str,
        revision: str | None = None,
        dtype: str = "auto",
        processes: int | None = None,
        tensor_parallel: int = 1,
        max_model_len: int | None = None,
        gpu_memory: float = 0.9,
        quantization: str | None = None,
        enforce_eager: bool = False,
        template: str | None = None,
    ) -> None:
        """processes: engines side by side, each on `tensor_parallel` GPUs; by default as many as the GPUs allow.
        max_model_len: tokens of prompt and answer together, by default the model's. gpu_memory: share of each GPU.
        template: a Jinja chat template in place of the tokenizer's.
        """
        if tensor_parallel < 1 or (processes is not None and processes < 1):
            raise ConfigError("engine.processes and engine.tensor_parallel must be at least 1.")
        if not 0 < gpu_memory <= 1:
            raise ConfigError(f"engine.gpu_memory is a share of each GPU, between 0 and 1, got {gpu_memory}.")
        if model.lower().endswith(GGUF):
            raise ConfigError(f"The vllm engine does not take {GGUF} files ({model}): use --engine transformers.")
        self.model = model
        self.revision = revision
        self.dtype = dtype
        self.processes = processes
        self.tensor_parallel = tensor_parallel
        self.max_model_len = max_model_len
        self.template = template
        self._options = {
            "gpu_memory_utilization": gpu_memory,
            "quantization": quantization,
            "enforce_eager": enforce_eager,
        }
        self._tokenizer: Any = None
        self._stops: list[int] = []
        self._context = 0
        self._engine: Any = None  # an LLM, or Workers
        self._workers = False

    def answers(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> list[list[Answer]]:
        """`sampling.candidates` answers per conversation; a prompt that fills the context ends as `length`."""
        self._ensure_loaded()
        drawn = 1 if sampling.temperature == 0 else sampling.candidates
        tasks: list[Task] = []
        for conversation in conversations:
            ids = chat_ids(self.tokenizer, conversation, prefix=sampling.prefix)
            room = min(sampling.max_tokens, self._context - len(ids))
            for candidate in range(drawn):
                seed = None if sampling.temperature == 0 else row_seed(sampling.seed, ids, candidate)
                tasks.append((ids, room, seed))
        possible = [task for task in tasks if task[1] > 0]
        done = iter(self._answered(self._complete(possible, self._parameters(sampling)) if possible else []))
        answers = [next(done) if room > 0 else Answer("", "length") for _, room, _ in tasks]
        rows = [answers[start : start + drawn] for start in range(0, len(answers), drawn)]
        return [row * (sampling.candidates // drawn) for row in rows]

    def check_installed(self) -> None:
        check_installed("vllm", **NEEDS)

    def provenance(self) -> dict[str, Any]:
        """Engine, model, its identity, template hash, dtype, quantization."""
        return {
            "engine": "vllm",
            "model": self.model,
            "revision": identity(self.model, self.revision),
            "template": template_hash(self.tokenizer),
            "dtype": self.dtype,
            "quantization": self._options["quantization"],
        }

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer, loaded on first use and without the model."""
        if self._tokenizer is None:
            self._tokenizer = load_pretrained("AutoTokenizer", self.model, self.revision)
            if self.template is not None:
                self._tokenizer.chat_template = self.template
        return self._tokenizer

    def close(self) -> None:
        """End the worker processes; the next call starts new ones."""
        if self._workers:
            self._engine.close()
        self._engine, self._workers = None, False

    def _ensure_loaded(self) -> None:
        if self._engine is not None:
            return
        require("vllm", **NEEDS)
        frame_with_template(self.tokenizer)  # a missing template is known before gigabytes are read
        config = load_pretrained("AutoConfig", self.model, self.revision)
        generation = generation_config(located(self.model), self.revision)
        self._stops = answer_stops(self.tokenizer, config, generation)
        own = getattr(config.get_text_config(), "max_position_embeddings", None) or 1 << 30
        self._context = min(self.max_model_len or own, own)
        groups = device_groups(self.tensor_parallel, self.processes)
        if len(groups) > 1:
            workers = EngineProcesses(self._llm_options(), groups)
            weakref.finalize(self, workers.close)
            self._engine, self._workers = workers, True
        else:
            self._engine = started(self._llm_options())

    def _llm_options(self) -> dict[str, Any]:
        return {
            "model": located(self.model),
            "revision": self.revision,
            "dtype": self.dtype,
            "tensor_parallel_size": self.tensor_parallel,
            "max_model_len": self.max_model_len,
            "generation_config": "vllm",  # no sampling defaults of the model
            "skip_tokenizer_init": False,
            **self._options,
        }

    def _parameters(self, sampling: Sampling) -> dict[str, Any]:
        return {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": 0,
            "min_p": 0.0,
            "repetition_penalty": sampling.repetition_penalty,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "stop_token_ids": self._stops,
            "detokenize": False,
        }

    def _complete(self, tasks: list[Task], parameters: dict[str, Any]) -> list[Completion]:
        if self._workers:
            done: list[Completion] = self._engine.complete(tasks, parameters)
            return done
        return completions(self._engine, tasks, parameters)

    def _answered(self, completions: list[Completion]) -> list[Answer]:
        rows = [tokens[:-1] if tokens and tokens[-1] in self._stops else tokens for tokens, _ in completions]
        texts = decoded(self.tokenizer, rows)
        return [
            answer_of(text, "stop" if reason == "stop" else "length", len(row))
            for text, row, (_, reason) in zip(texts, rows, completions, strict=True)
        ]


def generation_config(place: str, revision: str | None) -> Any:
    """The checkpoint's generation configuration, None where it has none."""
    from transformers import GenerationConfig

    try:
        return GenerationConfig.from_pretrained(place, revision=revision)
    except OSError:
        return None
