"""The protocol that fits and measures the checks: what is measured on is never fitted on. Small texts are our own."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from calibration import corpora
from calibration.alignment import FEWEST_MISPLACED, aligned
from calibration.corpora import HELD_OUT_LINES, Corpus, Folders, fitting, held_out
from calibration.faults import FAULTS, Material, cut
from calibration.fit import FEWEST, TEXT_EVIDENCE, Evidence, _least, _undercut_by_few, fit_evidence, fit_incomplete
from calibration.measure import Measured
from calibration.page import BEGIN, END, PAGE, write_page
from calibration.regression import Examples, logistic
from calibration.tables import Language
from calibration.word_tables import count_words, write_table

from mpodata.quality import words
from mpodata.quality.thresholds import LONG, SHORT, thresholds
from mpodata.records import Pair, Side

COLLECTIONS_NEVER_FITTED = ("instructions", "safety", "utility", "alpaca", "aya", "declaration")


@pytest.mark.parametrize("language", ["sw", "ja", "jv", "it"])
def test_the_fit_shares_no_sentence_with_what_is_measured(shared_data: Path, language: str) -> None:
    folders = Folders(shared_data, shared_data / "parallel/ntrex", None)
    fitted = {pair for corpus in fitting(folders, language) for pair in corpus.sentences}
    measured = [corpus for corpus in held_out(folders, language) if corpus.name in ("ntrex", "tatoeba")]
    assert fitted
    assert measured
    for corpus in measured:  # a sentence may stand in a collection twice; documents may not
        assert sum(pair in fitted for pair in corpus.sentences) < 0.01 * len(corpus.sentences)


def test_the_fit_opens_no_held_out_collection(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = Path.open

    def recording(path: Path, *args: object, **options: object) -> object:
        opened.append(str(path))
        return real(path, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", recording)
    fitting(Folders(shared_data, shared_data / "parallel/ntrex", None), "sw")
    assert any("ntrex" in path for path in opened)
    assert not [path for path in opened if any(name in path for name in COLLECTIONS_NEVER_FITTED)]


def test_a_column_of_row_numbers_is_not_indonesian(shared_data: Path) -> None:
    folders = Folders(shared_data, shared_data / "parallel/ntrex", None)
    assert "multijail" in {corpus.name for corpus in held_out(folders, "sw")}
    assert "multijail" not in {corpus.name for corpus in held_out(folders, "id")}


def test_held_out_lines_are_whole_documents_of_seven_publishers() -> None:
    ranges = [line.split("\t") for line in HELD_OUT_LINES.read_text().splitlines() if not line.startswith("#")]
    assert len({publisher for _, _, publisher in ranges}) == 7
    assert len(corpora._held_out_lines()) == sum(int(last) - int(first) + 1 for first, last, _ in ranges) == 544


THINGS = {"bread": "mkate", "water": "maji", "book": "kitabu", "house": "nyumba", "tree": "mti", "child": "mtoto"}
DEEDS = {"sees": "anaona", "buys": "ananunua", "sells": "anauza", "likes": "anapenda", "hides": "anaficha"}
WHO = {"teacher": "mwalimu", "doctor": "daktari", "farmer": "mkulima", "driver": "dereva"}
SENTENCES = [
    (f"the {who} {deed} {thing}", f"{WHO[who]} {DEEDS[deed]} {THINGS[thing]}")
    for who in WHO for deed in DEEDS for thing in THINGS
]  # fmt: skip


def test_words_that_go_together_are_counted_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = count_words(SENTENCES)
    assert table.partners["bread"].words == {"mkate"}
    assert table.partners["bread"].in_translations > 0.9 > 0.1 > table.partners["bread"].by_chance
    assert "the" not in table.partners  # stands everywhere
    assert table.sentence_words == 3
    write_table(tmp_path / "xx.tsv", table, "sentences of our own")
    monkeypatch.setattr(words, "TABLES", tmp_path)
    assert words.word_table.__wrapped__("xx") == table


def test_a_limit_is_told_by_the_spread_of_the_rarest_and_not_by_one_row_translated_badly() -> None:
    draw = np.random.default_rng(0)
    correct = list(-draw.exponential(1.0, 2000))
    limit = _undercut_by_few(correct, 0.002)
    assert limit == pytest.approx(np.log(0.002), abs=0.8)  # the true one of this distribution
    assert _undercut_by_few([*correct, -1000.0], 0.002) == pytest.approx(limit, abs=0.1)
    assert _undercut_by_few(correct[:200], 0.002) == pytest.approx(limit, abs=2.0)


def test_the_collection_that_is_dropped_most_counts() -> None:
    draw = np.random.default_rng(0)
    news = list(10 - draw.exponential(1.0, 5000))
    talk = list(2 - draw.exponential(1.0, 200))
    assert _least([news, talk], 0.002) < _least([news], 0.002) - 5
    assert _least([news, talk[: FEWEST - 1]], 0.002) > _least([news, talk], 0.002)  # too few to tell


def test_short_texts_get_a_limit_of_their_own_beside_that_of_long_ones() -> None:
    draw = np.random.default_rng(0)
    limits = replace(thresholds("sw"), field_evidence=0.0, text_evidence=0.0, row_evidence=0.0)
    evidence = [
        Evidence([(SHORT, -2 - a), (2 * LONG, 9 - b)], (SHORT + 2 * LONG, 7 - a - b))
        for a, b in draw.exponential(0.5, (500, 2))
    ]
    fitted = fit_evidence([evidence], limits)
    assert -6 < fitted.field_evidence < -3.5
    assert fitted.text_evidence == TEXT_EVIDENCE[1]  # no stricter: other text varies more
    against = [[(SHORT, 2 + a), (2 * LONG, -3 + b)] for a, b in draw.exponential(0.5, (500, 2))]
    fitted = fit_incomplete([against], limits)
    assert fitted.incomplete > 4 > fitted.incomplete_text


def test_each_collection_is_read_with_words_that_were_not_counted_on_it() -> None:
    def corpus(name: str, count: int) -> Corpus:
        return Corpus(name, "sw", [(f"{name} {n}", str(n)) for n in range(count)])

    news, talk = corpus("news", 30), corpus("talk", 100)
    language = Language("sw", [news, talk], thresholds("sw"))
    assert language.without("news") == [talk]
    assert language.read_beside("news") == news
    assert language.read_beside("prayers") is None
    # One that holds most of the sentences is read in blocks, beside the other blocks: in use, its words are known, too.
    counted = [pair for part in language.without("talk") for pair in part.sentences]
    read = language.read_beside("talk")
    assert read is not None
    assert len(counted) == 30 + 60
    assert not set(counted) & set(read.sentences)


def test_a_collection_that_puts_sentences_beside_others_is_left_out() -> None:
    good = [
        (f"An English sentence of some length, number {n}.", f"Sentensi ya Kiswahili, namba {n}.") for n in range(500)
    ]
    bad = [(f"Another English sentence of some length, {n}.", "Ndiyo") for n in range(FEWEST_MISPLACED)]
    assert aligned(good) == good
    assert aligned(good + bad[:-1]) == good
    assert aligned(good + bad) == []


def test_a_text_is_cut_at_sentences_words_or_characters() -> None:
    assert cut("One is here. Two is here. Three is here. Four is here.", 1 / 2) == "One is here. Two is here."
    assert cut("One is here. Two is here. Three is here.", 2 / 3) == "One is here. Two is here."
    assert cut("one two three four five six seven eight", 1 / 2) == "one two three four"
    assert cut("一二三四五六七八", 1 / 2) == "一二三四"


def test_every_fault_changes_the_target_side_only() -> None:
    import random

    def row(n: int) -> Pair:
        text, other = f"Line {n} says a.\nIt says {n} again.", f"Mstari {n} unasema a.\nUnasema {n} tena."
        return Pair(str(n), Side("en", text, text, text), Side("sw", other, other, other))

    rows = [row(n) for n in range(9)]
    material = Material(rows, rows[5:], ("prompt", "chosen", "rejected"))
    for name, inject in FAULTS.items():
        bad = inject(rows[0], random.Random(1), material)
        assert bad is not None, name
        assert bad.dominant == rows[0].dominant, name
        assert bad.target != rows[0].target, name


def test_few_examples_stay_near_the_weights_of_all_languages() -> None:
    few = Examples(np.array([[1.0, 2.0], [1.0, -2.0]]), np.array([1, -1]))
    near = np.array([0.5, 3.0])
    free, held = logistic(few), logistic(few, near=near, shrinkage=1.0)
    assert free[1] > 1
    assert np.abs(held - near).max() < 0.1


def test_the_page_marks_what_misses_its_goal_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text(f"before\n{BEGIN}\nWhat stood here before.\n{END}\nafter\n", encoding="utf-8")
    counts = Counter({"correct rows": 200, "correct dropped": 1, "half-missing rows": 50, "half-missing dropped": 40})
    declaration = Counter({"correct rows": 40, "correct dropped": 2})
    write_page({"sw": Measured("sw", {("answers", "ntrex"): counts, ("answers", "udhr"): declaration})}, page)
    written = page.read_text(encoding="utf-8")
    assert "| Swahili | 240 | **1.2** |  |  | **80.0** |" in written
    assert "| Swahili | 40 | **5.0** |" in written  # the declaration has a table of its own, too
    assert written.startswith(f"before\n{BEGIN}\n")
    assert written.endswith(f"{END}\nafter\n")
    assert "stood here" not in written
    assert PAGE.read_text(encoding="utf-8").count(BEGIN) == PAGE.read_text(encoding="utf-8").count(END) == 1
