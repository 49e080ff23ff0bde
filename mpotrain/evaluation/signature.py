"""One line that says what a number was made with, in the style of sacrebleu's signatures."""

from collections.abc import Mapping, Sequence
from typing import Any

from mpodata.about import __version__


def signature(
    data: Mapping[str, Any],
    model: Mapping[str, Any],
    benchmarks: Sequence[Mapping[str, Any]],
    judges: Sequence[Mapping[str, Any]],
    sampling: Mapping[str, Any],
    utility: Sequence[Mapping[str, Any]] = (),
) -> str:
    """`pairs:600|data:NAME@v1.2.0|translator:nllb-3.3b|policy:...@sha|bench:...|judge:rules@1|...`.

    Parts that do not apply (no training data) are left out.
    """
    languages = sorted({code for benchmark in benchmarks for code in benchmark["languages"]})
    prompts = sum(benchmark["prompts"] for benchmark in benchmarks)
    parts = {
        "pairs": data.get("trained_rows"),
        "data": named(data["reference"]) if data.get("reference") else None,
        "commit": str(data.get("commit") or "")[:12],
        "translator": data.get("translator"),
        "policy": f"{model['name']}@{model['revision']}",
        "bench": "+".join(benchmark["name"] for benchmark in benchmarks),
        "lang": "+".join(languages),
        "prompts": prompts or None,
        "utility": "+".join(dict.fromkeys(f"{row['task']}@{row['version']}-{row['shots']}shot" for row in utility)),
        "decode": decoding(sampling),
        "judge": "+".join(judge["name"] for judge in judges) if prompts else None,
        "mpotrain": __version__,
    }
    return "|".join(f"{key}:{_clean(str(value))}" for key, value in parts.items() if value not in (None, ""))


def decoding(sampling: Mapping[str, Any]) -> str:
    """How answers were drawn: "greedy-256", "t0.7-p0.95-256-s42"."""
    if sampling["temperature"] == 0:
        return f"greedy-{sampling['max_tokens']}"
    return f"t{sampling['temperature']:g}-p{sampling['top_p']:g}-{sampling['max_tokens']}-s{sampling['seed']}"


def named(reference: str) -> str:
    """A dataset reference without the folders of this machine: `pocket-refusals@v1.0.0`; Hub ids as they are."""
    local = reference.startswith(("/", ".", "~")) or reference.count("/") > 1
    return reference.rsplit("/", 1)[-1] if local else reference


def _clean(text: str) -> str:
    """`|` and line ends separate parts and lines, so no part holds one."""
    return " ".join(text.replace("|", "/").split())
