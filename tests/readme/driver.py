"""Runs README.md in one process, as a reader would: `python -m tests.readme.driver RESULTS.json`, in an empty folder.

The clients of the Hub read its address when they are imported, so that this is a process of its own. Commands of both
programs are called, not started, which saves a minute of imports; `cat` and batch scripts are run by bash.
"""

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import mpodata.cli
import mpotrain.cli
from tests.readme.blocks import ROOT, Statement, statements
from tests.readme.stand_ins import NOT_RUN, WORDS

MAINS = {"mpodata": mpodata.cli.main, "mpotrain": mpotrain.cli.main}


def stood_in(text: str, addresses: dict[str, str]) -> str:
    """A command with what WORDS puts in the place of its words."""
    for words, instead in WORDS.items():
        text = text.replace(words, instead.format(**addresses))
    return text


def run_all(addresses: dict[str, str], results: Path) -> None:
    """Run every statement and write what became of each; one that fails does not stop the others."""
    records = []
    for statement in statements():
        began = time.monotonic()
        reason = next((why for start, why in NOT_RUN.items() if statement.text.startswith(start)), None)
        record: dict[str, Any] = {"block": statement.block, "text": statement.text, "not_run": reason}
        if reason is None:
            command = stood_in(statement.text, addresses)
            record |= {"ran": command, **captured(lambda c=command, s=statement: perform(s, c))}
        records.append(record | {"seconds": round(time.monotonic() - began, 1)})
        results.write_text(json.dumps(records, indent=1), encoding="utf-8")


def captured(action: Callable[[], int]) -> dict[str, Any]:
    """The exit code of `action` and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = action()
        except SystemExit as stop:
            code = int(stop.code or 0)
        except Exception:  # noqa: BLE001 (the test shows it)
            code = 1
            traceback.print_exc()
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()[-3000:]}


def in_this_process(line: list[str]) -> int:
    """What a sweep starts for each run, called instead."""
    assert line[:3] == [sys.executable, "-m", "mpotrain.cli"]
    return mpotrain.cli.main(line[3:])


def perform(statement: Statement, command: str) -> int:
    if statement.language == "python":
        exec(compile(command, f"README.md, block {statement.block}", "exec"), {"__name__": "readme"})
        return 0
    program, *words = shlex.split(command, comments=True) if "<<" not in command else [command.split()[0]]
    if program == "sbatch":
        return submit(words)
    if program in MAINS and words[0] == "review":
        return review(words)
    if program in MAINS:
        with patch("mpotrain.training.sweep.run_bound", in_this_process) if words[0] == "sweep" else nullcontext():
            return MAINS[program](words)
    return started_by_bash(["bash", "-c", command], dict(os.environ))


def started_by_bash(line: list[str], environment: dict[str, str]) -> int:
    done = subprocess.run(line, env=environment, check=False, capture_output=True, text=True)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


def submit(words: list[str]) -> int:
    """Run a batch script with Slurm's commands played by small ones, then read the commands that it started."""
    script = next(n for n, word in enumerate(words) if word.endswith(".sbatch"))
    folder = Path("slurm") / Path(words[script]).stem
    folder.mkdir(parents=True)
    for name, body in {
        "scontrol": "echo node1; echo node2",
        # What srun starts: its own flags and their values end where a program's name comes.
        "srun": 'while [ $# -gt 0 ]; do case "$1" in ray|mpotrain) exec "$@";; *) shift;; esac; done; exit 1',
        "ray": r"[ $1 = status ] && printf 'Active:\n 1 node_a\n 1 node_b\nPending:\n'; exit 0",
        "sleep": "exit 0",
        **dict.fromkeys(MAINS, f'printf "%s\\n" "$(basename "$0")" "$@" >>{folder.resolve()}/started'),
    }.items():
        (folder / name).write_text(f"#!/bin/bash\n{body}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    slurm = {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "7",
             "SLURM_GPUS_ON_NODE": "8", "SLURM_CPUS_PER_TASK": "32"}  # fmt: skip
    environment = {**os.environ, **slurm, "PATH": f"{folder.resolve()}:{os.environ['PATH']}"}
    line = ["bash", str(ROOT / words[script]), *words[script + 1 :]]
    code = started_by_bash(line, environment)
    started = (folder / "started").read_text(encoding="utf-8").splitlines()
    sys.stdout.write(f"{shlex.join(started)}\n")
    return code or understood(*started)


def understood(program: str, command: str, *words: str) -> int:
    """Read the flags of a command as it would, without doing what it does."""
    import argparse
    from importlib import import_module

    module = import_module(f"{program}.commands.{command}")
    parser = argparse.ArgumentParser(program, allow_abbrev=False)
    module.arguments(parser)
    args, rest = parser.parse_known_args(words)
    if program == "mpotrain":
        from mpotrain.config import parse

        given = rest if command == "train" else [*rest, "--method", args.method, "--output_dir", str(args.out)]
        launching = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        import_module("mpotrain.commands.train").arguments(launching)
        parse([*launching.parse_known_args(given)[1], "--use_cpu", "true", "--bf16", "false"], args.preset)
        return 0
    from mpodata.commands.build import recipe_of

    recipe_of(args)
    return 0 if not rest else 2


def review(words: list[str]) -> int:
    """Drop the first row and accept the others over the page's address, as a browser does, then press Ctrl-C."""
    import urllib.request

    printed: Any = sys.stdout
    failed: list[str] = []

    def ask(address: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address, data, {"content-type": "application/json"} if data else {})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def read() -> None:
        try:
            while not (match := re.search(r"^Open (http://\S+)", printed.getvalue(), re.MULTILINE)):
                time.sleep(0.05)
            verdict = {"verdict": "drop", "reason": "meaning"}  # of the first row
            while (row := ask(f"{match[1]}api/row?from=0&step=1&filter=open&reveal=1"))["number"] is not None:
                decision = {name: row[name] for name in ("config", "pair_id", "texts", "revision")}
                ask(f"{match[1]}api/decide", {**decision, **verdict})
                verdict = {"verdict": "accept", "reason": "good"}
        except Exception:  # noqa: BLE001 (shown below)
            failed.append(traceback.format_exc())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=read, daemon=True).start()
    code = mpodata.cli.main(words)
    sys.stderr.write("".join(failed))
    return code or len(failed)


if __name__ == "__main__":
    run_all(json.loads(os.environ["README_ADDRESSES"]), Path(sys.argv[1]))
