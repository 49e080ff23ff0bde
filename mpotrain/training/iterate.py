"""Rounds of build, publish, train: the model that a round trains is the policy of the next one (LIDR, ICR).

    D_k = build(policy = M_{k-1}, fresh prompts);  publish D_k as k.0.0;  M_k = train(M_{k-1}, D_k)

Every step is a command of ours in a process of its own, passed over where its result stands. A killed iteration is
continued by the same command: it ends in the same bytes, and no call is paid for twice (the journal).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from mpodata.engines.checkpoints import identity
from mpodata.errors import ConfigError
from mpodata.recipe import Recipe
from mpodata.records import COUNTERWEIGHT
from mpodata.versions.manifest import MANIFEST, Manifest, read_manifest
from mpotrain.runs import RUN_FILE, in_process_of_its_own, is_finished, last_line, read_json, read_run, write_json

ITERATION: Final = "iteration.json"  # what the folder is bound to
VERSIONS: Final = "versions"  # the folder registry of the rounds' versions
EVALUATED: Final = "results.json"  # an evaluation's folder is complete with it

Runner = Callable[[Sequence[str], Path], int]  # (command, log) -> exit code


@dataclass(frozen=True, slots=True)
class Iteration:
    """What is asked for."""

    out: Path
    model: str  # the policy of the first round
    rounds: int
    recipe: Recipe  # of the first round
    build: tuple[str, ...]  # flags of every `mpodata build`, the recipe's name among them
    train: tuple[str, ...]  # flags of every `mpotrain train`
    evaluate: tuple[str, ...] = ()  # flags of every `mpotrain eval`; none: nothing is evaluated
    reference: Literal["round", "start"] = "round"  # whose weights are the reference of training
    fresh: bool = True  # other prompts in every round
    least: float = 0.1  # share of pairs that must survive in the target languages for a round to be trained

    def bound_to(self) -> dict[str, Any]:
        """What another command must share to continue this one; more rounds may be asked for."""
        names = ("model", "build", "train", "evaluate", "reference", "fresh", "least")
        return dict(json.loads(json.dumps({name: getattr(self, name) for name in names})))

    def folder(self, number: int) -> Path:
        """Of a round, from 1; 0 is where the first policy is evaluated."""
        return self.out / (f"round-{number}" if number else "start")

    def version(self, number: int) -> Path:
        """The published version of a round."""
        return self.out / VERSIONS / self.recipe.name / f"v{number}.0.0"

    def policy(self, number: int) -> str:
        """The model that answers in a round: the first one's, or what the round before trained."""
        return self.model if number == 1 else str(self.folder(number - 1) / "run")


@dataclass(frozen=True, slots=True)
class Round:
    """One round as it stands in the report."""

    number: int  # 0: the first policy alone
    manifest: Manifest | None = None
    survived: float | None = None
    run: Mapping[str, Any] | None = None  # run.json; None where the round was not trained
    evaluation: Mapping[str, Any] | None = None  # results.json


def check(iteration: Iteration) -> None:
    """Raise ConfigError for rounds that cannot be run, or a folder that holds another iteration."""
    recipe = iteration.recipe
    if iteration.fresh and iteration.rounds > 1 and recipe.samples is None:
        raise ConfigError(
            "Fresh prompts in every round need their number: add --build='--samples N', or ask the same prompts in all "
            "rounds with --same-prompts."
        )
    place = iteration.out / ITERATION
    if not place.is_file():
        return
    before, now = read_json(place), iteration.bound_to()
    changed = [name for name in now if before.get(name) != now[name]]
    if changed:
        raise ConfigError(
            f"{iteration.out} holds an iteration with another {', '.join(changed)} ({ITERATION} says which). Repeat "
            "its command, or choose another --out."
        )


def iterate(
    iteration: Iteration, say: Callable[[str], None], runner: Runner = in_process_of_its_own
) -> tuple[list[Round], str]:
    """Run what is missing; returns the rounds, and why the last one was not trained ("" where all were).

    Raises ConfigError at the first step that fails; the same command goes on from there.
    """
    write_json(iteration.out / ITERATION, iteration.bound_to())
    rounds = [_start(iteration, say, runner)]
    for number in range(1, iteration.rounds + 1):
        manifest = _built(iteration, number, say, runner)
        survived = survivors(manifest)
        if survived < iteration.least or not survived:  # a language without rows cannot be published
            rounds.append(Round(number, manifest, survived))
            return rounds, (
                f"Round {number} was not trained: {survived:.1%} of the pairs survived in the target languages, "
                f"with --least {iteration.least:g}. Nothing is left to learn from these prompts, or the checks drop "
                "what there is: the drops of the round say which."
            )
        manifest = _published(iteration, number, say, runner)
        run = _trained(iteration, number, say, runner)
        results = _evaluated(iteration, number, say, runner)
        rounds.append(Round(number, manifest, survived, run, results))
    return rounds, ""


