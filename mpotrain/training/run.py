"""One training run, from its configuration to a folder with the model and what made it.

RUN/                     the model, its tokenizer and README.md (the model card): `from_pretrained(RUN)` loads it
RUN/configuration.json   what the folder is bound to: another configuration is refused (`folder.py`)
RUN/checkpoint-N/        written every few minutes, removed at the end unless --save_strategy asks for them
RUN/metrics.jsonl        one line per logged step
RUN/run.json             what made it and what came out; written last: its presence means complete
"""

import errno
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from accelerate.utils import broadcast_object_list
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled
from safetensors import SafetensorError
from transformers import TrainerCallback
from transformers.trainer import TRAINING_ARGS_NAME
from transformers.trainer_utils import set_seed

from mpodata.about import cache_folder
from mpodata.engines.checkpoints import EMBEDDED, identity
from mpodata.engines.templates import template_hash
from mpodata.errors import ConfigError, DataError, MpoError, RemoteError, UnknownName
from mpodata.records import Pair
from mpodata.registry import check_installed
from mpodata.runtime.cores import SLOW_BFLOAT16, multiplies_bfloat16
from mpodata.runtime.journal import Journal
from mpodata.runtime.progress import Progress
from mpodata.versions.load import LoadedVersion
from mpotrain.config import DataConfig, MPOConfig, RunConfig, language_list, weights
from mpotrain.data import TrainingRows, stop_at_turn_end, tokenise, tokenise_mix, with_dominant
from mpotrain.mixes import MixOptions, find_mix
from mpotrain.model.layers import freeze_others, parse_layers
from mpotrain.model.loading import check_precision, load_policy, load_tokenizer
from mpotrain.objective.objective import Objective
from mpotrain.objective.retention import RETENTION
from mpotrain.runs import RUN_FILE, write_json
from mpotrain.tables import first_pairs, is_paired, open_dataset, pairs_of
from mpotrain.training import checkpoints
from mpotrain.training.callbacks import MetricsFile
from mpotrain.training.card import write_card
from mpotrain.training.configuration import configuration
from mpotrain.training.folder import CONFIGURATION, bind, claim, locked
from mpotrain.training.memory import check_memory
from mpotrain.training.premise import premise_rows
from mpotrain.training.record import describe
from mpotrain.training.reference_model import check_reference, measure_other, wanted
from mpotrain.training.saving import SaveOften, StopRequest
from mpotrain.training.trainer import MPOTrainer

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


def train(config: RunConfig, *, progress: Progress | None = None) -> dict[str, Any]:
    """Train as configured, or go on where a killed run stopped; returns the content of run.json.

    A finished run with this configuration is left as it is. Raises ConfigError, DataError, ModelError, VersionError;
    KeyboardInterrupt where Ctrl-C or SIGTERM ended it after a checkpoint.
    """
    folder = Path(str(config.training.output_dir))
    loaded = check(config)
    wanted = configuration(
        config, loaded, identity(*_model(config)), template_hash(tokenizer_of(config)), launch_mode(config.training)
    )
    with _only_process(config.training, folder):
        claimed = _first_decides(config.training, lambda: claim(folder, wanted, resume_point(config)))
        if claimed.finished is not None:
            logger.warning("%s is a finished run of this configuration: nothing is trained again.", folder)
            if config.training.should_save:
                finish(folder, config.training)
            return claimed.finished
        return _train(config, loaded, folder, wanted, claimed.checkpoint, progress)


