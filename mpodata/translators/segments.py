"""A text as pieces: what is to be translated, and what stays as it is.

Kept outside the translation: newlines, indentation, list markers, headings, block quotes, table bars, code blocks, and
lines without words. Inside a sentence, links, code spans, placeholders and long numbers are `kept_items`: they should
come through the translation, and where they do not, `around_items` cuts the sentence at them so that they must.
"""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import sentencex

from mpodata.languages import language as language_of
from mpodata.languages.numbers import ascii_digits, numbers
from mpodata.translators import Unit


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text."""

    text: str
    translate: bool  # False: copied into the result as it is


# Scripts that say in one character what Latin letters say in several (characters per English character on NTREX): a
# limit on characters is tightened by it, so that a Chinese sentence is cut where it is as long for the model.
DENSITY: Final = {"han": 0.3, "kana": 0.42, "hangul": 0.5}

FENCE: Final = re.compile(r"[ \t]{0,3}(?:>[ \t]?)*(`{3,}|~{3,})")

# What opens a line and is no part of its first sentence. A letter opens a list item only as "a)" or "a.": "E. coli".
MARKER: Final = re.compile(
    r"""\s*(?:>\s?)*                                     # block quote
        (?:\#{1,6}\s+ | [-*+•‣◦▪●–—]\s+                  # heading, bullet
         | \(?\d{1,3}[.)、:।．]\s+ | \(?[A-Za-z]\)\s+ | [a-e]\.\s+ | \(?[ivxIVX]{1,4}\)\s+)?
        (?:\[[ xX]\]\s+)?                                # checkbox""",
    re.VERBOSE,
)
EMPHASIS: Final = re.compile(r"\*{1,3}|_{2,3}|~~")
OPENING: Final = re.compile(rf"(?:{EMPHASIS.pattern})(?=[^\W_])")
CLOSING: Final = re.compile(rf"(?<=[^\s*_~])(?:{EMPHASIS.pattern})\Z")
ENDED: Final = re.compile(rf"(?<=\S)(?:{EMPHASIS.pattern})(?=\s|\Z)\s*")  # emphasis that ends with a sentence

# Every quantifier is bounded or starts where the one before cannot: a field of a megabyte takes a second, not an hour.
ITEM: Final = re.compile(
    r"""(?<!`)(?P<ticks>`{1,3})(?!`)[^`\n]+(?P=ticks)             # code span
      | https?://[!-~]*[\w/=&\#%+-] | www\.[!-~]*[\w/=&\#%+-]      # URL, without the full stop that follows it
      | (?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6} # address
      | \]\([^()\s]{0,2000}\)                                     # target of a Markdown link
      | \{\{[^{}\n]{1,60}\}\} | \$?\{[\w.\- ]{0,60}\}              # {{slot}} {name} ${NAME}
      | %\(\w{1,60}\)[sdf] | %[sdf]\b                              # printf
      | <\|[^<>\n]{1,60}\|> | </?[A-Za-z_][^<>\n]{0,200}>          # <|special|>, <tag>
      | \[/?[A-Z][A-Z_ ]{2,40}\]                                   # [NAME], [INST]
      | \*\*|__(?=\w)|(?<=\w)__|~~ | \\\(.{1,300}?\\\) | \$\$.{1,300}?\$\$""",
    re.VERBOSE | re.ASCII,
)
ITEM_SIGN: Final = re.compile(r"[`@\[\]{%<*_~\\$:]")  # every item holds one of these, or "www."; few sentences do

# Numbers that must survive: two digits or more, unless a word beside them may change them ("3.5 million" is 350万).
NUMBER: Final = re.compile(r"(?<![\w.,])\d[\d.,٫٬]*\d(?![\w]|[.,]\d|\s*(?:%|percent|[apAP]\.?[mM]\b))")
MAGNITUDE: Final = re.compile(
    r"\s*-?(?:hundred|thousand|million|billion|trillion|dozen|千|百|万|億|亿|만|억)", re.IGNORECASE
)

