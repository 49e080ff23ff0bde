"""What alignment costs: MGSM and multilingual MMLU through lm-evaluation-harness, from local files.

The harness asks and scores; prompts and their versions are in `tasks/`. Files are read by us, so that TSV quotes,
encodings and column names of the several distributions make no difference.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from mpodata.engines.reasoning import without_reasoning
from mpodata.errors import DataError
from mpodata.languages.identification import UNDETERMINED, dominant_language_of
from mpodata.readers.files import LocalFile
from mpodata.readers.upstream import Upstream
from mpodata.registry import require
from mpodata.runtime.journal import Journal
from mpotrain.evaluation.benchmarks.files import stated_language
from mpotrain.evaluation.benchmarks.tables import SUFFIXES, read_table
from mpotrain.evaluation.statistics import Interval, bootstrap, wilson
from mpotrain.evaluation.utility.numbers import last_number

TASKS = Path(__file__).with_name("tasks")
BACKENDS = {"transformers": "hf", "vllm": "vllm"}  # our engine -> the harness's model type
RATED: Mapping[str, int] = {"mt-bench": 10, "fluency": 5, "correctness": 5}  # judged by ratings from 1 to this
HARNESS = ("mgsm", "mmlu", "global-mmlu", "global-mmlu-lite")  # what the harness runs; other tasks are judged

COLUMNS = {
    "question": ("question", "instruction"),
    "answer": ("answer", "answer_number"),
    "a": ("option_a", "a"),
    "b": ("option_b", "b"),
    "c": ("option_c", "c"),
    "d": ("option_d", "d"),
    "subject": ("subject",),
    "id": ("id", "question_id", "sample_id"),
    "category": ("subject_category",),
    "culture": ("cultural_sensitivity_label",),
}
SAMPLE = 200  # questions that a file's language is told from
KNOWN = frozenset(name for names in COLUMNS.values() for name in names)


@dataclass(frozen=True, slots=True)
class Score:
    """One question of one task: a row of utility.jsonl."""

    task: str
    language: str
    question: str  # its id, the same in every run
    score: float  # 0 or 1; of RATED tasks a rating from 1


@dataclass(frozen=True, slots=True)
class Result:
    """One task in one language."""

    task: str
    title: str
    language: str
    interval: Interval
    version: int  # of our task file
    shots: int
    scorer: str  # "lm-evaluation-harness 0.4.13", or the judge


@dataclass(frozen=True, slots=True)
class Asked:
    """One task in one language, ready to be run."""

    task: str
    language: str
    docs: tuple[dict[str, Any], ...]
    config: Mapping[str, Any]  # the task's file

    @property
    def content(self) -> str:
        """A hash of everything that decides a model's score."""
        return sha256(repr((self.docs, sorted(self.config.items(), key=str))).encode()).hexdigest()


def prepare(
    task: str, folder: Path, wanted: Sequence[str] | None, limit: int | None, shots: int | None = None
) -> list[Asked]:
    """The questions of `task` in the files of `folder`, a file per language; raises DataError where there are none.

    shots: examples before each M-MMLU question (default: the task file's 5). Raises DataError where the development
    file that they come from is missing or has too few of a subject: a 5-shot figure never is a 0-shot one in disguise.
    """
    config = yaml.safe_load((TASKS / f"{task}.yaml").read_text(encoding="utf-8"))
    if shots is not None and task == "mmlu":
        config["shots"] = shots
    files = files_by_language(folder)
    asked = []
    for code, paths in files.items():
        if wanted and code not in wanted:
            continue
        test = next((path for path in paths if "dev" not in _words(path)), paths[0])
        development = next((path for path in paths if path != test and "dev" in _words(path)), None)
        docs = _mgsm(test, code, config) if task == "mgsm" else _mmlu(test, development, code, config["shots"])
        asked.append(Asked(task, code, tuple(docs[:limit]), config))
    if not asked:
        raise DataError(f"{folder}: no {task} file in {', '.join(wanted or ())}; it has {', '.join(sorted(files))}.")
    return asked


