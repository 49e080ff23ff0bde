"""Fits and writes every table of `mpodata/quality`: words, thresholds, alignment, completeness, endings.

Whatever is fitted on top of words and endings reads each collection with words and endings counted on the language's
other collections, as in use, where text is of another kind; those written at last are counted on all.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from types import ModuleType

import numpy as np

from calibration import fit
from calibration.corpora import BLOCK, LANGUAGES, LICENCES, Corpus, Folders, badly_aligned, fitting
from calibration.regression import Examples, Floats, logistic
from calibration.word_tables import count_words, write_table
from mpodata.languages import languages
from mpodata.quality import alignment, completeness, words
from mpodata.quality import thresholds as limits_table
from mpodata.quality.thresholds import Thresholds

NOTE = "Fitted by scripts/calibrate_quality.py --write"
LOOSEST_IS_LARGEST = ("spread_short", "longest", "repetition", "incomplete", "incomplete_text")
ALIGNMENT_SHRINKAGE = 0.01  # of a language's weights towards those of its script
UNKNOWN_SPREAD = 0.35  # of a language whose length ratio is not known


@dataclass
class Language:
    """One language's text for the fit."""

    code: str
    corpora: list[Corpus]
    limits: Thresholds

    def without(self, collection: str) -> list[Corpus]:
        """The other collections; of one that holds most of the language's sentences, every second block, too."""
        return [
            corpus if corpus.name != collection else _half(corpus, 0)
            for corpus in self.corpora
            if corpus.name != collection or self._is_most(corpus)
        ]

    def read_beside(self, collection: str) -> Corpus | None:
        """What is read with tables counted on `without(collection)`; None where it has no such collection."""
        corpus = next((corpus for corpus in self.corpora if corpus.name == collection), None)
        return _half(corpus, 1) if corpus and self._is_most(corpus) else corpus

    def _is_most(self, corpus: Corpus) -> bool:
        return 2 * len(corpus.sentences) > sum(len(other.sentences) for other in self.corpora)


