"""Texts read with arrays, one or many, give what py3langid gives for each. All texts are our own."""

from collections import Counter
from random import Random

import pytest
from py3langid.langid import MODEL_FILE, LanguageIdentifier, visit_counts

from mpodata.languages import identification
from mpodata.languages.bayes import encoded, model
from mpodata.languages.byte_walk import TOGETHER
from mpodata.languages.identification import VARIETIES, identify, known_languages
from mpodata.languages.scripts import script_counts

TEXTS = [
    "", "a", "I'm sorry, but I can't help with that.", "Samahani, siwezi kukusaidia na hilo.", "ok " * 300,
    "আমি এতে সাহায্য করতে পারব না।", "对不起,我不能帮你做这件事。" * 40, "ごめんなさい、それはできません。",
    "죄송하지만 도와드릴 수 없습니다.",
    "آسف، لا أستطيع مساعدتك في ذلك.", "Es tut mir leid, dabei kann ich nicht helfen.", "\x00\xff é", "STOP THIS NOW",
    "Cafe\u0301 au lait \ud800, прывітанне i добры дзень", "Ћао, како си? Није лако.", "Zdravo, kako si? Nije lako.",
]  # fmt: skip


@pytest.fixture(scope="module")
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def mixed_texts(number: int) -> list[str]:
    random = Random(2)
    words = " ".join(TEXTS).split()
    return [" ".join(random.choices(words, k=random.randint(1, 60))) for _ in range(number)]


@pytest.mark.parametrize("together", [1, TOGETHER - 1, TOGETHER, 200])
def test_the_counts_are_those_of_a_walk_byte_by_byte(together: int, identifier: LanguageIdentifier) -> None:
    texts = list(map(encoded, (TEXTS + mixed_texts(200))[:together]))
    for text, (features, counts) in zip(texts, model().automaton.visits(texts), strict=True):
        walked = visit_counts(identifier.tk_nextmove, identifier._rowbase, identifier.tk_output, text) or Counter()
        assert list(zip(features.tolist(), counts.tolist(), strict=True)) == sorted(walked.items())


def test_nothing_is_read_of_no_texts() -> None:
    assert model().automaton.visits([]) == []
    assert identify([], known_languages()) == []


def test_labels_and_probabilities_are_py3langids(identifier: LanguageIdentifier) -> None:
    texts = TEXTS + mixed_texts(100)
    for labels in (identifier.labels, sorted({*known_languages(), *VARIETIES} & set(identifier.labels)), ["ar", "fa"]):
        identifier.set_languages(labels)
        classes = model().classes(labels)
        for text in texts:
            letters = encoded(text)
            assert letters == identifier._encode(text)
            label, belief = classes.likeliest(model().automaton.visits([letters])[0], len(letters))
            assert (label, pytest.approx(belief, rel=1e-4)) == identifier.classify(text)


def test_languages_of_many_texts_are_those_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = mixed_texts(80)
    alone = []
    for text in texts:
        identification._remembered.clear()
        alone += identify([text], known_languages())
    assert identify([*texts, *texts[:3]], known_languages()) == [*alone, *alone[:3]]
    identification._remembered.clear()
    assert identify(texts, known_languages()) == alone


def test_what_was_identified_is_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identification, "RECENT", 5)
    identification._remembered.clear()
    texts = mixed_texts(9)
    first = identify(texts, known_languages())
    assert len(identification._remembered) == 5
    assert identify(texts, known_languages()) == first


def test_scripts_are_counted_in_the_order_in_which_a_text_shows_them() -> None:
    assert list(script_counts("1, é ж ひ カ ー! a\u0301ж한").items()) == [
        ("latin", 2), ("cyrillic", 2), ("kana", 2), ("hangul", 1),
    ]  # fmt: skip
    assert script_counts("12 ... \u0301 !") == {}
    assert script_counts("") == {}
    assert script_counts("\ud800 ᚠ") == {"other": 1}
