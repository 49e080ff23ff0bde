"""The cheap look before a search never rules out a pattern that matches."""

import pytest

from mpodata.errors import DataError
from mpodata.refusals.literals import Phrase, required_literals
from mpodata.refusals.tables import covered, normalised, rules_of
from tests.mpodata.refusals.test_rules import SENTENCES


def test_literals_of_common_shapes() -> None:
    assert required_literals("(i|we) (won't|refuse to) help") == [(" help",), ("refuse to", "won't")]
    assert required_literals(r"\w+ (is|are)?") == []
    assert required_literals("(abc|.|xyz)") == []  # one branch needs nothing


def test_a_line_that_is_no_expression_is_named() -> None:
    with pytest.raises(DataError, match="no regular expression"):
        Phrase("(unclosed")


@pytest.mark.parametrize("code", sorted(covered()))
def test_whatever_a_pattern_matches_it_may_be_searched_for(code: str) -> None:
    rules = rules_of(code)
    texts = [normalised(text, code) for language, _, text in SENTENCES if language == code]
    for phrase in (*rules.refuse, *rules.wrong, *rules.hint, *rules.exceptions):
        for text in texts:
            assert phrase.possible(text) or not phrase.pattern.search(text), phrase.pattern.pattern
