"""Counts which words go together in parallel sentences, and writes `mpodata/quality/words/LANGUAGE.tsv`."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from calibration.corpora import Sentences
from mpodata.quality.words import Partners, WordTable, words

SEEN = 4  # sentences that hold a word, at least
COMMON = 0.35  # share of the sentences that may hold it
TOGETHER = 3  # sentences that hold both
SIGNIFICANT = 11.0  # log-likelihood ratio (Dunning 1993) of two words going together: p < .001
PARTNERS = 4  # of one stem
CANDIDATES = 12
GAIN = 1.03  # in information, for another partner
ENTRIES = 4000  # most informative stems kept

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Table = dict[str, tuple[float, Partners]]  # stem -> nats a sentence, partners


def count_words(sentences: Sentences) -> WordTable:
    """The table of one language."""
    english, target = ([words(text) for text in texts] for texts in zip(*sentences, strict=True))
    stems, has_stem = _presence(english)
    partners, has_partner = _presence(target)
    together = (has_stem.T @ has_partner).tocsr()
    holding = _sentences_of(has_partner)
    own = _sentences_of(has_stem)
    counts = np.array([len(places) for places in holding])
    entries: Table = {}
    for row, stem in enumerate(stems):
        cells = slice(together.indptr[row], together.indptr[row + 1])
        columns, both = together.indices[cells], together.data[cells]
        kept = (both >= TOGETHER) & (both > 1.5 * len(own[row]) * counts[columns] / len(sentences))
        columns, both = columns[kept], both[kept]
        ratios = _log_likelihood(both, len(own[row]), counts[columns], len(sentences))
        best = sorted((-ratio, partners[column], column) for ratio, column in zip(ratios, columns, strict=True))
        candidates = [(word, holding[column]) for ratio, word, column in best[:CANDIDATES] if -ratio >= SIGNIFICANT]
        found = _partners(own[row], candidates, len(sentences))
        if found is not None:
            entries[stem] = found
    best_stems = sorted(entries, key=lambda stem: (-entries[stem][0], stem))[:ENTRIES]
    return WordTable({stem: entries[stem][1] for stem in best_stems}, round(sum(map(len, target)) / len(target), 2))


def _presence(texts: Sequence[frozenset[str]]) -> tuple[list[str], csr_matrix]:
    """The words that are neither rare nor common, and which of the texts hold them: (texts, words), 0 or 1."""
    counts = Counter(word for text in texts for word in text)
    telling = sorted(
        word for word, count in counts.items() if SEEN <= count <= COMMON * len(texts) and not word.isdigit()
    )
    column = {word: place for place, word in enumerate(telling)}
    cells = [(row, column[word]) for row, text in enumerate(texts) for word in text if word in column]
    rows, columns = np.array(cells, dtype=np.int64).reshape(-1, 2).T
    shape = len(texts), len(telling)
    return telling, csr_matrix((np.ones(len(cells), dtype=np.int64), (rows, columns)), shape=shape)


def _sentences_of(presence: csr_matrix) -> list[set[int]]:
    """For each word the sentences that hold it."""
    by_word = presence.tocsc()
    return [set(places.tolist()) for places in np.split(by_word.indices, by_word.indptr[1:-1])]


def _partners(own: set[int], candidates: Sequence[tuple[str, set[int]]], total: int) -> tuple[float, Partners] | None:
    """The words that stand where a stem stands, added one by one while they tell more."""
    best: tuple[float, Partners] | None = None
    covered: set[int] = set()  # sentences that hold a partner
    for word, places in candidates:
        chosen = frozenset({word}) | (best[1].words if best else frozenset())
        holding = covered | places
        hits = len(holding & own)
        # Each partner was picked on these very sentences: half a hit is taken off for it.
        likely = max((hits - 0.5 * len(chosen) + 0.2) / (len(own) + 1), 0.02)
        chance = (len(holding) - hits + 0.5) / (total - len(own) + 1)
        if likely <= chance:
            continue
        gain = likely * math.log(likely / chance) + (1 - likely) * math.log((1 - likely) / (1 - chance))
        information = len(own) / total * gain
        if best is None or information > best[0] * GAIN:
            best, covered = (information, Partners(chosen, round(likely, 3), round(chance, 5))), holding
        if len(chosen) >= PARTNERS:
            break
    return best


def _log_likelihood(both: Counts, own: int, others: Counts, total: int) -> Floats:
    """Dunning's ratio for words of `others` sentences, of which `both` hold a stem that stands in `own` sentences."""

    def log(hits: Counts, tries: Counts | int, share: Floats) -> Floats:
        share = np.clip(share, 1e-9, 1 - 1e-9)
        logs: Floats = hits * np.log(share) + (tries - hits) * np.log(1 - share)
        return logs

    rest, everywhere = others - both, others / total
    return 2 * (
        log(both, own, both / own)
        + log(rest, total - own, rest / (total - own))
        - log(both, own, everywhere)
        - log(rest, total - own, everywhere)
    )


def write_table(path: Path, table: WordTable, sources: str) -> None:
    """What it was counted on, a header, then one line a stem: partners, `in_translations` and `by_chance`."""
    lines = [
        f"# Counted by scripts/calibrate_quality.py --write on {sources}.",
        "# Columns: mpodata/quality/words.py.",
        f"sentence_words\t{table.sentence_words}",
        "stem\tpartners\tin_translations\tby_chance",
        *(
            f"{stem}\t{' '.join(sorted(p.words))}\t{p.in_translations}\t{p.by_chance}"
            for stem, p in sorted(table.partners.items())
        ),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
