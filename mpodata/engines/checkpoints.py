"""Finding a model: a Hub id, a folder or an embedded name; its tokenizer, end-of-turn tokens and identity."""

import hashlib
import json
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache

from mpodata.errors import ModelError
from mpodata.pocket import chat_path
from mpodata.registry import require

EMBEDDED = {"pocket-chat": chat_path()}

IDENTIFYING = (  # the files of a model folder that decide what it answers
    "config.json", "generation_config.json", "adapter_config.json", "tokenizer.json", "tokenizer_config.json",
    "tokenizer.model", "chat_template.jinja", "*.safetensors", "pytorch_model*.bin",
)  # fmt: skip
GGUF = ".gguf"  # one file with quantised weights, tokenizer and template
SAMPLES = 32  # places read of each weight file; training moves every tensor, so any place tells
SAMPLE_BYTES = 1 << 16


def located(model: str) -> str:
    """`model` as transformers and vLLM take it: a Hub id unchanged, a folder or GGUF file as a path that exists."""
    if model in EMBEDDED:
        return str(EMBEDDED[model])
    path = Path(model).expanduser()
    if path.is_file():
        if path.suffix.lower() != GGUF:
            raise ModelError(f"{model} is a file: give the folder of a model, a Hub id or a {GGUF} file.")
        return str(path)
    if path.exists():
        if not any((path / name).is_file() for name in ("config.json", "adapter_config.json")):
            raise ModelError(f"{model} is not a model folder: it holds no config.json and no adapter_config.json.")
        return str(path)
    if path.is_absolute() or model.startswith((".", "~")) or model.count("/") != 1:
        raise ModelError(
            f"There is no model {model!r}: not a folder here, not a Hub id (owner/name), not one of "
            f"{', '.join(sorted(EMBEDDED))}."
        )
    return model


def load_pretrained(kind: str, model: str, revision: str | None = None, **options: Any) -> Any:
    """`transformers.<kind>.from_pretrained`, its many ways to fail turned into one sentence. No remote code."""
    transformers = require("transformers", package="transformers", purpose=f"Model {model!r}", extra="transformers")
    safetensors = require("safetensors", package="safetensors", purpose=f"Model {model!r}", extra="transformers")
    place = located(model)
    if place.lower().endswith(GGUF):
        require("gguf", package="gguf", purpose=f"Model {model!r}", extra="transformers")
        place, options = str(Path(place).parent), {**options, "gguf_file": Path(place).name}
    bars = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()  # the command line shows progress of its own
    try:
        with _without_gguf_bar() if "gguf_file" in options else nullcontext():
            loaded = getattr(transformers, kind).from_pretrained(place, revision=revision, **options)
        return _unquantised(loaded) if "gguf_file" in options and kind == "AutoModelForCausalLM" else loaded
    except (
        OSError,
        ValueError,
        ImportError,
        KeyError,
        RuntimeError,
        EOFError,
        pickle.UnpicklingError,
        safetensors.SafetensorError,
    ) as error:
        if isinstance(error, pickle.UnpicklingError):
            raise ModelError(
                f"Model {model!r} holds its weights as a pickle with more in it than weights, which could run any "
                "program: it was not loaded. Take a model with safetensors weights."
            ) from error
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        at = f" at revision {revision}" if revision else ""
        raise ModelError(
            f"Model {model!r}{at} cannot be loaded ({kind}): {reason} "
            "Check the name and revision; a gated model needs `hf auth login`."
        ) from error
    finally:
        if bars:
            transformers.utils.logging.enable_progress_bar()


@contextmanager
def _without_gguf_bar() -> Iterator[None]:
    """transformers shows a bar of its own over a GGUF file's tensors, whatever it was told."""
    reader: Any = import_module("transformers.modeling_gguf_pytorch_utils")
    bar = reader.tqdm
    reader.tqdm = partial(bar, disable=True)
    try:
        yield
    finally:
        reader.tqdm = bar


def _unquantised(model: Any) -> Any:
    """The model of a GGUF file as an ordinary one: its weights are read into memory, but it refuses to be saved."""
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = type(model)._from_config(config, dtype=model.dtype)
    plain.load_state_dict(model.state_dict())
    plain.tie_weights()
    plain.generation_config = model.generation_config
    return plain.eval()


def stop_ids(tokenizer: Any, *configs: Any) -> list[int]:
    """The tokens that end an answer: every EOS that the tokenizer, model and generation configurations name."""
    stops: set[int] = set()
    for holder in (tokenizer, *configs):
        eos = getattr(holder, "eos_token_id", None)
        stops.update([eos] if isinstance(eos, int) else eos or [])
    return sorted(stops)


def identity(model: str, revision: str | None) -> str:
    """What weights these are: the Hub commit, or for a folder a hash of its files (weights: samples of them)."""
    place = Path(located(model))
    if place.is_file():
        return _content_hash([place])
    if not place.is_dir():
        return hub_commit(model, revision) or revision or "main"
    return _content_hash(sorted({path for form in IDENTIFYING for path in place.glob(form)}))


def _content_hash(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(json.dumps([path.name, path.stat().st_size]).encode())
        with path.open("rb") as content:
            for offset in sorted({path.stat().st_size * n // SAMPLES for n in range(SAMPLES)}):
                content.seek(offset)
                digest.update(content.read(SAMPLE_BYTES))
    return f"files-{digest.hexdigest()[:16]}"


def hub_commit(model: str, revision: str | None) -> str | None:
    """The commit that a Hub model's revision (default: main) stands for now; None for a folder. Raises ModelError."""
    if Path(located(model)).exists():
        return None
    load_pretrained("AutoConfig", model, revision)  # fetched, so that the cache knows its commit
    cached = try_to_load_from_cache(model, "config.json", revision=revision)
    return Path(cached).parent.name if isinstance(cached, str) else None
