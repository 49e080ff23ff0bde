"""The files that the calibration reads, as small ones of our own: what is aligned with what, and what is held out."""

from pathlib import Path

import pytest
from calibration.corpora import BLOCK, LICENCES, Folders, fitting, held_out
from calibration.opus import read_tatoeba
from calibration.tico import read_tico
from calibration.udhr import read_udhr


def declaration(*articles: tuple[int, list[str]]) -> str:
    body = "".join(
        f'<article data-number="{number}"><h2>Article {number}</h2><ol>'
        + "".join(f"<li><p>{paragraph}</p></li>" for paragraph in paragraphs)
        + "</ol></article>"
        for number, paragraphs in articles
    )
    return f"<html><body><header><p>Whereas this is a preamble,</p></header>{body}</body></html>"


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Two languages of a declaration and a translation memory, written by us."""
    udhr, tico = tmp_path / "declaration", tmp_path / "TM"
    udhr.mkdir()
    tico.mkdir()
    english = [(1, ["Everyone may read."]), (2, ["Books are free.", "So is\n the library."]), (3, ["Only here."])]
    swahili = [(1, ["Kila mtu anaweza kusoma."]), (2, ["Vitabu ni bure, na maktaba pia."])]
    (udhr / "eng.html").write_text(declaration(*english), encoding="utf-8")
    (udhr / "swh.html").write_text(declaration(*swahili), encoding="utf-8")
    units = {"PubMed_1:1": ("Wash your hands.", "Nawa mikono."), "CMU_1:2": ("Where does it hurt?", "Unaumwa wapi?")}
    memory = "".join(
        f'<tu tuid="{name}"><prop type="note">x</prop><tuv xml:lang="en">\n<seg>{a}</seg></tuv>'
        f'<tuv xml:lang="sw"><seg>{b}</seg></tuv></tu>'
        for name, (a, b) in units.items()
    )
    (tico / "all.en-sw.tmx").write_text(f'<tmx version="1.4"><body>{memory}</body></tmx>', encoding="utf-8")
    return Folders(tmp_path, tmp_path, tico=tico, udhr=udhr)


def test_paragraphs_of_one_article_are_aligned_and_whole_articles_where_they_differ(folders: Folders) -> None:
    assert folders.udhr is not None
    assert read_udhr(folders.udhr, "sw") == [
        ("Everyone may read.", "Kila mtu anaweza kusoma."),
        ("Books are free. So is the library.", "Vitabu ni bure, na maktaba pia."),
    ]
    assert read_udhr(folders.udhr, "en") == []


def test_phrases_of_a_phrase_book_are_held_out_and_articles_fitted_on(folders: Folders) -> None:
    assert folders.tico is not None
    assert read_tico(folders.tico, "sw") == (
        [("Wash your hands.", "Nawa mikono.")],
        [("Where does it hurt?", "Unaumwa wapi?")],
    )
    assert read_tico(folders.tico, "de") == ([], [])


def test_tatoeba_is_fitted_on_without_any_sentence_that_is_held_out(tmp_path: Path) -> None:
    laser, datasets = tmp_path / "laser", tmp_path / "datasets"
    pairs = [(f"This is the sentence with number {n}.", f"Hii ni sentensi ya {n}.") for n in range(2 * BLOCK)]
    held = pairs[BLOCK]
    more = [
        (held[0].upper(), "Nyingine."),
        ("Another one of a good length.", held[1][:-1] + "!"),
        ("Nothing like that here.", "Hapana."),
    ]
    write(laser, "tatoeba.swh-eng.{}", {"eng": [a for a, _ in pairs], "swh": [b for _, b in pairs]})
    sentences = {"eng": [a for a, _ in more], "swa": [b for _, b in more], "swa.labels": ["swh"] * 3}
    write(datasets / "helsinki_nlp/tatoeba/testsets/eng-swa", "tatoeba-test-v2021-08-07.{}", sentences)
    article = {"eng_Latn": ["The river is long."], "swh_Latn": ["Mto ni mrefu."]}
    write(datasets / "facebook/flores/flores200_dataset/devtest", "{}.devtest", article)
    folders = Folders(tmp_path, tmp_path, laser=laser, opus=datasets)
    fitted = {corpus.name: corpus.sentences for corpus in fitting(folders, "sw")}
    assert fitted["tatoeba"] == [*pairs[:BLOCK], more[2]]
    assert fitted["flores"] == [("The river is long.", "Mto ni mrefu.")]


def test_a_sentence_of_another_language_in_a_file_of_tatoeba_is_left_out(tmp_path: Path) -> None:
    columns = {"eng": ["One.", "Two."], "zho": ["Yi.", "Er."], "zho.labels": ["cmn_Hans", "yue_Hant"]}
    write(tmp_path / "helsinki_nlp/tatoeba/testsets/eng-zho", "tatoeba-test-v2021-08-07.{}", columns)
    assert read_tatoeba(tmp_path, "zh") == [("One.", "Yi.")]
    assert read_tatoeba(tmp_path, "so") == []


def write(folder: Path, name: str, columns: dict[str, list[str]]) -> None:
    folder.mkdir(parents=True)
    for ending, lines in columns.items():
        (folder / name.format(ending)).write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_the_declaration_is_measured_and_never_fitted_on(folders: Folders, shared_data: Path) -> None:
    real = Folders(shared_data, shared_data / "parallel/ntrex", None, folders.tico, folders.udhr)
    fitted, measured = ({corpus.name: corpus.sentences for corpus in part(real, "sw")} for part in (fitting, held_out))
    assert len(measured["udhr"]) == 2
    assert "udhr" not in fitted
    assert not set(fitted["tico"]) & set(measured["tico"])
    assert set(fitted) <= set(LICENCES)  # the tables name their sources
