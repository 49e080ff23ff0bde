"""What alignment may have cost: the utility tasks that were asked for, by whoever runs them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mpodata.engines import Engine, Sampling
from mpodata.errors import ConfigError, UnknownName
from mpodata.runtime.journal import Journal
from mpotrain.evaluation.judges import Judge
from mpotrain.evaluation.judges.pairwise import pairwise_judge
from mpotrain.evaluation.judges.protocol import ProtocolJudge
from mpotrain.evaluation.model import EvaluatedModel
from mpotrain.evaluation.utility import fluency, global_mmlu, harness, mt_bench, x_alpacaeval
from mpotrain.evaluation.utility.harness import Result, Score
from mpotrain.evaluation.utility.x_alpacaeval import Answered

TASKS = (*harness.HARNESS, mt_bench.TASK, fluency.TASK, x_alpacaeval.TASK)
RATED_BY_A_CHAT_MODEL = (mt_bench.TASK, fluency.TASK)
FILES = (x_alpacaeval.GAMED, x_alpacaeval.DIFFICULTY)  # what --data may name besides tasks


@dataclass(frozen=True, slots=True)
class UtilityTasks:
    """Which tasks, on which files, in which languages."""

    tasks: tuple[str, ...]
    places: Mapping[str, str]  # task -> folder
    languages: Sequence[str] | None = None
    limit: int | None = None
    shots: int | None = None  # examples before each question of M-MMLU and Global MMLU; None: its task file's
    baseline_answers: Path | None = None  # what X-AlpacaEval compares with
    both_orders: bool = False  # of X-AlpacaEval's judge

    def check(self, judges: Sequence[Judge], engine: str) -> None:
        """Raises before anything is run for what could not be run."""
        for task in self.tasks:
            if task not in TASKS:
                raise UnknownName("utility task", task, TASKS)
            if task not in self.places:
                raise ConfigError(f"Utility task {task!r} needs its files: --data {task}=FOLDER.")
        for task in RATED_BY_A_CHAT_MODEL:
            if task in self.tasks:
                _chat_judge(task, judges)
        if x_alpacaeval.TASK in self.tasks:
            pairwise_judge(judges, both_orders=self.both_orders)
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
    if task == fluency.TASK:
        return {question.language for question in fluency.questions(folder, None, None)}
    if task == x_alpacaeval.TASK:
        return {instruction.language for instruction in x_alpacaeval.instructions(folder, None, None)}
    if task in global_mmlu.GLOBAL_MMLU:
        return set(global_mmlu.folders_by_language(folder))
    return set(harness.files_by_language(folder))


@dataclass(slots=True)
class UtilityResults:
    """What the tasks gave."""

    results: list[Result] = field(default_factory=list)  # per task and language
    scores: list[Score] = field(default_factory=list)  # of every question
    notes: list[str] = field(default_factory=list)  # what a reader must know
    answered: list[Answered] = field(default_factory=list)  # X-AlpacaEval's answers


def run(
    tasks: UtilityTasks,
    evaluated: EvaluatedModel,
    engine: Engine,
    engine_name: str,
    judges: Sequence[Judge],
    sampling: Sampling,
    journal: Journal,
    done: Callable[[int], None] = lambda _: None,
) -> UtilityResults:
    """Ask, score and summarise every task."""
    told = UtilityResults()
    for task in tasks.tasks:
        folder = Path(tasks.places[task])
        if task == mt_bench.TASK:
            judge = _chat_judge(task, judges)
            asked = mt_bench.questions(folder, tasks.languages, tasks.limit)
            scores = mt_bench.run_mt_bench(asked, folder, engine, judge, sampling, journal)
            told.results += mt_bench.results(scores, judge)
            told.scores += scores
        elif task == fluency.TASK:
            judge = _chat_judge(task, judges)
            prompts = fluency.questions(folder, tasks.languages, tasks.limit)
            scores = fluency.run_fluency(prompts, engine, judge, sampling, journal)
            told.results += fluency.results(scores, judge)
            told.scores += scores
            told.notes += fluency.notes(prompts, scores)
        elif task == x_alpacaeval.TASK:
            _compare(tasks, folder, evaluated, engine, judges, sampling, journal, told)
        else:
            read = global_mmlu.prepare if task in global_mmlu.GLOBAL_MMLU else harness.prepare
            prepared = read(task, folder, tasks.languages, tasks.limit, tasks.shots)
            scores = harness.run_harness(prepared, evaluated.model, engine_name, engine.provenance(), journal, done)
            results = harness.results(scores, prepared)
            if task in global_mmlu.GLOBAL_MMLU:
                split_scores, split_asked = global_mmlu.by_culture(scores, prepared)
                scores += split_scores
                results += harness.results(split_scores, split_asked)
                told.notes += global_mmlu.notes(results)
            told.results += results
            told.scores += scores
    return told


def _compare(
    tasks: UtilityTasks,
    folder: Path,
    evaluated: EvaluatedModel,
    engine: Engine,
    judges: Sequence[Judge],
    sampling: Sampling,
    journal: Journal,
    told: UtilityResults,
) -> None:
    judge = pairwise_judge(judges, both_orders=tasks.both_orders)
    asked = x_alpacaeval.instructions(folder, tasks.languages, tasks.limit)
    controls = x_alpacaeval.regression(folder, tasks.places)
    baselines = x_alpacaeval.baseline_answers(tasks.baseline_answers, asked) if tasks.baseline_answers else None
    told.answered = x_alpacaeval.compare(asked, baselines, engine, evaluated.title, judge, sampling, journal)
    scores = x_alpacaeval.scores(told.answered, controls)
    told.results += x_alpacaeval.results(scores, judge, controls)
    told.scores += scores
    told.notes += x_alpacaeval.notes(told.answered)


def _chat_judge(task: str, judges: Sequence[Judge]) -> ProtocolJudge:
    for judge in judges:
        if isinstance(judge, ProtocolJudge):
            return judge
    raise ConfigError(f"{task} is rated by a chat model: add one to --judge, for example --judge rules,openai:gpt-4.1.")
