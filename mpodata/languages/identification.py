"""Which language is a text in? py3langid restricted to the languages that can occur, and the script where it decides.

The script comes first: Bengali letters are never Swahili, whatever a model says of them. Only languages that share a
script (English and Swahili; Chinese and Japanese without kana; Arabic and Persian) are left to the model.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from operator import itemgetter
from typing import Final

from mpodata.languages.bayes import Classes, encoded, model
from mpodata.languages.scripts import script_counts
from mpodata.languages.table import languages

UNDETERMINED: Final = "und"  # ISO 639-2's code for "no language can be said"

MIN_LETTERS: Final = 2  # fewer letters say nothing; two are enough where the script decides ("はい")
MIN_LATIN_LETTERS: Final = 4  # "OK" and "Yes" are words of many languages
MAX_CHARACTERS: Final = 1000  # the model gains nothing from more, and its time grows with the text
CLEAR_LETTERS: Final = 20  # fewer letters do not tell two languages of one script apart
CLEAR_BELIEF: Final = 0.98  # minimum confidence to accept another language of the same script
SCRIPT_SHARE: Final = 0.5  # share of letters in another script that names a short text's language
RECENT: Final = 4096  # texts remembered: many answers are the same refusal

# What py3langid calls some varieties, and the language of our table they belong to. Restricting the model to `ar`
# includes Egyptian and Moroccan Arabic, which it would otherwise have to call something else.
VARIETIES: Final = {
    "arz": "ar",
    "ary": "ar",
    "wuu": "zh",
    "yue": "zh",
    "nn": "no",
    "uzs": "uz",
    "hbo": "he",
    "grc": "el",
}

# Names, brands and code stay in Latin letters in every language, and one Han character carries what three letters do:
# beside another script a Latin letter counts a third. (NTREX identified rightly: zh .984 -> .999, th .984 -> .999.)
LATIN_WEIGHT: Final = 1 / 3

_NOISE = re.compile(r"https?://\S+|www\.\S+|[\w.]+@[\w.]+|```.*?```|`[^`\n]*`|<[^<>\n]{1,80}>|\{\w+\}|%\w", re.DOTALL)

# (text, languages) -> what `identify` said of the last texts.
_remembered: Final[dict[tuple[str, frozenset[str]], tuple[str, float]]] = {}

_NOISE_MARKS = ("://", "www.", "@", "`", "<", "{", "%")


def identify(texts: Iterable[str], among: Collection[str]) -> list[tuple[str, float]]:
    """The most likely language of each text and its share of belief, 0..1.

    `among` holds the codes that can occur (`languages.tsv`). A text whose script none of them uses is named by the best
    known language of that script, so that Hindi among {en, bn} is "hi", not a wrong guess of the two. Texts with hardly
    a letter give ("und", 0.0).
    """
    allowed = frozenset(among)
    read = [without_noise(text[: 2 * MAX_CHARACTERS])[:MAX_CHARACTERS] for text in texts]
    return _identified(read, allowed)


def _identified(texts: Sequence[str], among: frozenset[str]) -> list[tuple[str, float]]:
    """See `identify`. What was identified last is remembered, and all that is new is read together."""
    verdicts = {text: verdict for text in texts if (verdict := _remembered.get((text, among))) is not None}
    new = [text for text in dict.fromkeys(texts) if text not in verdicts]
    verdicts.update(zip(new, _identified_anew(new, among), strict=True))
    _remembered.update(((text, among), verdicts[text]) for text in new)
    while len(_remembered) > RECENT:
        del _remembered[next(iter(_remembered))]
    return [verdicts[text] for text in texts]


def _identified_anew(texts: Sequence[str], among: frozenset[str]) -> Iterator[tuple[str, float]]:
    candidates = [_candidates(text, among) for text in texts]
    asked = [encoded(text) for text, (codes, _) in zip(texts, candidates, strict=True) if len(codes) > 1]
    read = zip(asked, model().automaton.visits(asked), strict=True) if asked else iter(())
    for codes, share in candidates:
        if len(codes) > 1:
            letters, visits = next(read)
            label, belief = _classes(codes).likeliest(visits, len(letters))
            yield VARIETIES.get(label, label), belief * share
        else:
            yield next(iter(codes), UNDETERMINED), share


def language_shares(texts: Iterable[str], among: Collection[str] | None = None) -> dict[str, float]:
    """The share of `texts` in each language, largest first, of those that say something; empty where none does.

    Each text counts by the belief in it, so that a few short texts decide nothing.
    """
    weights: dict[str, float] = {}
    for code, belief in identify(texts, known_languages() if among is None else among):
        if code != UNDETERMINED:
            weights[code] = weights.get(code, 0.0) + belief
    total = sum(weights.values())
    return {code: weights[code] / total for code in sorted(weights, key=lambda code: -weights[code])} if total else {}


def dominant_language_of(texts: Iterable[str], among: Collection[str] | None = None) -> tuple[str, float]:
    """(code, share) of the language that most of `texts` are in; ("und", 0.0) where they say nothing.

    `among`: the languages that can occur; by default all of `languages.tsv`.
    """
    return next(iter(language_shares(texts, among).items()), (UNDETERMINED, 0.0))


def other_languages(texts: Iterable[str], expected: str) -> list[str | None]:
    """For each text the language it clearly is in where that is not `expected`; None where it may be `expected`.

    Another script decides from a few letters on (SCRIPT_SHARE of them); between languages that share a script the text
    must be long enough (CLEAR_LETTERS) and the belief at least CLEAR_BELIEF.
    """
    return [_other_language(without_noise(text[: 2 * MAX_CHARACTERS])[:MAX_CHARACTERS], expected) for text in texts]


@lru_cache(maxsize=RECENT)
def _other_language(text: str, expected: str) -> str | None:
    [(code, belief)] = _identified([text], known_languages())
    if code in (UNDETERMINED, expected):
        return None
    counts = script_counts(text)
    letters = sum(counts.values())
    script, count = _leading(counts)
    if expected not in _writing(script, known_languages() | {expected}):
        return code if count >= SCRIPT_SHARE * letters else None
    return code if letters >= CLEAR_LETTERS and belief >= CLEAR_BELIEF else None


def script_shares(text: str) -> dict[str, float]:
    """The share of letters in each script, largest first; empty for a text without letters."""
    counts = script_counts(text)
    total = sum(counts.values())
    return {script: count / total for script, count in counts.most_common()}


def without_noise(text: str) -> str:
    """`text` without what belongs to no language: URLs, addresses, code, tags, placeholders."""
    return _NOISE.sub(" ", text) if any(mark in text for mark in _NOISE_MARKS) else text


@lru_cache(maxsize=RECENT)
def _candidates(text: str, among: frozenset[str]) -> tuple[frozenset[str], float]:
    """The languages that the script of a text allows, and the script's share of its letters; none: undetermined."""
    counts = script_counts(text)
    letters = sum(counts.values())
    if letters < MIN_LETTERS:
        return frozenset(), 0.0
    script, count = _leading(counts)
    if script == "latin" and count < MIN_LATIN_LETTERS:
        return frozenset(), 0.0
    share = (counts["han"] + counts["kana"] if script == "kana" else count) / letters
    return _writing(script, among) or _writing(script, known_languages()), share


