"""The global order: the same global batches whatever the number of processes, every row once, shares that average."""

import pytest

from mpotrain.training.order import GlobalOrder

PAIRS = [f"p{number % 7}" for number in range(21)]


def global_batches(
    processes: int, accumulation: int, batch: int = 8, **options: object
) -> list[list[tuple[int, float]]]:
    """The slots of every global batch, put together from all processes."""
    orders = [
        GlobalOrder(PAIRS, batch=batch, processes=processes, rank=rank, accumulation=accumulation, **options)
        for rank in range(processes)
    ]
    parts = [list(order) for order in orders]
    assert {len(part) for part in parts} == {len(orders[0])}
    steps = len(orders[0]) // accumulation
    return [
        [slot for part in parts for micro in part[step * accumulation : (step + 1) * accumulation] for slot in micro]
        for step in range(steps)
    ]


@pytest.mark.parametrize(("processes", "accumulation"), [(1, 1), (1, 8), (2, 2), (3, 1), (4, 2), (8, 1), (3, 3)])
def test_global_batches_do_not_depend_on_how_they_are_split(processes: int, accumulation: int) -> None:
    whole = [[row for row, _ in batch] for batch in global_batches(1, 1)]
    split = global_batches(processes, accumulation)
    assert [[row for row, share in batch if share] for batch in split] == whole


@pytest.mark.parametrize(("processes", "accumulation"), [(1, 1), (2, 2), (3, 1), (8, 2)])
def test_shares_average_over_the_global_batch_even_the_short_last_one(processes: int, accumulation: int) -> None:
    for batch in global_batches(processes, accumulation):
        rows = sum(share > 0 for _, share in batch)
        assert {share for _, share in batch if share} == {processes / rows}


def test_every_row_comes_once_an_epoch_and_epochs_differ() -> None:
    order = GlobalOrder(PAIRS, batch=8)
    first = [row for micro in order for row, _ in micro]
    order.set_epoch(1)
    second = [row for micro in order for row, _ in micro]
    assert sorted(first) == sorted(second) == list(range(21))
    assert first != second


def test_a_seed_decides_the_order() -> None:
    assert GlobalOrder(PAIRS, batch=8, seed=1).rows() == GlobalOrder(PAIRS, batch=8, seed=1).rows()
    assert GlobalOrder(PAIRS, batch=8, seed=1).rows() != GlobalOrder(PAIRS, batch=8, seed=2).rows()


def test_grouped_by_pair_a_pairs_languages_stand_together() -> None:
    order = [PAIRS[row] for row in GlobalOrder(PAIRS, batch=6, group_by_pair=True).rows()]
    assert len([pair for pair, before in zip(order, ["", *order], strict=False) if pair != before]) == 7


def test_no_micro_batch_is_empty() -> None:
    for rank in range(8):
        order = GlobalOrder(PAIRS, batch=4, processes=8, rank=rank)
        assert all(order)
