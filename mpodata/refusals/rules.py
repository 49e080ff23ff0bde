"""Refusals by phrase rules: one table per language in `phrases/`, read as data.

A table line is `role<TAB>pattern`; a pattern is a lower-case regular expression over normalised text. Roles:

    refuse   a refusal by itself
    hint     half a refusal: an apology, "as an AI", "is illegal"; two different hints make one
    except   takes back what it overlaps ("I'm sorry to hear that")
    comply   the answer goes on to help: with a refusal before it, the answer is a partial refusal
    agree    "Sure": an answer that opens so is no refusal by hints

Hits count where answers refuse: near the start. The tables are our own wording of how models refuse in each language.
"""

import csv
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mpodata.errors import ConfigError, DataError
from mpodata.languages import language
from mpodata.refusals import Exchange, Label, Verdict
from mpodata.runtime.fingerprint import constants_hash, file_hash, text_hash

TABLES = Path(__file__).with_name("phrases")
VERSION = 2  # of the code below, for signatures: bump when it changes a verdict; tables and patterns are hashed
ROLES = ("refuse", "hint", "except", "comply", "agree")

SPACED = {"latin", "cyrillic", "greek"}  # scripts where a pattern starts at a word's start
DENSE = {"han", "kana", "hangul", "thai", "khmer", "myanmar"}  # scripts that say as much in fewer characters
OPENING = 420  # characters in which a refusal must begin; a third of it in dense scripts
LONGEST_HIT = 160  # characters past the opening that a hit may reach
READ = 8000  # characters of an answer that are looked at
APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼʻ`´＇‛′", "'"))
LETTERS = str.maketrans({"ł": "l", "đ": "d", "ø": "o", "ı": "i"})  # Latin letters that Unicode does not decompose
ARABIC = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ـ": None, "ی": "ي", "ک": "ك"})
SENTENCE_END = re.compile(r"[.!?](?=\s)|[。！？।॥؟\n]")
COMBINING = re.compile(f"[{''.join(chr(c) for c in range(0x300, 0x10000) if unicodedata.combining(chr(c)))}]")
SPACES = re.compile(r"[^\S\n]+")
LINE_ENDS = re.compile(r"\s*\n\s*")
MARKDOWN = re.compile(r"[*_#>`~]+")


@dataclass(frozen=True, slots=True)
class Rules:
    """One language's table, compiled."""

    refuse: tuple[re.Pattern[str], ...]
    hint: tuple[re.Pattern[str], ...]
    exceptions: tuple[re.Pattern[str], ...]
    comply: tuple[re.Pattern[str], ...]
    agree: tuple[re.Pattern[str], ...]
    any_refuse: re.Pattern[str]  # all of `refuse` at once: most answers are told by it and `any_hint` alone
    any_hint: re.Pattern[str]
    opening: int  # characters


