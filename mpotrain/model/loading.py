"""The model to align: loaded once, checked early, taught to measure."""

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from trl import ModelConfig, get_peft_config, get_quantization_config

from mpodata.engines.checkpoints import hub_commit, identity, load_pretrained
from mpodata.engines.templates import frame_with_template
from mpodata.errors import ConfigError
from mpotrain.model.chat_template import TOKENIZER, set_chat_template
from mpotrain.model.forward import attach

ADAM_FLOOR = 1e-5  # below this learning rate, AdamW's updates of bfloat16 weights round to nothing


@dataclass(frozen=True, slots=True)
class Policy:
    """A model ready to be trained."""

    model: Any  # the bare causal LM, or a PeftModel around it
    packs: bool  # whether it reads packed batches
    name: str  # what the user typed
    identity: dict[str, Any]  # what its measurements depend on: weights, number format


def load_tokenizer(name: str, revision: str | None = None, chat_template: str = TOKENIZER) -> Any:
    """The tokenizer with a chat template (`set_chat_template`); raises ModelError where either is missing."""
    tokenizer = load_pretrained("AutoTokenizer", name, revision)
    set_chat_template(tokenizer, chat_template)
    frame_with_template(tokenizer)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_policy(
    settings: ModelConfig, *, pad: bool = False, dropout: bool = False, autocast: str = "no", launch: str = "ddp"
) -> Policy:
    """The model of TRL's ModelConfig: dtype, attention, quantisation and LoRA as it says; raises ModelError.

    autocast, launch: what else the numbers it gives depend on; DeepSpeed and FSDP2 compute in other formats.
    """
    name, revision = str(settings.model_name_or_path), settings.model_revision
    quantization = get_quantization_config(settings)
    if quantization is not None and not settings.use_peft:
        raise ConfigError("Quantised weights cannot be trained themselves: add --use_peft (QLoRA).")
    options = {"attn_implementation": settings.attn_implementation} if settings.attn_implementation else {}
    model = load_pretrained(
        "AutoModelForCausalLM",
        name,
        revision,
        dtype=settings.dtype,
        quantization_config=quantization,
        trust_remote_code=False,
        **options,
    )
    packs = attach(model) and not pad
    peft = get_peft_config(settings)
    if peft is not None:
        peft.revision = hub_commit(name, revision) or revision  # what a merge loads again
        model = _with_lora(model, peft, quantized=quantization is not None)
    if not dropout:
        disable_dropout(model)
    depends_on = {
        "weights": identity(name, revision),
        "dtype": str(settings.dtype),
        "quantization": [settings.load_in_4bit, settings.load_in_8bit, settings.bnb_4bit_quant_type],
        "autocast": autocast,
    }
    if launch != "ddp":
        depends_on["launch"] = launch
    return Policy(model, packs, name, depends_on)


def in_memory_hash(model: nn.Module) -> str:
    """A hash of a model's present parameters, for models that come from no folder."""
    digest = hashlib.blake2b(digest_size=16)
    for key, value in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def disable_dropout(model: nn.Module) -> None:
    """Set every dropout probability to 0, LoRA's included, so that policy and reference differ by training alone."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module.__dict__.get("attention_dropout"), float):
            module.__dict__["attention_dropout"] = 0.0


def check_precision(model: nn.Module, learning_rate: float, *, keeps_master: bool) -> None:
    """Refuse a run that would not move: tiny updates of bfloat16 weights without a float32 copy of them."""
    low = any(p.requires_grad and p.dtype in (torch.bfloat16, torch.float16) for p in model.parameters())
    if low and not keeps_master and learning_rate < ADAM_FLOOR:
        raise ConfigError(
            f"learning_rate {learning_rate:g} on 16-bit weights rounds to nothing. Use --dtype float32 --bf16 true "
            "(16-bit arithmetic on 32-bit weights), --bf16_weights true, --launch zero2, zero3 or fsdp2, or --use_peft."
        )


def _with_lora(model: Any, peft: Any, *, quantized: bool) -> Any:
    from peft import get_peft_model, prepare_model_for_kbit_training

    if quantized:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    try:
        return get_peft_model(model, peft)
    except ValueError as error:
        raise ConfigError(f"LoRA cannot be added to this model: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
