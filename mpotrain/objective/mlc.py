"""MLC: preferences in the dominant language alone, and one direction for a prompt's states in all languages."""

from torch import Tensor
from torch.linalg import svdvals
from torch.nn.functional import log_softmax, normalize

from mpotrain.model.states import States
from mpotrain.objective.losses import dpo, loss
from mpotrain.objective.parts import AllPrompts
from mpotrain.objective.state_losses import PartStates, state_loss


@state_loss("consistency", states={"prompt_states": PartStates(AllPrompts(), States("last_prompt", extracted=512))})
def consistency(prompt_states: Tensor, *, temperature: float = 0.2) -> Tensor:
    """How far a prompt's states in L languages are from one common direction: -log softmax(s / (s_1 temperature))_1.

    s: singular values of the L states, each of unit length; the largest one divides without gradient. arXiv 2602.16660.
    Args: prompt_states: (batch, L, d), L <= d. Returns: (batch,); ln L where all are orthogonal, and above 0 where all
    agree: log(1 + (L - 1) exp(-1 / temperature)).
    """
    values = svdvals(normalize(prompt_states, dim=-1))
    scaled = values / values[..., :1].detach()
    return -log_softmax(scaled / temperature, dim=-1)[..., 0]


@loss("mlc", log_probs="sum", rows="dominant")
def mlc(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    consistency: Tensor,
    step: Tensor,
    *,
    beta: float = 0.1,
    weight: float = 0.8,
    every: int = 2,
) -> Tensor:
    """Multilingual consistency: DPO in the dominant language, and one direction for a prompt's states in all languages.

    arXiv 2602.16660 (code Yuyan-B/MLC): DPO(w, l), plus weight consistency in every `every`-th optimizer step, the
    first of them included. The states go through a linear map to 512 dimensions that is trained with the policy and
    thrown away with it; since the map can agree by collapsing, a low value alone says little.
    """
    preference = dpo(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta=beta)
    return preference + weight * (step % every == 0) * consistency
