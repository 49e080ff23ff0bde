"""Counts which words go together in parallel sentences, and writes `mpodata/quality/words/LANGUAGE.tsv`."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from calibration.corpora import Sentences
from mpodata.quality.words import Partners, WordTable, words

SEEN = 4  # sentences that hold a word, at least
COMMON = 0.35  # share of the sentences that may hold it
TOGETHER = 3  # sentences that hold both
SIGNIFICANT = 11.0  # log-likelihood ratio (Dunning 1993) of two words going together: p < .001
PARTNERS = 4  # of one stem
CANDIDATES = 12
GAIN = 1.03  # in information, for another partner
ENTRIES = 700  # most informative stems kept

Table = dict[str, tuple[float, Partners]]  # stem -> nats a sentence, partners


def count_words(sentences: Sentences) -> WordTable:
    """The table of one language."""
    english = _places([words(a) for a, _ in sentences])
    target_sentences = [words(b) for _, b in sentences]
    target = _places(target_sentences)
    common = COMMON * len(sentences)
    telling = {word for word, places in target.items() if SEEN <= len(places) <= common and not word.isdigit()}
    entries: Table = {}
    for stem, places in english.items():
        if SEEN <= len(places) <= common and not stem.isdigit():
            together = Counter(word for place in places for word in target_sentences[place] if word in telling)
            found = _partners(places, together, target, len(sentences))
            if found is not None:
                entries[stem] = found
    best = sorted(entries, key=lambda stem: (-entries[stem][0], stem))[:ENTRIES]
    length = sum(map(len, target_sentences)) / max(len(target_sentences), 1)
    return WordTable({stem: entries[stem][1] for stem in best}, round(length, 2))


def _places(texts: Sequence[frozenset[str]]) -> dict[str, set[int]]:
    """Word -> the sentences that hold it."""
    places: defaultdict[str, set[int]] = defaultdict(set)
    for place, text in enumerate(texts):
        for word in text:
            places[word].add(place)
    return places


def _partners(
    places: set[int], together: Counter[str], target: Mapping[str, set[int]], total: int
) -> tuple[float, Partners] | None:
    """The words that stand where a stem stands, added one by one while they tell more."""
    own = len(places)
    candidates = sorted(
        (-ratio, word)
        for word, both in together.items()
        if both >= TOGETHER
        and both > 1.5 * own * len(target[word]) / total
        and (ratio := _log_likelihood(both, own, len(target[word]), total)) >= SIGNIFICANT
    )
    best: tuple[float, Partners] | None = None
    covered: set[int] = set()  # sentences that hold a partner
    for _, word in candidates[:CANDIDATES]:
        chosen = frozenset({word}) | (best[1].words if best else frozenset())
        holding = covered | target[word]
        hits = len(holding & places)
        # Each partner was picked on these very sentences: half a hit is taken off for it.
        likely = max((hits - 0.5 * len(chosen) + 0.2) / (own + 1), 0.02)
        chance = (len(holding) - hits + 0.5) / (total - own + 1)
        if likely <= chance:
            continue
        gain = likely * math.log(likely / chance) + (1 - likely) * math.log((1 - likely) / (1 - chance))
        information = own / total * gain
        if best is None or information > best[0] * GAIN:
            best, covered = (information, Partners(chosen, round(likely, 3), round(chance, 5))), holding
        if len(chosen) >= PARTNERS:
            break
    return best


def _log_likelihood(both: int, own: int, others: int, total: int) -> float:
    def log(hits: int, tries: int, share: float) -> float:
        share = min(max(share, 1e-9), 1 - 1e-9)
        return hits * math.log(share) + (tries - hits) * math.log(1 - share)

    rest, everywhere = others - both, others / total
    return 2 * (
        log(both, own, both / own)
        + log(rest, total - own, rest / (total - own))
        - log(both, own, everywhere)
        - log(rest, total - own, everywhere)
    )


def write_table(path: Path, table: WordTable) -> None:
    """A header, then one line a stem: partners, share of translations that hold one, share of other sentences."""
    lines = [
        "# Counted by scripts/calibrate_quality.py --write on NTREX (CC-BY-SA-4.0), Tatoeba (CC-BY-2.0 FR) and, for",
        "# Javanese, NusaX (CC-BY-SA-4.0). Columns: mpodata/quality/words.py.",
        f"sentence_words\t{table.sentence_words}",
        "stem\tpartners\tin_translations\tby_chance",
        *(
            f"{stem}\t{' '.join(sorted(p.words))}\t{p.in_translations}\t{p.by_chance}"
            for stem, p in sorted(table.partners.items())
        ),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
