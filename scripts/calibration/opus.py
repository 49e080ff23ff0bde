"""Tatoeba and FLORES-200 as aligned sentences, from the folder datasets of github.com/Helsinki-NLP/OPUS-MT-testsets.

Tatoeba (CC-BY-2.0 FR): the test sets of the Tatoeba Translation Challenge, version 2021-08-07, up to 20,000 short
sentences of everyday talk. FLORES-200 (CC-BY-SA-4.0): the devtest half, 1,012 sentences of Wikinews, Wikijunior and
Wikivoyage in every language.
"""

from collections.abc import Collection
from pathlib import Path

TATOEBA = {  # language -> the name of its file, the labels of its sentences (none: all)
    "ar": ("ara", ("ara",)), "bg": ("bul", ()), "bn": ("ben", ()), "cs": ("ces", ()), "da": ("dan", ()),
    "de": ("deu", ()), "el": ("ell", ()), "es": ("spa", ()), "et": ("est", ()), "fa": ("pes", ()), "fi": ("fin", ()),
    "fr": ("fra", ()), "he": ("heb", ()), "hi": ("hin", ()), "hu": ("hun", ()), "id": ("ind", ()), "it": ("ita", ()),
    "ja": ("jpn", ()), "jv": ("jav", ("jav",)), "km": ("khm", ()), "ko": ("kor", ()), "lt": ("lit", ()),
    "lv": ("lav", ("lav",)), "mr": ("mar", ()), "ms": ("msa", ("zsm_Latn",)), "my": ("mya", ()), "nl": ("nld", ()),
    "no": ("nob", ()),
    "pl": ("pol", ()), "pt": ("por", ()), "ro": ("ron", ()), "ru": ("rus", ()), "sl": ("slv", ()), "sv": ("swe", ()),
    "sw": ("swa", ("swh",)), "ta": ("tam", ()), "te": ("tel", ()), "th": ("tha", ()), "tl": ("tgl", ("tgl_Latn",)),
    "tr": ("tur", ()), "uk": ("ukr", ()), "ur": ("urd", ()), "vi": ("vie", ()), "zh": ("zho", ("cmn_Hans",)),
}  # fmt: skip
FLORES = {
    "am": "amh_Ethi", "ar": "arb_Arab", "bg": "bul_Cyrl", "bn": "ben_Beng", "cs": "ces_Latn", "da": "dan_Latn",
    "de": "deu_Latn", "el": "ell_Grek", "es": "spa_Latn", "et": "est_Latn", "fa": "pes_Arab", "fi": "fin_Latn",
    "fr": "fra_Latn", "ha": "hau_Latn", "he": "heb_Hebr", "hi": "hin_Deva", "hu": "hun_Latn", "id": "ind_Latn",
    "ig": "ibo_Latn", "it": "ita_Latn", "ja": "jpn_Jpan", "jv": "jav_Latn", "km": "khm_Khmr", "ko": "kor_Hang",
    "lt": "lit_Latn", "lv": "lvs_Latn", "mr": "mar_Deva", "ms": "zsm_Latn", "my": "mya_Mymr", "ne": "npi_Deva",
    "nl": "nld_Latn", "no": "nob_Latn", "pl": "pol_Latn", "pt": "por_Latn", "ro": "ron_Latn", "ru": "rus_Cyrl",
    "sk": "slk_Latn", "sl": "slv_Latn", "so": "som_Latn", "sv": "swe_Latn", "sw": "swh_Latn", "ta": "tam_Taml",
    "te": "tel_Telu", "th": "tha_Thai", "tl": "tgl_Latn", "tr": "tur_Latn", "uk": "ukr_Cyrl", "ur": "urd_Arab",
    "vi": "vie_Latn", "yo": "yor_Latn", "zh": "zho_Hans", "zu": "zul_Latn",
}  # fmt: skip
VERSION = "tatoeba-test-v2021-08-07"

Sentences = list[tuple[str, str]]  # (English, translation)


def read_tatoeba(datasets: Path, language: str) -> Sentences:
    """The sentences of one language, each once on either side; none where it has no file."""
    if language not in TATOEBA:
        return []
    code, labels = TATOEBA[language]
    folder = datasets / "helsinki_nlp/tatoeba/testsets" / "-".join(sorted((code, "eng")))
    columns = [_lines(folder / f"{VERSION}.{ending}") for ending in ("eng", code)]
    if labels:
        columns.append(_lines(folder / f"{VERSION}.{code}.labels"))
    return [(row[0], row[1]) for row in zip(*columns, strict=True) if not labels or row[2] in labels]


def read_flores(datasets: Path, language: str) -> Sentences:
    """The sentences of one language in the order of their articles; none where it has no file."""
    if language not in FLORES:
        return []
    folder = datasets / "facebook/flores/flores200_dataset/devtest"
    english, translated = (_lines(folder / f"{name}.devtest") for name in ("eng_Latn", FLORES[language]))
    return list(zip(english, translated, strict=True))


def without(sentences: Sentences, others: Collection[tuple[str, str]]) -> Sentences:
    """The pairs of `sentences` that share neither side with `others`, whatever their capitals and marks."""
    known = {_letters(text) for pair in others for text in pair}
    return [pair for pair in sentences if known.isdisjoint(map(_letters, pair))]


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