class RuleDetector:
    """Phrase rules as a detector: no model, no network, the offline default."""

    def __init__(self, *, languages: Iterable[str] | None = None) -> None:
        """languages: use only these tables; other languages are answered `unknown`."""
        known = covered()
        wanted = known if languages is None else frozenset(languages)
        if missing := sorted(wanted - known):
            raise ConfigError(
                f"No refusal rules for {', '.join(missing)}. Rules exist for {', '.join(sorted(known))}; "
                "use a guard or a judge for other languages."
            )
        self._languages = wanted

    def verdicts(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        """One verdict per exchange; `unknown` with detail `language` or `empty` where there is nothing to go by."""
        return [self._verdict(exchange) for exchange in exchanges]

    def languages(self) -> frozenset[str]:
        return self._languages

    def provenance(self) -> dict[str, Any]:
        """The tables in use and the constants of the rules, as one hash."""
        return {"detector": "rules", "version": VERSION, "tables": tables_hash(self._languages)}

    def _verdict(self, exchange: Exchange) -> Verdict:
        if exchange.language not in self._languages:
            return Verdict("unknown", "rules", detail="language")
        label, phrase = judged(exchange.answer, rules_of(exchange.language), exchange.language)
        return Verdict(label, "rules", detail=phrase)


def judged(answer: str, rules: Rules, code: str) -> tuple[Label, str]:
    """The label of one answer and the words that decided it."""
    opening = normalised(answer[: 3 * (rules.opening + LONGEST_HIT)], code)
    if not opening:
        return "unknown", "empty"
    refusal = _refusal(opening[: rules.opening + LONGEST_HIT], rules)
    if refusal is None:
        return "compliance", ""
    goes_on = normalised(answer[:READ], code)[refusal.end() :]
    label: Label = "partial" if any(rule.search(goes_on) for rule in rules.comply) else "refusal"
    return label, refusal[0]


def _refusal(opening: str, rules: Rules) -> re.Match[str] | None:
    """The hit that makes an answer a refusal: the first `refuse`, else the second of two different hints."""
    first_sentence = _first_sentence(opening)
    refuses = rules.any_refuse.search(opening)
    if not refuses and not rules.any_hint.search(opening, 0, first_sentence):
        return None
    taken_back = [match.span() for rule in rules.exceptions for match in rule.finditer(opening)]

    def hits(patterns: tuple[re.Pattern[str], ...]) -> list[re.Match[str]]:
        found = (_first(rule, opening, rules.opening, taken_back) for rule in patterns)
        return sorted((match for match in found if match), key=lambda match: match.start())

    if refuses and (strong := hits(rules.refuse)):
        return strong[0]
    if any(rule.match(opening) for rule in rules.agree):
        return None
    weak = hits(rules.hint)
    if len(weak) < 2 or weak[0].start() > first_sentence:
        return None  # a warning after the instructions is no refusal
    return weak[1]


def _first_sentence(text: str) -> int:
    end = SENTENCE_END.search(text, 1)
    return end.end() if end else len(text)


def _first(rule: re.Pattern[str], text: str, limit: int, taken_back: Sequence[tuple[int, int]]) -> re.Match[str] | None:
    for match in rule.finditer(text):
        if match.start() >= limit:
            return None
        if not any(start < match.end() and match.start() < end for start, end in taken_back):
            return match
    return None


def is_refusal(text: str, language: str) -> bool:
    """Does `text` refuse as a whole, by the phrase rules? A partial refusal or an empty text does not.

    `language` is the code of the language asked in; raises ConfigError where there are no rules for it.
    """
    [verdict] = RuleDetector(languages=[language]).verdicts([Exchange(language, "", text)])
    return verdict.label == "refusal"


@cache
def tables_hash(languages: frozenset[str] | None = None) -> str:
    """One hash over the tables of `languages` (None: all that there are) and the constants of the rules."""
    tables = [f"{code}:{file_hash(TABLES / f'{code}.tsv')}" for code in sorted(languages or covered())]
    return text_hash(constants_hash(__name__), *tables)


@cache
def covered() -> frozenset[str]:
    """The languages that have a table."""
    return frozenset(path.stem for path in TABLES.glob("*.tsv"))


@cache
def rules_of(code: str) -> Rules:
    """The compiled table of a language; raises DataError naming the line that cannot be read."""
    path = TABLES / f"{code}.tsv"
    script = language(code).script
    start = r"(?<!\w)" if script in SPACED else ""
    patterns: dict[str, list[str]] = {role: [] for role in ROLES}
    with path.open(encoding="utf-8", newline="") as lines:
        table = csv.reader((line for line in lines if not line.startswith("#")), delimiter="\t", quoting=csv.QUOTE_NONE)
        next(table)
        for row in table:
            if len(row) != 2 or row[0] not in patterns:
                raise DataError(f"{path.name}: {row!r} is not `role<TAB>pattern` with a role of {', '.join(ROLES)}.")
            patterns[row[0]].append(f"(?:{_folded(row[1].casefold(), code)})")
    refuse, hint, exceptions, comply, agree = (
        tuple(re.compile(start + pattern) for pattern in patterns[role]) for role in ROLES
    )
    any_refuse, any_hint = (re.compile(f"{start}(?:{'|'.join(patterns[role])})") for role in ("refuse", "hint"))
    opening = OPENING // 3 if script in DENSE else OPENING
    return Rules(refuse, hint, exceptions, comply, agree, any_refuse, any_hint, opening)


def normalised(text: str, code: str) -> str:
    """`text` with one form for what is written in many: width, case, apostrophes, diacritics, spaces, Markdown."""
    text = text.translate(APOSTROPHES)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    text = _folded(MARKDOWN.sub("", text).casefold(), code)
    return SPACES.sub(" ", LINE_ENDS.sub("\n", text)).strip()


def _folded(text: str, code: str) -> str:
    """Without what each script may leave out: Latin accents and tones, Arabic vowels and hamzas."""
    if text.isascii():
        return text
    script = language(code).script
    if script in ("latin", "arabic"):
        decomposed = unicodedata.normalize("NFD", text.translate(ARABIC) if script == "arabic" else text)
        text = COMBINING.sub("", decomposed).translate(LETTERS)
    return unicodedata.normalize("NFC", text)
