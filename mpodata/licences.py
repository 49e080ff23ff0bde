"""Licences: of known models' answers, and the one that follows for a dataset made of licensed parts."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

# The beginning of a Hub id, and the Hub's licence id for it (model cards, November 2026). The longest beginning wins.
MODEL_LICENCES: Final = {
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
    "google/translategemma": "gemma",
    "tencent/Hunyuan": "tencent-hunyuan-community",
    "google/madlad400": "apache-2.0",
    "CohereForAI/aya": "cc-by-nc-4.0",
    "CohereLabs/aya": "cc-by-nc-4.0",
}

_CARD_LICENCE = re.compile(r"^license: *([\w.-]+)", re.MULTILINE)


def model_licence(model: str | None) -> str:
    """The Hub licence id of a model; "unknown" where neither the table nor the folder's README.md says."""
    if model is None:
        return "unknown"
    card = Path(model) / "README.md"
    if card.is_file() and (stated := _CARD_LICENCE.search(card.read_text(encoding="utf-8", errors="replace"))):
        return stated[1]
    beginnings = [beginning for beginning in MODEL_LICENCES if model.lower().startswith(beginning.lower())]
    return MODEL_LICENCES[max(beginnings, key=len)] if beginnings else "unknown"


# Hub licence ids from the freest to the strictest; a dataset carries the strictest of its parts. Share-alike and
# non-commercial conditions add up, so that cc-by-sa + cc-by-nc is cc-by-nc-sa.
_OPEN = ("cc0-1.0", "mit", "bsd-3-clause", "apache-2.0", "cc-by-4.0", "odc-by")
_SHARE_ALIKE = ("cc-by-sa-4.0", "cc-by-nc-sa-4.0")
_NON_COMMERCIAL = ("cc-by-nc-4.0", "cc-by-nc-sa-4.0")
TENCENT: Final = "tencent-hunyuan-community"
# Answers of these models carry their makers' terms, which no Creative Commons licence can grant on.
_MODEL_TERMS = (
    "llama3",
    "llama3.1",
    "llama3.2",
    "llama3.3",
    "gemma",
    "qwen",
    "qwen-research",
    "openrail",
    "other",
    TENCENT,
)


def derived_licence(licences: Iterable[str]) -> str:
    """The Hub licence id of a dataset made from parts under `licences`; "unknown" where a part's is not known.

    Non-commercial parts (NLLB's weights, PKU-SafeRLHF, BeaverTails are CC-BY-NC-4.0) make the whole non-commercial,
    whatever the others are; a model's own terms make it that licence, or "other" where several conditions meet.
    """
    parts = {licence.lower() or "unknown" for licence in licences}
    understood = {*_OPEN, *_SHARE_ALIKE, *_NON_COMMERCIAL, *_MODEL_TERMS}
    non_commercial, share_alike = bool(parts & set(_NON_COMMERCIAL)), bool(parts & set(_SHARE_ALIKE))
    if non_commercial:
        return "cc-by-nc-sa-4.0" if share_alike else "cc-by-nc-4.0"
    if not parts or parts - understood:
        return "unknown"
    if parts & set(_MODEL_TERMS):
        return next(iter(parts)) if len(parts) == 1 else "other"
    if share_alike:
        return "cc-by-sa-4.0"
    return max(parts, key=_OPEN.index)


def commercial(licence: str) -> bool | None:
    """May the data be used commercially? None where nobody can say from the licence id alone."""
    if licence in ("unknown", *_MODEL_TERMS):
        return None
    return licence not in _NON_COMMERCIAL


# Conditions that travel with data made by these parts, whatever the licence of the whole is called.
CONDITIONS: Final = {
    "gemma": "the Gemma terms and their prohibited-use policy bind whoever uses the data or a model trained on it",
    "llama3": 'the Llama 3 licence and acceptable-use policy apply; models trained on it are named "Llama 3 ..."',
    "llama3.1": 'the Llama 3.1 licence and acceptable-use policy apply; models trained on it are named "Llama ..."',
    "llama3.2": 'the Llama 3.2 licence and acceptable-use policy apply; models trained on it are named "Llama ..."',
    "llama3.3": 'the Llama 3.3 licence and acceptable-use policy apply; models trained on it are named "Llama ..."',
    "qwen": "the Qwen licence asks for permission above 100 million monthly users",
    "qwen-research": "the Qwen research licence allows no commercial use",
    "cc-by-nc-4.0": "no commercial use, with attribution",
    "cc-by-nc-sa-4.0": "no commercial use, with attribution, shared alike",
    TENCENT: "not for use in the European Union, the United Kingdom or South Korea; the outputs train no other model",
}


def commercial_use(parts: Iterable[str]) -> bool | None:
    """May data made of parts under these licences be used commercially? False where any part forbids it.

    None where nobody can say from the names alone: a part is unknown, or under a model's own terms.
    """
    licences = {part.lower() or "unknown" for part in parts}
    if licences & {*_NON_COMMERCIAL, "qwen-research", TENCENT} or any("-nc" in part for part in licences):
        return False
    return True if licences and licences <= {*_OPEN, *_SHARE_ALIKE} else None


def licensed_parts(name: str, provenance: Mapping[str, Any]) -> dict[str, str]:
    """The licence of a part, and of the parts it says it is made of (a fallback, a translator of prompts)."""
    parts = {name: str(provenance.get("licence") or "unknown")}
    for key, inner in provenance.items():
        if isinstance(inner, Mapping) and inner.get("licence"):
            parts |= licensed_parts(f"{name}, {key} {inner.get('name', '')}".strip(), inner)
    return parts


def obstacles(parts: Mapping[str, str]) -> list[str]:
    """What stands against calling data made of these parts commercial: each part that forbids it or may forbid it."""
    allowed = {part: commercial_use([licence]) for part, licence in parts.items()}
    return [
        f"{part} is {parts[part]}" + ("" if verdict is False else ", which nobody can judge by its name")
        for part, verdict in allowed.items()
        if not verdict
    ]


def conditions(parts: Mapping[str, str]) -> list[str]:
    """One phrase per part (its name -> its licence) whose licence asks something of the data's users."""
    return [
        f"{part}: {CONDITIONS[licence.lower()]}" for part, licence in parts.items() if licence.lower() in CONDITIONS
    ]