def run_harness(
    asked: Sequence[Asked],
    model: str,
    engine: str,
    identity: Mapping[str, Any],
    journal: Journal,
    done: Callable[[int], None] = lambda _: None,
) -> list[Score]:
    """Every question's score. A language that was run before on these weights is not run again.

    engine: a key of BACKENDS. identity: Engine.provenance().
    """
    harness = require("lm_eval", package="lm-eval", purpose="Utility tasks", extra="eval")
    by_content = {task.content: task for task in asked}
    loaded: list[Any] = []  # the model, loaded when the first language needs it

    def compute(contents: list[str]) -> list[list[float]]:
        if not loaded:
            loaded.append(_model(BACKENDS[engine], model))
        return [_scores(harness, by_content[content], loaded[0]) for content in contents]

    spec = {"harness": harness.__version__, "model": dict(identity)}
    results = journal.through("utility", spec, [task.content for task in asked], compute, block=1, done=done)
    return [
        Score(task.task, task.language, str(doc["id"]), score)
        for task, scores in zip(asked, results, strict=True)
        for doc, score in zip(task.docs, scores, strict=True)
    ]


def results(scores: Sequence[Score], asked: Sequence[Asked]) -> list[Result]:
    """Shares of right answers per task and language, with intervals."""
    harness = require("lm_eval", package="lm-eval", purpose="Utility tasks", extra="eval")
    rows = []
    for task in asked:
        mine = [score.score for score in scores if (score.task, score.language) == (task.task, task.language)]
        rows.append(
            Result(
                task.task, task.config["title"], task.language, share(mine), task.config["version"],
                max((doc["shot_count"] for doc in task.docs), default=0),
                f"lm-evaluation-harness {harness.__version__}",
            )
        )  # fmt: skip
    return rows


def share(scores: Sequence[float]) -> Interval:
    """Wilson's interval for right and wrong, a bootstrap for anything finer."""
    if all(score in (0, 1) for score in scores):
        return wilson(int(sum(scores)), len(scores))
    return bootstrap(scores)


def _scores(harness: Any, asked: Asked, model: Any) -> list[float]:
    """One language through the harness: a score per question, in order."""
    import datasets
    from lm_eval.tasks import TaskManager

    logging.getLogger("lm_eval").setLevel(logging.ERROR)  # it warns about every custom task
    metric = asked.config["task"]["metric_list"][0]["metric"]
    task: dict[str, Any] = {
        **asked.config["task"],
        "task": f"{asked.task}_{asked.language}",
        "custom_dataset": lambda **_: {"test": datasets.Dataset.from_list([dict(doc) for doc in asked.docs])},
        "target_delimiter": "",  # the chat template has opened the answer
        "metadata": {"version": asked.config["version"]},
    }
    if asked.task == "mgsm":
        task["generation_kwargs"] = {
            "until": [model.tokenizer.eos_token or "</s>"],
            "max_gen_toks": asked.config["max_gen_toks"],
            "do_sample": False,
        }
        task["process_results"] = right_number
    with without_git():
        out = harness.simple_evaluate(
            model=model,
            tasks=[task],
            task_manager=TaskManager(include_defaults=False),
            apply_chat_template=True,
            num_fewshot=0,
            bootstrap_iters=0,
        )
    samples = sorted(out["samples"][task["task"]], key=lambda sample: sample["doc_id"])
    return [float(sample[metric]) for sample in samples]


@contextmanager
def without_git() -> Iterator[None]:
    """Keep the harness from asking git about the user's folder, which complains on the terminal where it is none."""
    from lm_eval import evaluator

    own = evaluator.get_git_commit_hash
    evaluator.get_git_commit_hash = lambda: None
    try:
        yield
    finally:
        evaluator.get_git_commit_hash = own


def right_number(doc: Mapping[str, Any], responses: Sequence[str]) -> dict[str, float]:
    """Is the last number of the response, without its reasoning, the answer's?"""
    expected = last_number(str(doc["answer"]))
    response = without_reasoning(responses[0]) or ""
    return {"exact_match": float(expected is not None and last_number(response) == expected)}


def _model(backend: str, model: str) -> Any:
    import torch
    from lm_eval.api.registry import get_model

    from mpodata.engines.checkpoints import located

    device = {"device": "cuda" if torch.cuda.is_available() else "cpu"} if backend == "hf" else {}
    quiet = {"enable_thinking": False, "chat_template_args": {"thinking": False}}
    return get_model(backend)(pretrained=located(model), batch_size=8, trust_remote_code=False, **quiet, **device)


