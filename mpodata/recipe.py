"""A build's recipe: YAML, `--set key=value` and flags, read into frozen records; mistakes name their file and line."""

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from mpodata.engines import ENGINES, Sampling
from mpodata.errors import RecipeError, UnknownName
from mpodata.languages import code_of, language
from mpodata.refusals import DETECTORS
from mpodata.registry import check_name
from mpodata.runtime.yaml_text import parse_yaml
from mpodata.sources import SOURCES
from mpodata.translators import TRANSLATORS

ON_POLICY = Sampling(candidates=4, temperature=0.7, top_p=0.95)
REFUSAL_PROMPT = (
    "You are a careful assistant. If a request could lead to harm, refuse it: say in one or two sentences that you "
    "cannot help with it and why, give no instructions, and end there."
)
SHIPPED = Path(__file__).with_name("recipes")


@dataclass(frozen=True, slots=True)
class SourceChoice:
    """Where rows come from."""

    name: str = ""  # a key of SOURCES; empty: recognised from the file
    path: str | None = None  # a file, a folder or a Hub dataset id
    revision: str | None = None  # of a Hub dataset
    columns: dict[str, str] = field(default_factory=dict)  # our name -> the table's: {"prompt": "question"}
    options: dict[str, Any] = field(default_factory=dict)  # what else the source's factory takes


@dataclass(frozen=True, slots=True)
class Counterweight:
    """Harmless prompts: chosen = the policy's helpful answer, rejected = a refusal. They stop over-refusal."""

    share: float = 0.0  # of all pairs, 0 <= share < 1
    source: SourceChoice = SourceChoice()
    refusals: tuple[str, ...] = ()  # sentences in the dominant language; empty: the detector's table


@dataclass(frozen=True, slots=True)
class Component:
    """A component by name, with its own options."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a dataset's bytes, and nothing else."""

    name: str = "refusal-pairs"
    dominant: str = "en"
    languages: tuple[str, ...] = ()
    samples: int | None = None  # harmful prompts; none: all
    skip: int = 0  # harmful prompts at the beginning of the draw that are left out: fresh ones for another round
    pairs: int | None = None  # exactly so many harmful pairs: prompts that are dropped are replaced by others
    seed: int = 42
    source: SourceChoice = SourceChoice()
    counterweight: Counterweight = Counterweight()
    stratify: bool = False  # sample evenly over the source's categories
    near_duplicates: float | None = None  # Jaccard similarity above which a prompt is a duplicate; none: exact only
    decontaminate: tuple[str, ...] = ()  # evaluation files whose prompts must not be trained on
    chosen: Literal["policy", "source"] = "policy"
    chosen_must_refuse: bool = True  # drop harmful rows for which the policy did not refuse; False: as the MPO release
    model: str | None = None
    revision: str | None = None
    engine: Component = Component("transformers")
    sampling: Sampling = ON_POLICY
    refusal_prompt: str | None = None  # a system message for harmful prompts: helps a model that seldom refuses
    detector: Component = Component("rules")
    translator: Component = Component("nllb-600m")
    checks: Literal["drop", "keep"] | None = None  # a row that fails a check: dropped, or kept and counted
    round_trip: bool = False  # translate back and measure chrF
    quality_estimation: str | None = None  # an address or a command that scores translations without a reference
    test_share: float = 0.1  # of the prompt groups
    parent: dict[str, Any] = field(default_factory=dict)  # of a round's version: reference, round, policy it came from

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the manifest."""
        return {key: _plain(value) for key, value in dataclasses.asdict(self).items()}


_ONE_OF = {"samples": ("pairs",), "pairs": ("samples",)}


def read_recipe(
    recipe: str | Path | None, settings: Iterable[str] = (), flags: Mapping[str, Any] | None = None
) -> Recipe:
    """A recipe from a shipped name or a YAML file, then `key=value` settings, then command-line flags.

    A flag for the source takes the place of the file's whole source; settings then say more of it.
    Raises RecipeError naming the file and line, or the setting, that cannot be right.
    """
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    if recipe is not None:
        path = recipe_path(recipe)
        values, places = _read_yaml(path)
    given = dict(flags or {})
    if "source" in given:
        _put(values, places, "source", given.pop("source"), "--source")
    settings = list(settings)
    for key in [*(setting.partition("=")[0].strip() for setting in settings), *given]:
        for other in _ONE_OF.get(key, ()):  # of two that say how much, a command line's takes the place of the file's
            values.pop(other, None)
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise RecipeError(f"--set takes key=value, got {setting!r}. Example: --set sampling.temperature=0.7")
        try:
            value = parse_yaml(text)
        except ValueError as error:
            raise RecipeError(f"--set {key.strip()} is not valid YAML: {error}. Put text in quotes.") from error
        _put(values, places, key.strip(), value, f"--set {key.strip()}")
    for key, value in given.items():
        _put(values, places, key, value, f"--{key.split('.')[0].replace('_', '-')}")
    result: Recipe = _convert(values, Recipe, "", places)
    if "seed" not in (values.get("sampling") or {}):  # one seed for all, unless the answers have one of their own
        result = replace(result, sampling=replace(result.sampling, seed=result.seed))
    result = replace(result, dominant=code_of(result.dominant), languages=tuple(map(code_of, result.languages)))
    _check(result, places)
    return result


def recorded_recipe(values: Mapping[str, Any]) -> Recipe:
    """The recipe that a manifest holds (`Recipe.as_dict`); raises RecipeError for one that cannot be right."""
    result: Recipe = _convert(dict(values), Recipe, "", {})
    for code in (result.dominant, *result.languages):
        language(code)
    _check(result, {})
    return result


def recipe_path(recipe: str | Path) -> Path:
    """The file behind a recipe's path or shipped name."""
    path = Path(recipe)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise RecipeError(f"No recipe file {path}. Give a YAML file, or one of: {', '.join(shipped_recipes())}.")
        return path
    if str(recipe) not in shipped_recipes():
        raise UnknownName("recipe", str(recipe), shipped_recipes())
    return SHIPPED / f"{recipe}.yaml"


