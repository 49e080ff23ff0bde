"""Measured in any layout, wrapped or not, a sequence's numbers are those of the plain model on that sequence alone."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from mpodata.errors import ModelError
from mpotrain.model import head
from mpotrain.model.batches import Batch, Tokens, pack, pad
from mpotrain.model.forward import attach, measure
from mpotrain.model.head import LogitShape, token_log_probs
from mpotrain.model.states import States
from tests.mpotrain.random_models import MODELS, TINY, VOCABULARY, close, some_tokens, tiny

MEAN, LAST_PROMPT = States("mean"), States("last_prompt")
LAYOUTS = {"packed": pack, "packed unshared": lambda s: pack(s, share=False), "padded": pad}


def sequences() -> list[Tokens]:
    """Shared prompts, a repeat, one-token answers, and a dominant prompt whose states alone are wanted."""
    short, long = some_tokens(3, seed=1), some_tokens(9, seed=2)
    pair = [Tokens(short + some_tokens(n, seed=3 + n), 3) for n in (4, 8)]
    other = [Tokens(long + some_tokens(n, seed=20 + n), 9) for n in (1, 5)]
    return [
        *pair,
        *other,
        pair[0],
        Tokens(long, 9, scored=False),
        Tokens(short + some_tokens(6, seed=30), 3, scored=False),
    ]


def one_by_one(model: nn.Module, batch: list[Tokens]) -> tuple[Tensor, Tensor, Tensor]:
    """Log-prob sums, mean states and last prompt states from the plain forward, each sequence alone, in float64."""
    sums, means, lasts = [], [], []
    for tokens in batch:
        out = model(input_ids=torch.tensor([tokens.input_ids]), output_hidden_states=True)
        log_probs = out.logits[0].double().log_softmax(-1)
        answer = range(tokens.prompt_length, len(tokens.input_ids)) if tokens.scored else ()
        sums.append(sum((log_probs[at - 1, tokens.input_ids[at]] for at in answer), start=log_probs.new_zeros(())))
        means.append(out.hidden_states[-1][0].double().mean(0))
        lasts.append(out.hidden_states[-1][0, tokens.prompt_length - 1].double())
    return torch.stack(sums), torch.stack(means), torch.stack(lasts)


def gradients(model: nn.Module, value: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    value.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", MODELS)
def test_packed_padded_and_one_by_one_agree_in_values_and_gradients(kind: str) -> None:
    plain = tiny(kind, torch.float64)
    weights = torch.linspace(-1, 1, len(sequences()), dtype=torch.float64)
    sums, means, lasts = one_by_one(plain, sequences())
    expected = gradients(plain, (weights @ sums) + means.square().sum())
    model = tiny(kind, torch.float64)
    assert attach(model)
    for layout in LAYOUTS.values():
        measured = measure(model, layout(sequences()), states=[MEAN])
        close(measured.log_probs, sums)
        close(measured.states[MEAN], means)
        last = measure(model, layout(sequences()), states=[LAST_PROMPT]).states[LAST_PROMPT]
        close(last, lasts)
        found = gradients(model, (weights @ measured.log_probs) + measured.states[MEAN].square().sum())
        assert found.keys() == expected.keys()
        for parameter, gradient in expected.items():
            close(found[parameter], gradient)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_single_precision_agrees_to_1e_5(layout: str) -> None:
    sums, means, _ = one_by_one(tiny(), sequences())
    model = tiny()
    attach(model)
    measured = measure(model, LAYOUTS[layout](sequences()), states=[MEAN])
    assert measured.log_probs.dtype == torch.float32
    close(measured.log_probs.double(), sums)
    close(measured.states[MEAN].double(), means)


def test_company_and_padding_change_nothing() -> None:
    model = tiny()
    attach(model)
    few = sequences()[:2]
    longest = Tokens(some_tokens(40), 20)
    alone = measure(model, pack(few), states=[MEAN])
    for batch in (pack([*few, longest]), pack([*few[::-1], *few]), pad([*few, longest])):
        together = measure(model, batch, states=[MEAN])
        order = [1, 0] if len(batch) == 4 else [0, 1]
        close(together.log_probs[order], alone.log_probs)
        close(together.states[MEAN][order], alone.states[MEAN])


KINDS = [States(pooling, layer) for layer in (0, 1, 2, None) for pooling in ("mean", "last", "last_prompt")]


@pytest.mark.parametrize("kind", MODELS)
def test_several_kinds_of_states_come_from_one_forward(kind: str) -> None:
    plain, model = tiny(kind, torch.float64), tiny(kind, torch.float64)
    attach(model)
    expected: dict[States, list[Tensor]] = {request: [] for request in KINDS}
    for tokens in sequences():
        out = plain(input_ids=torch.tensor([tokens.input_ids]), output_hidden_states=True)
        for request in KINDS:
            hidden = out.hidden_states[-1 if request.layer is None else request.layer][0]
            at = {"mean": hidden.mean(0), "last": hidden[-1], "last_prompt": hidden[tokens.prompt_length - 1]}
            expected[request].append(at[request.pooling])
    for layout in LAYOUTS.values():
        measured = measure(model, layout(sequences()), states=KINDS)
        for request in KINDS:
            close(measured.states[request], torch.stack(expected[request]))


def test_a_forward_for_low_layers_alone_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    attach(model)
    blocks: list[int] = []
    for number, block in enumerate(model.model.layers):
        block.register_forward_hook(lambda *_, number=number: blocks.append(number))
    bare = [Tokens(some_tokens(length, seed=length), length, scored=False) for length in (5, 9)]
    whole = measure(model, pack(bare), states=[States("last", 0), MEAN])
    assert blocks == [*range(len(model.model.layers))]
    blocks.clear()
    early = measure(model, pack(bare), states=[States("last", 0)])
    assert blocks == [0]
    assert torch.equal(early.states[States("last", 0)], whole.states[States("last", 0)])
    blocks.clear()
    measure(model, pack(sequences()), states=[States("last", 0)])  # answers are scored, from the last layer
    assert blocks == [*range(len(model.model.layers))]


def test_detached_states_carry_no_gradient() -> None:
    model = tiny()
    attach(model)
    measured = measure(model, pack(sequences()), states=[MEAN, States("mean", detached=True)])
    assert torch.equal(measured.states[MEAN], measured.states[States("mean", detached=True)])
    assert measured.states[MEAN].requires_grad
    assert not measured.states[States("mean", detached=True)].requires_grad


def test_a_layer_that_the_model_lacks_is_said_plainly() -> None:
    model = tiny()
    attach(model)
    with pytest.raises(ModelError, match=r"States of layer 40 were asked for, but the model has . layers"):
        measure(model, pack(sequences()), states=[States("last", 40)])


def test_the_sums_are_over_the_tokens_they_come_with() -> None:
    model = tiny()
    attach(model)
    batch = pack(sequences())
    measured = measure(model, batch)
    assert measured.states == {}
    assert measured.tokens.tolist() == [4, 8, 1, 5, 4, 0, 6]
    by_hand = [measured.token_log_probs[batch.owners == n].sum().item() for n in range(len(batch))]
    assert measured.log_probs.tolist() == pytest.approx(by_hand)
    assert measured.log_probs[5:].tolist() == [0, 0]  # not scored


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_the_number_of_segments_changes_nothing(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(head.SEGMENT_BYTES, "cpu", 4 * VOCABULARY * rows)
    plain, model = tiny("gemma2", torch.float64), tiny("gemma2", torch.float64)
    attach(model)
    expected = gradients(plain, one_by_one(plain, sequences())[0].square().sum())
    found = gradients(model, measure(model, pack(sequences())).log_probs.square().sum())
    for parameter, gradient in expected.items():
        close(found[parameter], gradient)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [LogitShape(11), LogitShape(11, 0.5), LogitShape(11, 2.0, 1.5)])
def test_the_heads_gradient_is_that_of_finite_differences(bias: bool, shape: LogitShape) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(4, 11, bias=bias, dtype=torch.float64)
    states = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([0, 10, 3, 3, 7])

    def scored(states: Tensor, *parameters: Tensor) -> Tensor:
        return torch.func.functional_call(
            Scored(linear, targets, shape), dict(zip(names, parameters, strict=True)), states
        )

    names = [f"linear.{name}" for name, _ in linear.named_parameters()]
    assert torch.autograd.gradcheck(scored, (states, *linear.parameters()))


class Scored(nn.Module):
    def __init__(self, linear: nn.Linear, targets: Tensor, shape: LogitShape) -> None:
        super().__init__()
        self.linear, self.targets, self.shape = linear, targets, shape

    def forward(self, states: Tensor) -> Tensor:
        return token_log_probs(self.linear, states, self.targets, self.shape)


def test_no_tensor_as_large_as_the_logits_is_ever_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(head.SEGMENT_BYTES, "cpu", 4 * VOCABULARY * 2)
    model = tiny(tie_word_embeddings=False)
    attach(model)
    batch = pack([Tokens(some_tokens(400), 4)])
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            out = function(*args, **(kwargs or {}))
            if isinstance(out, Tensor) and out.shape[-1:] == (VOCABULARY,) and out.shape[0] != TINY["hidden_size"]:
                largest = max(largest, out.numel())  # not the weight itself, transposed
            return out

    with Watch():
        measure(model, batch).log_probs.sum().backward()
    assert 0 < largest <= 2 * VOCABULARY  # 396 answer tokens were scored


def test_hooks_on_the_head_and_the_model_fire_once() -> None:
    model = tiny()
    attach(model)
    fired: list[str] = []
    model.lm_head.register_forward_pre_hook(lambda *_: fired.append("head before"))
    model.lm_head.register_forward_hook(lambda *_: fired.append("head after"))
    model.register_forward_hook(lambda *_: fired.append("model after"))
    measure(model, pack(sequences()))
    assert fired == ["head before", "head after", "model after"]


def test_an_attached_model_still_speaks_as_before() -> None:
    plain, model = tiny("gemma2"), tiny("gemma2")
    attach(model)
    attach(model)  # twice is once
    ids = torch.tensor([some_tokens(9), some_tokens(9, seed=5)])
    mask = torch.ones_like(ids)
    mask[1, :4] = 0
    given = {"input_ids": ids, "attention_mask": mask}
    torch.testing.assert_close(model(**given).logits[mask.bool()], plain(**given).logits[mask.bool()])
    kept = {**given, "max_new_tokens": 6, "do_sample": False}
    assert model.generate(**kept).tolist() == plain.generate(**kept).tolist()
    assert measure(model, pack(sequences())).log_probs.isfinite().all()


def test_an_attached_model_saves_as_what_it_was(tmp_path) -> None:
    model = tiny()
    attach(model)
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(again).__name__ == "LlamaForCausalLM"
    assert again.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_gradient_checkpointing_changes_nothing(layout: str, reentrant: bool) -> None:
    found = []
    for checkpointed in (False, True):
        model = tiny("gemma2", torch.float64).train()
        attach(model)
        if checkpointed:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
            model.enable_input_require_grads()
        measured = measure(model, LAYOUTS[layout](sequences()), states=[MEAN])
        found.append(gradients(model, measured.log_probs.sum() + measured.states[MEAN].square().sum()))
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        close(found[1][name], gradient)


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "lm_head"]])
def test_lora_is_measured_and_trained_also_on_the_head(targets: Any) -> None:
    from peft import LoraConfig, get_peft_model

    def adapted(model: nn.Module) -> nn.Module:
        torch.manual_seed(3)
        wrapped = get_peft_model(model, LoraConfig(r=2, target_modules=targets, init_lora_weights=False))
        return wrapped.double()

    plain = adapted(tiny(dtype=torch.float64))
    bare = tiny(dtype=torch.float64)
    attach(bare)
    model = adapted(bare)
    sums, _, _ = one_by_one(plain, sequences())
    measured = measure(model, pack(sequences()))
    close(measured.log_probs, sums)
    expected, found = gradients(plain, sums.sum()), gradients(model, measured.log_probs.sum())
    assert expected
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        close(found[name], gradient)


def test_half_precision_log_probs_are_summed_in_float32() -> None:
    model = tiny(dtype=torch.bfloat16)
    attach(model)
    measured = measure(model, pack(sequences()), states=[MEAN])
    exact = one_by_one(copy.deepcopy(tiny(dtype=torch.bfloat16)).float(), sequences())
    assert measured.log_probs.dtype == measured.states[MEAN].dtype == torch.float32
    torch.testing.assert_close(measured.log_probs.double(), exact[0], rtol=0.03, atol=0.5)
    gradient = gradients(model, measured.log_probs.sum())["lm_head.weight"]
    assert gradient.dtype == torch.bfloat16
    assert gradient.isfinite().all()


def test_autocast_reaches_the_head() -> None:
    model = tiny()
    attach(model)
    full = measure(model, pack(sequences())).log_probs
    with torch.autocast("cpu", torch.bfloat16):
        mixed = measure(model, pack(sequences())).log_probs
    assert mixed.dtype == torch.float32
    assert not torch.equal(mixed, full)
    torch.testing.assert_close(mixed, full, rtol=0.03, atol=0.5)
    assert gradients(model, mixed.sum())["lm_head.weight"].dtype == torch.float32


def test_without_gradients_nothing_is_kept() -> None:
    model = tiny()
    attach(model)
    with torch.no_grad():
        measured = measure(model, pack(sequences()), states=[MEAN])
    assert measured.log_probs.grad_fn is None
    assert measured.states[MEAN].grad_fn is None


def test_a_batch_without_answers_has_states_only() -> None:
    model = tiny()
    attach(model)
    measured = measure(model, pack([Tokens(some_tokens(5), 5), Tokens(some_tokens(6), 2, scored=False)]), states=[MEAN])
    assert measured.log_probs.tolist() == [0, 0]
    measured.states[MEAN].sum().backward()


def test_a_model_whose_attention_is_not_ours_says_that_it_cannot_pack() -> None:
    model = tiny()
    model._supports_attention_backend = False  # type: ignore[assignment]
    assert not attach(model)
    assert model.config._attn_implementation == "eager"
    sums, _, _ = one_by_one(tiny(), sequences())
    close(measure(model, pad(sequences())).log_probs.double(), sums)


def test_a_model_without_a_head_is_refused_in_a_sentence() -> None:
    from transformers import AutoModel

    model = AutoModel.from_config(CONFIG_MAPPING["llama"](**TINY))
    with pytest.raises(ModelError, match="LlamaModel has no language-model head"):
        attach(model)


def test_attention_does_no_work_between_sequences() -> None:
    """Changing one sequence of a pack leaves the numbers of the others bit for bit as they were."""
    model = tiny()
    attach(model)
    first, second = Tokens(some_tokens(12), 4), Tokens(some_tokens(20, seed=8), 5)
    changed = Tokens(some_tokens(20, seed=9), 5)

    def of(batch: Batch) -> Tensor:
        return measure(model, batch).log_probs[0]

    assert torch.equal(of(pack([first, second])), of(pack([first, changed])))


@pytest.mark.parametrize("segments", [0, 2, 1000])
def test_keeping_the_softmax_or_computing_it_again_is_the_same(segments: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(head.SEGMENT_BYTES, "cpu", 4 * VOCABULARY * 3)
    monkeypatch.setitem(head.KEPT_BYTES, "cpu", 8 * VOCABULARY * 3 * segments)
    plain, model = tiny(dtype=torch.float64), tiny(dtype=torch.float64)
    attach(model)
    expected = gradients(plain, one_by_one(plain, sequences())[0].square().sum())
    found = gradients(model, measure(model, pack(sequences())).log_probs.square().sum())
    for parameter, gradient in expected.items():
        close(found[parameter], gradient)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_heads_matrix_product_is_the_usual_one(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    left, right = torch.randn(7, 33, dtype=dtype), torch.randn(33, 50, dtype=dtype)
    assert head._uses_onednn(left, right) is (dtype is torch.float32)
    for given in (right.t(), right.t().contiguous()):
        torch.testing.assert_close(head._product(left, given), left @ right)