def _train(
    config: RunConfig,
    loaded: LoadedVersion,
    folder: Path,
    wanted: dict[str, Any],
    checkpoint: str | None,
    progress: Progress | None,
) -> dict[str, Any]:
    rows, held_out = prepare(config, loaded)
    stop = StopRequest()
    saving = SaveOften(config.training.save_minutes, stop)
    started = time.time()
    with reference_journal() as journal, stop.handled():
        trainer = _trainer(config, rows, held_out, journal, [MetricsFile(folder), saving], progress)
        with writing(folder):
            if trainer.is_world_process_zero():
                bind(folder, wanted, checkpoint)
            if checkpoint is not None:
                logger.warning("Going on from %s.", checkpoint)
            trainer.train(resume_from_checkpoint=checkpoint)
    if saving.stopped:
        raise KeyboardInterrupt
    with writing(folder):
        trainer.save_model(_internal_call=True)  # never pushed here: the card is not written yet
        record = describe(config, loaded, rows, trainer, time.time() - started, measured_split(config, loaded))
        if trainer.is_world_process_zero():
            (folder / TRAINING_ARGS_NAME).unlink(missing_ok=True)  # a pickle that says nothing run.json does not
            write_json(folder / RUN_FILE, record)
            finish(folder, config.training)
    return record


def _trainer(
    config: RunConfig,
    rows: TrainingRows,
    held_out: TrainingRows | None,
    journal: Journal,
    callbacks: Sequence[TrainerCallback],
    progress: Progress | None,
) -> MPOTrainer:
    """The policy of `config`, loaded, and what trains it."""
    training, mode = config.training, launch_mode(config.training)
    in_16_bits = training.bf16 or training.fp16 or config.model.dtype in ("bfloat16", "float16")
    if in_16_bits and training.device.type == "cpu" and not multiplies_bfloat16():
        logger.warning(SLOW_BFLOAT16, "bfloat16")
    trained = objective(config, rows)
    lengths = [sum(len(part.input_ids) for part in trained.sequences([row])) for row in trained.rows]
    estimate = check_memory(config, mode, training.world_size, lengths)
    if training.bf16_weights or training.device.type == "cuda" or not estimate.fits:
        logger.warning(estimate.line())
    measured_out = None if held_out is None else objective(config, held_out)
    premise = premise_rows(rows) if config.method.gap == "dominant" and "dominant_gap" in config.loss.quantities else ()
    autocast = "bf16" if training.bf16 else "fp16" if training.fp16 else "no"
    requests = wanted([trained, *([measured_out] if measured_out else [])], premise)
    reference = measure_other(config, requests, autocast=autocast, journal=journal, progress=progress)
    set_seed(training.seed)  # new adapters start the same in every process
    policy = load_policy(
        config.model, pad=training.pad, dropout=not training.disable_dropout, autocast=autocast, launch=mode
    )
    if training.train_layers is not None:
        freeze_others(policy.model, parse_layers(training.train_layers))
    tokenizer = tokenizer_of(config)
    stop_at_turn_end(policy.model, tokenizer)
    try:
        trainer = MPOTrainer(
            policy,
            training,
            trained,
            held_out=measured_out,
            tokenizer=tokenizer,
            journal=journal,
            callbacks=callbacks,
            progress=progress,
            premise=premise,
            reference=reference,
        )
    except (HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled) as error:
        raise RemoteError(f"--push_to_hub cannot make the model's repository: {error}") from error
    keeps_master = trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled or training.bf16_weights
    check_precision(policy.model, training.learning_rate, keeps_master=keeps_master)
    trainer.memory_estimate = estimate.total
    return trainer


def finish(folder: Path, training: MPOConfig) -> None:
    """What follows run.json, and is done again where it was interrupted: card, checkpoints no longer needed, push."""
    write_card(folder)
    for checkpoint in checkpoints.checkpoints(folder):
        if checkpoints.is_for_safety(checkpoint):
            checkpoints.remove(checkpoint)
    if training.push_to_hub:
        push(folder, training)


@contextmanager
def reference_journal() -> Iterator[Journal]:
    """The user's cache of reference measurements; raises ConfigError where it cannot be written."""
    try:
        with Journal(cache_folder() / "reference.sqlite") as journal:
            yield journal
    except sqlite3.OperationalError as error:
        raise ConfigError(
            f"The cache {cache_folder()} cannot be written: {error}. Make room, or set $MPODATA_CACHE."
        ) from error


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses into ConfigError."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = _disk_trouble(error)
        if reason is None:
            raise
        raise ConfigError(
            f"{folder} cannot be written: {reason}. Make room or choose a disk that can; the same command then goes on "
            "from the last whole checkpoint."
        ) from error


