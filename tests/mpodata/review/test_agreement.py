"""Agreement of two readers, against figures worked out by hand."""

import pytest

from mpodata.review.agreement import agreement
from mpodata.review.decisions import Decision


def reader(verdicts: str, texts: str = "same") -> dict[tuple[str, str], Decision]:
    """One decision for each letter: a(ccept), c(orrect), d(rop), o(pen)."""
    names = {"a": ("accept", "good"), "c": ("correct", "grammar"), "d": ("drop", "meaning"), "o": ("open", "")}
    decisions = [Decision("sw", str(n), texts, *names[letter], revision=1) for n, letter in enumerate(verdicts)]
    return {one.key: one for one in decisions}


def test_cohens_kappa_is_that_of_the_textbook() -> None:
    # Cohen's 2 x 2 with 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: observed .70, expected .50, kappa .40.
    found = agreement(reader("a" * 25 + "d" * 25), reader("a" * 20 + "d" * 5 + "a" * 10 + "d" * 15))
    assert (found.rows, found.same) == (50, 35)
    assert found.raw == pytest.approx(0.7)
    assert found.kappa == pytest.approx(0.4)


def test_three_verdicts_are_three_classes() -> None:
    # Observed 4/6; expected (3*2 + 2*2 + 1*2)/36 = 1/3; kappa (2/3 - 1/3)/(2/3) = 1/2.
    assert agreement(reader("aaaccd"), reader("aaccdd")).kappa == pytest.approx(0.5)


def test_readers_who_disagree_more_than_by_chance_are_below_zero() -> None:
    assert agreement(reader("adad"), reader("dada")).kappa == pytest.approx(-1.0)


@pytest.mark.parametrize(("first", "second"), [("", ""), ("aaa", "aaa"), ("aa", "oo")])
def test_kappa_is_undefined_where_chance_explains_everything(first: str, second: str) -> None:
    assert agreement(reader(first), reader(second)).kappa is None


def test_only_rows_that_both_decided_on_the_same_texts_count() -> None:
    assert agreement(reader("aoda"), reader("aad")).rows == 2
    assert agreement(reader("aaa"), reader("aaa", texts="other")).rows == 0
