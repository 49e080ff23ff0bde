"""Two runs on the same prompts: what changed in each language, by how much, and is it more than chance?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mpodata.records import Kind
from mpotrain.evaluation.metrics import Rate, by_prompt, rates_of
from mpotrain.evaluation.outcomes import Outcome
from mpotrain.evaluation.statistics import (
    Interval,
    average_over_languages,
    change_over_languages,
    holm,
    paired_change,
    sign_test,
    wilson,
)

ALPHA = 0.05
TARGETS = "targets"  # in the place of a language: the average over all languages but the dominant one


@dataclass(frozen=True, slots=True)
class Change:
    """One rate of one benchmark in one language, before and after, on the prompts both runs answered."""

    benchmark: str
    kind: Kind
    rate: str
    language: str  # or TARGETS
    before: Interval
    after: Interval
    change: Interval  # after - before
    p: float  # McNemar's exact test; for TARGETS a paired permutation test
    adjusted: float  # the same after Holm's correction over the languages of this benchmark and rate

    @property
    def significant(self) -> bool:
        """Unlikely to be chance, with all languages tested at once."""
        return self.adjusted < ALPHA

    def direction(self, better: str) -> str:
        """ "better", "worse" or "same": whether a significant change is one for the better."""
        if not self.significant or self.change.value == 0:
            return "same"
        return "better" if (self.change.value < 0) == (better == "lower") else "worse"


def changes(before: Sequence[Outcome], after: Sequence[Outcome], dominant: str) -> list[Change]:
    """Every rate that both runs have, language by language, then averaged over the target languages."""
    keys = dict.fromkeys((outcome.benchmark, outcome.kind) for outcome in after)
    found: list[Change] = []
    for benchmark, kind in keys:
        for rate in rates_of(kind):
            then, now = (by_prompt(rows, rate, benchmark, kind) for rows in (before, after))
            found += _by_language(benchmark, kind, rate, then, now)
            targets = _targets(benchmark, kind, rate, then, now, dominant)
            found += [targets] if targets else []
    return found


def find(
    rows: Iterable[Change], *, benchmark: str, rate: str, kind: Kind | None = None, language: str | None = None
) -> list[Change]:
    """The changes of one benchmark and rate."""
    return [
        row
        for row in rows
        if (row.benchmark, row.rate) == (benchmark, rate)
        and kind in (None, row.kind)
        and language in (None, row.language)
    ]


def _by_language(
    benchmark: str,
    kind: Kind,
    rate: Rate,
    then: Mapping[str, Mapping[str, float]],
    now: Mapping[str, Mapping[str, float]],
) -> list[Change]:
    rows = {}
    for code in now:
        both = sorted(now[code].keys() & then.get(code, {}).keys())
        if both:
            rows[code] = [(bool(then[code][prompt]), bool(now[code][prompt])) for prompt in both]
    gained = {code: sum(b and not a for a, b in pairs) for code, pairs in rows.items()}
    lost = {code: sum(a and not b for a, b in pairs) for code, pairs in rows.items()}
    raw = {code: sign_test(gained[code], lost[code]) for code in rows}
    adjusted = holm(raw)
    return [
        Change(
            benchmark, kind, rate.name, code,
            before=wilson(sum(a for a, _ in pairs), len(pairs)),
            after=wilson(sum(b for _, b in pairs), len(pairs)),
            change=paired_change(gained[code], lost[code], len(pairs)),
            p=raw[code],
            adjusted=adjusted[code],
        )
        for code, pairs in rows.items()
    ]  # fmt: skip


def _targets(
    benchmark: str,
    kind: Kind,
    rate: Rate,
    then: Mapping[str, Mapping[str, float]],
    now: Mapping[str, Mapping[str, float]],
    dominant: str,
) -> Change | None:
    both = {
        code: now[code].keys() & then[code].keys() for code in now if code in then and code != dominant
    }  # prompts that count in both runs
    both = {code: prompts for code, prompts in both.items() if prompts}
    if not both:
        return None
    first, second = (
        {code: {prompt: rows[code][prompt] for prompt in prompts} for code, prompts in both.items()}
        for rows in (then, now)
    )
    change, p = change_over_languages(first, second)
    return Change(
        benchmark, kind, rate.name, TARGETS, average_over_languages(first), average_over_languages(second), change, p, p
    )
