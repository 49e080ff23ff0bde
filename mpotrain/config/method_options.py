"""What the loss is made of: the method, its retention, its gap, and the hyper-parameters read off the losses."""

from dataclasses import dataclass, field, make_dataclass
from typing import Any

from mpodata.errors import UnknownName
from mpotrain.objective.losses import LOSSES, Loss

RETENTIONS = ("authors", "paper", "kl", "lens", "off")
AUTO = "auto"


@dataclass
class MethodConfig:
    """What the loss is made of, beyond the method's own hyper-parameters."""

    method: str = field(default="mpo", metadata={"help": f"Training method: {', '.join(sorted(LOSSES))}."})
    retain: str = field(
        default=AUTO,
        metadata={
            "help": "Keep the dominant language's states: authors (mean over its prompt and answers, the released "
            "code), paper (last prompt token, eq. 8), kl (its log-probabilities instead), lens (mean over its "
            "prompt), off. Default: authors for mpo, lens for lens, off for the others."
        },
    )
    retain_weight: float = field(default=1.0, metadata={"help": "Weight of the retention term (L2)."})
    reference: str | None = field(
        default=None,
        metadata={
            "help": "Measure the reference with this model's weights (folder or Hub id): once, before the model to "
            "train is loaded. Default: the model to train, before its first step."
        },
    )
    gap: str = field(
        default="dominant",
        metadata={
            "help": "Where MPO's target gap comes from: dominant, policy (the policy's own dominant gap, trained "
            "through both, Table 15), policy-detached (no gradient through it), a number (Table 13) or a language code "
            "(Table 5)."
        },
    )
    length_normalize: bool | None = field(
        default=None, metadata={"help": "Average log-probabilities over tokens. Default: as the method defines."}
    )
    nll_weight: float = field(
        default=0.0,
        metadata={"help": "Adds this times -log pi(chosen) per token. Not in the MPO paper; recorded as a deviation."},
    )
    dominant_rows: bool | None = field(
        default=None, metadata={"help": "Train on the dominant pairs too. Default: baselines yes, mpo pairs them."}
    )


def _hyper_fields() -> list[tuple[str, type, Any]]:
    users: dict[str, list[str]] = {}
    for loss in LOSSES.values():
        for name, value in loss.hyper.items():
            users.setdefault(name, []).append(f"{loss.name} {value}")
    kinds = {name: type(value) for loss in LOSSES.values() for name, value in loss.hyper.items()}
    return [
        (name, kinds[name] | None, field(default=None, metadata={"help": f"Defaults: {', '.join(methods)}."}))  # type: ignore[misc]
        for name, methods in sorted(users.items())
    ]


HyperConfig = make_dataclass("HyperConfig", _hyper_fields())
HyperConfig.__module__ = __name__
HyperConfig.__doc__ = "The methods' own hyper-parameters; those left out take the method's default."


def find_loss(name: str) -> Loss:
    """The loss behind a method's name; raises UnknownName."""
    if name not in LOSSES:
        raise UnknownName("method", name, LOSSES)
    return LOSSES[name]