def _disk_trouble(error: BaseException) -> str | None:
    """What a full or broken disk said, through torch's and safetensors' writers too; None for any other error."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in DISK_ERRORS:
            return str(seen.strerror)
        text = str(seen)
        for number in DISK_ERRORS:
            if os.strerror(number) in text:
                return os.strerror(number)
        if "PytorchStreamWriter" in text or "inline_container" in text:
            return "a checkpoint was cut short, as on a full disk"
        seen = seen.__cause__ or seen.__context__
    return None


@contextmanager
def _only_process(training: MPOConfig, folder: Path) -> Iterator[None]:
    """Hold the folder's lock in the first process."""
    with ExitStack() as stack:
        _first_decides(training, lambda: stack.enter_context(locked(folder)))
        yield


def _first_decides(training: MPOConfig, decide: Callable[[], Result]) -> Result:
    """What `decide` gives in the first process, in every process; its error, where it has one, in every process too."""
    outcome: list[Any] = [None, None]
    if training.process_index == 0:
        try:
            outcome[0] = decide()
        except MpoError as error:
            outcome[1] = error
    if training.world_size > 1:
        outcome = broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise outcome[1]
    result: Result = outcome[0]
    return result


def tokenizer_of(config: RunConfig) -> Any:
    """The tokenizer of the model to align, with the chat template that is trained."""
    return load_tokenizer(*_model(config), config.training.chat_template)


def _model(config: RunConfig) -> tuple[str, str | None]:
    return str(config.model.model_name_or_path), config.model.model_revision


def launch_mode(training: MPOConfig) -> str:
    """How the model is shared out, whether our flags or `accelerate launch` say so."""
    if training.deepspeed_plugin is not None:
        return f"zero{training.deepspeed_plugin.zero_stage}"
    return "fsdp2" if training.fsdp or os.environ.get("ACCELERATE_USE_FSDP") == "true" else "ddp"


def push(folder: Path, training: MPOConfig) -> None:
    """Upload a run's model, card and record to its Hub repository, made where it is missing; raises RemoteError."""
    name = training.hub_model_id or folder.resolve().name
    try:
        api = HfApi()
        name = api.create_repo(name, private=training.hub_private_repo, exist_ok=True).repo_id
        api.upload_folder(
            repo_id=name,
            folder_path=folder,
            revision=training.hub_revision,
            commit_message="Trained by mpotrain",
            # answers to harmful prompts and what only this machine needs stay here
            ignore_patterns=["checkpoint-*", "eval/*", "runs/*", CONFIGURATION, ".*", "_*"],
        )
    except (HfHubHTTPError, OSError) as error:
        raise RemoteError(f"The model could not be pushed to {name}: {error}. It is kept in {folder}.") from error


def check(config: RunConfig) -> LoadedVersion:
    """What can be wrong before a model is loaded, found in seconds: data, model, template. Raises MpoError."""
    if not config.data.dataset:
        raise ConfigError("--dataset is missing: user/name@v1.0.0, a version's folder, or a table such as pairs.csv.")
    if not config.model.model_name_or_path:
        raise ConfigError("--model is missing: a folder or Hub id of a chat model.")
    place = Path(config.model.model_name_or_path)
    if (place / "adapter_config.json").is_file() and not (place / "config.json").is_file():
        raise ConfigError(f"{place} holds adapters only: merge them into their base model before training on.")
    if config.model.model_revision not in (None, "main") and (place.is_dir() or str(place) in EMBEDDED):
        raise ConfigError(
            f"--model_revision {config.model.model_revision} has no effect: {place} is no model on the Hub."
        )
    if config.model.use_peft and (config.model.load_in_4bit or config.model.load_in_8bit):
        check_installed("bitsandbytes", package="bitsandbytes", purpose="A quantised base model", extra="quantization")
    tokenizer_of(config)
    check_reference(config)
    loaded = open_dataset(config.data.dataset)
    if not is_paired(loaded) and (config.loss.rows != "all" or config.data.mix is not None):
        name = config.data.mix or config.loss.name
        raise DataError(
            f"{name} compares the languages of a pair, and {loaded.reference} has rows of one language each: give the "
            "rows of a pair one `id` in several languages (column `language`), or train with --method dpo, sft, ..."
        )
    return loaded


