"""Prompts with another row's answers, from which KTO estimates how far the policy is from its reference."""

from collections.abc import Mapping, Sequence

from mpotrain.data import TrainingRow
from mpotrain.model.batches import Tokens


def mismatched_answers(rows: Sequence[TrainingRow]) -> Mapping[TrainingRow, tuple[Tokens, Tokens]]:
    """Every row's prompt with the chosen and with the rejected answer of the row before it in the same language.

    Both answers are the paper's code's and TRL's estimate (Ethayarajh et al. 2024, section 4.1): the mismatched answers
    of a batch are those of its rows. Deviation: the rows of one language stand in for the rows of a batch, so the
    pairing never changes, an answer never meets a prompt of another language, and the reference is measured once.
    """
    by_language: dict[str, list[TrainingRow]] = {}
    for row in rows:
        by_language.setdefault(row.language, []).append(row)
    return {
        row: (_answered(row, before.chosen), _answered(row, before.rejected))
        for group in by_language.values()
        for row, before in zip(group, [group[-1], *group[:-1]], strict=True)
    }


def _answered(row: TrainingRow, answer: Tokens) -> Tokens:
    prompt = row.chosen.prompt
    return Tokens((*prompt, *answer.input_ids[answer.prompt_length :]), len(prompt))
