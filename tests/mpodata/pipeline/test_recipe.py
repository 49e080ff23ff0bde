"""A recipe says what is wrong with it, and where."""

from dataclasses import replace
from pathlib import Path

import pytest

from mpodata.errors import ConfigError, RecipeError, UnknownName
from mpodata.recipe import ON_POLICY, Component, Recipe, SourceChoice, read_recipe, shipped_recipes


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_flags_win_over_settings_and_settings_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "samples: 1\nseed: 1\nlanguages: [sw]\n")
    recipe = read_recipe(path, ["samples=2", "seed=2"], {"samples": 3})
    assert (recipe.samples, recipe.seed, recipe.languages) == (3, 2, ("sw",))


def test_a_component_may_be_given_by_name_alone_and_keeps_its_options(tmp_path: Path) -> None:
    path = written(tmp_path, "translator: nllb-3.3b\n")
    recipe = read_recipe(path, ["translator.options.beam=4"])
    assert recipe.translator.name == "nllb-3.3b"
    assert recipe.translator.options == {"beam": 4}


@pytest.mark.parametrize("text", ["", "sampling: {max_tokens: 160}\n", "sampling:\n  max_tokens: 160\n"])
def test_a_partial_sampling_keeps_the_on_policy_defaults(tmp_path: Path, text: str) -> None:
    sampling = read_recipe(written(tmp_path, text), ["sampling.max_tokens=160"]).sampling
    assert sampling == replace(ON_POLICY, max_tokens=160)
    assert (sampling.candidates, sampling.temperature, sampling.top_p) == (4, 0.7, 0.95)


def test_options_of_a_component_need_no_name_beside_them(tmp_path: Path) -> None:
    engine = read_recipe(None, ["engine.options.dtype=bfloat16"]).engine
    assert engine == Component("transformers", {"dtype": "bfloat16"})
    path = written(tmp_path, "translator:\n  options: {beam: 2}\n")
    assert read_recipe(path).translator == Component("nllb-600m", {"beam": 2})


def test_options_of_a_component_may_stand_beside_its_name_as_in_mpotrain_eval(tmp_path: Path) -> None:
    assert read_recipe(None, ["engine.dtype=bfloat16"]).engine == Component("transformers", {"dtype": "bfloat16"})
    path = written(tmp_path, "engine: {name: vllm, dtype: bfloat16, options: {seed: 1}}\n")
    assert read_recipe(path).engine == Component("vllm", {"seed": 1, "dtype": "bfloat16"})


def test_the_seed_is_that_of_the_answers_too_unless_they_have_their_own() -> None:
    assert read_recipe(None, [], {"seed": 7}).sampling.seed == 7
    assert read_recipe(None, ["sampling.seed=3"], {"seed": 7}).sampling.seed == 3
    assert read_recipe(None).sampling.seed == 42


def test_a_whole_number_is_a_fine_float() -> None:
    assert read_recipe(None, ["sampling.temperature=1"]).sampling.temperature == 1.0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("dominant: en\nsampels: 3\n", r"recipe.yaml, line 2.*'sampels'.*Did you mean 'samples'"),
        ("sampling:\n  temperature: -1\n", r"sampling.temperature must be >= 0, got -1.0 \(recipe.yaml, line 2\)"),
        ("near_duplicates: 2\n", r"near_duplicates must be between 0 and 1, got 2.0 \(recipe.yaml, line 1\)"),
        ("samples: many\n", r"samples must be int, got 'many' \(recipe.yaml, line 1\)"),
        ("samples: true\n", r"samples must be int, got True"),
        ("languages: [sw, en]\n", r"dominant language 'en' \(recipe.yaml, line 1\)"),
        ("languages: [sw, sw]\n", "names a language twice"),
        ("languages: [swa]\n", "Unknown language 'swa'"),
        ("translator: nllb-3b\n", "Unknown translator 'nllb-3b'. Did you mean 'nllb-3.3b'"),
        ("chosen: both\n", "chosen must be one of policy, source, got 'both'"),
        ("- a\n- b\n", "must hold `key: value` lines"),
        ("a: [\n", "not valid YAML"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_recipe(written(tmp_path, text))


def test_a_setting_without_a_value_is_explained() -> None:
    with pytest.raises(RecipeError, match="--set takes key=value, got 'samples'"):
        read_recipe(None, ["samples"])


def test_an_unknown_recipe_name_lists_those_that_ship() -> None:
    with pytest.raises(UnknownName, match="quickstart"):
        read_recipe("quikstart")


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_is_valid(name: str) -> None:
    assert read_recipe(name).languages


def test_a_recipe_survives_as_plain_values() -> None:
    recipe = read_recipe(None, ["languages=[sw, zh]"])
    assert recipe.as_dict()["languages"] == ["sw", "zh"]
    assert Recipe().as_dict()["sampling"]["candidates"] == 4


def test_a_setting_says_more_of_the_source_that_a_flag_names() -> None:
    flags = {"source": {"path": "rows.jsonl"}, "source.columns": {"prompt": "question"}}
    made = read_recipe("quickstart", ["source.options.licence=mit"], flags)
    assert made.source == SourceChoice(path="rows.jsonl", columns={"prompt": "question"}, options={"licence": "mit"})
