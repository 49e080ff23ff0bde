"""Losses on states: values worked by hand, gradients, and what the registry promises."""

import pytest
import torch
from torch import Tensor

from mpodata.errors import DataError
from mpotrain.objective.cla import infonce
from mpotrain.objective.lens import align, constants, language_space, projected, separate
from mpotrain.objective.losses import LOSSES
from mpotrain.objective.retention import RETENTION
from mpotrain.objective.state_losses import STATE_LOSSES, state_loss
from mpotrain.objective.whole_batch import BatchStates, whole_batch_loss


def rows(*values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


ANCHORS, POSITIVES = rows((1, 0), (0, 1)), rows((1, 0), (0.6, 0.8))


def test_infonce_has_its_hand_worked_values() -> None:
    assert infonce(ANCHORS, POSITIVES, temperature=1.0).tolist() == pytest.approx([0.513015, 0.371101], abs=1e-6)
    assert infonce(ANCHORS, POSITIVES, temperature=0.05).mean().item() == pytest.approx(1.677595e-4, rel=1e-6)
    assert infonce(ANCHORS[:1], POSITIVES[:1]).item() == 0


def test_infonce_and_likelihood_add_up_as_the_authors_weigh_them() -> None:
    contrast = infonce(ANCHORS, POSITIVES, temperature=1.0).mean()
    assert LOSSES["cla"].function(torch.tensor(-2.0), contrast).item() == pytest.approx(3.442058, abs=1e-6)


def test_translations_of_the_same_text_are_no_negatives() -> None:
    anchors, positives = rows((1, 0), (1, 0), (0, 1)), rows((1, 0), (0.8, 0.6), (0.6, 0.8))
    masked = infonce(anchors, positives, torch.tensor([5, 5, 7]), temperature=1.0)
    alone = infonce(anchors[[0, 2]], positives[[0, 2]], temperature=1.0)
    assert masked[0].item() == pytest.approx(alone[0].item())
    assert masked[2].item() < infonce(anchors, positives, torch.tensor([5, 6, 7]), temperature=1.0)[2].item() + 1e-12
    assert infonce(anchors[:2], positives[:2], torch.tensor([5, 5])).tolist() == [0, 0]


M_EN, M_T = (2.0, 0.0, 1.0), (0.0, 2.0, 1.0)


def test_the_language_space_has_its_hand_worked_values() -> None:
    space = language_space(rows(M_EN, M_T))
    assert space.agnostic.tolist() == pytest.approx([1, 1, 1])
    expected = rows((0.5, -0.5, 0), (-0.5, 0.5, 0), (0, 0, 0))  # the projection; a direction's sign is arbitrary
    torch.testing.assert_close(space.specific @ space.specific.T, expected)
    shift = constants({"en": rows(M_EN)[0], "sw": rows(M_T)[0]}, "en")["shift"]
    assert isinstance(shift, dict)
    assert shift["sw"].tolist() == pytest.approx([-2, 2, 0])
    assert shift["en"].tolist() == pytest.approx([0, 0, 0])


def test_specific_directions_are_orthonormal_and_orthogonal_to_what_is_shared() -> None:
    torch.manual_seed(0)
    space = language_space(torch.randn(5, 16, dtype=torch.float64))
    torch.testing.assert_close(space.specific.T @ space.specific, torch.eye(4, dtype=torch.float64))
    assert (space.agnostic @ space.specific).abs().max() < 1e-10


def test_more_languages_than_dimensions_are_refused() -> None:
    with pytest.raises(DataError, match="lens compares 3 languages in 2 dimensions"):
        language_space(torch.eye(3, 2))


def test_separate_has_its_hand_worked_values() -> None:
    space = constants({"en": rows(M_EN)[0], "sw": rows(M_T)[0]}, "en")
    specific, shift = space["specific"], space["shift"]
    assert isinstance(specific, Tensor)
    assert isinstance(shift, dict)
    before = separate(rows(M_T), rows(M_T), specific, shift["sw"])
    after = separate(rows((-0.5, 2.5, 1)), rows(M_T), specific, shift["sw"])
    assert before.item() == pytest.approx(8 / 3)
    assert after.item() == pytest.approx(1.5)


def test_align_has_its_hand_worked_values() -> None:
    agnostic = rows((1, 1, 1))[0]
    assert align(rows(M_EN), rows((0, 2, 2)), agnostic).item() == pytest.approx(1 / 9)
    assert align(rows(M_EN), rows((-0.5, 2.5, 1)), agnostic).item() == pytest.approx(0)


def test_the_retention_of_lens_has_its_hand_worked_value() -> None:
    assert RETENTION["lens"].function(rows((1, 0, 1))[:, None], rows((2, 0, 1))[:, None]).item() == pytest.approx(1 / 3)


def test_a_shift_may_differ_from_row_to_row() -> None:
    torch.manual_seed(1)
    states, reference, shift = torch.randn(3, 4, 6, dtype=torch.float64)
    specific = torch.linalg.qr(torch.randn(6, 2, dtype=torch.float64)).Q
    together = separate(states, reference, specific, shift)
    alone = [separate(states[[n]], reference[[n]], specific, shift[n]) for n in range(4)]
    torch.testing.assert_close(together, torch.cat(alone))
    torch.testing.assert_close(projected(specific.T, specific), specific.T)


@pytest.mark.parametrize("name", sorted(set(STATE_LOSSES) - {"consistency"}))  # its divisor has no gradient: own test
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    torch.manual_seed(0)
    loss = STATE_LOSSES[name]
    states = {key: torch.randn(4, 6, dtype=torch.float64, requires_grad=True) for key in loss.states}
    space = constants({code: torch.randn(6) for code in ("en", "sw", "zh")}, "en")
    fixed = {key: space[key]["sw"] if key == "shift" else space[key] for key in loss.parameters if key in space}

    def of_states(*values: Tensor) -> Tensor:
        return loss.function(**dict(zip(states, values, strict=True)), **fixed)

    assert torch.autograd.gradcheck(of_states, tuple(states.values()))


def test_derivatives_over_the_whole_batch_leave_fillers_out() -> None:
    torch.manual_seed(0)
    states = {key: torch.randn(4, 6, dtype=torch.float64) for key in ("anchor", "positive")}
    loss = STATE_LOSSES["infonce"]
    found = whole_batch_loss(loss, BatchStates(states, [1, 2, 2, 3], [0.5, 0.0, 0.5, 0.5], [1, 1, 2, 1]), {})
    kept = [0, 2, 3]
    leaves = {key: value[kept].requires_grad_() for key, value in states.items()}
    values = infonce(*leaves.values(), torch.tensor([1, 2, 3]))
    (0.5 * values[0] + values[1] + 0.5 * values[2]).backward()
    assert found.values[1] == 0
    torch.testing.assert_close(found.values[kept], values.detach())
    for key, leaf in leaves.items():
        torch.testing.assert_close(found.gradients[key][kept], leaf.grad)
        assert found.gradients[key][1].abs().max() == 0


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_method_adds_its_losses_over_the_whole_batch_with_weight_one(name: str) -> None:
    method = LOSSES[name]
    values = [torch.tensor([-0.7], requires_grad=True) for _ in method.quantities]
    gradients = torch.autograd.grad(method.function(*values).sum(), values, allow_unused=True)
    of = dict(zip(method.quantities, gradients, strict=True))
    assert [of[part.name] for part in method.state_losses if part.whole_batch] == [
        torch.ones(1) for part in method.state_losses if part.whole_batch
    ]


@pytest.mark.parametrize("name", sorted(STATE_LOSSES))
def test_every_loss_on_states_says_what_it_does(name: str) -> None:
    assert STATE_LOSSES[name].function.__doc__
    assert any(name in method.quantities for method in LOSSES.values())


def test_a_loss_cannot_read_states_into_a_parameter_it_lacks() -> None:
    def odd(states: Tensor) -> Tensor:
        return states.sum(-1)

    with pytest.raises(ValueError, match="has no parameter"):
        state_loss("odd", states={"moon": next(iter(STATE_LOSSES["align"].states.values()))})(odd)
    assert "odd" not in STATE_LOSSES