WORDS: Final = re.compile(r"[^\W\d_]{2,}|[^\W\d_\u0000-\u024f]")  # a word, or one letter of another script
CLAUSE: Final = re.compile(r"[;:,،؛、，；：।။–—)\]]+\s*|\s[-|]\s")
SPACE: Final = re.compile(r"\s+")

ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
CODE: Final = re.compile(r"(```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`)", re.DOTALL)
# Control characters but tab and newlines, and the marks that only steer how text is drawn: no translator keeps them.
INVISIBLE: Final = re.compile("[\x00-\x08\x0e-\x1b\x7f\ufeff\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]")
SEPARATOR: Final = re.compile("[\x0b\x0c\x1c-\x1f]")  # control characters that stand between words: a form feed


def clean(text: str) -> str:
    """`text` as it is translated: HTML entities outside code resolved, characters that no translator keeps removed."""
    text = INVISIBLE.sub("", SEPARATOR.sub(" ", text))
    if "&" not in text:
        return text
    parts = CODE.split(text)
    parts[::2] = [_unescape(part) for part in parts[::2]]
    return "".join(parts)


def _unescape(text: str) -> str:
    """Entities that end in `;` resolved, escaped ones (`&amp;quot;`) too; "?a=1&copy=2" is left alone."""
    for _ in range(3):
        plain = ENTITY.sub(lambda match: html.unescape(match[0]), text)
        if plain == text:
            break
        text = plain
    return INVISIBLE.sub("", SEPARATOR.sub(" ", text))


def has_words(text: str) -> bool:
    """Is there anything to translate?"""
    return WORDS.search(without_items(text)) is not None


def items(text: str) -> list[re.Match[str]]:
    """The links, code spans, placeholders and the like in `text`, in order."""
    return list(ITEM.finditer(text)) if _may_hold_items(text) else []


def without_items(text: str) -> str:
    """`text` with a space for each of its items."""
    return ITEM.sub(" ", text) if _may_hold_items(text) else text


def _may_hold_items(text: str) -> bool:
    return ITEM_SIGN.search(text) is not None or "www." in text


def pieces(text: str, language: str, *, longest: int, unit: Unit = "sentence") -> list[Piece]:
    """Cut `text`, written in `language`; joining the pieces gives it back.

    `longest` is the most characters of English a piece to translate may have, scaled for scripts that need fewer.
    """
    limit = limit_of(longest, language)
    if unit == "text" and len(text) <= limit:
        return list(trimmed(text))
    cut: list[Piece] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        marker = FENCE.match(line)
        if fence or marker:
            cut.append(Piece(line, translate=False))
            if not fence and marker:
                fence = marker[1]
            elif marker and marker[1].startswith(fence) and not line[marker.end() :].strip():
                fence = ""
        elif not has_words(line):
            cut.append(Piece(line, translate=False))
        else:
            cut.extend(_line(line, language, limit, unit))
    return cut


def limit_of(longest: int, language: str) -> int:
    """The character limit for `language` that says as much as `longest` characters of English."""
    return max(16, int(longest * DENSITY.get(language_of(language).script, 1.0)))


def _line(line: str, language: str, limit: int, unit: Unit) -> Iterator[Piece]:
    marker = MARKER.match(line)
    start = marker.end() if marker else 0
    end = max(start, len(line.rstrip()))
    yield from _kept(line[:start])
    if line.lstrip().startswith("|"):
        for cell in re.split(r"(\|)", line[start:end]):
            yield from _body(cell, language, limit, unit)
    else:
        yield from _body(line[start:end], language, limit, unit)
    yield from _kept(line[end:])


def _body(body: str, language: str, limit: int, unit: Unit) -> Iterator[Piece]:
    whole = unit != "sentence" and len(body) <= limit
    for sentence in [body] if whole else _sentences(body, language):
        for part in [sentence] if len(sentence) <= limit else cut(sentence, limit):
            yield from trimmed(part)


def _kept(text: str) -> Iterator[Piece]:
    if text:
        yield Piece(text, translate=False)


def trimmed(text: str) -> Iterator[Piece]:
    """`text` as a piece to translate between the white space and emphasis around it; kept whole where without words."""
    if not has_words(text):
        yield from _kept(text)
        return
    start, end = _core(text)
    yield from _kept(text[:start])
    yield Piece(text[start:end], translate=True)
    yield from _kept(text[end:])


