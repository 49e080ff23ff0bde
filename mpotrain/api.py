"""The public functions: what the commands do, for notebooks and scripts. Import them from `mpotrain`.

Options are the commands' flags with underscores: `mpotrain eval --gap off --limit 100` is
`evaluate(..., gap="off", limit=100)`. What they return is the content of the commands' JSON, and shows itself in a
notebook as a table with a plot. What semantic versioning covers is said in `mpodata.api`.
"""

import argparse
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from mpodata.errors import ConfigError
from mpotrain.evaluation.notebook import EvaluationRecord, GapRecord, Pages, RunRecord

__all__ = ["evaluate", "gap", "report", "train"]


def train(
    dataset: str | Path,
    output_dir: str | Path,
    *,
    model: str | Path | None = None,
    method: str = "mpo",
    preset: str | None = None,
    **flags: Any,
) -> RunRecord:
    """Align a model on a dataset version in this process, or go on where a killed run stopped.

    Args:
        dataset: a version ("user/name@v1.0.0", a folder, either with "#translator"), or a table: "pairs.csv".
        output_dir: the run's folder; it belongs to one configuration.
        model: a Hub id, a folder or "pocket-chat"; a preset may name it.
        method: a name of `mpotrain.objective.losses.LOSSES`.
        preset: settings with their source: "llama-3.1-8b", "pocket", a YAML file.
        flags: any other flag of `mpotrain train`: learning_rate=6e-7, languages=["sw", "zh"], use_peft=True.
    Returns: the content of run.json: what made the run, and its metrics.
    Raises: MpoError with one sentence for whatever can be mended.
    """
    from mpotrain.config import parse
    from mpotrain.training.run import train as train_run

    given = {"dataset": dataset, "output_dir": output_dir, "model": model, "method": method, **flags}
    return RunRecord(train_run(parse(_words(given, switches=False), preset)))


def evaluate(
    out: str | Path,
    *,
    run: str | Path | None = None,
    model: str | Path | None = None,
    benchmarks: Sequence[str] = (),
    **flags: Any,
) -> EvaluationRecord:
    """Ask a model the prompts of benchmarks, judge its answers and measure per language; the folder `out` keeps it all.

    Args:
        run: a training run's folder; or model: a Hub id, a folder or "pocket-chat".
        benchmarks: names ("multijail", "xstest", "pocket") or files.
        flags: any other flag of `mpotrain eval`: baseline=True, judge="llama-guard-3", data=["xstest=prompts.csv"].
    Returns: the content of results.json: rates with intervals per benchmark, language and kind of prompt.
    """
    given = {"out": out, "run": run, "model": model, "benchmarks": benchmarks, **flags}
    return EvaluationRecord(_perform("eval", [], given))


def gap(dataset: str | Path, *, model: str | Path, **flags: Any) -> GapRecord:
    """The reward gap per language, in nats per token with 95 % intervals, of a model or a training run.

    Args: flags: any other flag of `mpotrain gap`: split="train", languages=["sw"], base="pocket-chat".
    """
    return GapRecord(_perform("gap", [], {"dataset": dataset, "model": model, **flags}))


def report(evaluations: Sequence[str | Path], out: str | Path = "report.html", **flags: Any) -> Pages:
    """Write the page that compares evaluated models, with its Markdown and JSON twins; returns their paths."""
    return Pages(_perform("report", [str(path) for path in evaluations], {"out": out, **flags}))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message[:1].upper()}{message[1:]}.")


def _perform(command: str, positional: Sequence[str], given: Mapping[str, Any]) -> Any:
    """What a command does, without what it prints."""
    module = import_module(f"mpotrain.commands.{command}")
    parser = _Parser(f"mpotrain {command}", allow_abbrev=False)
    module.arguments(parser)
    words = [*positional, *_words(given, switches=True)]
    args = parser.parse_args(words)
    args.words = ["mpotrain", command, *words]
    return module.perform(args)


def _words(given: Mapping[str, Any], *, switches: bool) -> list[str]:
    """Keyword arguments as the words of a command line; True is a bare flag where flags are `switches`."""
    words: list[str] = []
    for name, value in given.items():
        flag = f"--{name.replace('_', '-')}" if switches else f"--{name}"
        if value is None or (value is False and switches):
            continue
        if isinstance(value, bool):
            words += [flag] if switches else [flag, str(value).lower()]
        elif isinstance(value, list | tuple) and name in ("data", "set"):
            words += [word for item in value for word in (flag, str(item))]
        elif isinstance(value, list | tuple):
            words += [flag, ",".join(map(str, value))] if value else []
        else:
            words += [flag, str(value)]
    return words
