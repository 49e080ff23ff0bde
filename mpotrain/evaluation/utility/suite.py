"""What alignment may have cost: the utility tasks that were asked for, by whoever runs them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpodata.engines import Engine, Sampling
from mpodata.errors import ConfigError, UnknownName
from mpodata.runtime.journal import Journal
from mpotrain.evaluation.judges import Judge
from mpotrain.evaluation.judges.protocol import ProtocolJudge
from mpotrain.evaluation.model import EvaluatedModel
from mpotrain.evaluation.utility import harness, mt_bench
from mpotrain.evaluation.utility.harness import Result, Score

TASKS = (*harness.HARNESS, mt_bench.TASK)


@dataclass(frozen=True, slots=True)
class UtilityTasks:
    """Which tasks, on which files, in which languages."""

    tasks: tuple[str, ...]
    places: Mapping[str, str]  # task -> folder
    languages: Sequence[str] | None = None
    limit: int | None = None
    shots: int | None = None  # M-MMLU's examples; None: its task file's

    def check(self, judges: Sequence[Judge], engine: str) -> None:
        """Raises before anything is run for what could not be run."""
        for task in self.tasks:
            if task not in TASKS:
                raise UnknownName("utility task", task, TASKS)
            if task not in self.places:
                raise ConfigError(f"Utility task {task!r} needs its files: --data {task}=FOLDER.")
        if mt_bench.TASK in self.tasks:
            _chat_judge(judges)
        if set(self.tasks) & set(harness.HARNESS) and engine not in harness.BACKENDS:
            raise ConfigError(f"Tasks of the harness run on {' or '.join(harness.BACKENDS)}, not on engine {engine!r}.")

    def left_out(self) -> list[str]:
        """A sentence for each task whose files lack a language that was asked for; to be shown with the figures."""
        sentences = []
        for task in self.tasks:
            if not self.languages or task not in self.places or task not in TASKS:
                continue
            held = languages_of(task, Path(self.places[task]))
            absent = [code for code in self.languages if code not in held]
            if absent and len(absent) < len(self.languages):
                has = ", ".join(sorted(held))
                sentences.append(f"{task} has no questions in {', '.join(absent)}: no figure there; it has {has}.")
        return sentences


def languages_of(task: str, folder: Path) -> set[str]:
    """The languages that the files of a task hold; raises DataError for a folder that is not there."""
    if task == mt_bench.TASK:
        return {question.language for question in mt_bench.questions(folder, None, None)}
    return set(harness.files_by_language(folder))


def run(
    tasks: UtilityTasks,
    evaluated: EvaluatedModel,
    engine: Engine,
    engine_name: str,
    judges: Sequence[Judge],
    sampling: Sampling,
    journal: Journal,
    done: Callable[[int], None] = lambda _: None,
) -> tuple[list[Result], list[Score]]:
    """Results per task and language, and the score of every question."""
    results: list[Result] = []
    scores: list[Score] = []
    for task in tasks.tasks:
        folder = Path(tasks.places[task])
        if task == mt_bench.TASK:
            judge = _chat_judge(judges)
            asked = mt_bench.questions(folder, tasks.languages, tasks.limit)
            mine = mt_bench.run_mt_bench(asked, folder, engine, judge, sampling, journal)
            results += mt_bench.results(mine, judge)
        else:
            prepared = harness.prepare(task, folder, tasks.languages, tasks.limit, tasks.shots)
            mine = harness.run_harness(prepared, evaluated.model, engine_name, engine.provenance(), journal, done)
            results += harness.results(mine, prepared)
        scores += mine
    return results, scores


def _chat_judge(judges: Sequence[Judge]) -> ProtocolJudge:
    for judge in judges:
        if isinstance(judge, ProtocolJudge):
            return judge
    raise ConfigError(
        "mt-bench is rated by a chat model: add one to --judge, for example --judge rules,openai:gpt-4.1."
    )
