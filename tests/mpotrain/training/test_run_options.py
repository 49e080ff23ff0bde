"""Options of a training run: each changes the rows, the tokens or the numbers, or is refused."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from mpodata.errors import MpoError
from mpotrain.config import parse
from mpotrain.training.run import check, objective, prepare
from tests.mpotrain.tiny_dataset import checkpoint, version


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    version(folder / "data")
    checkpoint(folder / "model")
    (folder / "mine.jinja").write_text("{% for m in messages %}{{ m['content'] }}<|end|>{% endfor %}")
    return folder


def rows_of(world: Path, *options: str) -> list[Any]:
    """What a run with these options trains on, and how: rows with their weights, dominant sides, the loss."""
    flags = ["--dataset", str(world / "data"), "--model", str(world / "model"), "--output_dir", str(world / "run")]
    config = parse([*flags, "--use_cpu", *options])
    rows, held_out = prepare(config, check(config))
    made = objective(config, rows)
    return [
        [(row.language, row.pair_id, row.chosen, row.unwanted, row.weight) for row in made.rows],
        {key: (row.language, row.chosen) for key, row in rows.dominant.items()},
        [made.parts, made.gap_target, made.mean, made.retention, made.retain_weight, made.nll_weight, made.hyper],
        None if held_out is None else len(held_out.targets),
        config.training.global_batch_size,
        config.training.learning_rate,
    ]


CHANGES = [
    ["--languages", "sw"],
    ["--pairs_per_language", "3"],
    ["--dominant_language", "zh"],
    ["--dominant_language", "zh", "--languages", "sw"],
    ["--language_weights", "sw=2"],
    ["--max_length", "40"],
    ["--max_length", "40", "--truncation", "released"],
    ["--chat_template", "{world}/mine.jinja"],
    ["--method", "dpo"],
    ["--beta", "2"],
    ["--gap", "sw"],
    ["--gap", "1.58"],
    ["--gap", "policy"],
    ["--gap", "policy-detached"],
    ["--retain", "paper"],
    ["--retain", "kl"],
    ["--retain", "lens"],
    ["--method", "cla"],
    ["--method", "lens"],
    ["--retain", "off"],
    ["--retain_weight", "0.5"],
    ["--length_normalize", "false"],
    ["--nll_weight", "0.5"],
    ["--dominant_rows", "true"],
    ["--eval_strategy", "epoch"],
    ["--global_batch_size", "16"],
    ["--learning_rate", "1e-5"],
    ["--method", "sft", "--mix", "sdrrl"],
]
REFUSED = [
    (["--languages", "ko"], "Unknown google language 'ko'"),
    (["--languages", "en"], "Unknown google language 'en'"),
    (["--languages", "sw,sw"], "names sw 2 times"),
    (["--dominant_language", "zh", "--languages", "ko"], "Unknown target language 'ko'"),
    (["--dominant_language", "zh", "--languages", "zh"], "Unknown target language 'zh'"),
    (["--dominant_language", "ko"], "No pair has a side in 'ko'"),
    (["--translator", "nllb"], "Unknown translator 'nllb'"),
    (["--language_weights", "ko=2"], "language_weights names ko, which no row has"),
    (["--pairs_per_language", "9"], "has 8 train pairs, fewer than --pairs_per_language 9"),
    (["--model_revision", "v1"], "--model_revision v1 has no effect"),
    (["--retain", "off", "--retain_weight", "2"], "retain_weight has no effect"),
    (["--method", "dpo", "--retain_weight", "2"], "retain_weight has no effect"),
    (["--method", "dpo", "--gap", "sw"], "gap 'sw' has no effect"),
    (["--method", "sft", "--beta", "1"], "has no beta"),
    (["--lora_r", "8"], "lora_r has no effect without --use_peft"),
    (["--gap", "ko"], "gap must be dominant, policy"),
    (["--method", "mlc", "--retain", "paper"], "trains dominant rows alone"),
    (["--mix", "sdrrl"], "Method 'mpo' compares a chosen with a rejected answer"),
    (["--method", "dpo", "--mix", "sdrrl"], "use --method sft"),
    (["--method", "sft", "--mix", "sdrl"], "Did you mean 'sdrrl'"),
    (["--method", "sft", "--mix", "sdrrl", "--retain", "paper"], "no dominant side to retain"),
    (["--method", "sft", "--mix", "sdrrl", "--dominant_rows", "true"], "already holds the dominant rows"),
    (["--method", "sft", "--mix", "sdrrl", "--parallel", "1.5"], "parallel must be from 0 to 1"),
    (["--method", "sft", "--parallel", "0.5"], "no effect without --mix"),
    (["--method", "cla", "--mix", "sdrrl"], "trains on the rows of --mix cla: leave out --mix sdrrl"),
    (["--method", "cla", "--code_switch", "0.5"], "no effect on --mix cla"),
    (["--method", "cla", "--disable_dropout", "false"], "needs two forwards that agree"),
    (["--method", "cla", "--retain", "paper"], "no dominant side to retain"),
    (["--method", "mpo", "--mix", "cla"], "compares a chosen with a rejected answer"),
    (["--method", "lens", "--mix", "cla"], "compares a chosen with a rejected answer"),
    (["--method", "lens", "--gap", "sw"], "does not use the dominant gap"),
]


@pytest.mark.parametrize("options", CHANGES, ids=" ".join)
def test_an_option_changes_what_is_trained(options: list[str], world: Path) -> None:
    given = [option.format(world=world) for option in options]
    assert rows_of(world, *given) != rows_of(world)


@pytest.mark.parametrize(("options", "sentence"), REFUSED, ids=str)
def test_an_option_that_could_do_nothing_is_refused(options: list[str], sentence: str, world: Path) -> None:
    with pytest.raises(MpoError) as caught:
        rows_of(world, *options)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("bits", ["4", "8"])
def test_a_quantised_base_without_its_package_is_said_before_anything_is_loaded(bits: str, world: Path) -> None:
    if find_spec("bitsandbytes"):
        pytest.skip("bitsandbytes is installed here")
    with pytest.raises(MpoError) as caught:
        rows_of(world, "--use_peft", f"--load_in_{bits}bit")
    assert "needs the package 'bitsandbytes': pip install 'mpodata[quantization]'" in str(caught.value)


def test_the_options_of_a_mix_change_its_rows(world: Path) -> None:
    mix = ["--method", "sft", "--mix", "sdrrl"]
    assert rows_of(world, *mix, "--parallel", "1") != rows_of(world, *mix, "--parallel", "0")