def survivors(manifest: Manifest) -> float:
    """The share of harmful pairs of the dominant side that stand in the target languages; 1 without targets.

    Counterweight pairs do not count: they survive where a policy refuses everything, and hide that it does.
    """
    harmful = {name: _harmful(manifest, name) for name in manifest.configs}
    targets = [name for name in harmful if name != manifest.dominant]
    wanted = harmful[manifest.dominant] * len(targets)
    return sum(harmful[name] for name in targets) / wanted if wanted else 1.0


def _harmful(manifest: Manifest, config: str) -> int:
    files = manifest.configs[config].splits.values()
    return sum(file.rows - file.categories.get(COUNTERWEIGHT, 0) for file in files)


def _start(iteration: Iteration, say: Callable[[str], None], runner: Runner) -> Round:
    if not iteration.evaluate:
        return Round(0)
    return Round(0, evaluation=_evaluated(iteration, 0, say, runner))


def _built(iteration: Iteration, number: int, say: Callable[[str], None], runner: Runner) -> Manifest:
    folder = iteration.folder(number)
    recipe = iteration.recipe
    command = ["mpodata", "build", *iteration.build, "--model", iteration.policy(number)]
    if iteration.fresh and recipe.samples is not None and number > 1:
        command += ["--set", f"skip={recipe.skip + (number - 1) * recipe.samples}"]
    if number > 1:
        before = f"round-{number - 1}"
        parent = {
            "reference": f"{recipe.name}@v{number - 1}.0.0",
            "round": number,
            "policy": f"{before}/run@{identity(iteration.policy(number), None)}",
        }
        command += ["--set", f"parent={json.dumps(parent)}"]
    command += ["--out", str(folder / "version")]
    _step(f"round {number}: build", command, folder / "version" / MANIFEST, folder / "build.log", say, runner)
    return read_manifest(folder / "version")


def _published(iteration: Iteration, number: int, say: Callable[[str], None], runner: Runner) -> Manifest:
    folder, target = iteration.folder(number), iteration.version(number)
    publish = [
        "mpodata", "publish", str(folder / "version"), "--to", str(target.parent), "--version", f"{number}.0.0",
        "--replace",
    ]  # fmt: skip
    _step(f"round {number}: publish", publish, target / MANIFEST, folder / "publish.log", say, runner)
    return read_manifest(target)


def _trained(iteration: Iteration, number: int, say: Callable[[str], None], runner: Runner) -> Mapping[str, Any]:
    folder, target = iteration.folder(number), iteration.version(number)
    reference = f"{target.parent}@{target.name}"
    command = ["mpotrain", "train", *iteration.train, "--dataset", reference, "--model", iteration.policy(number)]
    if iteration.reference == "start" and number > 1:
        command += ["--reference", iteration.model]
    command += ["--output_dir", str(folder / "run")]
    _step(f"round {number}: train", command, folder / "run" / RUN_FILE, folder / "train.log", say, runner)
    return read_run(folder / "run")


def _evaluated(
    iteration: Iteration, number: int, say: Callable[[str], None], runner: Runner
) -> Mapping[str, Any] | None:
    if not iteration.evaluate:
        return None
    folder = iteration.folder(number)
    run = folder / "run"
    who = ["--run", str(run)] if number and is_finished(run) else ["--model", iteration.model]
    command = ["mpotrain", "eval", *who, *iteration.evaluate, "--name", folder.name, "--out", str(folder / "eval")]
    title = f"round {number}: evaluate" if number else "start: evaluate"
    _step(title, command, folder / "eval" / EVALUATED, folder / "eval.log", say, runner)
    return read_json(folder / "eval" / EVALUATED)


def _step(
    title: str, command: Sequence[str], done: Path, log: Path, say: Callable[[str], None], runner: Runner
) -> None:
    """Run a command unless its result stands; raises ConfigError where it fails."""
    if done.is_file():
        say(f"{title}: done before")
        return
    say(title)
    code = runner(command, log)
    if code or not done.is_file():
        raise ConfigError(f"{title} failed (exit code {code}): {last_line(log)} The same command goes on from there.")
