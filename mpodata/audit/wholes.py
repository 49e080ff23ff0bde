"""What is concluded of a file as a whole before its rows are judged: its languages, translated fields and words."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from mpodata.audit.preferences import NAMED, Entry, Preferences
from mpodata.audit.record import Audit
from mpodata.errors import DataError
from mpodata.languages.identification import dominant_language_of
from mpodata.languages.labels import merge_note
from mpodata.quality.alignment import matched
from mpodata.quality.comparison import Comparisons, compare_fields, translated_fields
from mpodata.quality.lexicon import Lexicon, learn
from mpodata.records import Dropped, Side

SAMPLE: Final = 200  # dominant texts identified
CLEAR: Final = 0.5  # share of them in another language from which it is said
LEARNED: Final = 4000  # sentences of each language that its words are learned from


def conclude(data: Preferences, result: Audit) -> None:
    """Fill in what is concluded of the file, each with its reason.

    Raises DataError where no row is in the dominant language that the user named.
    """
    _check_named_dominant(data)
    result.conclusions.append(f"Dominant language {data.dominant}: {data.dominant_reason}.")
    result.conclusions.extend(_labels(data))
    result.conclusions.extend(_dominant_texts(_rows(data), data.dominant))
    result.comparisons = compare_fields(
        (entry.dominant, entry.side) for entry in _rows(data) if entry.dominant is not None
    )


def _check_named_dominant(data: Preferences) -> None:
    if data.dominant_reason != NAMED:
        return
    spoken: set[str] = set()
    for entry in _rows(data):
        spoken.add((entry.dominant or entry.side).language)
        if data.dominant in spoken:
            return
    if spoken:
        raise DataError(
            f"No row of {data.name} is in {data.dominant}, which --dominant names. It has {', '.join(sorted(spoken))}."
        )


def _labels(data: Preferences) -> Iterator[str]:
    """What the data's labels of language and of kind leave open."""
    labels: set[str] = set()
    unlabelled = 0
    for entry in _rows(data):
        labels.add(entry.label)
        unlabelled += entry.kind is None
    if merged := merge_note(sorted(labels - {""})):
        yield f"{merged}."
    if unlabelled:
        yield (
            f"{unlabelled:,} rows do not say whether their prompt is harmful: their answers are not judged as refusals."
        )


def _rows(data: Preferences) -> Iterator[Entry]:
    return (entry for entry in data.entries() if isinstance(entry, Entry))


def _dominant_texts(entries: Iterable[Entry], dominant: str) -> Iterator[str]:
    """Says so where the dominant side is in another language than it is called."""
    sides = (entry.dominant or entry.side for entry in entries)
    texts = list(islice((side.prompt for side in sides if side.language == dominant and side.prompt), SAMPLE))
    language, share = dominant_language_of(texts)
    if texts and language != dominant and share >= CLEAR:
        yield (
            f"The rows called {dominant} are in {language} ({share:.0%} of {len(texts)} prompts): "
            f"name the dominant language with --dominant {language}."
        )


def learn_lexicons(entries: Iterable[Entry | Dropped], comparisons: Comparisons) -> dict[str, Lexicon]:
    """language -> which words go together with the dominant side's, learned from the data's own translations."""
    pairs: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for entry in entries:
        if isinstance(entry, Entry) and entry.dominant is not None:
            learned = pairs[entry.side.language]
            if len(learned) < LEARNED:
                learned.extend(sentences_of(entry, translated_fields(comparisons, entry.side.language)))
    lexicons = {language: learn(learned) for language, learned in pairs.items()}
    return {language: lexicon for language, lexicon in lexicons.items() if lexicon is not None}


def sentences_of(entry: Entry, names: Sequence[str]) -> list[tuple[str, str]]:
    """Sentences of these fields beside their originals; none where the row has no dominant side."""
    dominant: Side | None = entry.dominant
    if dominant is None:
        return []
    return [pair for name in names for pair in matched(getattr(dominant, name), getattr(entry.side, name))]
