"""README.md is executed, block by block and in order, with pocket models in the place of the real ones.

`stand_ins.py` is the table of what stands in for what, and of what is not run and why.
"""

import csv
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from mpodata.pocket import held_out_path, prompts_path
from mpodata.translators.llm import TEMPLATES
from mpodata.translators.nllb import pocket_nllb
from tests.fakes.hub import Blob, LoopbackHub, Repo
from tests.fakes.openai import ChatServer, Reply, completion
from tests.fakes.translate import TranslatePage
from tests.readme.blocks import ROOT, statements
from tests.readme.stand_ins import DATASETS, MODELS, NOT_RUN, WORDS

pytestmark = pytest.mark.flow

ASKED = TEMPLATES["plain"].prompt.format(source="English", target="Swahili", text="\0").partition("\0")[0]


def rows_of(path: Path, **wanted: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def pku_saferlhf() -> tuple[str, bytes]:
    """Harmful prompts of the pocket world as PKU-SafeRLHF writes its rows."""
    rows = [
        {
            "prompt": row["prompt"], "response_0": row["unsafe_response"], "response_1": "Sorry, I can't help.",
            "is_response_0_safe": False, "is_response_1_safe": True, "better_response_id": 1, "safer_response_id": 1,
        }
        for row in rows_of(prompts_path(), category="harmful")[:60]
    ]  # fmt: skip
    return "train.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode()


def multijail() -> tuple[str, bytes]:
    """Held-out harmful prompts of the pocket world as MultiJail writes its rows: one column per language."""
    prompts: dict[str, dict[str, Any]] = {}
    for row in rows_of(held_out_path(), split="test", kind="harmful"):
        prompts.setdefault(row["id"], {"id": row["id"], "source": "pocket", "tags": "[]"})[row["language"]] = row[
            "prompt"
        ]
    return "train.jsonl", "".join(json.dumps(row) + "\n" for row in list(prompts.values())[:12]).encode()


def write_xstest(path: Path) -> None:
    """Held-out prompts of the pocket world as XSTest's file, which README says to put here."""
    kinds = {"harmful": "unsafe", "harmless": "safe"}
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["id", "prompt", "type", "label", "focus", "note"])
        rows = rows_of(held_out_path(), split="test", language="en")
        few = [row for kind in kinds for row in [row for row in rows if row["kind"] == kind][:6]]
        for number, row in enumerate(few):
            lines.writerow([number, row["prompt"], "pocket", kinds[row["kind"]], "", ""])


@contextmanager
def loopback_hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        shapes = {"pku-saferlhf": pku_saferlhf, "multijail": multijail}
        for name, folder in MODELS.items():
            files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
            add(hub, name, files)
        for name, shape in DATASETS.items():
            add(hub, name, dict([shapes[shape]()]))
        yield hub


def add(hub: LoopbackHub, name: str, files: dict[str, bytes]) -> None:
    hub.repos[name] = Repo(name)
    hub.repos[name].add("upload", "", {path: Blob(data, lfs=len(data) > 2**20) for path, data in files.items()})


def swahili() -> Callable[[str], str]:
    """What pocket-nllb says; its model and its journal are one, the servers that ask it answer in several threads."""
    translator, lock, said = pocket_nllb(), Lock(), {}

    def translate(text: str) -> str:
        with lock:
            if text not in said:
                said[text] = str(translator.texts([text], "en", "sw")[0])
            return said[text]

    return translate


class TranslatingChat(ChatServer):
    """A chat model that translates what it is asked to."""

    def __init__(self, translate: Callable[[str], str]) -> None:
        super().__init__()
        self.translate = translate

    def reply(self, request: dict[str, Any]) -> Reply:
        return Reply(200, completion(self.translate(request["messages"][0]["content"].removeprefix(ASKED))))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


