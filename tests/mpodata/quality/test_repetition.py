"""Repetition of long texts, counted by hashes, is what counting the runs themselves gives. All texts are our own."""

from random import Random

import pytest

from mpodata.quality.measures import LONG, repetition

ALPHABETS = {
    "Latin": "abcdefghij      ",
    "two letters": "ab",
    "Han": "我不能帮你做这件事因为它会伤害别人",
    "Thai": "ฉันช่วยคุณไม่ได้",
    "beyond the basic plane": "🙂🙃𝒳𐍈 ab",
    "lone surrogates": "ab\ud800\udfff ",
}


def counted(text: str) -> float:
    """The share of runs that a text has had before, run by run."""
    text = " ".join(text.split())
    dense = sum("\u3040" <= letter <= "\u9fff" for letter in text) * 2 > len(text)
    shortest, longest = (3, 6) if dense else (5, 12)
    length = min(max(len(text) // 8, shortest), longest)
    runs = [text[at : at + length] for at in range(len(text) - length + 1)]
    return 1 - len(set(runs)) / len(runs)


@pytest.mark.parametrize("letters", ALPHABETS.values(), ids=ALPHABETS)
def test_hashes_count_what_the_runs_themselves_count(letters: str) -> None:
    random = Random(1)
    for size in (LONG - 20, LONG + 20, 3 * LONG, 5000):
        for part in (size, size // 3, 40):
            once = "".join(random.choices(letters, k=part))
            text = (once * (size // part + 1))[:size]
            assert repetition(text) == counted(text), (size, part)
