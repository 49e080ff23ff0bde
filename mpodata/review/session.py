"""One reader's session over a queue of rows: what the page asks for and what it sends back, without HTTP."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from mpodata.audit.page import MEANINGS
from mpodata.errors import DataError
from mpodata.languages import language
from mpodata.readers.cells import clean_text
from mpodata.records import FIELDS
from mpodata.review.agreement import agreement, both_decided
from mpodata.review.decisions import REASONS, Decision, Key, ReviewFile, Reviews, decision_of, read_reviews
from mpodata.review.queue import Item

FILTERS: Final = ("open", "all", "decided", "disagreed")
HARMFUL: Final = ("prompt", "rejected")  # of harmful pairs: sent to the page only when its reader asks
ABOUT_ONE: Final = {  # in place of the words for many rows of both kinds
    "not-a-refusal": "By phrase rules this answer does not refuse, and it should.",
    "is-a-refusal": "By phrase rules this answer refuses, and it should not.",
}


class Session:
    """The rows, this reader's decisions, and what other readers decided on the same rows."""

    def __init__(self, items: Sequence[Item], file: ReviewFile, title: str) -> None:
        self.items = items
        self.file = file
        self.title = title
        self._numbers = {item.key: number for number, item in enumerate(items)}

    def setup(self) -> dict[str, Any]:
        """What the page needs once."""
        reasons = {verdict: [{"name": name, "meaning": meaning} for name, meaning in told.items()]
                   for verdict, told in REASONS.items()}  # fmt: skip
        return {"title": self.title, "reader": self.file.reviews.reader, "reasons": reasons, "filters": FILTERS}

    def row(self, number: int, *, reveal: bool = False) -> dict[str, Any]:
        """One row by its place in the queue. Harmful texts are null without `reveal`. Raises DataError."""
        if not 0 <= number < len(self.items):
            raise DataError(f"There is no row {number + 1}: the rows are 1 to {len(self.items)}.")
        item = self.items[number]
        stored, current = self.file.decisions.get(item.key), self._current(item)
        dominant, target = item.pair.dominant, item.pair.target
        shown = [name for name in FIELDS if reveal or not self._hidden(item, name)]
        return {
            "number": number,
            "total": len(self.items),
            "config": item.config,
            "split": item.split,
            "pair_id": item.pair.pair_id,
            "category": item.pair.category,
            "texts": item.texts,
            "languages": [_language(dominant.language), _language(target.language)],
            "findings": [
                {
                    "reason": finding.reason,
                    "field": finding.field,
                    "meaning": ABOUT_ONE.get(finding.reason, MEANINGS[finding.reason]),
                }
                for finding in item.findings
            ],
            "fields": [
                {
                    "name": name,
                    "dominant": getattr(dominant, name) if name in shown else None,
                    "target": getattr(target, name) if name in shown else None,
                }
                for name in FIELDS
            ],
            "decision": None if current is None else _shown(current, shown),
            "revision": 0 if stored is None else stored.revision,
            "progress": self.progress(),
        }

    def move(self, start: int, step: int, filter_name: str) -> int | None:
        """The nearest row from `start` on in steps of 1 or -1 that the filter lets through; None at the end."""
        if filter_name not in FILTERS:
            raise DataError(f"There is no filter {filter_name!r}: {', '.join(FILTERS)}.")
        passes = self._filter(filter_name)
        numbers = range(max(start, 0), len(self.items)) if step > 0 else range(min(start, len(self.items) - 1), -1, -1)
        return next((number for number in numbers if passes(self.items[number])), None)

    def decide(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a decision; says which one it replaced if that was made elsewhere meanwhile. Raises DataError."""
        try:
            wanted = decision_of(raw)
        except ValueError as error:
            raise DataError(f"The decision cannot be kept: {error}.") from error
        number = self._numbers.get(wanted.key)
        if number is None:
            raise DataError(f"{wanted.config} has no row {wanted.pair_id} in this review.")
        item = self.items[number]
        if wanted.texts != item.texts:
            raise DataError("The row's texts are not those that were shown: reload the page.")
        before = self._current(item)
        if wanted.verdict == "correct" and before is not None:  # what was corrected of texts not shown now stays
            unseen = {name: text for name, text in before.corrected.items() if name not in wanted.read}
            wanted = replace(wanted, corrected={**unseen, **wanted.corrected})
        kept, replaced = self.file.decide(_cleaned(wanted, item), seen=wanted.revision)
        return {
            "revision": kept.revision,
            "replaced": None if replaced is None else {"verdict": replaced.verdict, "reason": replaced.reason},
            "progress": self.progress(),
        }

    def progress(self) -> dict[str, int]:
        """Rows by verdict."""
        counts = dict.fromkeys(("accept", "correct", "drop", "open"), 0)
        for item in self.items:
            current = self._current(item)
            counts["open" if current is None else current.verdict] += 1
        return counts

    def stale(self) -> int:
        """Decisions on rows of this queue whose texts have changed since: those rows are open again."""
        decisions = self.file.decisions
        return sum(item.key in decisions and decisions[item.key].texts != item.texts for item in self.items)

    def readers(self) -> list[dict[str, Any]]:
        """The other readers of these rows and the agreement with each."""
        return [
            {"reader": other.reader, **agreement(self._ours(), other.decisions).as_json()} for other in self._others()
        ]

    def _others(self) -> Iterator[Reviews]:
        """Read anew at each call: another reader may be at work right now."""
        mine = self.file.reviews.path
        for path in sorted(mine.parent.glob(f"*{mine.suffix}")):
            if path != mine and path.stat().st_size:
                yield read_reviews(path)

    def _ours(self) -> dict[Key, Decision]:
        return {item.key: current for item in self.items if (current := self._current(item)) is not None}

    def _current(self, item: Item) -> Decision | None:
        decision = self.file.decisions.get(item.key)
        return None if decision is None or decision.verdict == "open" or decision.texts != item.texts else decision

    def _filter(self, name: str) -> Callable[[Item], bool]:
        if name == "all":
            return lambda _: True
        if name == "disagreed":
            ours = self._ours()
            different = {
                key
                for other in self._others()
                for key in both_decided(ours, other.decisions)
                if ours[key].verdict != other.decisions[key].verdict
            }
            return lambda item: item.key in different
        return lambda item: (self._current(item) is None) == (name == "open")

    @staticmethod
    def _hidden(item: Item, name: str) -> bool:
        return item.harmful and name in HARMFUL


def _language(code: str) -> dict[str, str]:
    return {"code": code, "name": language(code).name}


def _shown(decision: Decision, fields: Sequence[str]) -> dict[str, Any]:
    corrected = {name: text for name, text in decision.corrected.items() if name in fields}
    return {
        "verdict": decision.verdict,
        "reason": decision.reason,
        "note": decision.note,
        "corrected": corrected,
        "fields": sorted(decision.corrected),
    }


def _cleaned(wanted: Decision, item: Item) -> Decision:
    """The decision with its corrected texts as a version can hold them. Raises DataError where nothing was changed."""
    if wanted.verdict != "correct":
        return wanted
    target = item.pair.target
    texts = {name: clean_text(text) for name, text in wanted.corrected.items()}
    changed = {name: text for name, text in texts.items() if text != getattr(target, name)}
    if not changed:
        raise DataError("Nothing was changed. Accept the row, or change a text first.")
    if changed.get("chosen", target.chosen) == changed.get("rejected", target.rejected):
        raise DataError("The answers to learn and to unlearn are the same text now. Change one, or drop the row.")
    if not all(changed.values()):
        raise DataError("A text is empty now. Fill it in, or drop the row.")
    return replace(wanted, corrected=changed)
