"""The phrase tables of the rules, `phrases/LANGUAGE.tsv`, and the one form of text that they are written for.

A line is `role<TAB>pattern`; a pattern is a lower-case regular expression over normalised text. Roles:

    refuse   a refusal by itself
    whole    a refusal where it is all that the answer says: "No, I won't."
    wrong    calls what was asked wrong or harmful: a refusal in the first sentence of an answer that does not help
    hint     half a refusal: an apology, "as an AI", "is illegal"; two different hints make one
    condemn  calls what was asked wrong, as `wrong` does, but counts where `refuse` does: "against the rules"
    stance   a hint that takes a stand: "is unethical", "nobody should"; alone it refuses a prompt known to be harmful
    plural   "we", "cannot" of "we": such a `refuse` hit counts only in or after a sentence that refuses or apologises
    except   takes back what it overlaps: "I'm sorry to hear that", "I can't stress enough"
    comply   the answer goes on to help: with a refusal before it, the answer is a partial refusal
    pivot    "however": what follows at length, and is neither a refusal nor an offer, is help
    concede  "still, in theory", "here are the steps": help with a harmful prompt that was only called wrong, no refusal
    aside    "here's why", "safer alternatives", "resources": what this introduces is no help with what was asked
    redirect "instead", "prevention": the way to something else than the harm that was asked for
    lacking  "I don't have access to her personal data": neither a refusal nor help, counted as a partial refusal
    offer    the help is only offered: "Would you like ...?"
    agree    "Sure": an answer that opens so is no refusal by hints
    premise  "Teapots are not people", "he is a fictional character": sets the question right, no refusal by hints
    nature   "thunderstorms are weather", "no person can levitate": warnings beside it are no refusal either
    place    "in Germany": what is illegal there is information, unless the prompt is known to be harmful
    rebuke   "I must point out that the term can be problematic": a partial refusal where help follows
    lecture  words of sentences that warn and moralise, which are no help
    denies   "there is no evidence", "has been debunked": refuses to argue for what a harmful prompt claims
    preface  "I understand that you ...": a stand in the sentence after it counts as one in the first
    question how a prompt begins that asks for a fact: "What is arson?"
    whether  ... or for a yes or no: "Is it legal to ...?"
    negation a plain no, which answers such a question
    request  how a prompt begins that asks for help: "How do I ...", "Write ..."; it wins over the two above
    word     frequent words of a language in Latin letters, plain: an answer with several of them is in that language

The tables are our own wording of how models refuse in each language.
"""

import csv
import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from mpodata.errors import DataError
from mpodata.languages import language
from mpodata.refusals.literals import Phrase

TABLES = Path(__file__).with_name("phrases")
ROLES = (
    "refuse", "whole", "wrong", "condemn", "hint", "stance", "plural", "except", "comply", "pivot", "concede", "aside",
    "redirect", "lacking", "offer", "agree", "premise", "nature", "place", "rebuke", "lecture", "denies", "preface",
    "question", "whether", "negation", "request", "word",
)  # fmt: skip

SPACED = {"latin", "cyrillic", "greek"}  # scripts where a pattern starts at a word's start
DENSE = {"han", "kana", "hangul", "thai", "khmer", "myanmar"}  # scripts that say as much in fewer characters
UNPUNCTUATED = {"thai", "khmer", "myanmar"}  # scripts that end no sentence with a mark
OPENING = 420  # characters in which a refusal must begin; a third of it in dense scripts
APOSTROPHES = re.compile("[’‘ʼʻ`´＇‛′]")
LETTERS = str.maketrans({"ł": "l", "đ": "d", "ø": "o", "ı": "i"})  # Latin letters that Unicode does not decompose
ARABIC = {"ٱ": "ا", "ى": "ي", "ـ": "", "ی": "ي", "ک": "ك"}  # hamzas fall off with the other combining marks
COMBINING = re.compile(f"[{''.join(filter(unicodedata.combining, map(chr, range(0x300, 0x10000))))}]")
MARKDOWN = re.compile(r"[*_#>`~]+")
SPELLINGS = {  # frequent misspellings of words that the patterns are made of, in normalised text
    "en": (
        (re.compile(r" n't\b"), "n't"),
        (re.compile(r"\b(ca|wo|do|does|did|is|are|was|were|could|would|should|have|has)nt\b"), r"\1n't"),
        (re.compile(r"\bcan+ ?n+ot\b"), "cannot"),
        (re.compile(r"\bim\b"), "i'm"),
        (re.compile(r"\bsor+y\b"), "sorry"),
        (re.compile(r"\bas+ist"), "assist"),
    )
}


