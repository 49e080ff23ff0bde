"""Which rows a build takes: seeded, stable, without duplicates, even over categories; counterweights beside them."""

import random

import pytest

from mpodata.errors import RecipeError, UnknownName
from mpodata.records import COUNTERWEIGHT, Dropped, SourceRow
from mpodata.selection.counterweight import REFUSALS, counterweight_count, counterweights
from mpodata.selection.sampling import sample, without_duplicates, without_near_duplicates
from mpodata.sources.rows import source_row

THINGS = ("jar", "door", "window", "box", "letter", "bottle", "bag", "drawer", "parcel", "gate")
VERBS = ("open", "close", "paint", "carry", "hide", "mend", "clean", "sell", "lend", "weigh")


def row(prompt: str, place: int = 0, unsafe: str = "x", category: str = "") -> SourceRow:
    made = source_row(prompt, unsafe, source_id=f"row-{place}", category=category)
    assert isinstance(made, SourceRow)
    return made


ROWS = [
    row(f"How do I {verb} a {thing}?", place, category=thing)
    for place, (verb, thing) in enumerate((verb, thing) for verb in VERBS for thing in THINGS)
]


def taken(rows: object) -> list[str]:
    return [one.pair_id for one in rows if isinstance(one, SourceRow)]  # type: ignore[attr-defined]


def test_a_sample_depends_on_the_seed_and_not_on_the_order_of_rows() -> None:
    moved = random.Random(1).sample(ROWS, len(ROWS))
    assert taken(sample(ROWS, 20, seed=7)) == taken(sample(moved, 20, seed=7))
    assert taken(sample(ROWS, 20, seed=7)) != taken(sample(ROWS, 20, seed=8))


def test_a_small_sample_begins_every_larger_one() -> None:
    assert taken(sample(ROWS, 50))[:20] == taken(sample(ROWS, 20))


def test_a_sample_of_none_is_empty() -> None:
    assert taken(sample(ROWS, 0)) == []


def test_one_row_is_taken_for_each_prompt_whatever_the_order() -> None:
    twins = [row("How do I open a jar?", 1, "x"), row("how do i OPEN a jar", 2, "y"), row("How do I close it?", 3)]
    drawn = list(sample(twins, 3))
    assert len(taken(drawn)) == 2
    assert [one.reason for one in drawn if isinstance(one, Dropped)] == ["duplicate"]
    assert sorted(taken(drawn)) == sorted(taken(sample(twins[::-1], 3)))


def test_without_a_count_all_prompts_come_in_their_order() -> None:
    assert taken(sample([*ROWS, *ROWS], None)) == [one.pair_id for one in ROWS]
    assert sum(isinstance(one, Dropped) for one in without_duplicates([*ROWS, *ROWS])) == len(ROWS)


def test_a_stratified_sample_is_even_over_categories() -> None:
    uneven = [one for one in ROWS if one.category != "jar" or one.prompt.startswith("How do I open")]
    drawn = [one for one in sample(uneven, 40, stratify=True) if isinstance(one, SourceRow)]
    counts = {thing: sum(one.category == thing for one in drawn) for thing in THINGS}
    assert counts.pop("jar") == 1  # all it has
    assert set(counts.values()) <= {4, 5}
    assert len(drawn) == 40


def test_dropped_rows_pass_through() -> None:
    assert list(sample([Dropped("null-prompt"), ROWS[0]], 5)) == [Dropped("null-prompt"), ROWS[0]]


def test_near_duplicates_are_found_and_others_are_not() -> None:
    base = "Explain how somebody could annoy the whole street by playing the trumpet in the middle of the night"
    rows = [row(base, 0), row(base + " please", 1), row("How do I hide my sister's favourite cup from her?", 2)]
    kept = list(without_near_duplicates(rows, 0.8))
    assert [one.reason if isinstance(one, Dropped) else one.source_id for one in kept] == [
        "row-0",
        "near-duplicate",
        "row-2",
    ]


def test_rows_of_the_same_prompt_are_no_near_duplicates_but_duplicates() -> None:
    rows = [row("How do I open a jar?", 1, "x"), row("How do I open a jar?", 2, "y")]
    assert list(without_near_duplicates(rows)) == rows
    assert [one.reason for one in sample(without_near_duplicates(rows), 2) if isinstance(one, Dropped)] == ["duplicate"]


def test_counterweights_are_harmless_rows_with_a_refusal_to_unlearn() -> None:
    harmless = source_row("How do I bake bread?", safe="Mix and wait.", source_id="row-1", kind="harmless")
    (made,) = counterweights([harmless])
    assert isinstance(made, SourceRow)
    assert (made.kind, made.category, made.safe) == ("harmless", COUNTERWEIGHT, "Mix and wait.")
    assert made.unsafe in REFUSALS["en"]
    assert list(counterweights([harmless])) == [made]  # the same refusal in every build
    (own,) = counterweights([harmless], refusals=["No."])
    assert isinstance(own, SourceRow)
    assert own.unsafe == "No."


def test_harmful_rows_are_no_counterweight() -> None:
    assert [one.reason for one in counterweights([ROWS[0]]) if isinstance(one, Dropped)] == ["not-harmless"]


@pytest.mark.parametrize(
    ("harmful", "share", "count"), [(100, 0.0, 0), (100, 0.5, 100), (90, 0.1, 10), (500, 0.4737, 450)]
)
def test_the_share_is_of_all_rows(harmful: int, share: float, count: int) -> None:
    assert counterweight_count(harmful, share) == count


def test_impossible_counterweights_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"counterweight.share must be at least 0 and below 1, got 1"):
        counterweight_count(10, 1.0)
    with pytest.raises(UnknownName, match=r"counterweight refusals"):
        list(counterweights([], dominant="sw"))
