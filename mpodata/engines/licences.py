"""Under which terms are a model's answers? What makers of known models say; a folder's own card where it has one."""

import re
from pathlib import Path
from typing import Final

# The beginning of a Hub id, and the Hub's licence id for it (model cards, November 2026). The longest beginning wins.
LICENCES: Final = {
    "pocket-chat": "apache-2.0",
    "meta-llama/Llama-3.1": "llama3.1",
    "meta-llama/Meta-Llama-3.1": "llama3.1",
    "meta-llama/Meta-Llama-3-": "llama3",
    "meta-llama/Llama-3.2": "llama3.2",
    "meta-llama/Llama-3.3": "llama3.3",
    "google/gemma": "gemma",
    "Qwen/Qwen2.5": "apache-2.0",
    "Qwen/Qwen2.5-3B": "qwen-research",
    "Qwen/Qwen2.5-72B": "qwen",
    "Qwen/Qwen3": "apache-2.0",
    "mistralai/Mistral-7B": "apache-2.0",
    "mistralai/Mixtral": "apache-2.0",
    "CohereForAI/aya": "cc-by-nc-4.0",
    "CohereLabs/aya": "cc-by-nc-4.0",
}

_CARD_LICENCE = re.compile(r"^license: *([\w.-]+)", re.MULTILINE)


def model_licence(model: str | None) -> str:
    """The Hub licence id of a model; "unknown" where neither the table nor the folder's README.md says."""
    if model is None:
        return "unknown"
    card = Path(model) / "README.md"
    if card.is_file() and (found := _CARD_LICENCE.search(card.read_text(encoding="utf-8", errors="replace"))):
        return found[1]
    known = [beginning for beginning in LICENCES if model.lower().startswith(beginning.lower())]
    return LICENCES[max(known, key=len)] if known else "unknown"