def _half(corpus: Corpus, half: int) -> Corpus:
    kept = [pair for place, pair in enumerate(corpus.sentences) if place // BLOCK % 2 == half]
    return replace(corpus, sentences=kept)


def write_tables(folders: Folders) -> None:
    """Fit everything on what may be fitted on and write the tables beside the checks."""
    known = [_read(folders, code) for code in LANGUAGES]
    print("lengths fitted", flush=True)
    for language in known:
        sentences = [pair for corpus in language.corpora for pair in corpus.sentences]
        sources = ", ".join(LICENCES[corpus.name] for corpus in language.corpora)
        write_table(words.TABLES / f"{language.code}.tsv", count_words(sentences), sources)
        print(f"words: {language.code}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        _count_without_each(known, Path(folder))
        print("collections counted", flush=True)
        _fit_alignment(known, Path(folder))
        _fit_completeness(known, Path(folder))
    for language in known:
        language.limits = fit.fit_familiar(language.corpora, language.limits)
    _write_endings({language.code: _endings(language.corpora) for language in known}, completeness.ENDINGS)
    _write_thresholds({language.code: language.limits for language in known})


def _read(folders: Folders, code: str) -> Language:
    corpora = fitting(folders, code)
    for name in badly_aligned(folders, code):
        print(f"left out, many sentences stand beside another one: {name}, {code}", flush=True)
    return Language(code, corpora, fit.fit_lengths(corpora))


def _collections(known: list[Language]) -> list[str]:
    return sorted({corpus.name for language in known for corpus in language.corpora})


def _count_without_each(known: list[Language], folder: Path) -> None:
    """The tables that each collection is read with: those of the language's other ones."""
    for collection in _collections(known):
        endings = {}
        for language in known:
            if language.read_beside(collection):
                others = language.without(collection)
                sentences = [pair for corpus in others for pair in corpus.sentences]
                write_table(folder / f"words-{collection}/{language.code}.tsv", count_words(sentences), "some")
                endings[language.code] = _endings(others)
        _write_endings(endings, folder / f"endings-{collection}.tsv")


@contextmanager
def _tables_without(folder: Path, collection: str) -> Iterator[None]:
    """Within, the checks read the words and endings that were not counted on this collection."""
    shipped = words.TABLES, completeness.ENDINGS
    words.TABLES = folder / f"words-{collection}"  # type: ignore[misc]
    completeness.ENDINGS = folder / f"endings-{collection}.tsv"  # type: ignore[misc]
    _forget()
    try:
        yield
    finally:
        words.TABLES, completeness.ENDINGS = shipped  # type: ignore[misc]
        _forget()


def _read_with_others(known: list[Language], folder: Path) -> Iterator[tuple[Language, Corpus]]:
    """Each collection of each language, while the tables are those of the language's other collections."""
    for collection in _collections(known):
        with _tables_without(folder, collection):
            for language in known:
                if corpus := language.read_beside(collection):
                    yield language, corpus
        print(f"read: {collection}", flush=True)


def _forget() -> None:
    for cached in (
        words.word_table, words._joining, words._partner_words, completeness._endings, completeness._weights,
        alignment._weights, alignment.alignment_evidence,
    ):  # fmt: skip
        cached.cache_clear()


def _fit_alignment(known: list[Language], folder: Path) -> None:
    """Weights of each language, near those of its script; of each script without words; then each language's limits."""
    examples: dict[str, list[Examples]] = {language.code: [] for language in known}
    for language, corpus in _read_with_others(known, folder):
        examples[language.code].append(fit.alignment_examples(corpus.sentences, language.limits))
    joined = {code: Examples.joined(parts) for code, parts in examples.items()}
    weights: dict[str, Floats] = {}
    for writing in ("latin", "other"):
        codes = [code for code in joined if (languages()[code].script == "latin") == (writing == "latin")]
        every = Examples.joined(joined[code] for code in codes)
        shared = logistic(every)
        weights |= {code: logistic(joined[code], near=shared, shrinkage=ALIGNMENT_SHRINKAGE) for code in codes}
        weights[writing] = logistic(_without_words(every))
    _write_weights(alignment, weights, "log-likelihood ratio of one sentence translating another")
    evidence: dict[str, list[list[fit.Evidence]]] = {language.code: [] for language in known}
    for language, corpus in _read_with_others(known, folder):
        evidence[language.code].append(fit.evidence_of_correct(corpus, language.limits))
    for language in known:
        language.limits = fit.fit_evidence(evidence[language.code], language.limits)
        print(f"shuffled: {language.code}", flush=True)


def _without_words(examples: Examples) -> Examples:
    silent = [alignment.FEATURES.index(name) for name in ("words_for", "words_against")]
    rows = examples.rows.copy()
    rows[:, silent] = 0.0
    return Examples(rows, examples.truths)


def _fit_completeness(known: list[Language], folder: Path) -> None:
    """One regression over all languages, one a language that stays near it; then each language's limit."""
    examples: dict[str, list[Examples]] = {language.code: [] for language in known}
    for language, corpus in _read_with_others(known, folder):
        if len(corpus.sentences) >= 3:
            examples[language.code].append(fit.completeness_examples(corpus.sentences, language.limits))
    joined = {code: Examples.joined(parts) for code, parts in examples.items()}
    shared = logistic(Examples.joined(joined.values()))
    weights = {code: logistic(found, near=shared) for code, found in joined.items()}
    _write_weights(completeness, weights | {limits_table.DEFAULT: shared}, "log-odds that the end is missing")
    evidence: dict[str, list[list[list[tuple[int, float]]]]] = {language.code: [] for language in known}
    for language, corpus in _read_with_others(known, folder):
        evidence[language.code].append(fit.incompleteness_of_correct(corpus, language.limits))
    for language in known:
        language.limits = fit.fit_incomplete(evidence[language.code], language.limits)
        print(f"incomplete: {language.code}", flush=True)


def _endings(corpora: list[Corpus]) -> dict[str, float]:
    return fit.fit_endings([sentence for corpus in corpora for sentence in corpus.sentences])


def _write_endings(endings: Mapping[str, Mapping[str, float]], path: Path) -> None:
    lines = [f"# {NOTE}: log-odds that these letters stand inside of a sentence."]
    lines += [f"{code}\t{ending}\t{value}" for code, odds in endings.items() for ending, value in odds.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_weights(module: ModuleType, weights: Mapping[str, Floats], meaning: str) -> None:
    """One line a feature, one column a regression."""
    lines = [f"# {NOTE}: {meaning}.", "\t".join(["feature", *weights])]
    for name, *values in zip(module.FEATURES, *weights.values(), strict=True):
        lines.append("\t".join([name, *map(str, values)]))
    module.TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    module._weights.cache_clear()
    alignment.alignment_evidence.cache_clear()


def _write_thresholds(limits: Mapping[str, Thresholds]) -> None:
    names = [column.name for column in fields(Thresholds) if column.name != "dominant"]
    measured = list(limits.values())
    loosest = {
        name: (max if name in LOOSEST_IS_LARGEST else min)(getattr(one, name) for one in measured)
        for name in names
        if name not in ("language", "ratio", "spread")
    }
    typical = float(np.median([one.spread for one in measured]))
    english = replace(measured[0], language="en", ratio=1, spread=round(typical * 2**0.5, 4), **loosest)
    rows = [
        *(limits[code] for code in sorted(limits)),
        english,
        replace(english, language=limits_table.DEFAULT, spread=UNKNOWN_SPREAD),
    ]
    note = (
        f"# {NOTE} on NTREX documents of eleven publishers, FLORES-200, Tatoeba,\n"
        "# TICO-19 and NusaX; English to each language. Columns: mpodata/quality/thresholds.py. `en` (a target) and\n"
        "# `*` (languages without text) have the loosest limits; `*` has a wide spread: its length ratio is unknown.\n"
    )
    table = "\n".join(
        "\t".join(str(value) for name, value in zip(_all_names(), astuple(row), strict=True) if name != "dominant")
        for row in rows
    )
    limits_table.TABLE.write_text(note + "\t".join(names) + "\n" + table + "\n", encoding="utf-8")
    limits_table._table.cache_clear()
    limits_table.thresholds.cache_clear()


def _all_names() -> list[str]:
    return [column.name for column in fields(Thresholds)]
