"""What is concluded of a file as a whole before its rows are judged: its languages, translated fields and words."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from mpodata.audit.preferences import Entry, Preferences
from mpodata.audit.record import Audit
from mpodata.languages.identification import dominant_language_of
from mpodata.quality.alignment import matched
from mpodata.quality.comparison import Comparisons, compare_fields, translated_fields
from mpodata.quality.lexicon import Lexicon, learn
from mpodata.records import Dropped, Side

SAMPLE: Final = 200  # dominant texts identified
CLEAR: Final = 0.5  # share of them in another language from which it is said
LEARNED: Final = 4000  # sentences of each language that its words are learned from


def conclude(data: Preferences, result: Audit) -> None:
    """Fill in what is concluded of the file, each with its reason."""
    result.conclusions.append(f"Dominant language {data.dominant}: {data.dominant_reason}.")
    result.conclusions.extend(_dominant_texts(_rows(data), data.dominant))
    result.comparisons = compare_fields(
        (entry.dominant, entry.side) for entry in _rows(data) if entry.dominant is not None
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
