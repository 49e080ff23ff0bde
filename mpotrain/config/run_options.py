"""How a run trains: TrainingArguments with our defaults, and the flags that do not go together."""

import os
from dataclasses import dataclass, field, fields

from transformers import TrainingArguments
from trl import ModelConfig

from mpodata.errors import ConfigError, UnknownName
from mpotrain import launch
from mpotrain.data import TRUNCATIONS
from mpotrain.flags import check_trackers, check_values
from mpotrain.model.chat_template import TOKENIZER
from mpotrain.model.layers import parse_layers


@dataclass
class MPOConfig(TrainingArguments):  # type: ignore[misc]
    """TrainingArguments with the paper's schedule as defaults, and a batch that is stated for the whole machine."""

    output_dir: str | None = field(
        default=None, metadata={"help": "Folder of the run: model, run.json, metrics.jsonl."}
    )
    global_batch_size: int = field(
        default=8,
        metadata={"help": "Rows per optimizer step over all processes; accumulation follows from it."},
    )
    per_device_train_batch_size: int = field(
        default=8, metadata={"help": "Most rows in one forward of one process (bounds memory, never changes results)."}
    )
    gradient_accumulation_steps: int = field(default=1, metadata={"help": "Follows from global_batch_size; leave out."})
    max_length: int = field(default=2048, metadata={"help": "Longest prompt + answer in tokens; truncation cuts them."})
    truncation: str = field(
        default="answer",
        metadata={
            "help": "What is cut at max_length: answer (its end), released (prompt and answer share the room, as in "
            "the authors' code, which cuts at 1024)."
        },
    )
    chat_template: str = field(
        default=TOKENIZER,
        metadata={
            "help": "tokenizer (its own), authors (what MPO's authors trained Llama-3 and Gemma with), or a Jinja file."
        },
    )
    group_by_pair: bool = field(
        default=False, metadata={"help": "Put a pair's languages into one batch: its dominant side is encoded once."}
    )
    train_layers: str | None = field(
        default=None, metadata={"help": "Train these layers alone, the first being 0: 30-31 or 0,2,5-7. Default: all."}
    )
    bf16_weights: bool = field(
        default=False,
        metadata={
            "help": "Train bfloat16 weights by AdamW with Kahan summation, each gradient applied as it is computed: 8 "
            "bytes a parameter, so that an 8 B model fits one 80 GB GPU. One process, no accumulation, no clipping."
        },
    )
    disable_dropout: bool = field(default=True, metadata={"help": "Train without dropout, as TRL does."})
    pad: bool = field(default=False, metadata={"help": "Pad instead of packing, for attention that cannot pack."})
    num_train_epochs: float = field(default=2.0, metadata={"help": "Passes over the rows."})
    learning_rate: float = field(default=6e-7, metadata={"help": "Peak learning rate (Table 8, Llama-3.1-8B)."})
    lr_scheduler_type: str = field(default="cosine", metadata={"help": "Learning-rate schedule."})
    warmup_steps: float = field(default=0.1, metadata={"help": "Steps, or below 1 the share of all steps."})
    logging_steps: float = field(default=10, metadata={"help": "Log every so many steps."})
    save_strategy: str = field(default="no", metadata={"help": "When to write checkpoints: no, steps, epoch."})
    save_minutes: float = field(
        default=10.0,
        metadata={
            "help": "Write a checkpoint every so many minutes, so that a killed run loses no more; 0: only where "
            "save_strategy says so. Removed at the end where save_strategy is no."
        },
    )
    report_to: str | None = field(default="none", metadata={"help": "tensorboard, wandb, trackio, ..., none."})

    hub_strategy: str = field(default="end", metadata={"help": "With --push_to_hub: push once, when all is done."})

    def __post_init__(self) -> None:
        """Derive accumulation before DeepSpeed's `auto` values are filled from it."""
        if self.output_dir is None:
            raise ConfigError("--output_dir is missing: the folder this run is written to.")
        check_values(self)
        if self.truncation not in TRUNCATIONS:
            raise UnknownName("truncation", self.truncation, TRUNCATIONS)
        check_trackers(self.report_to)
        if self.train_layers is not None:
            self.train_layers = str(self.train_layers)
            parse_layers(self.train_layers)
        if self.gradient_accumulation_steps != 1:
            raise ConfigError(
                f"gradient_accumulation_steps follows from global_batch_size ({self.global_batch_size}), the processes "
                "and per_device_train_batch_size: leave it out and set those."
            )
        if self.hub_token is not None:
            raise ConfigError(
                "A token on the command line ends up in logs and checkpoints: leave --hub_token out, and log in with "
                "`hf auth login` or set HF_TOKEN."
            )
        processes = int(os.environ.get("WORLD_SIZE", "1"))
        share = -(-self.global_batch_size // processes)
        self.gradient_accumulation_steps = -(-share // self.per_device_train_batch_size)
        self.per_device_train_batch_size = -(-share // self.gradient_accumulation_steps)
        self.remove_unused_columns = False
        super().__post_init__()
        if self.deepspeed and self.use_cpu:
            launch.deepspeed_on_cpu()
        self._n_gpu = min(self.n_gpu, 1)  # several GPUs are used by several processes (--launch), never DataParallel


def check_adapter_flags(model: ModelConfig) -> None:
    """Raises ConfigError for settings of LoRA in a run that trains all weights."""
    if model.use_peft:
        return
    usual = ModelConfig()
    for setting in fields(model):
        name = setting.name
        if name.startswith(("lora_", "use_rslora", "use_dora")) and getattr(model, name) != getattr(usual, name):
            raise ConfigError(f"{name} has no effect without --use_peft.")


def check_bf16_weights(training: MPOConfig, model: ModelConfig) -> None:
    """Raises ConfigError for what does not go together with gradients that are applied one by one."""
    usual = {setting.name: setting.default for setting in fields(MPOConfig)}
    refused = (
        (model.use_peft, "trains all weights: leave out --use_peft, or --bf16_weights."),
        (model.load_in_4bit or model.load_in_8bit, "trains all weights: leave the quantisation out."),
        (training.fp16, "computes in bfloat16: leave out --fp16."),
        (
            training.world_size > 1 or training.deepspeed or training.fsdp,
            "is for one process: on several GPUs use --launch zero2, zero3 or fsdp2 without it.",
        ),
        (training.optim != usual["optim"] or training.optim_args, "brings its own AdamW: leave out --optim."),
        (training.weight_decay != 0, "has no weight decay, which would round to nothing: add --weight_decay 0."),
        (
            training.max_grad_norm != 0,
            "applies gradients one by one, so their common norm cannot be clipped: add --max_grad_norm 0.",
        ),
        (
            training.gradient_accumulation_steps > 1,
            f"needs all rows of a step in one forward: add --per_device_train_batch_size {training.global_batch_size}.",
        ),
    )
    for applies, why in refused:
        if applies:
            raise ConfigError(f"--bf16_weights {why}")
