"""What alignment costs: MGSM and multilingual MMLU through lm-evaluation-harness, from local files.

The harness asks and scores; prompts and their versions are in `tasks/`. Files are read by us, so that TSV quotes,
encodings and column names of the several distributions make no difference.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from mpodata.engines.reasoning import without_reasoning
from mpodata.errors import DataError
from mpodata.languages import languages
from mpodata.readers.upstream import Upstream
from mpodata.registry import require
from mpodata.runtime.journal import Journal
from mpotrain.evaluation.benchmarks.tables import SUFFIXES, read_table
from mpotrain.evaluation.statistics import Interval, bootstrap, wilson
from mpotrain.evaluation.utility.numbers import last_number

TASKS = Path(__file__).with_name("tasks")
BACKENDS = {"transformers": "hf", "vllm": "vllm"}  # our engine -> the harness's model type
HARNESS = ("mgsm", "mmlu")  # what the harness runs; mt-bench is judged (mt_bench.py)

COLUMNS = {
    "question": ("question", "instruction"),
    "answer": ("answer", "answer_number"),
    "a": ("option_a", "a"),
    "b": ("option_b", "b"),
    "c": ("option_c", "c"),
    "d": ("option_d", "d"),
    "subject": ("subject",),
    "id": ("id", "question_id"),
}
KNOWN = frozenset(name for names in COLUMNS.values() for name in names)


@dataclass(frozen=True, slots=True)
class Score:
    """One question of one task: a row of utility.jsonl."""

    task: str
    language: str
    question: str  # its id, the same in every run
    score: float  # 0 or 1; MT-Bench: 1 to 10


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


def prepare(task: str, folder: Path, wanted: Sequence[str] | None, limit: int | None) -> list[Asked]:
    """The questions of `task` in the files of `folder`, a file per language; raises DataError where there are none."""
    config = yaml.safe_load((TASKS / f"{task}.yaml").read_text(encoding="utf-8"))
    files = _files(folder)
    found = []
    for code, paths in files.items():
        if wanted and code not in wanted:
            continue
        test = next((path for path in paths if "dev" not in path.stem.split("_")), paths[0])
        development = next((path for path in paths if path != test and "dev" in path.stem.split("_")), None)
        docs = _mgsm(test, code, config) if task == "mgsm" else _mmlu(test, development, config["shots"])
        found.append(Asked(task, code, tuple(docs[:limit]), config))
    if not found:
        raise DataError(f"{folder}: no {task} file in {', '.join(wanted or ())}; it has {', '.join(sorted(files))}.")
    return found


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
    by_content = {one.content: one for one in asked}
    loaded: list[Any] = []  # the model, loaded when the first language needs it

    def compute(contents: list[str]) -> list[list[float]]:
        if not loaded:
            loaded.append(_model(BACKENDS[engine], model))
        return [_scores(harness, by_content[content], loaded[0]) for content in contents]

    spec = {"harness": harness.__version__, "model": dict(identity)}
    results = journal.through("utility", spec, [one.content for one in asked], compute, block=1, done=done)
    return [
        Score(one.task, one.language, str(doc["id"]), score)
        for one, scores in zip(asked, results, strict=True)
        for doc, score in zip(one.docs, scores, strict=True)
    ]


def results(scores: Sequence[Score], asked: Sequence[Asked]) -> list[Result]:
    """Shares of right answers per task and language, with intervals."""
    harness = require("lm_eval", package="lm-eval", purpose="Utility tasks", extra="eval")
    found = []
    for one in asked:
        mine = [score.score for score in scores if (score.task, score.language) == (one.task, one.language)]
        found.append(
            Result(
                one.task, one.config["title"], one.language, share(mine), one.config["version"],
                max((doc["shot_count"] for doc in one.docs), default=0), f"lm-evaluation-harness {harness.__version__}",
            )
        )  # fmt: skip
    return found


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
    for place, row in enumerate(_rows(path), start=1):
        question, answer = (row["question"], row["answer"]) if "question" in row else (row["0"], row["1"])
        right: Fraction | None = last_number(str(answer))
        if right is None:
            raise DataError(f"{path}, row {place}: the answer is not a number.")
        docs.append(
            {"id": str(place), "question": question, "answer": str(answer), "instruction": instruction, "shot_count": 0}
        )
    return docs


def _mmlu(path: Path, development: Path | None, most: int) -> list[dict[str, Any]]:
    shots: dict[str, list[str]] = {}
    for row in _rows(development) if development else []:
        shots.setdefault(_subject(row), []).append(f"{_asked(row)} {row['answer']}\n\n")
    docs = []
    for place, row in enumerate(_rows(path), start=1):
        if str(row.get("answer")).strip() not in {"A", "B", "C", "D"}:
            raise DataError(f"{path}, row {place}: the answer must be A, B, C or D, got {row.get('answer')!r}.")
        mine = shots.get(_subject(row), [])[:most]
        docs.append(
            {
                "id": str(row.get("id") or place),
                "question": str(row["question"]).strip(),
                "choices": [str(row[letter]) for letter in "abcd"],
                "answer": str(row["answer"]).strip(),
                "shots": "".join(mine),
                "shot_count": len(mine),
            }
        )
    return docs


def _asked(row: Mapping[str, Any]) -> str:
    choices = "\n".join(f"{letter.upper()}. {row[letter]}" for letter in "abcd")
    return f"{str(row['question']).strip()}\n{choices}\nAnswer:"


def _subject(row: Mapping[str, Any]) -> str:
    """The subject a question belongs to; m_mmlu has it in the id: econometrics/dev/1."""
    return str(row.get("subject") or str(row.get("id") or "").split("/")[0])


def _rows(path: Path) -> list[dict[str, Any]]:
    """Rows under our column names; a file without a header keeps "0", "1", ..."""
    rows = []
    for raw in read_table(Upstream(str(path)), KNOWN).rows:
        lowered = {str(name).strip().casefold(): value for name, value in raw.items()}
        named = {ours: lowered[theirs] for ours, names in COLUMNS.items() for theirs in names if theirs in lowered}
        rows.append(named or lowered)
    return rows


def _files(folder: Path) -> dict[str, list[Path]]:
    """language -> its files, by the code in the name: mgsm_sw.tsv, bn_dev.json, mmlu_SW-KE.csv."""
    found: dict[str, list[Path]] = {}
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; it should hold one file per language.")
    for path in sorted(folder.iterdir()):
        if path.suffix in SUFFIXES:
            words = [word.casefold().split("-")[0] for word in path.stem.split("_")]
            code = next((word for word in words if word in languages()), None)
            if code:
                found.setdefault(code, []).append(path)
    return found
