"""Every method: a value worked by hand, the gradient, the first step; and what the registry promises."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from mpodata.errors import ConfigError, UnknownName
from mpotrain.objective.losses import LOSSES, Quantities, loss
from mpotrain.objective.mlc import consistency
from mpotrain.objective.state_losses import STATE_LOSSES

# One row. Against its reference the chosen answer gained 1 nat and the rejected one lost 1, so lr_w - lr_l = 2.
ROW = {
    "policy_chosen": -2.0,
    "policy_rejected": -5.0,
    "reference_chosen": -3.0,
    "reference_rejected": -4.0,
    "policy_gap": 0.5,
    "dominant_gap": 1.5,
    "chosen_tokens": 4.0,
    "rejected_tokens": 14.0,
    "mismatched": 1.0,
    "target_languages": 3.0,
    "step": 4.0,
    "consistency": 0.0788897343,  # of two states at cosine .6, temperature .2: ln(1 + e^-2.5)
    "infonce": 0.442058,
    "separate": 1.5,
    "align": 0.25,
}
MINUS_LOG_S_1 = 0.3132616875  # ln(1 + 1/e)

HAND: list[tuple[str, dict[str, Any], dict[str, float], float]] = [
    ("mpo", {"beta": 2.0}, {}, 0.25),  # (2 * 0.5 - 1.5)^2
    ("mpo", {"beta": 1.0}, {"policy_gap": 1.5}, 0.0),  # the gaps agree
    ("sft", {}, {}, 2.0),
    ("dpo", {"beta": 0.5}, {}, MINUS_LOG_S_1),
    ("ipo", {"tau": 0.5}, {}, 1.0),  # (2 - 1)^2
    ("rdpo-robust", {"beta": 0.5, "epsilon": 0.25}, {}, -0.1867383125),  # (.75 * .31326 - .25 * 1.31326) / .5
    ("rdpo-robust", {"beta": 0.5, "epsilon": 0.0}, {}, MINUS_LOG_S_1),  # no flips: DPO
    ("rdpo-length", {"beta": 0.5, "alpha": 0.1}, {}, math.log(2)),  # 1 + 0.1 * (4 - 14) = 0
    ("cpo", {"beta": 1.0, "weight": 2.0}, {}, 0.0485873516 + 2 * 2 / 4),  # ln(1 + e^-3)
    ("cpo", {"beta": 1.0, "weight": 2.0, "normalise_nll": False}, {}, 0.0485873516 + 2 * 2),
    ("kto", {"beta": 1.0, "chosen_weight": 2.0}, {}, (2 * 0.5 + 0.1192029220) / 2),  # 1 - s(0), 1 - s(2)
    ("kto", {"beta": 1.0}, {"mismatched": -7.0}, 0.2689414214),  # a negative KL estimate counts as 0: 1 - s(1) twice
    ("orpo", {"weight": 0.5}, {"policy_chosen": math.log(1 / 2), "policy_rejected": math.log(1 / 4)},
     math.log(2) + 0.5 * math.log(4 / 3)),  # odds 1 and 1/3
    ("simpo", {"beta": 0.5, "gamma": 0.5}, {}, MINUS_LOG_S_1),  # 0.5 * 3 - 0.5
    ("mlc", {"beta": 0.5, "weight": 2.0}, {}, MINUS_LOG_S_1 + 2 * math.log1p(math.exp(-2.5))),  # cosine .6
    ("mlc", {"beta": 0.5, "weight": 2.0}, {"step": 5.0}, MINUS_LOG_S_1),  # between two steps that have the term
    ("mlc", {"beta": 0.5, "weight": 2.0, "every": 5}, {"step": 5.0}, MINUS_LOG_S_1 + 2 * math.log1p(math.exp(-2.5))),
    ("cla", {}, {}, 3.442058),  # .442058 + 1.5 * 2
    ("lens", {"align_weight": 2.0}, {}, 6.0),  # 3 * (1.5 + 2 * .25)
    ("dpo-nll", {"beta": 0.5, "weight": 0.5}, {}, MINUS_LOG_S_1 + 0.5 * 2 / 4),
]  # fmt: skip

# At the first step the policy is the reference. What each loss then is, whatever the data; None: it has no reference.
FIRST_STEP: dict[str, tuple[dict[str, Any], float] | None] = {
    "mpo": None,  # (beta RG^t - RG^d)^2: test_retention.py measures it on a model
    "sft": None,
    "dpo": ({}, math.log(2)),
    "ipo": ({"tau": 0.1}, 25.0),  # 1 / (4 tau^2)
    "rdpo-robust": ({"epsilon": 0.3}, math.log(2)),
    "rdpo-length": ({"alpha": 0.0}, math.log(2)),
    "cpo": None,
    "kto": ({}, 0.5),
    "orpo": None,
    "simpo": None,
    "dpo-nll": ({"weight": 0.0}, math.log(2)),
    "mlc": ({"weight": 0.0}, math.log(2)),
    "cla": None,
    "lens": None,  # test_state_methods.py measures it on a model
}


def quantities(rows: list[dict[str, Any]]) -> Quantities:
    return given({name: torch.tensor([row[name] for row in rows], dtype=torch.float64) for name in ROW})


def given(values: dict[str, Tensor]) -> Quantities:
    """Quantities by name, losses on states among them."""
    states = {name: values.pop(name) for name in list(values) if name in STATE_LOSSES}
    return Quantities(**values, state_losses=states)


@pytest.mark.parametrize(("name", "hyper", "changes", "value"), HAND)
def test_a_loss_has_its_hand_worked_value(
    name: str, hyper: dict[str, Any], changes: dict[str, float], value: float
) -> None:
    assert LOSSES[name](quantities([ROW | changes]), **hyper).item() == pytest.approx(value, abs=1e-9)


def test_every_method_is_in_the_tables() -> None:
    assert {name for name, *_ in HAND} == set(LOSSES) == set(FIRST_STEP)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    torch.manual_seed(0)
    draw = {key: -torch.rand(3, dtype=torch.float64) * 3 - 0.1 for key in LOSSES[name].quantities}
    draw |= {"step": torch.full((3,), 4.0, dtype=torch.float64)} if "step" in draw else {}
    draw |= {key: torch.tensor([3.0, 8.0, 5.0], dtype=torch.float64) for key in draw if key.endswith("_tokens")}
    inputs = [
        value.requires_grad_(not key.endswith("tokens") and key not in ("mismatched", "step"))
        for key, value in draw.items()
    ]
    assert torch.autograd.gradcheck(LOSSES[name].function, inputs)


@pytest.mark.parametrize(("name", "start"), [(name, start) for name, start in FIRST_STEP.items() if start])
def test_the_first_step_is_known(name: str, start: tuple[dict[str, Any], float]) -> None:
    at_start = ROW | {"reference_chosen": -2.0, "reference_rejected": -5.0, "mismatched": 0.0}
    hyper, value = start
    assert LOSSES[name](quantities([at_start]), **hyper).item() == pytest.approx(value)


def test_mpo_has_the_gradient_of_equation_10() -> None:
    beta, gap_d = 1.5, torch.tensor([0.9, 0.2], dtype=torch.float64)
    gap_t = torch.tensor([0.3, 0.7], dtype=torch.float64, requires_grad=True)
    LOSSES["mpo"](Quantities(policy_gap=gap_t, dominant_gap=gap_d), beta=beta).mean().backward()
    assert gap_t.grad is not None
    torch.testing.assert_close(gap_t.grad, 2 * beta * (beta * gap_t.detach() - gap_d) / 2)


@pytest.mark.parametrize("name", LOSSES)
def test_a_row_costs_the_same_alone_and_in_company(name: str) -> None:
    rows = [ROW, ROW | {"policy_chosen": -1.0, "policy_gap": 0.1}, ROW | {"reference_rejected": -9.0}]
    together = LOSSES[name](quantities(rows))
    alone = torch.cat([LOSSES[name](quantities([row])) for row in rows])
    assert together.shape == (3,)
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "lens"])  # which looks at no answer
@pytest.mark.parametrize("chosen", [0.0, -1e-6, -1e4])
def test_certain_and_impossible_answers_stay_finite(name: str, chosen: float) -> None:
    values = {key: torch.tensor([value]) for key, value in (ROW | {"policy_chosen": chosen}).items()}
    values["policy_chosen"].requires_grad_()
    values["policy_gap"] = values["policy_chosen"] - values["policy_rejected"]
    chosen_log_prob = values["policy_chosen"]
    result = LOSSES[name](given(values))
    result.sum().backward()
    grad = chosen_log_prob.grad
    assert result.isfinite().all()
    assert grad is not None
    assert grad.isfinite().all()


def test_kto_sends_no_gradient_through_its_baseline() -> None:
    values = quantities([ROW])
    assert values.mismatched is not None
    assert values.policy_chosen is not None
    values.mismatched.requires_grad_()
    values.policy_chosen.requires_grad_()
    LOSSES["kto"](values).sum().backward()
    assert values.mismatched.grad is None


@pytest.mark.parametrize("name", LOSSES)
def test_the_registry_says_what_a_loss_needs(name: str) -> None:
    entry = LOSSES[name]
    assert entry.name == name
    assert entry.function.__doc__
    only_what_it_needs = {key: torch.tensor([ROW[key]]) for key in entry.quantities}
    assert entry(given(only_what_it_needs), **entry.hyper).shape == (1,)
    assert entry.rows == {"mpo": "paired", "lens": "paired", "mlc": "dominant"}.get(name, "all")


def test_a_hyper_parameter_a_method_lacks_is_named() -> None:
    with pytest.raises(UnknownName, match=r"hyper-parameter of mpo: 'betta'\. Did you mean 'beta'"):
        LOSSES["mpo"](quantities([ROW]), betta=1.0)


@pytest.mark.parametrize("epsilon", [-0.1, 0.5, 0.7])
def test_robust_dpo_refuses_a_flip_share_that_has_no_meaning(epsilon: float) -> None:
    with pytest.raises(ConfigError, match="epsilon must be in"):
        LOSSES["rdpo-robust"](quantities([ROW]), epsilon=epsilon)


def test_a_loss_cannot_ask_for_what_no_trainer_measures() -> None:
    def odd(policy_chosen: Tensor, moon_phase: Tensor) -> Tensor:
        return policy_chosen * moon_phase

    with pytest.raises(ValueError, match="moon_phase"):
        loss("odd", log_probs="sum")(odd)
    assert "odd" not in LOSSES


def test_a_quantity_that_was_not_measured_is_named() -> None:
    with pytest.raises(ValueError, match="loss 'mpo' needs dominant_gap"):
        LOSSES["mpo"](Quantities(policy_gap=torch.ones(2)))


def test_the_policys_own_target_gap_has_its_hand_worked_gradient() -> None:
    """METHODS section 0, B3: beta 1, RG^t .2, RG^d 1.0 give .64 and gradients -1.6 and +1.6."""
    gap_t, gap_d = (torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in (0.2, 1.0))
    value = LOSSES["mpo"](Quantities(policy_gap=gap_t, dominant_gap=gap_d), beta=1.0).sum()
    value.backward()
    assert gap_t.grad is not None
    assert gap_d.grad is not None
    assert (value.item(), gap_t.grad.item(), gap_d.grad.item()) == pytest.approx((0.64, -1.6, 1.6))


@pytest.mark.parametrize(("cosine", "value"), [(0.6, 0.078890), (1.0, math.log1p(math.exp(-5))), (0.0, math.log(2))])
def test_consistency_of_two_states_has_its_hand_worked_value(cosine: float, value: float) -> None:
    states = torch.tensor([[[2.0, 0.0], [cosine, math.sqrt(1 - cosine**2)]]], dtype=torch.float64)
    assert consistency(states, temperature=0.2).item() == pytest.approx(value, abs=1e-6)


def test_ten_states_that_agree_cost_the_floor_of_ten_languages() -> None:
    states = torch.ones(1, 10, 12, dtype=torch.float64)
    assert consistency(states, temperature=0.2).item() == pytest.approx(0.058874, abs=1e-6)


def test_the_gradient_of_consistency_is_that_of_finite_differences_with_the_largest_value_held() -> None:
    torch.manual_seed(0)
    states = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    largest = torch.linalg.svdvals(torch.nn.functional.normalize(states.detach(), dim=-1))[..., :1]

    def held(given: torch.Tensor) -> torch.Tensor:
        values = torch.linalg.svdvals(torch.nn.functional.normalize(given, dim=-1))
        return -(values / largest / 0.2).log_softmax(-1)[..., 0]

    assert torch.autograd.gradcheck(held, (states,))
    (ours,) = torch.autograd.grad(consistency(states, temperature=0.2).sum(), states)
    (theirs,) = torch.autograd.grad(held(states).sum(), states)
    torch.testing.assert_close(ours, theirs)
