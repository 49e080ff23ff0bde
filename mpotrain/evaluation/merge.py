"""A LoRA run as one model that any engine can load: its adapter merged into the base, once, in the user's cache."""

import hashlib
import shutil
from pathlib import Path

from mpodata.errors import ModelError
from mpodata.registry import require
from mpodata.runtime.journal import cache_folder

ADAPTER = "adapter_config.json"


def is_adapter(folder: Path) -> bool:
    """Does `folder` hold a PEFT adapter rather than a whole model?"""
    return (folder / ADAPTER).is_file() and not (folder / "config.json").is_file()


def merged(folder: Path) -> Path:
    """The whole model of the adapter in `folder`; raises ModelError where its base cannot be loaded."""
    digest = hashlib.sha256((folder / ADAPTER).read_bytes())
    for path in sorted(folder.glob("adapter_model*")):
        with path.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    out = cache_folder() / "merged" / digest.hexdigest()[:16]
    if out.is_dir():
        return out
    peft = require("peft", package="peft", purpose="A LoRA run", extra="train")
    transformers = require("transformers", package="transformers", purpose="A LoRA run", extra="train")
    aside = out.with_name(f".{out.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        model = peft.AutoPeftModelForCausalLM.from_pretrained(str(folder))
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"The adapter in {folder} cannot be merged into its base: {str(error).splitlines()[0]}"
        ) from error
    model.merge_and_unload().save_pretrained(aside)
    tokenizer.save_pretrained(aside)
    aside.rename(out)
    return out
