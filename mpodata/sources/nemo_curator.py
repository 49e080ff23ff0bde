"""Preference data that NeMo Curator translated: pairs of what was there and what its translation stage made of it.

Source: NeMo Curator (August 2026), stages/text/experimental/translation: rows with `translation_metadata`, JSON text of
`target_lang`, `translation` (field -> text; a list of texts for paths such as `chosen.*.content`) and
`segmented_translation` (field -> [{"src", "tgt"}]), from `output_mode` "raw" (the columns hold the source) or "both"
(the columns hold the translation, and the source is put together from the segments). "replaced" keeps no source: audit
such a file as the preference data that it is.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from mpodata.errors import DataError
from mpodata.languages import language
from mpodata.languages.labels import language_code
from mpodata.readers.cells import MENDED, field
from mpodata.readers.conversation import turns
from mpodata.readers.upstream import RawRow, Upstream
from mpodata.records import FIELDS, Dropped, Pair, Side, content_id
from mpodata.sources.exchange import preference
from mpodata.sources.rows import without_repeated

METADATA: Final = "translation_metadata"  # the column that its output is known by
CONTENT: Final = "content"  # the key of messages' texts


def nemo_curator(
    *,
    path: str,
    dominant: str = "en",
    licence: str | None = None,
    split: str | None = None,
    config: str | None = None,
    revision: str | None = None,
) -> "NemoCurator":
    """Pairs of a translated preference table: columns prompt, chosen, rejected of any TRL preference type."""
    language(dominant)
    return NemoCurator(Upstream(path, split, config, revision), dominant, licence)


@dataclass(frozen=True)
class NemoCurator:
    """A translated table; a ParallelSource."""

    upstream: Upstream
    dominant: str
    licence: str | None
    translator: str = "nemo-curator"

    def pairs(self, *, keep_empty: bool = False) -> Iterator[Pair | Dropped]:
        """One Pair per usable row, in file order; a Dropped in the place of each other row.

        `keep_empty` lets target fields be empty, for an audit that counts them.
        """
        return without_repeated(
            row if isinstance(row, Dropped) else self._pair(row, f"row-{number}", keep_empty)
            for number, row in enumerate(self._rows())
        )

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """The target languages of the file, by code."""
        codes = {_target(_metadata(row)) for row in self._rows() if not isinstance(row, Dropped)}
        known = tuple(sorted(code for code in codes if code is not None))
        if not known:
            raise DataError(f"{self.upstream.path} names no target language in {METADATA}: was anything translated?")
        return known

    def _rows(self) -> Iterator[RawRow | Dropped]:
        existing = self.upstream.columns
        if METADATA not in existing:
            raise DataError(
                f"{self.upstream.path} is no output of NeMo Curator's translation with output_mode raw or both: it has "
                f"no column {METADATA}; its columns: {', '.join(existing)}."
            )
        return self.upstream.rows()

    def _pair(self, row: RawRow, place: str, keep_empty: bool) -> Pair | Dropped:
        metadata = _metadata(row)
        target = _target(metadata)
        if target is None:
            return Dropped("unknown-language", f"{place}: {METADATA} names no known target_lang")
        both = _both(row, metadata)
        if isinstance(both, Dropped):
            return Dropped(both.reason, place)
        sides = []
        for name, texts in (("source", preference(both[0])), ("target", preference(both[1]))):
            if isinstance(texts, Dropped):
                return Dropped(texts.reason, f"{place}: {name} side")
            cleaned = []
            for part, value in zip(FIELDS, texts, strict=True):
                text = field(value, part)
                if keep_empty and name == "target" and isinstance(text, Dropped) and text.reason == f"empty-{part}":
                    text = ""
                if isinstance(text, Dropped):
                    return Dropped(text.reason, f"{place}: {name} side, {target}")
                cleaned.append(text)
            sides.append(cleaned)
        return Pair(
            pair_id=content_id(*sides[0]),
            dominant=Side(self.dominant, *sides[0]),
            target=Side(target, *sides[1]),
            source_id=place,
        )

    def provenance(self) -> dict[str, Any]:
        return {
            "name": "nemo-curator",
            **self.upstream.provenance(),
            "languages": [self.dominant, *self.targets],
            "licence": self.licence,
            "cleaning": MENDED,
            "parallel": True,
        }


def _metadata(row: RawRow) -> Mapping[str, Any]:
    """The row's metadata; empty where it is none."""
    value = row.get(METADATA)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _target(metadata: Mapping[str, Any]) -> str | None:
    label = metadata.get("target_lang")
    return language_code(label) if isinstance(label, str) else None


def _both(row: RawRow, metadata: Mapping[str, Any]) -> tuple[RawRow, RawRow] | Dropped:
    """The row in its source language and in the target one."""
    translation = metadata.get("translation")
    if not isinstance(translation, dict) or not translation:
        return Dropped("untranslated")
    segments = metadata.get("segmented_translation")
    segments = segments if isinstance(segments, dict) else {}
    originals: dict[str, list[str] | None]
    present = {name: _texts(row.get(name)) for name in FIELDS if row.get(name) is not None}
    if all(isinstance(translation.get(name), str) for name in present):
        translated = {name: [translation[name]] for name in present}
        originals = {name: _originals(translated[name], segments.get(name)) for name in present}
    else:  # texts of messages, path after path, each in the order of its messages
        texts = translation.get(CONTENT)
        if not isinstance(texts, list) or len(texts) != sum(map(len, present.values())):
            return Dropped("unreadable-translation")
        rest, translated = iter(texts), {}
        for name, own in present.items():
            translated[name] = [next(rest) for _ in own]
        every = _originals(texts, segments.get(CONTENT))
        originals = {name: None if every is None else [every.pop(0) for _ in own] for name, own in present.items()}
    if all(present[name] == translated[name] for name in present):  # output_mode "both": the source was replaced
        sources = {name: own for name, own in originals.items() if own is not None}
        return (_with(row, sources), row) if len(sources) == len(present) else Dropped("source-is-gone")
    return row, _with(row, translated)


def _texts(value: Any) -> list[Any]:
    """The texts in a cell: itself, or the contents of its messages."""
    messages = turns(value)
    return [value] if messages is None else [content for _, content in messages]


def _with(row: RawRow, texts: Mapping[str, list[Any]]) -> RawRow:
    """The row with other texts in its cells, whose form stays."""
    changed = {key: value for key, value in row.items() if key != METADATA}
    for name, own in texts.items():
        messages = turns(row[name])
        if messages is None:
            changed[name] = own[0]
        else:
            changed[name] = [{"role": role, CONTENT: text} for (role, _), text in zip(messages, own, strict=True)]
    return copy.deepcopy(changed)


def _originals(translated: list[Any], pairs: Any) -> list[str] | None:
    """The sources of some texts: each translation with every segment's own source in the place of the segment.

    pairs: the segments of all texts, in order. None where they are not those of the texts.
    """
    if not isinstance(pairs, list) or not all(isinstance(text, str) for text in translated):
        return None
    rest = [(pair.get("src"), pair.get("tgt")) if isinstance(pair, dict) else (None, None) for pair in pairs]
    originals = []
    for text in translated:
        parts, at = [], 0
        while rest and text[at:].strip():
            source, target = rest[0]
            if not isinstance(source, str) or not isinstance(target, str):
                return None
            found = text.find(target, at)
            if found < 0:
                break
            parts += [text[at:found], source]
            at = found + len(target)
            del rest[0]
        originals.append("".join([*parts, text[at:]]))
    return None if rest else originals
