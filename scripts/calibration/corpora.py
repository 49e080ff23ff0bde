"""Real parallel text as (English, translation) sentences, in two parts that share no document and no publisher.

Fitting: NTREX documents of eleven publishers; Tatoeba's test sets of the Translation Challenge without any sentence
of LASER's, and every second block of 20 sentences of LASER's; FLORES-200; NusaX's training file (Javanese); the PubMed,
Wikipedia and Wikinews documents of TICO-19. A collection whose lengths say that it puts many sentences beside others is
left out. Held out, read by the measuring alone: NTREX documents of seven other publishers, the other blocks of LASER's
Tatoeba, TICO-19's other documents, and whole collections that the fit never opens: the Universal Declaration of Human
Rights, Alpagasus, UltraFeedback, MultiJail, PolyRefuse, MGSM and Alpaca-safe.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from calibration import opus
from calibration.alignment import aligned
from calibration.tico import read_tico
from calibration.udhr import read_udhr

Sentences = list[tuple[str, str]]  # (English, translation)

SHORTEST = 20  # characters of the English sentence, of Tatoeba and prompts
BLOCK = 20  # consecutive sentences that stay together
HELD_OUT_LINES = Path(__file__).with_name("ntrex_held_out.tsv")

NTREX = {
    "ar": "arb", "bn": "ben", "it": "ita", "ja": "jpn", "ko": "kor", "sw": "swa", "th": "tha", "vi": "vie",
    "zh": "zho-CN", "yo": "yor", "de": "deu", "fr": "fra", "es": "spa", "pt": "por", "pl": "pol", "cs": "ces",
    "sk": "slk", "sl": "slv", "lt": "lit", "lv": "lav", "nl": "nld", "ru": "rus", "uk": "ukr", "bg": "bul",
    "el": "ell", "hu": "hun", "ro": "ron", "fi": "fin", "sv": "swe", "da": "dan", "no": "nob", "et": "est",
    "tr": "tur", "he": "heb", "fa": "fas", "ur": "urd", "hi": "hin", "mr": "mar", "ta": "tam", "te": "tel",
    "id": "ind", "ms": "msa", "tl": "fil", "am": "amh", "ha": "hau", "ig": "ibo", "zu": "zul", "so": "som",
    "km": "khm", "my": "mya", "ne": "nep",
}  # fmt: skip
TATOEBA = {  # LASER's files
    "am": "amh", "ar": "ara", "bg": "bul", "bn": "ben", "cs": "ces", "da": "dan", "de": "deu", "el": "ell",
    "es": "spa", "et": "est", "fa": "pes", "fi": "fin", "fr": "fra", "he": "heb", "hi": "hin", "hu": "hun",
    "id": "ind", "it": "ita", "ja": "jpn", "jv": "jav", "km": "khm", "ko": "kor", "lt": "lit", "lv": "lvs",
    "mr": "mar", "ms": "zsm", "nl": "nld", "no": "nob", "pl": "pol", "pt": "por", "ro": "ron", "ru": "rus",
    "sk": "slk", "sl": "slv", "sv": "swe", "sw": "swh", "ta": "tam", "te": "tel", "th": "tha", "tl": "tgl",
    "tr": "tur", "uk": "ukr", "ur": "urd", "vi": "vie", "zh": "cmn",
}  # fmt: skip
LICENCES = {  # of what is fitted on
    "ntrex": "NTREX (CC-BY-SA-4.0)", "tatoeba": "Tatoeba (CC-BY-2.0 FR)", "tico": "TICO-19 (CC0-1.0)",
    "nusax": "NusaX (CC-BY-SA-4.0)", "flores": "FLORES-200 (CC-BY-SA-4.0)",
}  # fmt: skip
LANGUAGES = tuple(sorted({*NTREX, *TATOEBA}))


@dataclass(frozen=True, slots=True)
class Corpus:
    """One collection in one language: either fitted on or held out, never both."""

    name: str
    language: str
    sentences: Sentences


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the text is."""

    data: Path  # with parallel/, instructions/, safety/, utility/
    ntrex: Path  # NTREX-128 of the full release: newstest2019-ref.*.txt
    nusax: Path | None = None  # datasets/mt of NusaX: train.csv
    tico: Path | None = None  # data/TM of TICO-19: all.en-*.tmx
    udhr: Path | None = None  # declaration/ of wooorm/udhr: eng.html
    laser: Path | None = None  # data/tatoeba/v1 of facebookresearch/LASER; without it ten of its languages, of `data`
    opus: Path | None = None  # datasets of Helsinki-NLP/OPUS-MT-testsets: helsinki_nlp/tatoeba/, facebook/flores/

    def ntrex_file(self, code: str) -> Path:
        full = self.ntrex / f"newstest2019-ref.{code}.txt"
        return full if full.is_file() else self.data / f"parallel/ntrex/newstest2019-ref.{code}.txt"