def _leading(counts: Counter[str]) -> tuple[str, int]:
    """The script that names the language: kana beside Han is Japanese, whatever their numbers."""
    if counts["kana"] and counts["kana"] * 10 >= counts["han"]:
        together = counts["kana"] + counts["han"]
        counts = Counter({**counts, "kana": together, "han": 0})
    latin = counts["latin"]
    others = ((script, count) for script, count in counts.items() if script != "latin")
    script, count = max(others, key=itemgetter(1), default=("latin", 0))
    return (script, count) if count > latin * LATIN_WEIGHT else ("latin", latin)


@cache
def known_languages() -> frozenset[str]:
    """Every code of `languages.tsv`: what `identify` chooses among where anything may occur."""
    return frozenset(languages())


@cache
def _writing(script: str, among: frozenset[str]) -> frozenset[str]:
    """The languages of `among` that write in `script`; Japanese may come in Han alone."""
    if script == "javanese":  # the table has Javanese in Latin letters, as today's web and the translators write it
        return frozenset({"jv"})
    entries = languages()
    scripts = {script, "kana"} if script == "han" else {script}
    candidates = frozenset(code for code in among if code in entries and entries[code].script in scripts)
    if script == "han" and "zh" not in candidates and candidates:
        return candidates | {"zh"}  # Han alone is Chinese more often than Japanese
    return candidates


@cache
def _classes(codes: frozenset[str]) -> Classes:
    """The model's columns of some languages and of their varieties."""
    return model().classes(codes | {variety for variety, code in VARIETIES.items() if code in codes})
