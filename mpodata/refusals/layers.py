"""Detectors together: cheap ones first, and RefusEU's rule of two guards."""

from collections.abc import Mapping, Sequence
from typing import Any

from mpodata.errors import ConfigError
from mpodata.refusals import DETECTORS, Detector, Exchange, Verdict
from mpodata.refusals.rules import RuleDetector
from mpodata.registry import construct
from mpodata.runtime.journal import Journal


class Layers:
    """Each detector judges only what those before it left `unknown`: rules, then a guard, then a judge."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = list(detectors)

    def verdicts(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        """The first verdict that is not `unknown`, else the last; what an earlier layer said of harm is kept."""
        verdicts = self._detectors[0].verdicts(exchanges)
        for detector in self._detectors[1:]:
            open_places = [place for place, verdict in enumerate(verdicts) if verdict.label == "unknown"]
            later = detector.verdicts([exchanges[place] for place in open_places])
            for place, verdict in zip(open_places, later, strict=True):
                verdicts[place] = _together(verdicts[place], verdict)
        return verdicts

    def languages(self) -> frozenset[str] | None:
        """The languages that at least one layer covers; None where one covers all."""
        covered = [detector.languages() for detector in self._detectors]
        if any(part is None for part in covered):
            return None
        return frozenset[str]().union(*(part for part in covered if part is not None))

    def provenance(self) -> dict[str, Any]:
        return {"detector": "layers", "layers": [detector.provenance() for detector in self._detectors]}


class TwoGuards:
    """RefusEU's rule (Krasnodebska et al. 2026): an answer is safe if both guards say so, unsafe if at least one does.

    `unsafe` is True where a guard says unsafe, else False, and the label is `unknown` where a guard's output could not
    be read: such an answer is neither safe by both nor unsafe by one, so it serves as no side of a pair. Otherwise the
    label is the first that a guard gives, else the phrase rules'.
    """

    def __init__(self, first: Detector, second: Detector, refusals: Detector) -> None:
        self._guards = (first, second)
        self._refusals = refusals

    def verdicts(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        firsts, seconds = (guard.verdicts(exchanges) for guard in self._guards)
        rules = self._refusals.verdicts(exchanges)
        return [_of_both(*three) for three in zip(firsts, seconds, rules, strict=True)]

    def languages(self) -> frozenset[str] | None:
        """The languages that both guards cover."""
        first, second = (guard.languages() for guard in self._guards)
        if first is None or second is None:
            return second if first is None else first
        return first & second

    def provenance(self) -> dict[str, Any]:
        return {
            "detector": "two-guards",
            "guards": [guard.provenance() for guard in self._guards],
            "refusals": self._refusals.provenance(),
        }


def _together(earlier: Verdict, later: Verdict) -> Verdict:
    if later.unsafe is None and earlier.unsafe is not None:
        return Verdict(later.label, later.source, earlier.unsafe, later.detail or earlier.detail)
    return later


def _of_both(first: Verdict, second: Verdict, rules: Verdict) -> Verdict:
    says_unsafe = [guard for guard in (first, second) if guard.unsafe]
    silent = [guard for guard in (first, second) if guard.unsafe is None]
    if says_unsafe:
        detail = "; ".join(f"{guard.source}: {guard.detail or 'unsafe'}" for guard in says_unsafe)
    else:
        detail = "; ".join(f"{guard.source}: {guard.detail}" for guard in silent)
    said = next((verdict for verdict in (first, second, rules) if verdict.label != "unknown"), rules)
    label = "unknown" if silent and not says_unsafe else said.label
    return Verdict(label, "two-guards", bool(says_unsafe), detail)


def layers(
    *,
    order: str | Sequence[str] = ("rules", "qwen3guard"),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    journal: Journal | None = None,
) -> Layers:
    """Layers by name, first to last: `rules,qwen3guard,openai-judge`. options: of each layer, by its name."""
    names = [name.strip() for name in order.split(",")] if isinstance(order, str) else list(order)
    options = options or {}
    if not names or "layers" in names:
        raise ConfigError("detector.order names at least one detector, first to last, and not 'layers' itself.")
    if unused := sorted(set(options) - set(names)):
        raise ConfigError(f"detector.options has settings for {', '.join(unused)}, which detector.order does not name.")
    return Layers([construct("detector", DETECTORS, name, options.get(name, {}), journal=journal) for name in names])


def two_guards(
    *,
    guards: str | Sequence[str] = ("llama-guard-3", "polyguard"),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    journal: Journal | None = None,
) -> TwoGuards:
    """RefusEU's two guards, without its adjudicator: that is mpotrain's judge `refuseu`.

    guards: two detector names. options: of each guard, by its name.
    """
    names = [name.strip() for name in guards.split(",")] if isinstance(guards, str) else list(guards)
    if len(names) != 2 or names[0] == names[1]:
        raise ConfigError(f"detector.guards needs two different guards, got {', '.join(names) or 'none'}.")
    made = [construct("detector", DETECTORS, name, (options or {}).get(name, {}), journal=journal) for name in names]
    return TwoGuards(made[0], made[1], RuleDetector())
