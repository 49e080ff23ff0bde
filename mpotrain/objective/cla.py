"""CLA, also called AFP: a text and its translation get one state near the input, answers cross languages."""

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from mpotrain.model.states import States
from mpotrain.objective.losses import loss
from mpotrain.objective.parts import Part
from mpotrain.objective.state_losses import PartStates, state_loss

FIRST_LAYER = States("last", layer=1)


@state_loss(
    "infonce",
    states={
        "anchor": PartStates(Part.DOMINANT_SENTENCE, FIRST_LAYER),
        "positive": PartStates(Part.SENTENCE, FIRST_LAYER),
    },
    whole_batch=True,
)
def infonce(
    anchor: Tensor, positive: Tensor, pair_numbers: Tensor | None = None, *, temperature: float = 0.05
) -> Tensor:
    """Find a text's translation among those of the batch: -log(e^(cos(a_i, p_i) / t) / sum_j e^(cos(a_i, p_j) / t)).

    Li et al. 2024 (NAACL, code chongli17/CrossLingualAlignment). One direction, from anchors to translations; 0 for a
    batch of one. Translations of the same text into other languages are no negatives: rows j != i with the pair number
    of row i are left out of the sum, where the authors' sampling draws each text once.
    Args: anchor, positive: (B, d); pair_numbers: (B,) integers. Returns: (B,).
    """
    similarity = cosine_similarity(anchor[:, None], positive[None], dim=-1) / temperature
    if pair_numbers is not None:
        same = pair_numbers[:, None] == pair_numbers[None]
        same.fill_diagonal_(fill_value=False)
        similarity = similarity.masked_fill(same, -torch.inf)
    return similarity.logsumexp(1) - similarity.diagonal()


@loss("cla", log_probs="mean", mix="cla")
def cla(policy_chosen: Tensor, infonce: Tensor, *, weight: float = 1.5) -> Tensor:
    """Cross-lingual alignment: infonce - weight avg log pi(w), on the rows of --mix cla.

    Li et al. 2024 (AFP), as MPO's Table 14 compares it. The likelihood is averaged per row, where the authors average
    over the tokens of a batch.
    """
    return infonce - weight * policy_chosen
