"""What holds the dominant language: values by hand, and whole MPO steps against their sources in float64."""

import math

import pytest
import torch
from torch import Tensor, nn

from mpotrain.model.batches import Tokens, pack, pad
from mpotrain.model.forward import attach, measure
from mpotrain.objective.losses import LOSSES, Quantities
from mpotrain.objective.retention import RETENTION
from tests.mpotrain.random_models import close, some_tokens, tiny

BETA = 1.5


class Pair:
    """Target and dominant sequences of one row."""

    def __init__(self, seed: int) -> None:
        self.target, self.dominant = (
            [Tokens(some_tokens(p, seed=s) + some_tokens(n, seed=s + n), p) for n in lengths]
            for s, p, lengths in ((seed, 3, (4, 7)), (seed + 1, 6, (2, 5)))
        )


PAIRS = [Pair(100), Pair(200), Pair(300)]


def moved(model: nn.Module) -> nn.Module:
    """The model some steps later."""
    torch.manual_seed(9)
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model


def average(model: nn.Module, tokens: Tokens) -> Tensor:
    """avg log pi(y | x) with the plain forward."""
    log_probs = model(input_ids=torch.tensor([tokens.input_ids])).logits[0].double().log_softmax(-1)
    answer = range(tokens.prompt_length, len(tokens.input_ids))
    return torch.stack([log_probs[at - 1, tokens.input_ids[at]] for at in answer]).mean()


def last_layer(model: nn.Module, ids: tuple[int, ...]) -> Tensor:
    return model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states[-1][0].double()


def gap(model: nn.Module, pair: list[Tokens]) -> Tensor:
    return average(model, pair[0]) - average(model, pair[1])


def released(policy: nn.Module, reference: nn.Module) -> Tensor:
    """The released code's loss, padding excluded: MSE over all target gaps, MSE over all pooled dominant states."""
    with torch.no_grad():
        dominant_gaps = torch.stack([gap(reference, pair.dominant) for pair in PAIRS])
        kept = torch.stack([last_layer(reference, t.input_ids).mean(0) for pair in PAIRS for t in pair.dominant])
    gaps = torch.stack([gap(policy, pair.target) for pair in PAIRS])
    now = torch.stack([last_layer(policy, t.input_ids).mean(0) for pair in PAIRS for t in pair.dominant])
    return nn.functional.mse_loss(BETA * gaps, dominant_gaps) + nn.functional.mse_loss(now, kept)


def published(policy: nn.Module, reference: nn.Module) -> Tensor:
    """Equations 5 to 9, term by term."""
    total = torch.zeros((), dtype=torch.float64)
    for pair in PAIRS:
        prompt = pair.dominant[0].prompt
        with torch.no_grad():
            gap_d, state_d = gap(reference, pair.dominant), last_layer(reference, prompt)[-1]
        first = (BETA * gap(policy, pair.target) - gap_d) ** 2
        total = total + first + ((last_layer(policy, prompt)[-1] - state_d) ** 2).sum()
    return total / len(PAIRS)


def ours(policy: nn.Module, reference: nn.Module, retain: str, layout=pack) -> tuple[Tensor, Tensor]:
    """(L1, L2), each (rows,), as a trainer puts them together."""
    term = RETENTION[retain]
    dominant = [
        Tokens(t.prompt, len(t.prompt), scored=False)
        if term.sequences == ("prompt",)
        else Tokens(t.input_ids, t.prompt_length, scored=retain == "kl")
        for pair in PAIRS
        for t in pair.dominant[: len(term.sequences)]
    ]
    target = [tokens for pair in PAIRS for tokens in pair.target]
    batch = layout([*target, *dominant])
    now = measure(policy, batch, states=[term.states] if term.states else [])
    with torch.no_grad():
        before = measure(reference, batch, states=[term.states] if term.states else [])
        frozen = measure(reference, layout([t for pair in PAIRS for t in pair.dominant]))
    averages = (now.log_probs / now.tokens.clamp(min=1))[: len(target)].view(-1, 2)
    dominant_gap = (frozen.log_probs / frozen.tokens).view(-1, 2)
    quantities = Quantities(
        policy_gap=averages[:, 0] - averages[:, 1], dominant_gap=dominant_gap[:, 0] - dominant_gap[:, 1]
    )
    first = LOSSES["mpo"](quantities, beta=BETA)
    if term.states is None:
        mine = batch.owners >= len(target)
        rows = (batch.owners[mine] - len(target)) // 2
        return first, term.function(now.token_log_probs[mine], before.token_log_probs[mine], rows, len(PAIRS))
    shape = (len(PAIRS), len(term.sequences), -1)
    return first, term.function(
        now.states[term.states][len(target) :].view(shape), before.states[term.states][len(target) :].view(shape)
    )