def _mgsm(path: Path, code: str, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    instruction = config["instructions"].get(code, config["instructions"]["en"])
    docs = []
    for place, row in enumerate(question_rows(path), start=1):
        question, answer = (row["question"], row["answer"]) if "question" in row else (row["0"], row["1"])
        right: Fraction | None = last_number(str(answer))
        if right is None:
            raise DataError(f"{path}, row {place}: the answer is not a number.")
        docs.append(
            {"id": str(place), "question": question, "answer": str(answer), "instruction": instruction, "shot_count": 0}
        )
    return docs


def _mmlu(path: Path, development: Path | None, code: str, shots: int) -> list[dict[str, Any]]:
    if shots and development is None:
        raise DataError(
            f"{path.parent}: {shots}-shot M-MMLU needs a development file in {code} ({code}_dev.json) beside "
            f"{path.name}. Add it, or ask for --shots 0."
        )
    examples: dict[str, list[str]] = {}
    for row in question_rows(development) if development and shots else []:
        examples.setdefault(subject_of(row), []).append(f"{choice_prompt(row)} {row['answer']}\n\n")
    docs = []
    for place, row in enumerate(question_rows(path), start=1):
        if str(row.get("answer")).strip() not in {"A", "B", "C", "D"}:
            raise DataError(f"{path}, row {place}: the answer must be A, B, C or D, got {row.get('answer')!r}.")
        mine = examples.get(subject_of(row), [])[:shots]
        if len(mine) < shots:
            raise DataError(
                f"{path}, row {place}: {shots} examples of {subject_of(row) or 'its subject'!r} are wanted, "
                f"{development} has {len(mine)}. Ask for --shots {len(mine)}, or complete the file."
            )
        docs.append(choice_doc(row, str(row.get("id") or place), mine))
    return docs


def choice_doc(row: Mapping[str, Any], name: str, shots: Sequence[str]) -> dict[str, Any]:
    """One question with four choices as the harness takes it; name: the same in every run."""
    return {
        "id": name,
        "question": str(row["question"]).strip(),
        "choices": [str(row[letter]) for letter in "abcd"],
        "answer": str(row["answer"]).strip(),
        "shots": "".join(shots),
        "shot_count": len(shots),
    }


def choice_prompt(row: Mapping[str, Any]) -> str:
    """A question with its four choices, up to where the letter goes."""
    choices = "\n".join(f"{letter.upper()}. {row[letter]}" for letter in "abcd")
    return f"{str(row['question']).strip()}\n{choices}\nAnswer:"


def subject_of(row: Mapping[str, Any]) -> str:
    """The subject a question belongs to; m_mmlu has it in the id: econometrics/dev/1."""
    return str(row.get("subject") or str(row.get("id") or "").split("/")[0])


def question_rows(path: Path) -> list[dict[str, Any]]:
    """Rows under our column names; a file without a header keeps "0", "1", ..."""
    rows = []
    for raw in read_table(Upstream(str(path)), KNOWN).rows:
        lowered = {str(name).strip().casefold(): value for name, value in raw.items()}
        named = {ours: lowered[theirs] for ours, names in COLUMNS.items() for theirs in names if theirs in lowered}
        rows.append(named or lowered)
    return rows


def _words(path: Path) -> list[str]:
    return LocalFile(str(path)).stem.split("_")


def files_by_language(folder: Path) -> dict[str, list[Path]]:
    """language -> its files: mgsm_sw.tsv, bn_dev.json, mmlu_SW-KE.csv.

    A code in the name counts where the questions are in that language; a name without one leaves it to the questions.
    """
    files: dict[str, list[Path]] = {}
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; it should hold one file per language.")
    for path in sorted(folder.iterdir()):
        if LocalFile(str(path)).suffix in SUFFIXES:
            questions = [row.get("question", row.get("0")) for row in question_rows(path)][:SAMPLE]
            code = (
                stated_language(LocalFile(str(path)).stem, questions)
                or dominant_language_of([text for text in questions if isinstance(text, str)])[0]
            )
            if code != UNDETERMINED:
                files.setdefault(code, []).append(path)
    return files