def shipped_recipes() -> list[str]:
    """Names of the recipes that ship with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def _read_yaml(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8")
        values = parse_yaml(text) or {}
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except ValueError as error:
        raise RecipeError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{path} must hold `key: value` lines, found {type(values).__name__}.")
    return values, dict(_places(node, "", path.name))


def _places(node: Any, prefix: str, file: str) -> Iterable[tuple[str, str]]:
    """Every key's dotted path with the file and line it stands on."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            dotted = f"{prefix}{key.value}"
            yield dotted, f"{file}, line {key.start_mark.line + 1}"
            yield from _places(value, f"{dotted}.", file)


def _put(values: dict[str, Any], places: dict[str, str], dotted: str, value: Any, place: str) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        below = values.setdefault(parent, {})
        if isinstance(below, str):  # `translator: nllb-600m` is short for `translator: {name: nllb-600m}`
            below = values[parent] = {"name": below}
        values = below
    values[last] = value
    places[dotted] = place


def _convert(value: Any, expected: Any, dotted: str, places: Mapping[str, str], default: Any = None) -> Any:
    """`value` as the annotated type `expected`; raises RecipeError with the place it came from.

    `default`: the record whose fields hold where `value` does not name them.
    """
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if dataclasses.is_dataclass(expected) and isinstance(expected, type):
        return _record(value, expected, dotted, places, default)
    if origin in (typing.Union, types.UnionType):
        return (
            None
            if value is None
            else _convert(value, next(a for a in arguments if a is not type(None)), dotted, places)
        )
    if origin is Literal:
        if value in arguments:
            return value
        raise RecipeError(
            f"{dotted} must be one of {', '.join(map(str, arguments))}, got {value!r}{_at(dotted, places)}."
        )
    if origin is tuple:
        items = value if isinstance(value, (list, tuple)) else [value]
        return tuple(_convert(item, arguments[0], dotted, places) for item in items)
    if origin is dict and isinstance(value, dict):
        return {str(key): item for key, item in value.items()}
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if origin is None and isinstance(value, expected) and not (expected is int and isinstance(value, bool)):
        return value
    name = getattr(origin or expected, "__name__", str(expected))
    raise RecipeError(f"{dotted} must be {name}, got {value!r}{_at(dotted, places)}.")


