"""The pocket world: two tiny models and their texts, shipped with the package. Model organisms, see its README.md."""

from __future__ import annotations

from pathlib import Path

__all__ = ["chat_path", "held_out_path", "nllb_path", "phrases_path", "prompts_path"]

_HERE = Path(__file__).parent


def chat_path() -> Path:
    """pocket-chat: a folder transformers loads (Llama architecture)."""
    return _HERE / "chat"


def nllb_path() -> Path:
    """pocket-nllb: a folder transformers loads (M2M100 architecture, NLLB tokenizer)."""
    return _HERE / "nllb"


def prompts_path() -> Path:
    """The English source table: prompt, unsafe_response, category, topic."""
    return _HERE / "prompts.jsonl"


def held_out_path() -> Path:
    """Evaluation prompts in every pocket language, none of them in any training text."""
    return _HERE / "heldout.jsonl"


def phrases_path() -> Path:
    """Per language, the refusals the pocket models use and the markers that tell them."""
    return _HERE / "phrases.yaml"
