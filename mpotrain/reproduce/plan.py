"""From a table to commands: build, train, evaluate, measure gaps and states, report; each in a folder of its own.

A step's folder is named after what decides its content, so that tables share versions, runs and evaluations, and a
second call finds what the first one finished.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from mpodata.errors import ConfigError
from mpotrain.reproduce.costs import Cost, answering, building, measuring, training
from mpotrain.reproduce.spec import UNSUPPORTED, Data, Part, Run, Table

BEST = "BEST"  # the last part of the path of a sweep's best run, which is known when the sweep is done
HUB_BENCHMARKS = {"multijail", "refuseu-test"}  # read from the Hub where no file is given
NEEDS = {
    "advbench-x": "FILE, one column of prompts per language", "csrt": "FILE, csrt.csv",
    "mt-bench": "FOLDER of the questions per language", "mmlu": "FOLDER of openai/MMMLU",
    "mgsm": "FOLDER of juletxara/mgsm", "global-mmlu": "FOLDER of CohereForAI/Global-MMLU",
    "global-mmlu-lite": "FOLDER of CohereForAI/Global-MMLU-Lite",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """What a user decides."""

    out: Path
    model: str | None = None
    base_model: str | None = None
    preset: str | None = None
    judge: str | None = None
    data: Mapping[str, str] = ()  # type: ignore[assignment]  # benchmark or task -> its file or folder
    settings: Sequence[str] = ()  # of `mpotrain eval --set`
    limit: int | None = None
    samples: int | None = None
    search: bool | None = None
    launch: Sequence[str] = ()  # --launch zero2 --nproc 8
    train: Sequence[str] = ()  # further flags of every training run
    build: Sequence[str] = ()  # further flags of every build
    skip_missing: bool = False
    dry_run: bool = False  # nothing is run: a missing file stands in the commands by what it must be


@dataclass(frozen=True, slots=True)
class Step:
    """One command, and the file that says it is done."""

    name: str
    command: tuple[str, ...]
    done: Path
    cost: Cost


@dataclass(frozen=True, slots=True)
class Plan:
    """The commands of a table in order, and where each cell of it will stand."""

    table: Table
    steps: tuple[Step, ...]
    measured: Mapping[tuple[str, str], Path]  # (row, part) -> the file with its figures
    needed: Mapping[tuple[str, str], tuple[Path, ...]]  # (row, part) -> `done` files of all steps it rests on
    models: Mapping[str, str]  # row -> the model or run it is measured on
    model: str
    left_out: Mapping[str, str]
    folder: Path  # of the table's page


def make_plan(table: Table, options: Options) -> Plan:
    """What reproduces `table`; raises ConfigError in one sentence for files that are missing."""
    missing = _missing(table, options)
    if options.dry_run:
        asked = {key: str(table.parts[key].utility or table.parts[key].benchmark) for key in missing}
        options = replace(options, data={**dict.fromkeys(asked.values(), "PATH"), **options.data})
        missing = {key: why for key, why in missing.items() if asked[key] in UNSUPPORTED}
    planner = _Planner(table, options, {**_unavailable(table), **table.left_out, **missing})
    plan = planner.plan()
    if not plan.measured and not options.dry_run:
        raise ConfigError(
            f"{table.label}: nothing is left to measure. {'; '.join(map(': '.join, plan.left_out.items()))}."
        )
    return plan


def _unavailable(table: Table) -> dict[str, str]:
    """Rows whose method or switch this version of mpotrain lacks, and those that start from them."""
    from mpotrain.config import DataConfig, HyperConfig, MethodConfig, MPOConfig
    from mpotrain.objective.losses import LOSSES

    flags = {setting.name for part in (DataConfig, MethodConfig, HyperConfig, MPOConfig) for setting in fields(part)}
    reasons: dict[str, str] = {}
    for run in table.runs.values():
        unknown = [name for name in run.flags if name not in flags]
        if run.method and run.method not in LOSSES:
            reasons[run.name] = f"this version has no method {run.method!r}"
        elif unknown:
            reasons[run.name] = f"this version has no flag --{unknown[0]}"
    return reasons


def _missing(table: Table, options: Options) -> dict[str, str]:
    """Part -> the flag that names its file; raises ConfigError unless these are to be skipped."""
    missing: dict[str, str] = {}
    for key, part in table.parts.items():
        asked = part.utility or part.benchmark
        if asked in UNSUPPORTED:
            missing[key] = "win rates are in no reproduction yet: `mpotrain eval --utility x-alpacaeval` measures them"
        elif part.utility and part.utility not in options.data:
            missing[key] = f"--data {part.utility}={NEEDS[part.utility]}"
        elif part.benchmark in NEEDS and part.benchmark not in options.data:
            missing[key] = f"--data {part.benchmark}={NEEDS[part.benchmark]}"
    for name, place in options.data.items():
        if not Path(place).exists() and name not in HUB_BENCHMARKS:
            raise ConfigError(f"--data {name}={place}: there is no such file or folder.")
    if options.dry_run:
        return missing
    if missing and (not options.skip_missing or missing.keys() >= table.parts.keys()):
        told = "; ".join(f"{table.parts[key].title}: {what}" for key, what in missing.items())
        rest = "" if missing.keys() >= table.parts.keys() else " Or measure the rest with --skip-missing."
        raise ConfigError(f"{table.label} needs what is not here: {told}.{rest}")
    return missing


class _Planner:
    """Collects the steps of one table, each once, before those that need them."""

    def __init__(self, table: Table, options: Options, left_out: Mapping[str, str]) -> None:
        self.table, self.options, self.left_out = table, options, dict(left_out)
        self.world = table.world
        self.model = options.model or str(self.world["model"])
        self.base_model = options.base_model or str(self.world["base_model"])
        self.steps: dict[Path, Step] = {}
        self.preset = options.preset or _preset(self.world, self.model)
        self.trained: dict[str, tuple[str, tuple[Path, ...]]] = {}

    def plan(self) -> Plan:
        measured: dict[tuple[str, str], Path] = {}
        models: dict[str, str] = {}
        needed: dict[tuple[str, str], tuple[Path, ...]] = {}
        parts = [part for key, part in self.table.parts.items() if key not in self.left_out]
        for run in self.table.runs.values():
            if run.name in self.left_out:
                continue
            models[run.name] = self._trained(run)[0]
            for part in parts:
                file, before = self._measure(run, part)
                measured[run.name, part.key], needed[run.name, part.key] = file, before
        folder = self.options.out / self.table.label
        steps = [*self.steps.values(), *self._report(parts, measured, folder)]
        return Plan(self.table, tuple(steps), measured, needed, models, self.model, self.left_out, folder)

    def _report(self, parts: Sequence[Part], measured: Mapping[tuple[str, str], Path], folder: Path) -> Iterator[Step]:
        """One page of all answers to the first benchmark."""
        first = next((part for part in parts if part.benchmark), None)
        if first is not None:
            evaluations = dict.fromkeys(str(file.parent) for (_, key), file in measured.items() if key == first.key)
            out = folder / "report.html"
            yield Step("report", ("mpotrain", "report", *evaluations, "--out", str(out)), out, Cost())

    def _add(self, name: str, command: Sequence[str], done: Path, cost: Cost) -> Path:
        self.steps.setdefault(done, Step(name, tuple(command), done, cost))
        return done

    def _folder(self, kind: str, name: str, facts: Any) -> Path:
        """reproduction/runs/mpo-1a2b3c4d"""
        key = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:8]
        readable = "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in name.lower())
        return self.options.out / kind / f"{readable}-{key}"

    def _version(self, data: Data) -> tuple[Path, tuple[Path, ...]]:
        """The version's folder, and the steps it rests on."""
        world, options = self.world, self.options
        policy, before = self._start(data.policy)
        translator = world.get("translators", {}).get(data.translator, data.translator)
        extra = dict(world.get("translator_options", {}).get(data.translator, {}))
        if data.reference:
            extra["reference"] = self.base_model
        samples = min(filter(None, (data.samples, options.samples)), default=world.get("samples"))
        flags = [*(["--source", data.source] if data.source else ["--recipe", world["recipe"]])]
        flags += ["--model", policy, "--translator", translator]
        flags += ["--languages", data.languages] if data.languages else []
        flags += [f"--{world['size']}", str(samples)] if samples else []
        flags += ["--seed", str(data.seed)] if data.seed is not None else []
        flags += [word for name, value in extra.items() for word in ("--set", f"translator.options.{name}={value}")]
        flags += options.build
        folder = self._folder("data", data.name, [flags])
        command = ["mpodata", "build", *flags, "--out", str(folder)]
        rows = samples or 100
        done = self._add(
            f"build {data.name}", command, folder / "manifest.json", building(rows, self._billions(), translator)
        )
        return folder, (*before, done)

    def _start(self, run: str | None) -> tuple[str, tuple[Path, ...]]:
        if run is None:
            return self.model, ()
        return self._trained(self.table.runs[run])

    def _trained(self, run: Run) -> tuple[str, tuple[Path, ...]]:
        """The folder of a run, or the start model; and the steps it rests on."""
        if run.name not in self.trained:
            self.trained[run.name] = self._train(run)
        return self.trained[run.name]

    def _train(self, run: Run) -> tuple[str, tuple[Path, ...]]:
        if run.data is None:
            return self._start(run.start)
        start, before = self._start(run.start)
        version, built = self._version(self.table.data[run.data])
        flags = ["--preset", self._preset_of(run), "--method", run.method, "--model_name_or_path", start]
        flags += [word for name, value in run.flags.items() for word in (f"--{name}", _word(value))]
        if run.only == "dominant":
            flags += ["--language_weights", ",".join(f"{code}=0" for code in self._targets(run))]
        flags += [*self.options.train, *self.options.launch]
        search = self.world["search"] if self.options.search is None else self.options.search
        cost = training(self.table.data[run.data].samples or self.world.get("samples") or 100, self._billions())
        if run.search and search:
            flags += [] if "--values" in flags else ["--metric", "rewards/accuracies"]
            folder = self._folder("sweeps", run.method, [flags, version.name])
            command = ["mpotrain", "sweep", *flags, "--dataset", str(version), "--out", str(folder)]
            done = self._add(f"search {run.name}", command, folder / "sweep.json", cost.times(_points(run.method)))
            return str(folder / BEST), (*before, *built, done)
        folder = self._folder("runs", f"{run.method}-{run.data}", [flags, version.name])
        command = ["mpotrain", "train", *flags, "--dataset", str(version), "--output_dir", str(folder)]
        done = self._add(f"train {run.name}", command, folder / "run.json", cost)
        return str(folder), (*before, *built, done)

    def _preset_of(self, run: Run) -> str:
        """The run's own preset where it stands on the one that the model has; else that one."""
        own = run.preset is not None and run.preset.startswith(self.preset)
        return str(run.preset) if own and self.options.preset is None else self.preset

    def _targets(self, run: Run) -> list[str]:
        from mpodata.recipe import read_recipe

        given = self.table.data[str(run.data)].languages
        return given.split(",") if given else list(read_recipe(str(self.world["recipe"]), [], {}).languages)

    def _measure(self, run: Run, part: Part) -> tuple[Path, tuple[Path, ...]]:
        model, before = self._trained(run)
        version, built = (None, ()) if part.data is None else self._version(self.table.data[part.data])
        before = (*before, *built)
        if part.states:
            done, before = self._states(part, str(version), before)
        elif part.gap:
            done = self._gap(run, part, model, str(version))
        else:
            done = self._evaluation(run, part, model, version)
        return done, (*before, done)

    def _states(self, part: Part, version: str, before: tuple[Path, ...]) -> tuple[Path, tuple[Path, ...]]:
        """States under all models of the table at once, so that they share their axes."""
        pairs = self.options.data.get(part.key, version)
        flags = ["--pairs", pairs, *(["--split", part.split] if part.split and pairs == version else [])]
        for other in self.table.runs.values():
            if other.name not in self.left_out:
                model, trained = self._trained(other)
                flags += ["--model", model]
                before = (*before, *trained)
        flags += self._template()
        folder = self._folder("states", "states", flags)
        command = ["mpotrain", "states", *flags, "--out", str(folder / "states.html")]
        cost = measuring(self._billions()).times(len(self.table.runs))
        return self._add("states", command, folder / "states.json", cost), before

    def _template(self) -> list[str]:
        """The template that the preset trains with: a model before training is measured with it too."""
        from mpotrain.config.presets import load_preset  # brings the trainer

        choice = str(load_preset(self.preset, "mpo").get("chat_template", "tokenizer"))
        return [] if choice == "tokenizer" else ["--chat-template", choice]

    def _gap(self, run: Run, part: Part, model: str, version: str) -> Path:
        flags = ["--dataset", version, "--model", model, *(["--split", part.split] if part.split else [])]
        flags += ["--base", self.base_model, "--beta", f"{part.beta:g}"] if part.base else []
        flags += self._template()
        folder = self._folder("gaps", run.name, flags)
        command = ["mpotrain", "gap", *flags, "--out", str(folder / "gap.json")]
        return self._add(f"gap of {run.name}", command, folder / "gap.json", measuring(self._billions()))

    def _evaluation(self, run: Run, part: Part, model: str, version: Path | None) -> Path:
        options, asked = self.options, str(part.utility or part.benchmark)
        judge = options.judge or str(self.world["judge"])
        flags = ["--run" if run.data or run.start else "--model", model]
        flags += ["--utility" if part.utility else "--benchmarks", asked]
        if place := (str(version) if asked == "dataset" else options.data.get(asked)):
            flags += ["--data", f"{asked}={place}"]
        wanted = part.columns if self.world["name"] == "real" and part.columns != ("mul",) else ()
        flags += ["--languages", ",".join(wanted)] if wanted else []
        limit = options.limit or self.world.get("limit")
        flags += ["--limit", str(limit)] if limit else []
        flags += ["--split", part.split] if part.split else []
        flags += [word for setting in options.settings for word in ("--set", setting)]
        flags += ["--judge", judge, "--gap", "off"]
        flags += ["--max-tokens", "1024"] if part.utility == "mt-bench" else []
        folder = self._folder("evaluations", f"{run.name}-{asked}", flags)
        command = ["mpotrain", "eval", *flags, "--out", str(folder)]
        cost = answering(asked, len(wanted) or 5, self._billions(), judge, limit)
        return self._add(f"evaluate {run.name} on {asked}", command, folder / "results.json", cost)

    def _billions(self) -> float:
        return float(self.world["billions"])


def _preset(world: Mapping[str, Any], model: str) -> str:
    named = [preset for key, preset in world.get("presets", {}).items() if key in model.lower()]
    return named[0] if named else str(world["preset"])


def _points(method: str) -> int:
    """How many runs a method's published search space has."""
    from mpotrain.training.sweep import points, space

    return len(points(space(method)))


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