@pytest.fixture(scope="module")
def executed(place: Path) -> list[dict[str, Any]]:
    """Every statement of the page with its exit code and what it printed."""
    write_xstest(place / "xstest_prompts.csv")
    (place / "mt-bench").mkdir()
    translate = swahili()
    with ExitStack() as stack:
        hub = stack.enter_context(loopback_hub())
        google = stack.enter_context(TranslatePage(lambda text, nth: translate(text)))
        chat = stack.enter_context(TranslatingChat(translate))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
            "HF_ENDPOINT": hub.endpoint, "HF_TOKEN": hub.user("you"), "HF_HOME": str(place / "hf"),
            "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "OPENAI_API_KEY": "sk-loopback",
            "MPODATA_CACHE": str(place / "cache"), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
            "README_ADDRESSES": json.dumps({"google": google.endpoint, "chat": chat.url}),
        }  # fmt: skip
        command = [sys.executable, "-m", "tests.readme.driver", "results.json"]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=900)
        (place / "asked.json").write_text(json.dumps([path for _, path in hub.requests]), encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return list(json.loads((place / "results.json").read_text(encoding="utf-8")))


def printed(executed: list[dict[str, Any]], start: str, nth: int = 0) -> str:
    """What the nth statement that begins with `start` printed."""
    return str([record["out"] + record["err"] for record in executed if record["text"].startswith(start)][nth])


def test_every_statement_of_the_page_is_run_or_says_why_not(executed: list[dict[str, Any]]) -> None:
    assert [record["text"] for record in executed] == [statement.text for statement in statements()]
    assert {record["not_run"] for record in executed if record["not_run"]} == set(NOT_RUN.values())
    failed = [f"{record['ran']}\n{record['err']}" for record in executed if record.get("code")]
    assert not failed, "\n\n".join(failed)


def test_the_real_models_sequence_says_what_it_did(executed: list[dict[str, Any]], place: Path) -> None:
    assert "llama-refusals: 12 rows" in printed(executed, "mpodata build --recipe mpo-paper")
    assert "Published you/llama-refusals@v1.0.0" in printed(executed, "mpodata publish")
    for number, folder in enumerate(("runs/mpo", "runs/mpo-one-gpu", "runs/mpo-lora")):
        told = printed(executed, "mpotrain train --preset llama-3.1-8b", number)
        assert re.search(rf"mpo on you/llama-refusals@v1.0.0: 6 rows, 2 steps, .* -> {folder}\n", told)
    measured = printed(executed, "mpotrain eval")
    assert re.search(r"^safe and useful: .*; lowest in sw", measured, re.MULTILINE)
    assert "Not in this score" not in measured
    # mpo-paper holds no pair back, as the paper: what is measured on it says so.
    assert "harmful pairs of the train split of you/llama-refusals@v1.0.0" in printed(executed, "mpotrain gap")
    assert "MultiJail" in (place / "report.html").read_text(encoding="utf-8")
    assert "Published you/llama-refusals@v1.1.0" in printed(executed, "mpodata build --recipe mpo-paper", 1)


def test_a_users_own_tables_say_what_became_of_them(executed: list[dict[str, Any]]) -> None:
    assert "mine: 18 rows" in printed(executed, "mpodata build --source")
    assert "finished run of this configuration" in printed(executed, "mpotrain train --config", 1)
    swept = printed(executed, "mpotrain sweep")
    assert "eval_rewards/accuracies on mine: the rows it trains on, for it has no test split" in swept
    pairs = printed(executed, "mpotrain train --dataset pairs.csv")
    assert "pairs.csv became a dataset version: rows en 2, sw 2." in pairs
    assert "mpo on pairs.csv: 2 rows" in pairs


def test_batch_scripts_start_what_their_words_say(executed: list[dict[str, Any]]) -> None:
    assert "mpodata build --scale ray --workers 16" in printed(executed, "sbatch", 0)
    assert "mpotrain train --launch zero2 --nproc 8 --nnodes 2 --rdzv node1:20007" in printed(executed, "sbatch", 1)
    assert "mpotrain sweep --method simpo" in printed(executed, "sbatch", 2)


def test_readers_decisions_become_the_next_version(executed: list[dict[str, Any]]) -> None:
    assert "amina: 5 accept, 0 correct, 1 drop, 0 open." in printed(executed, "mpodata review")
    assert "Published you/llama-refusals@v2.0.0" in printed(executed, "mpodata apply-review")


def test_the_python_example_prints_what_it_measured(executed: list[dict[str, Any]]) -> None:
    told = printed(executed, "import mpodata")
    harmful, steps, gaps = re.search(r"^(\d+) (\d+) (\{.*\})$", told, re.MULTILINE).groups()
    assert int(harmful) > 2
    assert steps == "4"
    assert set(json.loads(gaps.replace("'", '"'))) == {"en", "sw"}


def test_no_stand_in_is_for_words_that_left_the_page() -> None:
    text = "\n".join(statement.text for statement in statements())
    assert [words for words in (*WORDS, *NOT_RUN) if words not in text] == []


def test_models_and_prompts_came_from_the_hub_under_their_real_names(
    executed: list[dict[str, Any]], place: Path
) -> None:
    asked = json.loads((place / "asked.json").read_text(encoding="utf-8"))
    assert [name for name in (*MODELS, *DATASETS) if not any(f"{name}/resolve/" in path for path in asked)] == []


# What a command of the page asks for -> the extra that brings it.
EXTRAS = {
    "--translator google": "google", "nllb-3.3b": "nllb", "madlad": "nllb", "--recipe mpo-paper": "vllm",
    "mpotrain train": "train", "--bf16_weights": "bf16-weights", "--launch zero2": "deepspeed",
    "compare-translators": "quality", "mpotrain eval": "eval", "mpodata review": "review",
}  # fmt: skip


def test_the_install_line_holds_what_the_page_uses() -> None:
    (line,) = [statement.text for statement in statements() if statement.text.startswith("pip install")]
    installed = set(re.search(r"\[(.*)\]", line)[1].split(","))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert installed <= set(project["optional-dependencies"])
    text = "\n".join(statement.text for statement in statements())
    assert all(words in text for words in EXTRAS)
    assert set(EXTRAS.values()) <= installed
