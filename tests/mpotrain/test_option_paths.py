"""Every option that selects or seeds, on every path behind a build: it changes the result, or a sentence refuses it."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from mpotrain.cli import main
from tests.mpotrain.tiny_dataset import checkpoint, version

pytestmark = pytest.mark.filterwarnings("ignore:Could not find a config file in me/tiny")  # PEFT, offline

OPTIONS: dict[str, list[str]] = {
    "--decontaminate": ["--decontaminate", "exam.csv"],
    "near_duplicates": ["--set", "near_duplicates=0.7"],
    "--samples": ["--samples", "3"],
    "--seed": ["--seed", "7"],
    "counterweight.share": ["--set", "counterweight.share=0.3"],
    "--model_revision": ["--model_revision", "main"],
    "--languages": ["--languages", "sw"],
}
CHANGES = ""


def unknown(flag: str) -> dict[str, str]:
    """Trainers know no such flag; a merge is one of a run, so that its options are those of the run."""
    return dict.fromkeys(("train", "sweep", "merge"), f"Unknown flag {flag}")


TABLE = {  # option -> path -> words of the sentence that refuses it, or CHANGES
    "--decontaminate": {**unknown("--decontaminate"), "eval": "Unknown argument '--decontaminate'"},
    "near_duplicates": {**unknown("--set"), "eval": "near_duplicates"},
    "--samples": {**unknown("--samples"), "eval": "Unknown argument '--samples'"},
    "--seed": {"train": CHANGES, "sweep": CHANGES, "merge": CHANGES, "eval": "at temperature 0 nothing is sampled"},
    "counterweight.share": {**unknown("--set"), "eval": "counterweight"},
    "--model_revision": {"train": CHANGES, "sweep": CHANGES, "merge": CHANGES, "eval": "--model_revision"},
    "--languages": {"train": CHANGES, "sweep": CHANGES, "merge": CHANGES, "eval": CHANGES},
}
PATHS = ("train", "sweep", "eval", "merge")


def test_the_table_has_no_empty_cell() -> None:
    assert set(TABLE) == set(OPTIONS)
    assert all(set(row) == set(PATHS) for row in TABLE.values())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version, and a Hub cache with two revisions of one model."""
    folder = tmp_path_factory.mktemp("paths")
    version(folder / "data")
    hub = folder / "hub" / "models--me--tiny"
    checkpoint(hub / "snapshots" / ("a" * 40))
    shutil.copytree(hub / "snapshots" / ("a" * 40), hub / "snapshots" / ("b" * 40))
    rescale(hub / "snapshots" / ("b" * 40), 0.5)
    (hub / "refs").mkdir()
    for name, letter in (("v1", "a"), ("main", "b")):
        (hub / "refs" / name).write_text(letter * 40)
    return folder


def rescale(folder: Path, scale: float) -> None:
    from safetensors.torch import load_file, save_file

    weights: dict[str, Any] = load_file(folder / "model.safetensors")
    save_file({name: value * scale for name, value in weights.items()}, folder / "model.safetensors", {"format": "pt"})


def made(path: str, data: Path, out: Path, options: list[str]) -> Any:
    """What a path makes with these options: weights, a ranking with every run's weights, responses; None: refused."""
    from safetensors.torch import load

    if path == "eval":
        plain = ["--model", "pocket-chat", "--benchmarks", "pocket", "--languages", "en,sw", "--limit", "1"]
        code = main(["eval", *plain, *options, "--out", str(out)])
        return None if code else (out / "responses.jsonl").read_text(encoding="utf-8")
    flags = ["--dataset", str(data / "data"), "--model", "me/tiny", "--use_cpu", "true", "--disable_tqdm", "true"]
    flags += ["--max_steps", "2", "--learning_rate", "1e-2", "--global_batch_size", "4"]
    flags += [] if "--model_revision" in options else ["--model_revision", "v1"]
    if path == "merge":
        flags += ["--use_peft", "--lora_r", "2", "--lora_target_modules", "all-linear"]
    if path == "sweep":
        words = ["sweep", *flags, "--values", "beta=1.0", "--values", "gamma=1", "--method", "simpo", "--out", str(out)]
        code = main([*words, *options])
        weights = sorted(out.glob("*/model.safetensors"))
        return None if code else [load(file.read_bytes()) for file in weights]
    if main(["train", *flags, *options, "--output_dir", str(out)]):
        return None
    if path == "merge":
        from mpotrain.evaluation.merge import merged

        return [load((merged(out) / "model.safetensors").read_bytes())]
    return [load((out / "model.safetensors").read_bytes())]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, str):
        return bool(one == other)
    return len(one) == len(other) > 0 and all(
        a.keys() == b.keys() and all((a[name] == b[name]).all() for name in a) for a, b in zip(one, other, strict=True)
    )


@pytest.fixture
def offline(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub cache of `data`; runs of a sweep in this process, by the command line that theirs would have."""
    for place in ("huggingface_hub.constants.HF_HUB_CACHE", "transformers.utils.hub.constants.HF_HUB_CACHE"):
        monkeypatch.setattr(place, str(data / "hub"))
    monkeypatch.setattr("mpotrain.training.sweep.run_bound", lambda line: main(line[3:]))


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    """What each path makes without an option, made once."""
    return {}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.usefixtures("offline")
def test_an_option_changes_the_result_or_is_refused(
    option: str, path: str, data: Path, tmp_path: Path, plain: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = TABLE[option][path]
    changed = made(path, data, tmp_path / "out", OPTIONS[option])
    if sentence == CHANGES:
        if path not in plain:
            plain[path] = made(path, data, tmp_path / "plain", [])
        assert plain[path] is not None
        assert changed is not None
        assert not same(changed, plain[path])
    else:
        said = " ".join(capsys.readouterr().err.split())
        assert changed is None
        assert re.search(re.escape(sentence), said), said
        assert not list((tmp_path / "out").rglob("*.safetensors"))
