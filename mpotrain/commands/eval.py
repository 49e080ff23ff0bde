"""`mpotrain eval`: answer benchmarks, judge the answers, measure per language."""

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mpodata.about import cache_folder
from mpodata.engines import ENGINES, Engine, Sampling
from mpodata.errors import ConfigError
from mpodata.hub import redact_command
from mpodata.registry import construct
from mpodata.runtime.flags import by_part, listed, named, number, parts, places, setting, whole
from mpodata.runtime.journal import Journal
from mpodata.runtime.whole_files import check_folder_writable
from mpotrain.commands import require_training
from mpotrain.evaluation.benchmarks import BENCHMARKS, DATASET, benchmark_languages
from mpotrain.evaluation.evaluate import EvaluationSuite, Extras, Settings, evaluate, prepare_suite
from mpotrain.evaluation.folder import COMPARED, STATES, UTILITY, refuse_another, write_lines
from mpotrain.evaluation.heeded import SEED, check_heeded
from mpotrain.evaluation.judges import JUDGES
from mpotrain.evaluation.judges.choice import SHARED, make_judges
from mpotrain.evaluation.model import EvaluatedModel, model_of_run
from mpotrain.evaluation.states import write_states
from mpotrain.evaluation.summary import lines
from mpotrain.evaluation.utility.suite import FILES, TASKS, UtilityResults, UtilityTasks
from mpotrain.evaluation.utility.x_alpacaeval import TASK as X_ALPACAEVAL

HELP = "Answer benchmarks, judge the answers, measure per language; every rate with its interval."
EXAMPLE = (
    "mpotrain eval --run runs/mpo --baseline --benchmarks multijail,xstest --data multijail=multijail.csv "
    "--data xstest=xstest_prompts.csv --languages en,sw,bn --judge rules --out evals/mpo"
)

