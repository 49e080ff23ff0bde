"""Small dataset versions for tests: harmless texts, a few languages, every measure filled in."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mpodata.records import Quality, Side, content_id
from mpodata.versions.manifest import BuildFacts, Manifest
from mpodata.versions.schema import Row
from mpodata.versions.write import VersionWriter


def rows(language: str, numbers: Iterable[int], mark: str = "", category: str = "theft") -> Iterator[Row]:
    """One row per number; the same number is the same pair in every language."""
    for number in numbers:
        side = Side(language, f"request {number} {language}", f"No {number} {mark}", f"Sure {number} {language}")
        quality = Quality(
            prompt_language=language,
            chosen_language=language,
            rejected_language=language,
            chosen_length_ratio=1.0 + number / 100,
            chosen_repetition=0.0,
            chosen_verdict="refusal",
            rejected_verdict="compliance",
        )
        yield Row(content_id("pair", str(number)), side, category, f"row-{number}", quality)


def facts(**changes: Any) -> BuildFacts:
    given: dict[str, Any] = {
        "dominant": "en",
        "recipe": {"samples": 10},
        "command": "mpodata build --translator nllb-600m --model pocket-chat --languages sw",
        "source": {"name": "table", "path": "requests.jsonl", "licence": "mit"},
        "policy": {"engine": "transformers", "model": "pocket-chat", "revision": "1", "licence": "apache-2.0"},
        "sampling": {"temperature": 0.0, "max_tokens": 64},
        "translators": {"nllb-600m": {"model": "facebook/nllb-200-distilled-600M", "licence": "cc-by-nc-4.0"}},
        "libraries": {"pyarrow": "x"},
    }
    return BuildFacts(**{**given, **changes})


def write_version(
    out: Path,
    count: int = 10,
    languages: Iterable[str] = ("sw",),
    *,
    translator: str = "nllb-600m",
    mark: str = "",
    category: str = "theft",
    base: Path | None = None,
    dominant_too: bool = True,
    **changes: Any,
) -> Manifest:
    """A version of `count` train and two test pairs; the dominant side is left to `base` where asked."""
    with VersionWriter(out, base=base) as writer:
        for config, language in [
            *([("en", "en")] if dominant_too else []),
            *((f"{translator}.{code}", code) for code in languages),
        ]:
            writer.add(config, "train", rows(language, range(count), mark, category))
            writer.add(config, "test", rows(language, range(1000, 1002), mark, category))
        made = {translator: facts().translators.get(translator, {"model": translator, "licence": "apache-2.0"})}
        return writer.finish(facts(**{"translators": made, **changes}))
