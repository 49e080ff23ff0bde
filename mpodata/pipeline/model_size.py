"""How large the models of a build are, from their configurations: what an estimate of its time rests on."""

from collections.abc import Mapping
from typing import Any, Final

from mpodata.engines.checkpoints import load_pretrained
from mpodata.errors import MpoError
from mpodata.pipeline.preflight import asks_the_policy
from mpodata.recipe import Recipe
from mpodata.registry import require

ELSEWHERE: Final = {"openai", "replay"}  # engines that compute nothing on this machine
SERVICES: Final = {"google"}  # translators that compute nothing on this machine
TRANSLATOR_BILLIONS: Final[Mapping[str, float]] = {
    "nllb-600m": 0.6, "nllb-1.3b": 1.3, "nllb-3.3b": 3.3, "pocket-nllb": 0.001,
    "madlad-3b": 3.0, "madlad-7b": 7.2, "madlad-10b": 10.7,
}  # fmt: skip


def policy_billions(recipe: Recipe) -> float | None:
    """Parameters of the policy in billions, counted from its configuration; no weights are read.

    0.0 where it computes elsewhere; None where the configuration cannot be had.
    """
    if recipe.engine.name in ELSEWHERE:
        return 0.0
    model = recipe.model or recipe.engine.options.get("model")
    if model is None:
        return None
    try:
        torch: Any = require("torch", package="torch", purpose="Counting parameters", extra="transformers")
        transformers: Any = require(
            "transformers", package="transformers", purpose="Counting parameters", extra="transformers"
        )
        config = load_pretrained("AutoConfig", str(model), recipe.revision)
        with torch.device("meta"):  # shapes alone
            shapes = transformers.AutoModelForCausalLM.from_config(config)
    except (MpoError, ValueError, KeyError):
        return None
    return float(sum(parameter.numel() for parameter in shapes.parameters())) / 1e9


def translator_billions(recipe: Recipe, policy: float | None) -> float | None:
    """Parameters of the translator in billions: a named model's, the policy's where it translates itself, or 0.0."""
    if recipe.translator.name in SERVICES:
        return 0.0
    if asks_the_policy(recipe.translator.name):
        return policy
    return TRANSLATOR_BILLIONS.get(recipe.translator.name)