BASE = "base"  # the base model's evaluation, inside the trained one's folder


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--model", help="model to evaluate: a folder, a Hub id, pocket-chat")
    who.add_argument("--run", type=Path, help="training run to evaluate: the folder `mpotrain train` wrote")
    parser.add_argument("--revision", help="revision of a Hub model")
    parser.add_argument("--name", type=named, help="what tables call the model (default: its own name)")
    parser.add_argument("--baseline", action="store_true", help="evaluate the model that the run started from too")
    names = ", ".join([*BENCHMARKS, DATASET])
    parser.add_argument("--benchmarks", type=listed, help=f"comma-separated names or paths of tables; names: {names}")
    parser.add_argument(
        "--utility", type=listed,
        help=f"comma-separated tasks that show what alignment costs, each with --data TASK=FOLDER: {', '.join(TASKS)}",
    )  # fmt: skip
    parser.add_argument("--data", action="append", default=[], metavar="NAME=PATH", help="where a file is")
    parser.add_argument(
        "--languages", type=benchmark_languages, help="comma-separated codes (default: all that a benchmark has)"
    )
    parser.add_argument("--limit", type=whole(1), help="at most N prompts per language and kind, the same in every run")
    parser.add_argument(
        "--shots", type=whole(0), help="examples before each M-MMLU or Global MMLU question (default: 5)"
    )
    parser.add_argument(
        "--baseline-answers", type=Path, metavar="PATH",
        help="answers that x-alpacaeval compares with: a file or folder of rows with instruction and output, such as "
        "another evaluation's x-alpacaeval.jsonl (default with --baseline: the base model's)",
    )  # fmt: skip
    parser.add_argument(
        "--both-orders", action="store_true", help="x-alpacaeval's judge sees every two answers in both orders"
    )
    judges = ", ".join(JUDGES)
    parser.add_argument(
        "--judge", type=listed, default="rules",
        help=f"comma-separated; the first makes the numbers, others show agreement: {judges}, or ENGINE:MODEL such as "
        "openai:gpt-4.1 (default: rules)",
    )  # fmt: skip
    parser.add_argument("--engine", default="transformers", help=f"who answers: {', '.join(ENGINES)}")
    parser.add_argument("--max-tokens", type=whole(1), default=256, help="longest answer in tokens (default: 256)")
    parser.add_argument("--temperature", type=number(0, 2), default=0.0, help="0 is greedy (default)")
    parser.add_argument("--seed", type=int, help=f"of sampled answers: with --temperature above 0 (default: {SEED})")
    parser.add_argument(
        "--set", type=setting, action="append", default=[], metavar="KEY=VALUE", dest="settings",
        help="an option of the engine, the judges or one judge: engine.device=cpu, judge.base_url=http://host/v1",
    )  # fmt: skip
    parser.add_argument(
        "--gap", default="auto", metavar="REF",
        help="dataset version whose test pairs give reward gaps and states; off for none (default: the run's own)",
    )  # fmt: skip
    parser.add_argument(
        "--split", choices=("train", "test", "all"),
        help="rows of the version that benchmark dataset, gaps and states use (default: test, or train without one)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="folder to write (default: RUN/eval with --run)")
    parser.add_argument("--json", action="store_true", help="print results.json instead of the table")


def run(args: argparse.Namespace) -> int:
    """Evaluate, and print where each language stands."""
    results = perform(args)
    if args.json:
        print(json.dumps(results, ensure_ascii=False, indent=2))
    else:
        out = _out(args)
        print(
            "\n".join([*lines(results), "", f"wrote {out}. Compare and plot: mpotrain report {out} --out report.html"])
        )
    return 0


def perform(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate the model, and with --baseline the one it was trained from; returns what results.json holds."""
    check_heeded(args)
    evaluated = _evaluated_model(args)
    base = evaluated.base() if args.baseline else None
    if args.baseline and base is None:
        raise ConfigError("--baseline needs a training run that names its base model: use --run RUN.")
    out = _out(args)
    check_folder_writable(out)
    suite_asked, utility_tasks = _asked(args, evaluated)
    options = by_part(args.settings, ("engine", SHARED, *JUDGES))
    asked = _what_is_asked(args, evaluated)
    refuse_another(out, asked)
    with Journal(cache_folder() / "evaluation.sqlite") as journal:
        settings = Settings(
            judges=make_judges(parts(args.judge), options, journal),
            sampling=Sampling(max_tokens=args.max_tokens, temperature=args.temperature, seed=_seed(args)),
            command=redact_command(shlex.join(args.words)),
            asked=asked,
        )
        utility_tasks.check(settings.judges, args.engine)
        everything = (args, options, suite_asked, utility_tasks, settings, journal)
        if base is not None:
            _evaluate(base, None, out / BASE, *everything)
        return _evaluate(evaluated, base, out, *everything)


def _out(args: argparse.Namespace) -> Path:
    """The folder to write; raises ConfigError where none is named."""
    out: Path | None = args.out or (args.run / "eval" if args.run else None)
    if out is None:
        raise ConfigError("Where to write? Add --out DIR.")
    return out


def _what_is_asked(args: argparse.Namespace, evaluated: EvaluatedModel) -> dict[str, Any]:
    """What an evaluation's folder is bound to: model and everything that decides its numbers."""
    given = (
        "benchmarks",
        "utility",
        "data",
        "languages",
        "limit",
        "shots",
        "judge",
        "engine",
        "settings",
        "gap",
        "split",
        "baseline_answers",
        "both_orders",
    )
    sampling = ("max_tokens", "temperature", "seed")
    asked = {name: getattr(args, name) for name in (*given, *sampling)} | {"seed": _seed(args)}
    asked |= {name: asked[name] or "" for name in ("benchmarks", "utility")}
    asked["baseline_answers"] = str(args.baseline_answers.resolve()) if args.baseline_answers else None
    asked["both_orders"] = args.both_orders or None  # evaluations of earlier releases do not hold it
    asked["settings"] = [redact_command(text) for text in args.settings]
    model = str(args.run.resolve()) if args.run else evaluated.model
    return {"model": model, "revision": evaluated.revision, **asked, "baseline": args.baseline}


def _seed(args: argparse.Namespace) -> int:
    return SEED if args.seed is None else int(args.seed)


def _evaluate(
    evaluated: EvaluatedModel,
    base: EvaluatedModel | None,
    out: Path,
    args: argparse.Namespace,
    options: dict[str, dict[str, Any]],
    suite_asked: EvaluationSuite,
    utility_tasks: UtilityTasks,
    settings: Settings,
    journal: Journal,
) -> dict[str, Any]:
    engine: Engine = construct(
        "engine", ENGINES, args.engine, options["engine"], model=evaluated.model, revision=evaluated.revision
    )
    progress = _progress(evaluated.title)
    gaps: Mapping[str, Any] = {}
    if reference := _gap_reference(args):
        require_training("eval")
        from mpotrain.evaluation.held_out import held_out

        with Journal(cache_folder() / "reference.sqlite") as measured:
            measurements = held_out(evaluated, base, reference, parts(args.languages or ""), measured, args.split)
        write_states(out / STATES, measurements.states)
        gaps = measurements.gaps
    told = UtilityResults()
    if utility_tasks.tasks:
        from mpotrain.evaluation.utility import suite

        if base is not None and utility_tasks.baseline_answers is None:  # the base model was evaluated before
            utility_tasks = replace(utility_tasks, baseline_answers=out / BASE / COMPARED)
        done = progress("utility", len(utility_tasks.tasks))
        told = suite.run(
            utility_tasks, evaluated, engine, args.engine, settings.judges, settings.sampling, journal, done
        )
        write_lines(out / UTILITY, (asdict(score) for score in told.scores))
        if told.answered:
            write_lines(out / COMPARED, (row.row() for row in told.answered))
    extras = Extras(
        gaps=gaps,
        utility=[asdict(row) for row in told.results],
        baseline=BASE if base is not None else None,
        notes=told.notes,
    )
    return evaluate(evaluated, engine, suite_asked, settings, journal, out, extras=extras, progress=progress)


def _gap_reference(args: argparse.Namespace) -> str | None:
    """The dataset version that gaps are measured on: the one asked for, else the run's, else none."""
    if args.gap == "off":
        return None
    if args.gap != "auto":
        return str(args.gap)
    return model_of_run(args.run).data.get("reference") if args.run else None


def _evaluated_model(args: argparse.Namespace) -> EvaluatedModel:
    if args.run:
        evaluated = model_of_run(args.run)
    else:
        evaluated = EvaluatedModel(Path(args.model).name or args.model, args.model, args.revision)
    return replace(evaluated, title=args.name) if args.name else evaluated


def _asked(args: argparse.Namespace, evaluated: EvaluatedModel) -> tuple[EvaluationSuite, UtilityTasks]:
    """What is asked: benchmarks and utility tasks, with the files that --data names for them."""
    names, tasks = parts(args.benchmarks or ""), tuple(parts(args.utility or ""))
    if not names and not tasks:
        raise ConfigError("What to ask? Add --benchmarks, for example multijail,xstest, or --utility.")
    files = places(args.data, "multijail=multijail.csv")
    for name, place in files.items():
        if name not in (*names, *tasks, *(FILES if X_ALPACAEVAL in tasks else ())):
            raise ConfigError(f"--data {name}={place}: {name!r} is in neither --benchmarks nor --utility.")
    wanted = parts(args.languages or "") or None
    trained = evaluated.data
    dominant = str(trained.get("dominant") or "en")
    suite_asked = prepare_suite(
        names, files, wanted, args.limit, dataset=trained.get("reference"), split=args.split, dominant=dominant
    )
    utility = UtilityTasks(tasks, files, wanted, args.limit, args.shots, args.baseline_answers, args.both_orders)
    return replace(suite_asked, warnings=(*suite_asked.warnings, *utility.left_out())), utility


def _progress(title: str) -> Callable[[str, int], Callable[[int], None]]:
    def begin(what: str, total: int) -> Callable[[int], None]:
        bar = tqdm(total=total, desc=f"{title}: {what}", unit="", leave=False, disable=not sys.stderr.isatty())

        def done(count: int) -> None:
            bar.update(count)
            if bar.n >= total:
                bar.close()

        return done

    return begin
