"""Published hyper-parameters: every preset parses into a run, and says where its numbers come from."""

from pathlib import Path

import pytest
import yaml

from mpodata.errors import UnknownName
from mpotrain.config import PRESETS, load_preset, parse
from mpotrain.objective.losses import LOSSES

TABLE_8 = {  # learning rate, beta: Zhao et al. 2025
    "llama-3.1-8b": (6e-7, 1.0, "meta-llama/Llama-3.1-8B-Instruct"),
    "gemma-2-9b": (4e-7, 1.5, "google/gemma-2-9b-it"),
    "qwen2.5-7b": (6e-7, 1.5, "Qwen/Qwen2.5-7B-Instruct"),
}
SEARCH = yaml.safe_load((PRESETS / "search.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", TABLE_8)
def test_a_preset_is_table_8(name: str, tmp_path: Path) -> None:
    rate, beta, model = TABLE_8[name]
    run = parse(["--output_dir", str(tmp_path), "--use_cpu", "true"], preset=name)
    assert (run.loss.name, run.training.learning_rate, dict(run.hyper)) == ("mpo", rate, {"beta": beta})
    assert (run.model.model_name_or_path, run.method.retain) == (model, "authors")
    assert (run.training.num_train_epochs, run.training.global_batch_size, run.training.max_length) == (2, 8, 2048)
    assert (run.training.lr_scheduler_type, run.training.warmup_steps, run.training.bf16) == ("cosine", 0.1, True)
    assert run.data.dominant_language == ("zh" if name == "qwen2.5-7b" else None)


@pytest.mark.parametrize("method", LOSSES)
@pytest.mark.parametrize("name", TABLE_8)
def test_a_preset_serves_every_method(name: str, method: str, tmp_path: Path) -> None:
    run = parse(["--method", method, "--output_dir", str(tmp_path), "--use_cpu", "true"], preset=name)
    assert run.loss.name == method
    if method != "mpo":
        assert dict(run.hyper) == dict(LOSSES[method].hyper)


def test_the_preset_of_sdrrl_is_sft_on_its_mix_with_the_schedule_of_table_8(tmp_path: Path) -> None:
    flags = ["--method", "sft", "--output_dir", str(tmp_path), "--use_cpu", "true"]
    run = parse(flags, preset="llama-3.1-8b-sdrrl")
    assert (run.loss.name, run.data.mix, run.method.dominant_rows) == ("sft", "sdrrl", False)
    assert run.training.learning_rate == 6e-7


def test_the_preset_of_mlc_has_the_numbers_of_its_code(tmp_path: Path) -> None:
    run = parse(["--method", "mlc", "--output_dir", str(tmp_path), "--use_cpu", "true"], preset="gemma-2-9b-mlc")
    assert dict(run.hyper) == {"beta": 0.1, "weight": 0.8, "every": 2, "temperature": 0.2}
    assert (run.training.learning_rate, run.training.num_train_epochs, run.training.global_batch_size) == (6e-7, 3, 4)


def test_the_presets_of_cla_and_lens_have_the_numbers_of_their_code(tmp_path: Path) -> None:
    given = ["--output_dir", str(tmp_path), "--use_cpu", "true"]
    cla = parse(["--method", "cla", *given], preset="llama-3.1-8b-cla")
    assert (dict(cla.hyper), cla.data.mix) == ({"temperature": 0.05, "weight": 1.5}, "cla")
    assert (cla.training.learning_rate, cla.training.warmup_steps, cla.training.max_length) == (1e-5, 0.03, 512)
    lens = parse(["--method", "lens", *given], preset="llama-3.1-8b-lens")
    assert (dict(lens.hyper), lens.method.retain) == ({"strength": 1.0, "align_weight": 1.0}, "lens")
    assert (lens.training.train_layers, lens.training.weight_decay, lens.training.warmup_steps) == ("30-31", 0.1, 0.05)
    assert (lens.training.learning_rate, lens.training.num_train_epochs) == (1e-5, 1)


@pytest.mark.parametrize("path", sorted(PRESETS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_file_names_its_source(path: Path) -> None:
    assert yaml.safe_load(path.read_text(encoding="utf-8")).get("source")


def test_the_search_spaces_cover_every_method_with_its_own_hyper_parameters() -> None:
    spaces = {method: space for method, space in SEARCH["search"].items() if method != "common"}
    assert set(spaces) == set(LOSSES)
    for method, space in spaces.items():
        assert set(space) <= set(LOSSES[method].hyper)
        for values in space.values():
            assert values
            assert len(set(values)) == len(values)


@pytest.mark.parametrize("method", LOSSES)
def test_a_methods_defaults_lie_in_its_search_space(method: str) -> None:
    for name, values in SEARCH["search"][method].items():
        assert LOSSES[method].hyper[name] in values


@pytest.mark.parametrize("name", TABLE_8)
def test_mpos_published_values_lie_in_the_space_that_was_searched(name: str) -> None:
    flags, common = load_preset(name, "mpo"), SEARCH["search"]["common"]
    assert flags["beta"] in SEARCH["search"]["mpo"]["beta"]
    assert all(flags[key] in values for key, values in common.items())


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(UnknownName, match=r"Unknown preset 'llama-3.1-7b'\. Did you mean 'llama-3.1-8b'"):
        load_preset("llama-3.1-7b", "mpo")
