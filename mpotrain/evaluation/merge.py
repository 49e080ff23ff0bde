"""A LoRA run as one model that any engine can load: its adapter merged into the base, once, in the user's cache."""

import hashlib
import shutil
from pathlib import Path

from mpodata.about import cache_folder
from mpodata.engines.checkpoints import load_pretrained
from mpodata.errors import ModelError
from mpodata.registry import require
from mpotrain.runs import is_finished, read_run

ADAPTER = "adapter_config.json"


def is_adapter(folder: Path) -> bool:
    """Does `folder` hold a PEFT adapter rather than a whole model?"""
    return (folder / ADAPTER).is_file() and not (folder / "config.json").is_file()


def merged(folder: Path) -> Path:
    """The whole model of the adapter in `folder`; raises ModelError where its base cannot be loaded."""
    digest = hashlib.sha256((folder / ADAPTER).read_bytes())
    digest.update(f"merge/2 {_revision(folder)}".encode())  # bump when the same adapter would be merged differently
    for path in sorted(folder.glob("adapter_model*")):
        with path.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    out = cache_folder() / "merged" / digest.hexdigest()[:16]
    if out.is_dir():
        return out
    peft = require("peft", package="peft", purpose="A LoRA run", extra="train")
    from mpotrain.data import stop_at_turn_end  # brings torch

    aside = out.with_name(f".{out.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        adapter = peft.PeftConfig.from_pretrained(str(folder))
        base = load_pretrained(
            "AutoModelForCausalLM", str(adapter.base_model_name_or_path), adapter.revision or _revision(folder)
        )
        model = peft.PeftModel.from_pretrained(base, str(folder))
        tokenizer = load_pretrained("AutoTokenizer", str(folder))
    except (OSError, ValueError, ModelError) as error:
        raise ModelError(
            f"The adapter in {folder} cannot be merged into its base: {str(error).splitlines()[0]}"
        ) from error
    whole = model.merge_and_unload()
    stop_at_turn_end(whole, tokenizer)
    whole.save_pretrained(aside)
    tokenizer.save_pretrained(aside)
    aside.rename(out)
    return out


def _revision(folder: Path) -> str | None:
    """The base's revision that run.json names, where an adapter of an earlier release does not."""
    revision = read_run(folder).get("base_revision") if is_finished(folder) else None
    return None if revision is None else str(revision)
