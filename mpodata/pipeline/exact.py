"""`pairs: 100`: exactly so many pairs, whatever is dropped on the way.

Prompts are drawn in the order of the seed. Those that fall out in the dominant language or in any target language are
replaced by the next ones, until enough pairs are whole in every language. A draw of n prompts begins every larger one
and a row's fate depends on itself alone, so the pairs are the first whole ones of that order, however many rounds it
took. Answers and translations come from the journal: a round pays for its new prompts alone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mpodata.errors import RecipeError, RemoteError
from mpodata.pipeline.results import Lost
from mpodata.pipeline.scratch import KeptFile
from mpodata.pipeline.select import Selection, select
from mpodata.pipeline.workspace import Workspace
from mpodata.recipe import Recipe
from mpodata.records import Dropped, SourceRow
from mpodata.versions.manifest import RETRIED_DROPS

SURPLUS = "beyond-pairs"  # why a whole pair is left out: there were enough before it

Make = Callable[[Selection, Workspace], Iterator[tuple[str, KeptFile]]]  # makes every config of a selection


@dataclass(frozen=True)
class Draw:
    """What was drawn, and which of it is taken."""

    samples: int | None  # prompts drawn; None: all are looked at
    taken: frozenset[str]  # pair ids
    lost: dict[str, str]  # pair id -> why it is not taken
    order: tuple[str, ...] = ()  # of the pairs, where it is given: the pairs of a version that is added to

    def shortfall(self, asked: int | None) -> dict[str, dict[str, int]]:
        """What the source could not give, for the manifest."""
        taken = len(self.taken)
        short = asked is not None and taken < asked and not self.order
        return {"pairs": {"asked": asked, "taken": taken}} if short and asked is not None else {}

    def only(self, rows: Iterable[SourceRow | Dropped]) -> Iterator[SourceRow | Dropped]:
        """`rows` with a Dropped in the place of each that is not taken."""
        if self.order:
            known = {row.pair_id: row for row in rows if isinstance(row, SourceRow) and row.pair_id in self.taken}
            yield from (known[pair_id] for pair_id in self.order if pair_id in known)
            return
        for row in rows:
            if isinstance(row, SourceRow) and row.pair_id not in self.taken:
                yield Dropped(self.lost.get(row.pair_id, SURPLUS), row.source_id)
            else:
                yield row


def check_pairs(recipe: Recipe) -> None:
    """Raise RecipeError for options that `pairs` leaves no place for."""
    against = {
        "--samples": recipe.samples is not None,
        "stratify": recipe.stratify,
        "counterweight.share": recipe.counterweight.share > 0,
    }
    given = [name for name, there in against.items() if there]
    if given:
        raise RecipeError(
            f"--pairs draws harmful prompts by hash until {recipe.pairs} pairs passed every check: "
            f"leave {', '.join(given)} out, or --pairs."
        )


def same_pairs(pair_ids: Sequence[str]) -> Draw:
    """The pairs of a version that a build adds to: all its languages hold the same ones."""
    return Draw(None, frozenset(pair_ids), {}, tuple(pair_ids))


def draw_pairs(recipe: Recipe, make: Make, folder: Path) -> Draw:
    """Draw until `recipe.pairs` pairs are whole in every language, or the source has no more.

    make: makes every config of a selection of rows; folder: for scratch. Raises RemoteError where rows were lost to a
    service that was down: other prompts must not take their places.
    """
    assert recipe.pairs is not None
    wanted = samples = recipe.pairs
    while True:
        order, whole, lost = _round(recipe, samples, make, folder / f"draw-{samples}")
        down = [reason for reason in lost.values() if reason in RETRIED_DROPS]
        if down:
            raise RemoteError(
                f"{len(down)} rows were lost because a service or an engine did not answer. Run the same command "
                "again: it asks for these alone."
            )
        taken = [pair_id for pair_id in order if pair_id in whole][:wanted]
        if len(taken) == wanted or len(order) < samples:
            return Draw(samples, frozenset(taken), lost)
        samples += wanted - len(taken)


def _round(recipe: Recipe, samples: int, make: Make, folder: Path) -> tuple[list[str], set[str], dict[str, str]]:
    """One round: the pair ids in the order of the draw, those whole in every language, and why others are not."""
    order: list[str] = []
    selection = select(replace(recipe, samples=samples))
    with _Watched(folder, order) as work:
        configs = [{kept.row.pair_id for kept in file.read()} for _, file in make(selection, work)]
        return order, set.intersection(*configs), work.reasons_by_pair


class _Watched(Workspace):
    """A workspace that notes the rows it takes and why each pair was lost first."""

    final = False

    def __init__(self, folder: Path, order: list[str]) -> None:
        super().__init__(folder)
        self.order = order
        self.reasons_by_pair: dict[str, str] = {}

    def taken(self, rows: Iterable[SourceRow | Dropped]) -> Iterator[SourceRow]:
        for row in super().taken(rows):
            self.order.append(row.pair_id)
            yield row

    def lose(self, lost: Lost) -> None:
        super().lose(lost)
        if lost.pair_id:
            self.reasons_by_pair.setdefault(lost.pair_id, lost.reason)
