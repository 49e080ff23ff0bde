"""One table of languages, `languages.tsv`: ISO 639-1 codes and what the translators and datasets call them."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mpodata.errors import UnknownName

TABLE = Path(__file__).with_name("languages.tsv")


@dataclass(frozen=True, slots=True)
class Language:
    """One language as the tools and datasets of this field name it."""

    code: str  # ISO 639-1, used in records, configs and file names: "sw"
    name: str  # English name, used in prompts to models: "Swahili"
    native: str  # its own name
    flores: str  # NLLB's code: "swh_Latn"
    google: str  # Google Translate's code, where it differs: "zh-CN", "iw", "jw"
    script: str  # "latin", "han", "kana", ...
    direction: str  # "ltr" or "rtl"
    also: str = ""  # other labels that datasets use for it, separated by "|": "swa|swh"


@cache
def languages() -> dict[str, Language]:
    """Every known language by code."""
    with TABLE.open(encoding="utf-8", newline="") as lines:
        return {row["code"]: Language(**row) for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)}


@cache
def names() -> dict[str, str]:
    """Every label of the table, case-folded and with hyphens -> code. Codes come first: no other name can hide one."""
    by_name: dict[str, str] = {code: code for code in languages()}
    for row in languages().values():
        for name in (row.name, row.native, row.flores, row.google, *row.also.split("|")):
            if name:
                by_name.setdefault(name.casefold().replace("_", "-"), row.code)
    return by_name


def language(code: str) -> Language:
    """The language behind `code`; raises UnknownName with the closest match, by code or by another name of it."""
    if code in languages():
        return languages()[code]
    by_name = names().get(code.casefold().replace("_", "-"))
    raise UnknownName("language", code, [by_name] if by_name else languages())


def code_of(given: str) -> str:
    """The code of what a person calls a language in a flag or a recipe: its code, or its English name in any case.

    Raises UnknownName for anything else, with the code where `given` is another label of a language ("swa", "zh-CN").
    """
    wanted = given.strip()
    named = (row.code for row in languages().values() if row.name.casefold() == wanted.casefold())
    return next(named, None) or language(wanted).code