def prepare(config: RunConfig, loaded: LoadedVersion) -> tuple[TrainingRows, TrainingRows | None]:
    """The rows of a run as tokens, and the held-out ones where they are measured."""
    tokenizer = tokenizer_of(config)
    length, cut = config.training.max_length, config.training.truncation
    by_language = weights(config.data.language_weights)

    def rows_of(split: str, mix: str | None, by_language: dict[str, float]) -> TrainingRows:
        pairs = select(loaded, config.data, split)
        if mix is None:
            return tokenise(pairs, tokenizer, length, by_language, cut)
        examples = find_mix(mix)(pairs, MixOptions(config.data.code_switch, config.data.parallel))
        return tokenise_mix(examples, tokenizer, length, pairs[0].dominant.language, by_language, cut)

    rows = rows_of("train", config.data.mix, by_language)
    for line in rows.census.lines():
        logger.warning(line)
    held_out = None
    if (split := measured_split(config, loaded)) is not None:
        if split == "train":
            logger.warning("%s has no test split: --eval_strategy measures the rows it trains on.", loaded.reference)
        held_out = rows_of(split, config.loss.mix, {})
    return rows, held_out


def measured_split(config: RunConfig, loaded: LoadedVersion) -> str | None:
    """The split that --eval_strategy measures: test, or train where the version has no test rows; None for neither."""
    return None if config.training.eval_strategy == "no" else loaded.measured_split()


def select(loaded: LoadedVersion, data: DataConfig, split: str) -> list[Pair]:
    """The pairs that `data` asks for; raises DataError where there are none."""
    asked = language_list(data.languages)
    turned = is_paired(loaded) and data.dominant_language not in (None, loaded.dominant)
    pairs = pairs_of(loaded, split, data.translator, None if turned else asked)
    if turned:
        pairs = with_dominant(pairs, str(data.dominant_language))
        targets = {pair.target.language for pair in pairs}
        if asked is not None:
            for code in asked:
                if code not in targets:
                    raise UnknownName("target language", code, targets)
            pairs = [pair for pair in pairs if pair.target.language in asked]
    if data.pairs_per_language is not None:
        pairs = first_pairs(loaded, pairs, data.pairs_per_language, enough=split == "train")
    if not pairs:
        raise DataError(f"{loaded.reference} has no {split} pair in the languages asked for.")
    return pairs


def objective(config: RunConfig, rows: TrainingRows) -> Objective:
    """The objective that `config` describes, over `rows`."""
    method = config.method
    return Objective(
        config.loss,
        config.hyper,
        rows,
        retention=None if method.retain == "off" else RETENTION[method.retain],
        retain_weight=method.retain_weight,
        gap=str(method.gap),
        mean=bool(method.length_normalize),
        nll_weight=method.nll_weight,
        dominant_rows=bool(method.dominant_rows),
    )


def resume_point(config: RunConfig) -> str | None:
    """--resume_from_checkpoint as a path, `last`, or None where nothing was said; a run goes on by itself."""
    asked: str | None = config.training.resume_from_checkpoint
    if asked in (None, ""):
        return None
    if str(asked).lower() in ("last", "true"):
        return "last"
    if str(asked).lower() == "false":
        if checkpoints.checkpoints(Path(str(config.training.output_dir))):
            raise ConfigError(
                f"{config.training.output_dir} holds checkpoints: remove them, or choose another --output_dir, to "
                "start from the first step."
            )
        return None
    return asked
