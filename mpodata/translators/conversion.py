"""An NLLB or MADLAD model as a CTranslate2 folder: found, or downloaded and converted once.

The folder holds the weights and `tokenizer.json`, so that translating needs neither torch nor transformers. It appears
whole or not at all, and is kept under `cache_folder()/nllb` by model, commit and weight type.
"""

import hashlib
import os
import shutil
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mpodata.about import cache_folder
from mpodata.errors import ModelError, RemoteError
from mpodata.registry import require

WEIGHTS: Final = "model.bin"  # what CTranslate2 calls them
TOKENIZER: Final = "tokenizer.json"
DAY: Final = 86_400  # seconds

# How weights are stored for each type they are computed in: CTranslate2 derives the rest when it loads them.
STORED: Final = {"int8_float32": "int8", "int8_float16": "int8", "int8_bfloat16": "int8", "bfloat16": "float16"}


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where the weights come from."""

    model: str  # a Hub id or the name of a local folder
    revision: str  # a commit, or the content hash of a local folder
    folder: Path | None  # None: on the Hub, not downloaded yet


def find(model: str, revision: str | None) -> ModelFiles:
    """What `model` is: a local folder, known by its content, or a Hub id, known by its commit."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        if revision:
            raise ModelError(f"{model} is a folder and has no revision {revision!r}: leave the revision out.")
        return ModelFiles(folder.name, _content(folder), folder)
    if folder.is_absolute() or model.count("/") != 1 or model.startswith((".", "~")):
        raise ModelError(f"There is no model folder {model}. Give a folder or a Hub id such as facebook/nllb-200-3.3B.")
    return ModelFiles(model, _commit(model, revision), None)


def converted(source: ModelFiles, compute_type: str) -> Path:
    """The CTranslate2 folder of `source`, made now if it is not there yet."""
    if source.folder and (source.folder / WEIGHTS).is_file():
        if not (source.folder / TOKENIZER).is_file():
            raise ModelError(f"{source.folder} is a converted model without {TOKENIZER}: copy the tokenizer beside it.")
        return source.folder
    stored = STORED.get(compute_type, compute_type)
    name = f"{source.model.replace('/', '--')}--{source.revision[:12]}--{stored}"
    target = cache_folder() / "nllb" / name
    if not (target / WEIGHTS).is_file():
        _convert(source.folder or _downloaded(source), target, stored)
    return target


def tokenizer_at_hand(source: ModelFiles) -> Path | None:
    """The tokenizer of `source` where it lies on this machine already, converted or not; None where it does not."""
    kept = (cache_folder() / "nllb").glob(f"{source.model.replace('/', '--')}--{source.revision[:12]}--*/{TOKENIZER}")
    own = [source.folder / TOKENIZER] if source.folder else []
    return next((file for file in [*own, *sorted(kept)] if file.is_file()), None)


def _convert(origin: Path, target: Path, stored: str) -> None:
    """Convert aside, then rename; of two processes that do so at once one wins and both go on."""
    converters = require("ctranslate2.converters", package="ctranslate2", purpose="CTranslate2", extra="nllb")
    require("transformers", package="transformers", purpose="Converting a translation model", extra="nllb")
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent)
    aside = Path(tempfile.mkdtemp(prefix=".converting-", dir=target.parent))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside the converter; what fails raises
            _save_tokenizer(origin, aside / "model")
            converter = converters.TransformersConverter(str(origin), low_cpu_mem_usage=True)
            made = Path(converter.convert(str(aside / "weights"), quantization=stored))
        for file in (aside / "model").iterdir():
            shutil.move(file, made / file.name)
        try:
            os.rename(made, target)
        except OSError:
            if not (target / WEIGHTS).is_file():
                raise
    except (ValueError, KeyError, NotImplementedError, OSError) as error:
        raise ModelError(f"{origin} could not be converted for CTranslate2 as a translation model: {error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _save_tokenizer(origin: Path, folder: Path) -> None:
    transformers: Any = require(
        "transformers", package="transformers", purpose="Converting a translation model", extra="nllb"
    )
    transformers.AutoTokenizer.from_pretrained(str(origin)).save_pretrained(str(folder))


def _sweep(folder: Path) -> None:
    """Remove what conversions that were killed left behind."""
    for left in folder.glob(".converting-*"):
        if time.time() - left.stat().st_mtime > DAY:
            shutil.rmtree(left, ignore_errors=True)


def _content(folder: Path) -> str:
    """A hash of the files that decide what the model says."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix in {".bin", ".safetensors", ".json", ".model"}]
    if not any(path.name == "config.json" for path in files):
        raise ModelError(
            f"{folder} holds no config.json, so it is no model: give a Hugging Face or CTranslate2 folder."
        )
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            whole.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def _commit(model: str, revision: str | None) -> str:
    """The commit behind a Hub revision; without the Hub, the one downloaded last."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return str(HfApi().model_info(model, revision=revision).sha)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        at = f" at revision {revision!r}" if revision else ""
        raise ModelError(f"The Hub has no model {model}{at}, or it is not yours to read.") from error
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        try:
            folder = snapshot_download(model, revision=revision, local_files_only=True)
        except LocalEntryNotFoundError:
            raise RemoteError(
                f"The Hub could not be asked for {model}, and it was not downloaded before: {type(error).__name__}. "
                "Check the connection, or give the folder of a model with --set translator.options.model=FOLDER."
            ) from error
        return Path(folder).name


def _downloaded(source: ModelFiles) -> Path:
    """The files of one commit; the weights in one format only."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    small = ["*.json", "*.model", "*.txt"]
    try:
        names = HfApi().list_repo_files(source.model, revision=source.revision)
        weights = "*.safetensors" if any(name.endswith(".safetensors") for name in names) else "pytorch_model*.bin"
        return Path(snapshot_download(source.model, revision=source.revision, allow_patterns=[*small, weights]))
    except OfflineModeIsEnabled:
        return Path(snapshot_download(source.model, revision=source.revision, local_files_only=True))
    except (HfHubHTTPError, OSError) as error:
        raise RemoteError(
            f"{source.model} could not be downloaded ({type(error).__name__}); the same command continues the download."
        ) from error
