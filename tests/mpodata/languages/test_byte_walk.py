"""Many texts read at once give what py3langid gives for each. All texts are our own."""

from random import Random

import pytest
from py3langid.langid import LanguageIdentifier, visit_counts

from mpodata.languages import identification
from mpodata.languages.byte_walk import Automaton
from mpodata.languages.identification import identify, known_languages

TEXTS = [
    "", "a", "I'm sorry, but I can't help with that.", "Samahani, siwezi kukusaidia na hilo.", "ok " * 300,
    "আমি এতে সাহায্য করতে পারব না।", "对不起,我不能帮你做这件事。" * 40, "ごめんなさい、それはできません。",
    "죄송하지만 도와드릴 수 없습니다.",
    "آسف، لا أستطيع مساعدتك في ذلك.", "Es tut mir leid, dabei kann ich nicht helfen.", "\x00\xff é",
]  # fmt: skip


def test_the_counts_and_their_order_are_those_of_a_walk_byte_by_byte() -> None:
    model = identification._model()
    identifier = LanguageIdentifier(**model)
    texts = [identifier._encode(text) for text in TEXTS]
    for text, counts in zip(texts, Automaton.of(model).counts(texts), strict=True):
        walked = visit_counts(identifier.tk_nextmove, identifier._rowbase, identifier.tk_output, text)
        assert list(counts.items()) == list((walked or {}).items())
    assert Automaton.of(model).counts([]) == []


def test_languages_of_many_texts_are_those_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(2)
    words = " ".join(TEXTS).split()
    texts = [" ".join(random.choices(words, k=random.randint(1, 60))) for _ in range(80)]
    alone = []
    for text in texts:
        identification._identify.cache_clear()
        alone += identify([text], known_languages())
    identification._identify.cache_clear()
    monkeypatch.setattr(LanguageIdentifier, "_raw_score", None)  # none of them is read alone
    assert identify(texts, known_languages()) == alone
