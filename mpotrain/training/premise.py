"""Does MPO's premise hold for this model and data? Its gap in the dominant language must lie above the others'.

MPO pulls every language's reward gap to the dominant one's (Zhao et al. 2025, Table 1): where that gap is not larger,
there is little to transfer, whatever the training does.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean

from mpotrain.data import TrainingRow, TrainingRows
from mpotrain.objective.reference import Reference

PAIRS = 16  # pairs whose gaps are measured before training: enough to see which language leads


def premise_rows(rows: TrainingRows) -> list[TrainingRow]:
    """Both sides of the first pairs, the dominant one first."""
    first = list(rows.dominant)[:PAIRS]
    return [*(rows.dominant[key] for key in first), *(row for row in rows.targets if row.pair_id in set(first))]


def mean_gaps(reference: Reference, rows: Sequence[TrainingRow]) -> dict[str, float]:
    """Per language the mean over its rows of avg log pi(chosen) - avg log pi(rejected), nats per token."""
    gaps: dict[str, list[float]] = {}
    for row in rows:
        chosen, rejected = reference.log_probs([row.chosen, row.rejected], mean=True)
        gaps.setdefault(row.language, []).append(chosen - rejected)
    return {language: fmean(values) for language, values in gaps.items()}


def premise_lines(gaps: Mapping[str, float], dominant: str) -> list[str]:
    """The gaps in one line, and a warning where the dominant one does not lead."""
    ordered = sorted(gaps, key=lambda language: language != dominant)
    figures = ", ".join(f"{language} {gaps[language]:+.2f}" for language in ordered)
    lines = [f"Reward gap before training, nats per token over up to {PAIRS} pairs: {figures}."]
    ahead = [language for language in ordered if language != dominant and gaps[language] >= gaps[dominant]]
    if ahead:
        lines.append(
            f"MPO's premise does not hold here: the gap of {dominant} is not above that of {', '.join(ahead)}, which "
            f"training will pull down to it. Choose the leading language with --dominant_language, or another method."
        )
    return lines
