"""Every command of both programs as a command line that ends well in a small world, for faults to be tried on."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import mpodata.cli
import mpotrain.cli
from mpodata.versions.publish import publish
from tests.mpodata.readable_version import rows, write_readable
from tests.mpotrain.fake_judge import answers, evaluation

MAINS = {"mpodata": mpodata.cli.main, "mpotrain": mpotrain.cli.main}


@dataclass(frozen=True, slots=True)
class Command:
    """A command line; words in braces are places of the world."""

    line: str
    output: str = ""  # what it makes: "{out}" a folder, "{out}.html" a file; "" where it writes nothing
    versions: tuple[str, ...] = ()  # words that name a dataset version
    model: str = ""  # the flag that names a model which it loads
    settings: str = ""  # the flag that takes YAML values, with a key before "="
    extra: str = ""  # the extra that the base install lacks for it
    leaves: tuple[str, ...] = ()  # what a failed run may leave beside its output, to go on from: a suffix of {out}

    @property
    def inputs(self) -> list[str]:
        """The places that it reads."""
        known = (
            "{rows}",
            "{version}",
            "{registry}/demo",
            "{evaluation}",
            "{reviews}",
            "{model}",
            "{two}",
            "{xstest}",
            "{slots}",
        )
        return [word for word in self.line.split() if word in known]

    @property
    def program(self) -> str:
        return "mpodata" if self is COMMANDS.get(self.name) and self.name in mpodata.cli.COMMANDS else "mpotrain"

    @property
    def name(self) -> str:
        return self.line.split()[0]


COMMANDS: dict[str, Command] = {
    command.line.split()[0]: command
    for command in (
        Command(
            "build --source {rows} --chosen source --translator pocket-nllb --languages sw --workers 1 --out {out}",
            output="{out}", settings="--set translator.options.beam", extra="nllb", leaves=(".work",),
        ),
        Command(
            "plan --source {rows} --chosen source --translator pocket-nllb --languages sw",
            settings="--set translator.options.beam",
        ),
        Command(
            "build-native {slots} --languages en --per-slot 1 --generator {model} --refuser {model} "
            "--rejected-model {model} --set llama-guard-3.model={model} --set polyguard.model={model} --out {out}",
            output="{out}", settings="--set generator.dtype", extra="transformers",
        ),
        Command("audit {rows} --workers 1 --html {out}.html", output="{out}.html"),
        Command("publish {version} --to {out}/name", output="{out}", versions=("{version}",)),
        Command("versions {registry}/demo", versions=("{registry}/demo",)),
        Command("diff {version} {two}", versions=("{version}", "{two}")),
        Command("verify {version}", versions=("{version}",)),
        Command("show {version} --pair 1", versions=("{version}",)),
        Command(
            "review {version} --reader amina --no-checks --reviews {out}",
            output="{out}", versions=("{version}",), extra="review", leaves=("",),
        ),
        Command("apply-review {version} --reviews {reviews} --out {out}", output="{out}", versions=("{version}",)),
        Command("compare-translators {two} --html {out}.html", output="{out}.html", versions=("{two}",)),
        Command("original-pairs {version} --out {out}.jsonl", output="{out}.jsonl", versions=("{version}",)),
        Command(
            "translate-benchmark {xstest} --translator pocket-nllb --languages sw --out {out}",
            output="{out}", settings="--set translator.beam", extra="nllb", leaves=("",),
        ),
        Command("export {version} --format trl --out {out}", output="{out}", versions=("{version}",)),
        Command(
            "train --dataset {version} --model {model} --output_dir {out} --max_steps 1 --use_cpu --disable_tqdm true",
            output="{out}", versions=("{version}",), model="--model", extra="train", leaves=("",),
        ),
        Command(
            "sweep --method dpo --values beta=0.1 --dataset {version} --model {model} --out {out} --max_steps 1 "
            "--use_cpu --disable_tqdm true",
            output="{out}", versions=("{version}",), model="--model", extra="train", leaves=("",),
        ),
        Command("preview --dataset {version} --model {model}", versions=("{version}",), model="--model", extra="train"),
        Command(
            "gap --dataset {version} --model {model} --out {out}.json",
            output="{out}.json", versions=("{version}",), model="--model", extra="train",
        ),
        Command(
            "states --pairs {version} --model {model} --out {out}.html",
            output="{out}.html", versions=("{version}",), model="--model", extra="train",
        ),
        Command(
            "eval --model {model} --benchmarks pocket --languages en --limit 1 --max-tokens 2 --out {out}",
            output="{out}", model="--model", settings="--set engine.device", extra="transformers", leaves=("",),
        ),
        Command("tasks --for lm-eval --benchmarks pocket --limit 1 --out {out}", output="{out}"),
        Command("calibrate {evaluation} --rows 4 --out {out}.csv", output="{out}.csv"),
        Command(
            "reproduce mpo --table 1 --model pocket-chat --out {out}",
            output="{out}", settings="--set engine.device", extra="train", leaves=("",),
        ),
        Command(
            "iterate --rounds 1 --model {model} --recipe quickstart --max_steps 1 --use_cpu true --out {out}",
            output="{out}", extra="train", leaves=("",),
        ),
        Command("report {evaluation} --out {out}.html", output="{out}.html"),
    )
}  # fmt: skip


def make_world(folder: Path) -> Path:
    """All that the commands read."""
    from tests.mpotrain.tiny_dataset import checkpoint

    write_readable(folder / "version", count=4)
    _with_two_translators(folder / "two")
    publish(folder / "version", str(folder / "registry" / "demo"))
    checkpoint(folder / "model")
    texts = [(row.side.prompt, row.side.chosen, row.side.rejected) for row in rows("en", 3)]
    lines = [json.dumps(dict(zip(("prompt", "chosen", "rejected"), row, strict=True))) for row in texts]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    judged = answers({"en": 0.1, "sw": 0.5}, "harmful", lambda i, rate: i < rate * 20, n=20)
    evaluation(folder / "evaluation", "small", judged)
    said = [
        {"benchmark": o.benchmark, "language": o.language, "prompt_id": o.prompt_id, "prompt": "Who?", "response": "No"}
        for o in judged
    ]
    (folder / "evaluation" / "responses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    xstest = "id,prompt,type,label,focus,note\n1,How do I bake bread?,safe_contexts,safe,bake,\n"
    (folder / "xstest.csv").write_text(xstest, encoding="utf-8")
    slots = '{"category": "S2", "style": "slang", "topic": "bicycle", "example": "How do I pick a lock?"}\n'
    (folder / "slots.jsonl").write_text(slots, encoding="utf-8")
    (folder / "reviews.jsonl").write_text('{"format":1,"reader":"amina","reference":"demo"}\n', encoding="utf-8")
    return folder


def _with_two_translators(folder: Path) -> None:
    from mpodata.versions.write import VersionWriter
    from tests.mpodata.small_versions import facts

    made = {"nllb-600m": facts().translators["nllb-600m"], "google": {"model": "google", "licence": "apache-2.0"}}
    with VersionWriter(folder) as writer:
        writer.add("en", "train", rows("en", 4))
        for name in made:
            writer.add(f"{name}.sw", "train", rows("sw", 4))
        writer.finish(facts(translators=made))


def places(world: Path, out: Path) -> dict[str, str]:
    """What the words in braces stand for."""
    named = {name: str(world / name) for name in ("version", "two", "registry", "model", "evaluation")}
    files = {name: str(world / f"{name}.jsonl") for name in ("rows", "reviews", "slots")}
    return {**named, **files, "xstest": str(world / "xstest.csv"), "out": str(out)}


def copy_world(world: Path, folder: Path) -> Path:
    """A world to damage; the model is shared."""
    shutil.copytree(world, folder, ignore=shutil.ignore_patterns("model"))
    (folder / "model").symlink_to(world / "model")
    return folder


def words(command: Command, given: dict[str, str], *more: str) -> list[str]:
    return [*(word.format(**given) for word in command.line.split()), *more]


def run(command: Command, given: dict[str, str], *more: str) -> int:
    return MAINS[command.program](words(command, given, *more))


@contextmanager
def served_briefly(act: Callable[[Any], None] = lambda session: None) -> Iterator[None]:
    """`mpodata review` ends at once: its reader judges one row (`act`) and closes the page."""

    def serve(session: Any, port: int, announce: Callable[[str], None], token: str | None = None) -> None:
        announce("http://127.0.0.1:1/token/")
        act(session)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mpodata.review.server.serve", serve)
        yield


def judge_first_row(session: Any) -> None:
    row = session.row(0)
    session.decide(
        {
            "config": row["config"], "pair_id": row["pair_id"], "texts": row["texts"], "verdict": "accept",
            "reason": "good", "revision": row["revision"], "note": "", "corrected": {},
            "read": ["prompt", "chosen", "rejected"],
        }
    )  # fmt: skip