@pytest.mark.parametrize("layout", [pack, pad])
@pytest.mark.parametrize(("retain", "source"), [("authors", released), ("paper", published)])
def test_mpo_is_what_its_source_computes(retain: str, source, layout) -> None:
    reference, policy, plain = (
        tiny(dtype=torch.float64),
        moved(tiny(dtype=torch.float64)),
        moved(tiny(dtype=torch.float64)),
    )
    expected = source(plain, reference)
    expected.backward()
    for model in (reference, policy):
        attach(model)
    first, second = ours(policy, reference, retain, layout)
    loss = (first + second).mean()
    loss.backward()
    assert second.min() > 0
    close(loss, expected)
    for (name, parameter), other in zip(policy.named_parameters(), plain.parameters(), strict=True):
        assert parameter.grad is not None, name
        close(parameter.grad, other.grad)


@pytest.mark.parametrize("retain", RETENTION)
def test_at_the_start_only_the_gaps_differ(retain: str) -> None:
    """L2 = 0 and L1 = (beta RG^t - RG^d)^2, the gaps being the reference's own."""
    reference, policy = tiny(), tiny()
    expected = torch.stack([(BETA * gap(reference, p.target) - gap(reference, p.dominant)) ** 2 for p in PAIRS])
    for model in (reference, policy):
        attach(model)
    first, second = ours(policy, reference, retain)
    assert second.abs().max() < 1e-9
    close(first.double(), expected.detach())


def test_the_terms_have_their_hand_worked_values() -> None:
    policy = torch.tensor([[[1.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [4.0, 0.0]]])  # 2 rows, 2 sequences, 2 dimensions
    zero = torch.zeros_like(policy)
    assert RETENTION["authors"].function(policy, zero).tolist() == [5 / 4, 16 / 4]
    assert RETENTION["paper"].function(policy[:, :1], zero[:, :1]).tolist() == [5.0, 0.0]
    now, before = torch.tensor([-1.0, -2.0, -3.0]), torch.tensor([-1.0, -1.0, -4.0])
    kl = RETENTION["kl"].function(now, before, torch.tensor([0, 0, 2]), 3)
    assert kl.tolist() == pytest.approx([(math.e - 2) / 2, 0.0, math.exp(-1)])  # r = 0, 1 | nothing | -1


@pytest.mark.parametrize("retain", ["authors", "paper"])
def test_the_gradient_is_that_of_finite_differences(retain: str) -> None:
    policy, reference = (torch.randn(2, 2, 3, dtype=torch.float64) for _ in range(2))
    assert torch.autograd.gradcheck(RETENTION[retain].function, (policy.requires_grad_(), reference))


def test_the_kl_gradient_is_that_of_finite_differences() -> None:
    policy, reference = (-torch.rand(5, dtype=torch.float64) for _ in range(2))
    owners = torch.tensor([0, 0, 1, 1, 1])
    assert torch.autograd.gradcheck(
        lambda p: RETENTION["kl"].function(p, reference, owners, 2), policy.requires_grad_()
    )