def fitting(folders: Folders, language: str) -> list[Corpus]:
    """What may be fitted on; opens no held-out collection."""
    corpora = [replace(corpus, sentences=aligned(corpus.sentences)) for corpus in _offered(folders, language)]
    return [corpus for corpus in corpora if corpus.sentences]


def badly_aligned(folders: Folders, language: str) -> list[str]:
    """The collections that `fitting` leaves out."""
    return [corpus.name for corpus in _offered(folders, language) if not aligned(corpus.sentences)]


def _offered(folders: Folders, language: str) -> list[Corpus]:
    parts = {
        "ntrex": _ntrex(folders, language)[0],
        "tatoeba": _fitted_tatoeba(folders, language),
        "flores": opus.read_flores(folders.opus, language) if folders.opus else [],
        "tico": _tico(folders, language)[0],
    }
    if language == "jv":
        parts["nusax"] = _nusax(folders)
    return [Corpus(name, language, sentences) for name, sentences in parts.items() if sentences]


def held_out(folders: Folders, language: str) -> list[Corpus]:
    """What the tables are measured on."""
    parts = {
        "ntrex": _ntrex(folders, language)[1],
        "tatoeba": _tatoeba(folders, language)[1],
        "tico": [] if "tico" in badly_aligned(folders, language) else _tico(folders, language)[1],
        "udhr": read_udhr(folders.udhr, language) if folders.udhr else [],
        "alpagasus": _instructions(folders, "alpagasus_id_0_1000", "id", language),
        "ultrafeedback": _instructions(folders, "uf_random_1000", "instruction_id", language),
        "multijail": _multijail(folders, language),
        "polyrefuse": _polyrefuse(folders, language),
        "mgsm": _mgsm(folders, language),
        "alpaca-safe": _alpaca(folders, language),
    }
    return [Corpus(name, language, sentences) for name, sentences in parts.items() if sentences]


def _ntrex(folders: Folders, language: str) -> tuple[Sentences, Sentences]:
    path = folders.ntrex_file(NTREX[language]) if language in NTREX else None
    if path is None or not path.is_file():
        return [], []
    english = _lines(folders.data / "parallel/ntrex/newstest2019-src.eng.txt")
    halves: tuple[Sentences, Sentences] = ([], [])
    for number, (a, b) in enumerate(zip(english, _lines(path), strict=True), start=1):
        if a.strip() and b.strip():
            halves[number in _held_out_lines()].append((a.strip(), b.strip()))
    return halves


@cache
def _held_out_lines() -> frozenset[int]:
    """Numbers of lines, from 1."""
    ranges = [line.split("\t") for line in _lines(HELD_OUT_LINES) if line and not line.startswith("#")]
    return frozenset(n for first, last, _ in ranges for n in range(int(first), int(last) + 1))


