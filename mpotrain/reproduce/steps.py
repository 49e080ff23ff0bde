"""The steps that are not done yet, run one by one, each in a process of its own: kill it, and the next call goes on."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mpodata.errors import ConfigError
from mpotrain.reproduce.plan import BEST, Plan, Step
from mpotrain.runs import in_process_of_its_own, last_line, read_json

Runner = Callable[[Sequence[str], Path], int]  # (command, log) -> exit code


def perform(plan: Plan, say: Callable[[str], None], runner: Runner = in_process_of_its_own) -> dict[Path, str]:
    """Run what is missing in order; returns, for each step that failed, what it said.

    A step is passed over where one that it rests on failed; the others go on.
    """
    failed: dict[Path, str] = {}
    for number, step in enumerate(plan.steps, start=1):
        title = f"{number}/{len(plan.steps)} {step.name}"
        if step.done.exists():
            say(f"{title}: done before")
            continue
        missing = [place for place in rests_on(step, plan) if not place.exists()]
        if missing:
            failed[step.done] = "a step that it rests on failed"
            continue
        say(title)
        log = plan.folder / "logs" / f"{step.name.replace('/', '-').replace(' ', '-').lower()}.log"
        code = runner(resolved(step.command), log)
        if code or not step.done.exists():
            failed[step.done] = f"exit code {code}: {last_line(log)}"
            say(f"{title}: failed, {failed[step.done]}")
    return failed


def rests_on(step: Step, plan: Plan) -> list[Path]:
    """The `done` files of the earlier steps whose folder the command names."""
    words = [word.partition("=")[2] or word for word in step.command]
    return [other.done for other in plan.steps if other is not step and any(_inside(word, other) for word in words)]


def resolved(command: Sequence[str]) -> tuple[str, ...]:
    """The command with a sweep's best run in the place of SWEEP/BEST."""
    return tuple(_best(word) for word in command)


def _best(word: str) -> str:
    path = Path(word)
    if path.name != BEST or not (path.parent / "sweep.json").is_file():
        return word
    runs = read_json(path.parent / "sweep.json")["runs"]
    if not runs:
        raise ConfigError(f"{path.parent / 'sweep.json'} lists no run: remove it and run the same command again.")
    return str(path.parent / runs[0]["run"])


def _inside(word: str, step: Step) -> bool:
    folder = str(step.done.parent)
    return word == folder or word == f"{folder}/{BEST}"


def failures_of(plan: Plan, failed: Mapping[Path, str]) -> dict[tuple[str, str], str]:
    """(row, part) -> what failed on the way to it."""
    told: dict[tuple[str, str], str] = {}
    for cell, places in plan.needed.items():
        broken = [place for place in places if place in failed]
        if broken:
            step = next(step for step in plan.steps if step.done == broken[0])
            told[cell] = f"{step.name}: {failed[broken[0]]}"
    return told
