"""Each method against TRL's own trainer on the same rows: the same loss and the same gradient of every weight.

Where TRL averages the likelihood over the tokens of a batch (SFT, CPO, ORPO, DPO + NLL) the rows' chosen answers are
equally long, and where it trains the prompt too (ORPO) prompts are one token: there both definitions are one.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from mpotrain.model.batches import Tokens, pack
from mpotrain.model.forward import attach, measure
from mpotrain.objective.losses import LOSSES
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
        for row, mismatched in zip(batch, mismatch(batch), strict=True)
    ]  # fmt: skip
    return trainer, trainer.data_collator(features)


def mismatch(batch: Rows) -> list[Tokens]:
    """Every prompt with the chosen answer of the row before it."""
    return [
        Tokens(row[0].prompt + before[0].input_ids[before[0].prompt_length :], row[0].prompt_length)
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
    return policy, LOSSES[name](quantities, **hyper).mean()


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
    assert {name for name, *_ in CASES} == set(LOSSES) - {"mpo"}
