"""Lens: separate languages in their own subspace of the last layer, align them along the direction they share.

Zhao et al. 2024 (arXiv 2410.04407, code circle-hit/Lens, where `pull` is separate and `push` is align). The subspace is
a function of the reference's states at the prompts, so it costs no forward of its own. Deviations: the prompts that are
trained on are also those the subspace is measured with, where the authors take 300 unrelated texts a language and
another system prompt; states are read at a prompt's own last token, where their code can read padding.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mpodata.errors import DataError
from mpotrain.model.states import States
from mpotrain.objective.losses import loss
from mpotrain.objective.parts import Part
from mpotrain.objective.state_losses import Constants, PartStates, state_loss

LAST = States("last_prompt")


@dataclass(frozen=True, slots=True)
class LanguageSpace:
    """What the mean states of T + 1 languages span."""

    agnostic: Tensor  # (d,) the point of their affine hull nearest to the origin: what all languages share
    specific: Tensor  # (d, T) orthonormal, orthogonal to `agnostic`: where languages differ


def language_space(means: Tensor) -> LanguageSpace:
    """The subspaces of mean states (T + 1, d); raises DataError where the languages are as many as the dimensions.

    With W the means as columns (the authors' rank-T fit M equals W): a = pinv(W)^T 1 / ||pinv(W)^T 1||^2, and the first
    T left singular vectors of W - a 1^T.
    """
    columns = means.double().T
    dimensions, count = columns.shape
    if count > dimensions:
        raise DataError(f"lens compares {count} languages in {dimensions} dimensions: choose fewer with --languages.")
    towards = torch.linalg.pinv(columns).T @ columns.new_ones(count)
    agnostic = towards / towards.square().sum()
    directions, _, _ = torch.linalg.svd(columns - agnostic[:, None], full_matrices=False)
    return LanguageSpace(agnostic, directions[:, : count - 1])


def constants(means: Mapping[str, Tensor], dominant: str) -> dict[str, Tensor | dict[str, Tensor]]:
    """`agnostic`, `specific`, and for every target language its shift, P_specific(mean^t) - P_specific(mean^d)."""
    space = language_space(torch.stack([means[dominant], *(m for code, m in means.items() if code != dominant)]))
    shifts = {code: projected(mean.double() - means[dominant].double(), space.specific) for code, mean in means.items()}
    return {"agnostic": space.agnostic, "specific": space.specific, "shift": shifts}


def projected(states: Tensor, basis: Tensor) -> Tensor:
    """P(h) = sum_k s_k s_k^T h: (..., d) onto the orthonormal columns of (d, r)."""
    return states @ basis @ basis.T


LENS_SPACE = Constants(LAST, constants)


@state_loss(
    "separate",
    states={
        "policy_last": PartStates(Part.PROMPT, LAST),
        "reference_last": PartStates(Part.PROMPT, LAST, reference=True),
    },
    constants=LENS_SPACE,
)
def separate(
    policy_last: Tensor, reference_last: Tensor, specific: Tensor, shift: Tensor, *, strength: float = 1.0
) -> Tensor:
    """Move a target prompt along what sets its language apart: mean_d (P_s(h - h_ref) - strength shift)^2.

    Args: policy_last, reference_last: (B, d) at the last prompt token; specific: (d, r); shift: (B, d) or (d,).
    Returns: (B,); before the first step the mean square of strength x shift.
    """
    return (projected(policy_last - reference_last, specific) - strength * shift).square().mean(-1)


@state_loss(
    "align",
    states={
        "policy_last_dominant": PartStates(Part.DOMINANT_PROMPT, LAST),
        "policy_last": PartStates(Part.PROMPT, LAST),
    },
    constants=LENS_SPACE,
)
def align(policy_last_dominant: Tensor, policy_last: Tensor, agnostic: Tensor) -> Tensor:
    """Bring a prompt and its dominant side together along what languages share: mean_d (P_a(h^d - h^t))^2.

    Gradient flows through both sides, as in the authors' code. Args: (B, d) each; agnostic: (d,). Returns: (B,).
    """
    direction = agnostic / agnostic.norm()
    return projected(policy_last_dominant - policy_last, direction[:, None]).square().mean(-1)


@loss("lens", log_probs="mean", rows="paired", retain="lens")
def lens(separate: Tensor, align: Tensor, target_languages: Tensor, *, align_weight: float = 1.0) -> Tensor:
    """Lens: T (separate + align_weight align) a row, T the number of target languages; plus the retention `lens`.

    The authors' loss is retain + sum over t of (separate + align), their rows whole pairs; ours are one row a language.
    """
    return target_languages * (separate + align_weight * align)