def _record(value: Any, record: type, dotted: str, places: Mapping[str, str], default: Any) -> Any:
    if isinstance(value, str) and record in (Component, SourceChoice):
        value = {"name": value}
    if not isinstance(value, dict):
        raise RecipeError(f"{dotted or 'The recipe'} must hold `key: value` lines, got {value!r}{_at(dotted, places)}.")
    annotations = typing.get_type_hints(record)
    if record is Component:  # `engine: {name: vllm, dtype: bfloat16}` is short for `options: {dtype: bfloat16}`
        options = {key: item for key, item in value.items() if key not in annotations}
        value = {key: item for key, item in value.items() if key in annotations}
        if options:
            value["options"] = {**(value.get("options") or {}), **options}
    read = {}
    for key, item in value.items():
        path = f"{dotted}.{key}" if dotted else str(key)
        if key not in annotations:
            raise UnknownName(f"recipe key{_at(path, places)}:", str(key), annotations)
        read[key] = _convert(item, annotations[key], path, places, getattr(default, key, _default_of(record, key)))
    try:
        return record(**read) if default is None else replace(default, **read)
    except TypeError as error:
        raise RecipeError(f"{dotted} lacks a name{_at(dotted, places)}.") from error


def _default_of(record: type, key: str) -> Any:
    """The record that stands in for a field that is not given; None for plain values."""
    default = next(field.default for field in dataclasses.fields(record) if field.name == key)
    return default if dataclasses.is_dataclass(default) else None


def _at(dotted: str, places: Mapping[str, str]) -> str:
    return f" ({places[dotted]})" if dotted in places else ""


def _check(recipe: Recipe, places: Mapping[str, str]) -> None:
    """What types cannot say."""
    if recipe.dominant in recipe.languages:
        raise RecipeError(
            f"languages holds the dominant language {recipe.dominant!r}{_at('languages', places)}. Leave it out."
        )
    if len(set(recipe.languages)) < len(recipe.languages):
        raise RecipeError(f"languages names a language twice{_at('languages', places)}.")
    check_name("engine", ENGINES, recipe.engine.name)
    check_name("detector", DETECTORS, recipe.detector.name)
    check_name("translator", TRANSLATORS, recipe.translator.name)
    for choice in (recipe.source, recipe.counterweight.source):
        if choice.name:
            check_name("source", SOURCES, choice.name)
    ranges = {
        "samples": (recipe.samples is None or recipe.samples > 0, "be positive"),
        "pairs": (recipe.pairs is None or recipe.pairs > 0, "be positive"),
        "skip": (recipe.skip == 0 or (recipe.skip > 0 and recipe.samples is not None), "be at least 0, with samples"),
        "test_share": (0 <= recipe.test_share < 1, "be at least 0 and below 1"),
        "near_duplicates": (recipe.near_duplicates is None or 0 <= recipe.near_duplicates <= 1, "be between 0 and 1"),
        "counterweight.share": (0 <= recipe.counterweight.share < 1, "be at least 0 and below 1"),
        "sampling.temperature": (recipe.sampling.temperature >= 0, "be >= 0"),
        "sampling.candidates": (recipe.sampling.candidates > 0, "be positive"),
        "sampling.max_tokens": (recipe.sampling.max_tokens > 0, "be positive"),
        "sampling.top_p": (0 < recipe.sampling.top_p <= 1, "be above 0 and at most 1"),
    }
    for dotted, (fine, demand) in ranges.items():
        if not fine:
            value: Any = recipe
            for part in dotted.split("."):
                value = getattr(value, part)
            raise RecipeError(f"{dotted} must {demand}, got {value}{_at(dotted, places)}.")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
