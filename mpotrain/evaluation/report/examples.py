"""Answers to read, for the report of a user who asks for them: a few of each class and language."""

from dataclasses import dataclass

from mpotrain.evaluation import folder
from mpotrain.evaluation.report.comparison import Comparison
from mpotrain.evaluation.report.words import name_of


@dataclass(frozen=True, slots=True)
class Example:
    """One prompt with the models' answers to it. Both may be harmful."""

    language: str
    prompt: str
    answers: list[tuple[str, str, str]]  # model, class, text


def examples(comparison: Comparison, most: int) -> list[Example]:
    """Up to `most` prompts per benchmark, language and class of the last model's answer, in file order."""
    texts = []
    for evaluation in comparison.shown:
        rows = folder.read_lines(evaluation.path / folder.RESPONSES, folder.ANSWER_TEXTS)
        texts.append({(row["benchmark"], row["language"], row["prompt_id"]): row for row in rows})
    classes = [
        {(o.benchmark, o.language, o.prompt_id): o.outcome_class for o in evaluation.verdicts}
        for evaluation in comparison.shown
    ]
    taken: dict[tuple[str, str, str], int] = {}
    found = []
    for key, row in texts[-1].items():
        cell = (key[0], key[1], classes[-1].get(key, ""))
        if taken.get(cell, 0) < most:
            taken[cell] = taken.get(cell, 0) + 1
            answers: list[tuple[str, str, str]] = [
                (title, said.get(key, "unparsable"), mine[key]["response"])
                for title, mine, said in zip(comparison.titles(), texts, classes, strict=True)
                if key in mine
            ]
            found.append(Example(name_of(key[1]), row["prompt"], answers))
    return found
