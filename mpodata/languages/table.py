"""One table of languages, `languages.tsv`: ISO 639-1 codes and what the translators call them."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mpodata.errors import UnknownName

TABLE = Path(__file__).with_name("languages.tsv")


@dataclass(frozen=True, slots=True)
class Language:
    """One language as the tools of this field name it."""

    code: str  # ISO 639-1, used in records, configs and file names: "sw"
    name: str  # English name, used in prompts to models: "Swahili"
    native: str  # its own name
    flores: str  # NLLB's code: "swh_Latn"
    google: str  # Google Translate's code, where it differs: "zh-CN", "iw", "jw"
    script: str  # "latin", "han", "kana", ...
    direction: str  # "ltr" or "rtl"


@cache
def languages() -> dict[str, Language]:
    """Every known language by code."""
    with TABLE.open(encoding="utf-8", newline="") as lines:
        return {row["code"]: Language(**row) for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)}


def language(code: str) -> Language:
    """The language behind `code`; raises UnknownName with the closest match, by code or by English name."""
    known = languages()
    if code in known:
        return known[code]
    by_name = {row.name.lower(): row.code for row in known.values()}
    if code.lower() in by_name:
        raise UnknownName("language", code, [by_name[code.lower()]])
    raise UnknownName("language", code, known)