def _core(text: str) -> tuple[int, int]:
    """Where what is to be translated begins and ends: within `**all of it**`, after `**the beginning` of more."""
    end = len(text.rstrip())
    start = len(text) - len(text.lstrip())
    opening, closing = OPENING.match(text, start, end), CLOSING.search(text, max(start, end - 4), end)
    if not (opening or closing):
        return start, end
    marks = Counter(EMPHASIS.findall(text))
    if opening and closing and opening[0] == closing[0] and marks[opening[0]] == 2:
        return opening.end(), closing.start()
    if opening and marks[opening[0]] % 2:
        return opening.end(), end
    return (start, closing.start()) if closing and marks[closing[0]] % 2 else (start, end)


def _sentences(body: str, language: str) -> Iterator[str]:
    """Sentences; a boundary inside a link, code span or placeholder is none."""
    spans = [match.span() for match in items(body)]
    spans.reverse()
    start = position = 0
    for sentence in sentencex.segment(language, body):
        position += len(sentence)
        ended = ENDED.match(body, position)
        end = ended.end() if ended else position
        while spans and spans[-1][1] <= end:
            spans.pop()
        if start < end and not (spans and spans[-1][0] < end):
            yield body[start:end]
            start = end
    if start < len(body):
        yield body[start:]


def cut(sentence: str, limit: int) -> list[str]:
    """`sentence` in parts of at most `limit` characters: at clauses, else at spaces, else anywhere outside items."""
    inside = [match.span() for match in items(sentence)]
    parts: list[str] = []
    start = 0
    while len(sentence) - start > limit:
        end = _cut_at(sentence, start, start + limit, inside)
        parts.append(sentence[start:end])
        start = end
    parts.append(sentence[start:])
    return [part for part in parts if part]


def _cut_at(sentence: str, start: int, end: int, inside: list[tuple[int, int]]) -> int:
    near = [(low, high) for low, high in inside if low < end and high > start]
    for boundary in (CLAUSE, SPACE):
        cuts = [match.end() for match in boundary.finditer(sentence, start, end)]
        cuts = [at for at in cuts if not any(low < at < high for low, high in near)]
        if cuts and cuts[-1] - start > (end - start) // 4:
            return cuts[-1]
    for low, high in near:
        if low < end < high:  # an item across the limit: cut before it, or after it where the part begins with it
            return low if low > start else high
    return _before_marks(sentence, start, end)


def _before_marks(sentence: str, start: int, at: int) -> int:
    """`at`, or the place before it where no vowel sign or accent is taken from its letter."""
    cut = at
    while start + 1 < cut < len(sentence) and unicodedata.category(sentence[cut])[0] == "M":
        cut -= 1
    return cut if cut > start + 1 else at


def halves(sentence: str) -> list[str]:
    """`sentence` in two at the clause or space nearest its middle; joining gives it back. One part: cannot be cut."""
    inside = {at for match in items(sentence) for at in range(match.start() + 1, match.end())}
    for boundary in (CLAUSE, SPACE):
        cuts = [match.end() for match in boundary.finditer(sentence)]
        cuts = [at for at in cuts if 0 < at < len(sentence) and at not in inside]
        if cuts:
            at = min(cuts, key=lambda at: abs(at - len(sentence) // 2))
            return [sentence[:at], sentence[at:]]
    middle = _before_marks(sentence, 0, len(sentence) // 2)
    if SPACE.search(sentence) or len(sentence) < 16 or middle in inside:
        return [sentence]
    return [sentence[:middle], sentence[middle:]]


def kept_items(text: str) -> list[str]:
    """The links, code spans and placeholders of `text` that its translation must hold as they are, in order."""
    return [match[0] for match in items(text)]


def kept_numbers(text: str) -> list[str]:
    """The numbers of `text` that its translation must hold, digits only: "1,200" and "১,২০০" are "1200"."""
    bare = without_items(text)
    matches = [match for match in NUMBER.finditer(bare) if not MAGNITUDE.match(bare, match.end())]
    return [ascii_digits(number) for match in matches for number in numbers(match[0]) if len(number) > 1]


def around_items(text: str) -> list[Piece]:
    """`text` cut at its items and numbers, which stay as they are; joining gives it back."""
    spans = sorted([m.span() for m in items(text)] + [m.span() for m in NUMBER.finditer(text)])
    parts: list[Piece] = []
    position = 0
    for start, end in spans:
        if start < position:  # a number inside a link
            continue
        parts.extend(trimmed(text[position:start]))
        parts.append(Piece(text[start:end], translate=False))
        position = end
    parts.extend(trimmed(text[position:]))
    return parts