def _tatoeba(folders: Folders, language: str) -> tuple[Sentences, Sentences]:
    """LASER's sentences, every second block held out."""
    stem = (folders.laser or folders.data / "parallel/tatoeba") / f"tatoeba.{TATOEBA.get(language)}-eng"
    if not Path(f"{stem}.eng").is_file():
        return [], []
    halves: tuple[Sentences, Sentences] = ([], [])
    pairs = zip(_lines(Path(f"{stem}.eng")), _lines(Path(f"{stem}.{TATOEBA[language]}")), strict=True)
    for place, pair in enumerate(_long_enough(pairs)):
        halves[place // BLOCK % 2].append(pair)
    return halves


def _fitted_tatoeba(folders: Folders, language: str) -> Sentences:
    """LASER's sentences that are not held out, and others that share neither side with those."""
    fitted, measured = _tatoeba(folders, language)
    if folders.opus is None:
        return fitted
    more = _long_enough(iter(opus.read_tatoeba(folders.opus, language)))
    return fitted + opus.without(list(more), fitted + measured)


def _tico(folders: Folders, language: str) -> tuple[Sentences, Sentences]:
    return read_tico(folders.tico, language) if folders.tico else ([], [])


def _nusax(folders: Folders) -> Sentences:
    if folders.nusax is None:
        return []
    with (folders.nusax / "train.csv").open(encoding="utf-8", newline="") as lines:
        return list(_long_enough((row["english"], row["javanese"]) for row in csv.DictReader(lines)))


def _instructions(folders: Folders, name: str, key: str, language: str) -> Sentences:
    path = folders.data / f"instructions/{name}_{language}.jsonl"
    if not path.is_file():
        return []
    english = {row[key]: row["instruction"] for row in _json_lines(path.with_name(f"{name}_en.jsonl"))}
    return list(
        _long_enough((english[row[key]], row["instruction"]) for row in _json_lines(path) if row[key] in english)
    )


def _multijail(folders: Folders, language: str) -> Sentences:
    if language == "id":  # the column of that name numbers the rows
        return []
    with (folders.data / "safety/multijail.csv").open(encoding="utf-8-sig", newline="") as lines:
        return list(_long_enough((row["en"], row.get(language, "")) for row in csv.DictReader(lines)))


def _polyrefuse(folders: Folders, language: str) -> Sentences:
    path = folders.data / f"safety/polyrefuse/harmful_train_translated_{language}.json"
    if not path.is_file():
        return []
    rows = zip(_json(path.with_name("harmful_train.json")), _json(path), strict=True)
    return list(_long_enough((a["instruction"], b.get("instruction_translated", b["instruction"])) for a, b in rows))


def _mgsm(folders: Folders, language: str) -> Sentences:
    path = folders.data / f"utility/mgsm/mgsm_{language}.tsv"
    if not path.is_file():
        return []
    pairs = zip(_lines(path.with_name("mgsm_en.tsv")), _lines(path), strict=True)
    return list(_long_enough((a.split("\t")[0], b.split("\t")[0]) for a, b in pairs))


def _alpaca(folders: Folders, language: str) -> Sentences:
    rows = _json(folders.data / "parallel/language_pull_alpaca_safe_200.json")["Instances"]
    return list(_long_enough((row["input_en"], row.get(f"input_{language}", "")) for row in rows))


def aya_texts(folders: Folders, language: str) -> list[str]:
    """Genuine texts of one language that translate nothing, for the checks that need no original."""
    path = folders.data / "parallel/aya_en_zh_ja_ar_ko_bn_sw_300.jsonl"
    return [row[language] for row in _json_lines(path) if row.get(language)]


def _long_enough(pairs: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for a, b in pairs:
        if len(a.strip()) >= SHORTEST and b.strip():
            yield a.strip(), b.strip()


def _lines(path: Path) -> Sequence[str]:
    return path.read_text(encoding="utf-8").split("\n")


def _json(path: Path):  # type: ignore[no-untyped-def]
    return json.loads(path.read_text(encoding="utf-8"))


def _json_lines(path: Path):  # type: ignore[no-untyped-def]
    return [json.loads(line) for line in _lines(path) if line]
