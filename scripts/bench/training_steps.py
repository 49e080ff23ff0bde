"""The candidates of bench_train.py: each turns one batch into its loss, with its graph."""

import copy
import tempfile
from collections.abc import Callable

import torch
from bench.training_rows import VOCABULARY, Row
from torch import Tensor
from torch.nn.functional import mse_loss
from transformers import LlamaConfig, LlamaForCausalLM

from mpotrain.model.batches import Tokens, pack
from mpotrain.model.forward import attach, measure
from mpotrain.model.states import States
from mpotrain.objective.losses import LOSSES, Quantities
from mpotrain.objective.retention import RETENTION

CANDIDATES = ("authors", "trl", "trl-precomputed", "mpotrain", "mpotrain-grouped")

MEAN = States("mean")

SMALL = {"hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 7, "num_attention_heads": 6}
LLAMA_8B = {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32}


def shape(gpu: bool) -> LlamaConfig:
    """25M parameters, head tied; on a GPU the Llama-3.1-8B shape."""
    if gpu:
        sizes = LLAMA_8B | {"num_key_value_heads": 8, "vocab_size": 128_256}
    else:
        sizes = SMALL | {"vocab_size": VOCABULARY, "tie_word_embeddings": True}
    return LlamaConfig(**sizes, max_position_embeddings=4096, attn_implementation="sdpa")


def build(gpu: bool, dtype: torch.dtype) -> LlamaForCausalLM:
    """The shape with random weights."""
    torch.manual_seed(0)
    with torch.device("cuda" if gpu else "cpu"):
        return LlamaForCausalLM._from_config(shape(gpu), dtype=dtype).train()


Step = Callable[[list[Row]], Tensor]  # one batch -> its loss, with its graph


def make(candidate: str, model: LlamaForCausalLM, device: str) -> Step:
    """The candidate's loss over one batch; may hold a second model."""
    if candidate == "authors":
        return authors(model, device)
    if candidate.startswith("trl"):
        return trl_dpo(model, device, precomputed=candidate == "trl-precomputed")
    return ours(model, device)


def ours(model: LlamaForCausalLM, device: str) -> Step:
    """What mpotrain's trainer does with a batch, the reference's numbers at hand."""
    attach(model)
    width = model.config.hidden_size

    def step(rows: list[Row]) -> Tensor:
        count = len(rows)
        target = [row.target[at] for at in (0, 1) for row in rows]
        dominant = [row.dominant[at] for at in (0, 1) for row in rows]
        measured = measure(model, pack(target + dominant, device), states=[MEAN])
        means = measured.log_probs[: 2 * count] / measured.tokens[: 2 * count]
        gaps = Quantities(policy_gap=means[:count] - means[count:], dominant_gap=means.new_full((count,), 0.5))
        states = measured.states[MEAN][2 * count :].view(2, count, width).transpose(0, 1)
        retained = RETENTION["authors"].function(states, torch.zeros_like(states))
        return (LOSSES["mpo"](gaps) + retained).mean()

    return step


def authors(model: LlamaForCausalLM, device: str) -> Step:
    """The released schedule: three padded forwards with full logits, the reference beside the policy."""
    reference = copy.deepcopy(model).eval().requires_grad_(False)

    def padded(sequences: list[Tokens]) -> tuple[Tensor, Tensor, Tensor]:
        longest = max(len(tokens.input_ids) for tokens in sequences)
        ids = torch.zeros(len(sequences), longest, dtype=torch.long)
        mask, answer = torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
        for at, tokens in enumerate(sequences):
            ids[at, : len(tokens.input_ids)] = torch.tensor(tokens.input_ids)
            mask[at, : len(tokens.input_ids)] = 1
            answer[at, tokens.prompt_length : len(tokens.input_ids)] = True
        return ids.to(device), mask.to(device), answer.to(device)

    def gaps(logits: Tensor, ids: Tensor, answer: Tensor) -> Tensor:
        log_probs = logits[:, :-1].float().log_softmax(-1).gather(2, ids[:, 1:, None]).squeeze(2)
        chosen, rejected = ((log_probs * answer[:, 1:]).sum(1) / answer[:, 1:].sum(1)).chunk(2)
        return chosen - rejected

    def step(rows: list[Row]) -> Tensor:
        target = padded([row.target[at] for at in (0, 1) for row in rows])
        dominant = padded([row.dominant[at] for at in (0, 1) for row in rows])
        policy = model(input_ids=target[0], attention_mask=target[1], use_cache=False)
        policy_gap = gaps(policy.logits, target[0], target[2])
        given = {"input_ids": dominant[0], "attention_mask": dominant[1], "use_cache": False}
        held = model(**given, output_hidden_states=True)
        with torch.no_grad():
            frozen = reference(**given, output_hidden_states=True)
            dominant_gap = gaps(frozen.logits, dominant[0], dominant[2])
        drift = mse_loss(held.hidden_states[-1].mean(1), frozen.hidden_states[-1].mean(1))
        return (policy_gap - dominant_gap).square().mean() + drift

    return step


def trl_dpo(model: LlamaForCausalLM, device: str, *, precomputed: bool) -> Step:
    """TRL's own trainer and collator on the target rows."""
    from datasets import Dataset
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    from trl import DPOConfig, DPOTrainer

    words = Tokenizer(models.WordLevel({"a": 0, "b": 1, "</s>": 2, "<unk>": 3}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>", pad_token="</s>")
    settings = DPOConfig(
        output_dir=tempfile.mkdtemp(), report_to=[], use_cpu=device == "cpu", bf16=False, max_length=None,
        gradient_checkpointing=False, precompute_ref_log_probs=precomputed,
    )  # fmt: skip
    few = Dataset.from_list([{"prompt": "a", "chosen": " b", "rejected": " a"}] * 2)  # rows come through the collator
    reference = None if precomputed else copy.deepcopy(model)
    trainer = DPOTrainer(model, reference, args=settings, train_dataset=few, processing_class=tokenizer)

    def step(rows: list[Row]) -> Tensor:
        examples = []
        for row in rows:
            chosen, rejected = row.target
            cut = chosen.prompt_length
            example = {
                "prompt_ids": list(chosen.input_ids[:cut]),
                "chosen_ids": list(chosen.input_ids[cut:]),
                "rejected_ids": list(rejected.input_ids[cut:]),
            }
            examples.append(
                example | ({"ref_chosen_logps": -900.0, "ref_rejected_logps": -900.0} if precomputed else {})
            )
        batch = {name: tensor.to(device) for name, tensor in trainer.data_collator(examples).items()}
        value: Tensor = trainer.compute_loss(trainer.model, batch)
        return value

    return step