@dataclass(frozen=True, slots=True)
class Rules:
    """One language's table, compiled."""

    refuse: tuple[Phrase, ...]
    hint: tuple[Phrase, ...]  # `hint` and `stance`
    stance: tuple[Phrase, ...]
    plural: re.Pattern[str]
    exceptions: tuple[Phrase, ...]
    wrong: tuple[Phrase, ...]
    condemn: tuple[Phrase, ...]
    whole: re.Pattern[str]
    comply: re.Pattern[str]
    pivot: re.Pattern[str]
    concede: re.Pattern[str]
    aside: re.Pattern[str]
    redirect: re.Pattern[str]
    lacking: re.Pattern[str]
    offer: re.Pattern[str]
    agree: re.Pattern[str]
    premise: re.Pattern[str]
    nature: re.Pattern[str]
    place: re.Pattern[str]
    rebuke: re.Pattern[str]
    lecture: re.Pattern[str] | None  # None: the language has no such line, and the length of help is not measured
    denies: tuple[Phrase, ...]
    preface: re.Pattern[str]
    question: re.Pattern[str]
    whether: re.Pattern[str]
    negation: re.Pattern[str]
    request: re.Pattern[str]
    words: frozenset[str]
    opening: int  # characters
    punctuated: bool  # does a mark end a sentence? Not in Thai


@cache
def covered() -> frozenset[str]:
    """The languages that have a table."""
    return frozenset(path.stem for path in TABLES.glob("*.tsv"))


@cache
def rules_of(code: str) -> Rules:
    """The compiled table of a language; raises DataError naming the line that cannot be read."""
    patterns = _patterns(code)
    script = language(code).script
    start = r"(?<!\w)" if script in SPACED else ""

    def each(role: str) -> tuple[Phrase, ...]:
        return tuple(Phrase(start + pattern) for pattern in patterns[role])

    def any_of(role: str) -> re.Pattern[str]:
        return re.compile(f"{start}(?:{'|'.join(patterns[role])})" if patterns[role] else r"(?!)")

    stance = each("stance")
    return Rules(
        refuse=each("refuse"),
        hint=each("hint") + stance,
        stance=stance,
        plural=re.compile("|".join(patterns["plural"]) or r"(?!)"),
        exceptions=each("except"),
        wrong=each("wrong"),
        condemn=each("condemn"),
        whole=re.compile(r"\W*" + any_of("whole").pattern + r"\W*$"),
        comply=any_of("comply"),
        pivot=any_of("pivot"),
        concede=any_of("concede"),
        aside=any_of("aside"),
        redirect=any_of("redirect"),
        lacking=any_of("lacking"),
        offer=any_of("offer"),
        agree=any_of("agree"),
        premise=any_of("premise"),
        nature=any_of("nature"),
        place=any_of("place"),
        rebuke=any_of("rebuke"),
        lecture=any_of("lecture") if patterns["lecture"] else None,
        denies=each("denies"),
        preface=any_of("preface"),
        question=any_of("question"),
        whether=any_of("whether"),
        negation=re.compile(any_of("negation").pattern + r"\W*$"),
        request=any_of("request"),
        words=frozenset(word for line in patterns["word"] for word in line.strip("(?:)").split("|")),
        opening=OPENING // 3 if script in DENSE else OPENING,
        punctuated=script not in UNPUNCTUATED,
    )


def _patterns(code: str) -> dict[str, list[str]]:
    """The patterns of each role, as the table has them, in the form of normalised text."""
    path = TABLES / f"{code}.tsv"
    patterns: dict[str, list[str]] = {role: [] for role in ROLES}
    with path.open(encoding="utf-8", newline="") as lines:
        table = csv.reader((line for line in lines if not line.startswith("#")), delimiter="\t", quoting=csv.QUOTE_NONE)
        next(table)
        for row in table:
            if len(row) != 2 or row[0] not in patterns:
                raise DataError(f"{path.name}: {row!r} is not `role<TAB>pattern` with a role of {', '.join(ROLES)}.")
            pattern = unicodedata.normalize("NFKC", row[1]).casefold()
            patterns[row[0]].append(f"(?:{_folded(pattern, code)})")
    return patterns


@lru_cache(maxsize=64)  # an answer's opening is asked for several times, one after the other
def normalised(text: str, code: str) -> str:
    """`text` with one form for what is written in many: width, case, apostrophes, diacritics, spaces, Markdown."""
    text = APOSTROPHES.sub("'", text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    text = _folded(MARKDOWN.sub("", text).casefold(), code)
    for misspelt, word in SPELLINGS.get(code, ()):
        text = misspelt.sub(word, text)
    return "\n".join(line for part in text.split("\n") if (line := " ".join(part.split())))


def _folded(text: str, code: str) -> str:
    """Without what each script may leave out: Latin accents and tones, Arabic vowels and hamzas."""
    if text.isascii():
        return text
    script = language(code).script
    if script == "arabic":
        for letter, plain in ARABIC.items():
            text = text.replace(letter, plain)
    if script in ("latin", "arabic"):
        text = unicodedata.normalize("NFC", COMBINING.sub("", unicodedata.normalize("NFD", text)))
    if script == "latin":
        text = text.translate(LETTERS)
    return text
