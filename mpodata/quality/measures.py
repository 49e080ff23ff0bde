"""What is measured of a text and of a translation beside its original; plain numbers, no thresholds."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from functools import cache, lru_cache
from itertools import chain
from typing import Final

from mpodata.languages.identification import UNDETERMINED, identify, known_languages, without_noise
from mpodata.quality.quotations import without_kept_quotations
from mpodata.records import FIELDS, Quality, Side

# Characters of a run that recurs: longer in longer texts, where short runs recur by chance; fewer in kana and Han,
# where a character says more than a letter.
GRAM: Final = (5, 12)
DENSE_GRAM: Final = (3, 6)
GRAM_SHARE: Final = 8  # a run is an eighth of the text, within these bounds
LONG: Final = 200  # runs from which hashes are faster than strings
HASH_BASE: Final = 0x9E3779B97F4A7C15  # odd, bits evenly set

RECENT: Final = 4096  # texts whose measures are remembered: several checks of one row ask for the same

ENTITY: Final = re.compile(r"&(?:#\d{1,6}|#[xX][0-9a-fA-F]{1,5}|[a-zA-Z][a-zA-Z0-9]{1,7});")
TOKEN_LEFTOVER: Final = re.compile(r"<unk>|<pad>|</?s>|\u2047|\u2581|\ufffd")

_DENSE: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]+")
_TERMINAL: Final = frozenset(".!?…。！？．｡؟۔।॥៖។။።:：;；~")
_CLOSING: Final = "\"'”’»›」』）)]】》*_`~♪ \u200e\u200f\u202c\u2069"


def measure(dominant: Side, target: Side, among: Collection[str]) -> Quality:
    """What is measured of one target side beside its dominant side; `among`: the languages of the dataset."""
    return measure_many([dominant], [target], among)[0]


def measure_many(dominants: Sequence[Side], targets: Sequence[Side], among: Collection[str]) -> list[Quality]:
    """One Quality per pair of sides, in order."""
    spoken = languages_of_fields(dominants, targets, among)
    return [measured(*pair) for pair in zip(dominants, targets, spoken, strict=True)]


def languages_of_fields(
    dominants: Sequence[Side], targets: Sequence[Side], among: Collection[str]
) -> list[Sequence[str]]:  # fmt: skip
    """The languages that prompt, chosen and rejected of each target side are in; many at once are identified faster."""
    pairs = list(zip(dominants, targets, strict=True))
    codes = spoken(
        [(_translated_part(*pair, name), pair[1].language) for pair in pairs for name in FIELDS], frozenset(among)
    )
    return [codes[start : start + len(FIELDS)] for start in range(0, len(codes), len(FIELDS))]


def measured(dominant: Side, target: Side, languages: Sequence[str]) -> Quality:
    """What is measured of a target side whose fields are in `languages`."""
    prompt, chosen, rejected = languages
    return Quality(
        prompt_language=prompt,
        chosen_language=chosen,
        rejected_language=rejected,
        prompt_length_ratio=length_ratio(dominant.prompt, target.prompt),
        chosen_length_ratio=length_ratio(dominant.chosen, target.chosen),
        rejected_length_ratio=length_ratio(dominant.rejected, target.rejected),
        chosen_repetition=round(repetition(target.chosen), 4),
        rejected_repetition=round(repetition(target.rejected), 4),
    )


def _translated_part(dominant: Side, target: Side, name: str) -> str:
    return without_kept_quotations(getattr(dominant, name), getattr(target, name), dominant.language)[1]


SURE: Final = 0.75  # belief from which a language outside the dataset is believed
NEIGHBOURS: Final = frozenset({"id", "ms"})  # so alike that sentences of one are taken for the other
SURE_OF_NEIGHBOUR: Final = 0.9  # (Indonesian for Malay on NTREX: 1 in 100 with a belief of .75 to .87)


def spoken(texts: Sequence[tuple[str, str]], among: frozenset[str]) -> list[str]:
    """The language of each (text, expected language), all known languages competing.

    Where that is unsure, `expected` and its fellows win: among all languages a short Italian sentence is sometimes
    called Portuguese; among those of the dataset a Hindi answer is called Bengali. So a language outside the dataset
    needs a belief of at least `SURE`.
    """
    verdicts = identify([text for text, _ in texts], known_languages())
    codes = [code for code, _ in verdicts]
    unsure: defaultdict[str, list[int]] = defaultdict(list)  # expected language -> places
    for place, ((_, expected), (code, belief)) in enumerate(zip(texts, verdicts, strict=True)):
        sure = SURE_OF_NEIGHBOUR if {code, expected} <= NEIGHBOURS else SURE
        if code not in among and code not in (expected, UNDETERMINED) and belief < sure:
            unsure[expected].append(place)
    for expected, places in unsure.items():
        among_fellows = identify([texts[place][0] for place in places], among | {expected})
        for place, (code, _) in zip(places, among_fellows, strict=True):
            codes[place] = code
    return codes


def length_ratio(dominant: str, target: str) -> float | None:
    """Characters of the target over those of the dominant text, white space left out; None where there are none."""
    below = size(dominant)
    return round(size(target) / below, 4) if below else None


@lru_cache(maxsize=RECENT)
def size(text: str) -> int:
    """Characters without white space and combining marks; URLs, code and the like count nothing in either language."""
    bare = "".join(without_noise(text).split())
    return len(bare) if bare.isascii() else len(_combining().sub("", bare))


@cache
def _combining() -> re.Pattern[str]:
    """Every combining mark of the basic plane, as one character class."""
    return character_class(unicodedata.combining)


def character_class(belongs: Callable[[str], object]) -> re.Pattern[str]:
    """A pattern for the characters of the basic plane that belong; a class is far faster than asking each."""
    points = chain(range(0x80, 0xD800), range(0xE000, 0x10000))
    return re.compile("[" + "".join(filter(belongs, map(chr, points))) + "]")


@lru_cache(maxsize=RECENT)
def repetition(text: str) -> float:
    """The share of a text's character runs that it has had before, 0 (all new) to 1 (the same for ever)."""
    text = " ".join(text.split())
    dense = 0 if text.isascii() else sum(map(len, _DENSE.findall(text)))
    shortest, longest = DENSE_GRAM if dense * 2 > len(text) else GRAM
    length = min(max(len(text) // GRAM_SHARE, shortest), longest)
    total = len(text) - length + 1
    if total <= 0:
        return 0.0
    distinct = _distinct_runs(text, length) if total > LONG else len({text[at : at + length] for at in range(total)})
    return 1 - distinct / total


def _distinct_runs(text: str, length: int) -> int:
    """How many different runs of `length` characters a long text has, by 64-bit polynomial hashes."""
    import numpy as np

    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    base, runs = np.uint64(HASH_BASE), len(codes) - length + 1
    hashes = codes[:runs].copy()
    for offset in range(1, length):  # modulo 2**64: numbers of an array wrap around
        hashes *= base
        hashes += codes[offset : offset + runs]
    hashes.sort()
    return int(np.count_nonzero(hashes[1:] != hashes[:-1])) + 1


def lines(text: str) -> int:
    """Lines that hold something."""
    return sum(bool(line.strip()) for line in text.splitlines())


def ends_sentences(language: str) -> bool:
    """Does this language end its sentences with a mark?"""
    return language not in ("th", "lo")


def terminated(text: str) -> bool:
    """Does the text end as a sentence, a list or a code block does?"""
    text = text.rstrip(_CLOSING)
    return not text or text[-1] in _TERMINAL or not (text[-1].isalpha() or unicodedata.combining(text[-1]))


def leftovers(text: str) -> int:
    """HTML entities and tokeniser marks that a translator left in the text."""
    return len(ENTITY.findall(text)) + len(TOKEN_LEFTOVER.findall(text))
