"""Each method against TRL's own trainer on the same rows: the same loss and the same gradient of every weight.

Where TRL averages the likelihood over the tokens of a batch (SFT, CPO, ORPO, DPO + NLL) a batch's chosen answers are
equally long, or its rows are given one at a time; where it trains the prompt too (ORPO) prompts are one token: there
both definitions are one. R-DPO, which TRL lacks, is compared with its formula on full logits.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from mpotrain.data import TrainingRow
from mpotrain.model.batches import Tokens, pack
from mpotrain.model.forward import attach, measure
from mpotrain.objective.losses import LOSSES, Quantities
from mpotrain.objective.mismatch import mismatched_answers
from tests.mpotrain.random_models import close, some_tokens, tiny

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

Rows = list[tuple[Tokens, Tokens]]  # chosen, rejected


def rows(prompts: Sequence[int], chosen: Sequence[int], rejected: Sequence[int]) -> Rows:
    made = []
    for seed, (p, w, l) in enumerate(zip(prompts, chosen, rejected, strict=True)):  # noqa: E741
        prompt = some_tokens(p, seed=seed)
        chosen_row, rejected_row = (Tokens(prompt + some_tokens(n, seed=50 * n + seed), p) for n in (w, l))
        made.append((chosen_row, rejected_row))
    return made


ANY = rows((3, 5, 2), (4, 7, 1), (6, 2, 9))
EQUAL = rows((3, 5, 2), (4, 4, 4), (6, 2, 9))
SHORT = rows((1, 1, 1), (4, 4, 4), (6, 2, 9))


def later(model: nn.Module) -> nn.Module:
    """A policy that has moved from its reference."""
    torch.manual_seed(7)
    for parameter in model.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    return model


def words() -> PreTrainedTokenizerFast:
    level = Tokenizer(models.WordLevel({"a": 0, "b": 1, "</s>": 2, "<unk>": 3}, unk_token="<unk>"))
    level.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=level, eos_token="</s>", pad_token="</s>", bos_token="</s>")


SETTINGS: dict[str, Any] = {
    "report_to": [], "use_cpu": True, "bf16": False, "gradient_checkpointing": False, "max_length": None,
    "disable_dropout": True, "per_device_train_batch_size": 2,
}  # fmt: skip
PAIRS = [{"prompt": "a", "chosen": " b", "rejected": " a"}] * 2  # our rows come in through the collator
ANSWERS = [{"prompt": "a", "completion": " b", "label": True}, {"prompt": "b", "completion": " a", "label": False}]


def split(tokens: Tokens) -> tuple[list[int], list[int]]:
    return list(tokens.prompt), list(tokens.input_ids[tokens.prompt_length :])


def dpo(folder: Path, batch: Rows, **options: Any) -> tuple[Any, dict[str, Any]]:
    from trl import DPOConfig, DPOTrainer

    settings = DPOConfig(output_dir=str(folder), **SETTINGS, **options)
    trainer = DPOTrainer(
        later(tiny()), tiny(), args=settings, train_dataset=Dataset.from_list(PAIRS), processing_class=words()
    )
    keys = ("chosen_ids", "rejected_ids")
    return trainer, trainer.data_collator(
        [
            {"prompt_ids": list(row[0].prompt)} | {k: split(t)[1] for k, t in zip(keys, row, strict=True)}
            for row in batch
        ]
    )


def cpo_like(kind: str) -> Callable[..., tuple[Any, dict[str, Any]]]:
    def build(folder: Path, batch: Rows, **options: Any) -> tuple[Any, dict[str, Any]]:
        if kind == "cpo":
            from trl.experimental.cpo import CPOConfig as Config
            from trl.experimental.cpo import CPOTrainer as Trainer
        else:
            from trl.experimental.orpo import ORPOConfig as Config
            from trl.experimental.orpo import ORPOTrainer as Trainer
        trainer = Trainer(
            later(tiny()),
            args=Config(output_dir=str(folder), **SETTINGS, **options),
            train_dataset=Dataset.from_list(PAIRS),
            processing_class=words(),
        )
        features = []
        for row in batch:
            feature = {}
            for name, tokens in zip(("chosen", "rejected"), row, strict=True):
                prompt, answer = split(tokens)
                feature[f"{name}_input_ids"] = prompt + answer
                feature[f"{name}_attention_mask"] = [1] * len(tokens.input_ids)
                feature[f"{name}_labels"] = [-100] * len(prompt) + answer
            features.append(feature)
        return trainer, trainer.data_collator(features)

    return build


def kto(folder: Path, batch: Rows, **options: Any) -> tuple[Any, dict[str, Any]]:
    from trl import KTOConfig, KTOTrainer

    settings = KTOConfig(output_dir=str(folder), **SETTINGS, **options)
    trainer = KTOTrainer(
        later(tiny()), tiny(), args=settings, train_dataset=Dataset.from_list(ANSWERS), processing_class=words()
    )
    features = [
        {"prompt_ids": split(row[side])[0], "completion_ids": split(row[side])[1], "label": side == 0,
         "KL_completion_ids": split(mismatched)[1]}
        for side in (0, 1)
        for row, mismatched in zip(batch, mismatch(batch)[side * len(batch) :], strict=False)
    ]  # fmt: skip
    return trainer, trainer.data_collator(features)


def mismatch(batch: Rows) -> list[Tokens]:
    """Every prompt with the chosen, then with the rejected answer of the row before it."""
    return [
        Tokens(row[0].prompt + before[side].input_ids[before[side].prompt_length :], row[0].prompt_length)
        for side in (0, 1)
        for row, before in zip(batch, batch[-1:] + batch[:-1], strict=True)
    ]


def ours(name: str, batch: Rows, **hyper: Any) -> tuple[nn.Module, Tensor]:
    """The method on the same rows as the trainer puts it together, packed."""
    policy, reference = later(tiny()), tiny()
    sequences = [row[side] for side in (0, 1) for row in batch]
    quantities: dict[str, Tensor] = {}
    for who, model in (("policy", policy), ("reference", reference)):
        attach(model)
        with torch.set_grad_enabled(who == "policy"):
            measured = measure(model, pack(sequences))
        sums = measured.log_probs / measured.tokens if LOSSES[name].log_probs == "mean" else measured.log_probs
        quantities[f"{who}_chosen"], quantities[f"{who}_rejected"] = sums.chunk(2)
        quantities["chosen_tokens"], quantities["rejected_tokens"] = measured.tokens.float().chunk(2)
    with torch.no_grad():
        quantities["mismatched"] = (
            measure(policy, pack(mismatch(batch))).log_probs - measure(reference, pack(mismatch(batch))).log_probs
        )
    return policy, LOSSES[name](Quantities(**quantities), **hyper).mean()


CASES: list[tuple[str, dict[str, Any], Callable[..., Any], dict[str, Any], Rows]] = [
    ("sft", {}, dpo, {"loss_type": ["sft"]}, EQUAL),
    ("dpo", {"beta": 0.3}, dpo, {"beta": 0.3}, ANY),
    ("ipo", {"tau": 0.5}, dpo, {"loss_type": ["ipo"], "beta": 0.5}, ANY),
    ("rdpo-robust", {"beta": 0.3, "epsilon": 0.2}, dpo,
     {"loss_type": ["robust"], "beta": 0.3, "label_smoothing": 0.2}, ANY),
    ("rdpo-length", {"beta": 0.3, "alpha": 0.0}, dpo, {"beta": 0.3}, ANY),
    ("dpo-nll", {"beta": 0.3, "weight": 0.7}, dpo,
     {"beta": 0.3, "loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.7]}, EQUAL),
    ("cpo", {"beta": 0.3, "weight": 1.0}, cpo_like("cpo"), {"beta": 0.3, "cpo_alpha": 1.0}, EQUAL),
    ("cpo", {"beta": 0.3, "weight": 0.0}, cpo_like("cpo"), {"beta": 0.3, "cpo_alpha": 0.0}, ANY),
    ("simpo", {"beta": 2.0, "gamma": 1.4}, cpo_like("cpo"),
     {"loss_type": "simpo", "beta": 2.0, "simpo_gamma": 1.4, "cpo_alpha": 0.0}, ANY),
    ("orpo", {"weight": 0.4}, cpo_like("orpo"), {"beta": 0.4}, SHORT),
    ("kto", {"beta": 0.3, "chosen_weight": 1.5}, kto, {"beta": 0.3, "desirable_weight": 1.5}, ANY),
]  # fmt: skip


@pytest.mark.parametrize(("name", "hyper", "build", "options", "batch"), CASES)
def test_loss_and_gradient_are_trls(
    name: str, hyper: dict[str, Any], build: Callable[..., Any], options: dict[str, Any], batch: Rows, tmp_path: Path
) -> None:
    trainer, inputs = build(tmp_path, batch, **options)
    model = trainer.model
    expected = trainer.compute_loss(model, inputs)
    expected.backward()
    policy, found = ours(name, batch, **hyper)
    found.backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-5)
    theirs = dict(model.named_parameters())
    for parameter_name, parameter in policy.named_parameters():
        close(parameter.grad, theirs[parameter_name].grad)


def test_every_method_trl_has_is_compared() -> None:
    assert {name for name, *_ in CASES} == set(LOSSES) - {"mpo", "mlc", "cla", "lens"}


UNEQUAL = [case for case in CASES if case[0] in ("sft", "cpo", "dpo-nll") and case[4] is EQUAL]


@pytest.mark.parametrize(("name", "hyper", "build", "options"), [case[:4] for case in UNEQUAL])
def test_answers_of_unequal_length_weigh_a_row_as_trl_weighs_it_alone(
    name: str, hyper: dict[str, Any], build: Callable[..., Any], options: dict[str, Any], tmp_path: Path
) -> None:
    expected = 0.0
    gradients: dict[str, Any] = Counter()
    for row in ANY:
        trainer, inputs = build(tmp_path, [row], **options)
        loss = trainer.compute_loss(trainer.model, inputs) / len(ANY)
        loss.backward()
        expected += loss.item()
        for parameter_name, parameter in trainer.model.named_parameters():
            gradients[parameter_name] = gradients[parameter_name] + parameter.grad
    policy, measured = ours(name, ANY, **hyper)
    measured.backward()
    assert measured.item() == pytest.approx(expected, rel=1e-5, abs=1e-5)
    for parameter_name, parameter in policy.named_parameters():
        close(parameter.grad, gradients[parameter_name])


@pytest.mark.parametrize("alpha", [0.05, 0.5])
def test_rdpo_prices_length_as_its_formula_says(alpha: float) -> None:
    policy, reference = later(tiny()).double(), tiny().double()
    losses = []
    for chosen, rejected in ANY:
        ratios = [answer_log_prob(policy, side) - answer_log_prob(reference, side) for side in (chosen, rejected)]
        lengths = [len(side.input_ids) - side.prompt_length for side in (chosen, rejected)]
        losses.append(-torch.sigmoid(0.3 * (ratios[0] - ratios[1]) + alpha * (lengths[0] - lengths[1])).log())
    expected = torch.stack(losses).mean()
    _, measured = ours("rdpo-length", ANY, beta=0.3, alpha=alpha)
    assert measured.item() == pytest.approx(expected.item(), rel=1e-5)
    _, free = ours("rdpo-length", ANY, beta=0.3, alpha=0.0)
    assert measured.item() != pytest.approx(free.item(), rel=1e-2)


def answer_log_prob(model: nn.Module, tokens: Tokens) -> Tensor:
    ids = torch.tensor([tokens.input_ids])
    log_probs = model(input_ids=ids).logits.log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])[:, 0]
    return log_probs[tokens.prompt_length - 1 :].sum()


def test_ktos_mismatched_answers_and_loss_are_those_of_trls_own_batch(tmp_path: Path) -> None:
    """TRL makes its mismatched answers itself, from text, with as many rows in a batch as there are."""
    from trl import KTOConfig, KTOTrainer

    texts = [("a", "b b a"), ("b a", "a"), ("a b", "b a a b"), ("b b a", "a b")]
    rejected = ["a a", "b b b", "b", "a b a b a"]
    answers = [
        {"prompt": prompt, "completion": f" {answer}", "label": label}
        for label, side in ((True, [answer for _, answer in texts]), (False, rejected))
        for (prompt, _), answer in zip(texts, side, strict=True)
    ]
    settings = SETTINGS | {"per_device_train_batch_size": len(texts)}
    trainer = KTOTrainer(
        later(tiny()),
        tiny(),
        args=KTOConfig(output_dir=str(tmp_path), beta=0.3, **settings),
        train_dataset=Dataset.from_list(answers),
        processing_class=words(),
    )
    prepared = list(trainer.train_dataset)
    count = len(texts)
    rows = [
        TrainingRow(str(n), "en", *(answered(prepared[at], "completion_ids") for at in (n, count + n)))
        for n in range(count)
    ]
    pairs = mismatched_answers(rows)
    for n, row in enumerate(rows):
        theirs = tuple(answered(prepared[at], "KL_completion_ids") for at in (n, count + n))
        assert pairs[row] == theirs
    expected = trainer.compute_loss(trainer.model, trainer.data_collator(prepared))
    _, measured = ours("kto", [(row.chosen, row.rejected) for row in rows], beta=0.3)
    assert measured.item() == pytest.approx(expected.item(), rel=1e-5)


def answered(example: dict[str, Any], answer: str) -> Tokens:
    return Tokens((*example["prompt_ids"], *example[answer]), len(example["prompt_ids"]))
