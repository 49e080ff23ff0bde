"""Options of an evaluation that nothing would heed are refused: a number in a command line must change something."""

from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mpodata.engines.checkpoints import EMBEDDED
from mpodata.errors import ConfigError
from mpodata.runtime.flags import parts
from mpotrain.evaluation.judges import JUDGES
from mpotrain.evaluation.utility.global_mmlu import GLOBAL_MMLU
from mpotrain.evaluation.utility.x_alpacaeval import TASK as X_ALPACAEVAL

SEED = 42  # of sampled answers, where none is given
SHOTS_FOR = ("mmlu", *GLOBAL_MMLU)  # the utility tasks that are asked with examples


def check_heeded(args: Namespace) -> None:
    """Raise ConfigError for an option that the others leave without effect."""
    if args.seed is not None and args.temperature == 0:
        raise ConfigError("--seed draws sampled answers, and at temperature 0 nothing is sampled: add --temperature.")
    for name in ("languages", "benchmarks", "utility"):
        _check_once(f"--{name}", getattr(args, name) or "")
    _check_shots(args.shots, args.utility or "")
    _check_comparison(args)
    if args.revision is not None:
        _check_revision(args)
    _check_judge_settings(args.settings, args.judge)


def _check_once(flag: str, listed: str) -> None:
    counts = Counter(part.strip() for part in listed.split(",") if part.strip())
    twice = next((name for name, count in counts.items() if count > 1), None)
    if twice is not None:
        raise ConfigError(f"{flag} names {twice} {counts[twice]} times.")


def _check_shots(shots: int | None, utility: str) -> None:
    if shots is None:
        return
    if not set(SHOTS_FOR) & set(parts(utility)):
        raise ConfigError(
            f"--shots are examples before MMLU questions: add --utility {' or '.join(SHOTS_FOR)}, or leave it out."
        )


def _check_comparison(args: Namespace) -> None:
    asked = X_ALPACAEVAL in parts(args.utility or "")
    for flag, given in (("--baseline-answers", args.baseline_answers), ("--both-orders", args.both_orders)):
        if given and not asked:
            raise ConfigError(f"{flag} is for comparing two answers: add --utility {X_ALPACAEVAL}, or leave it out.")
    if asked and args.baseline_answers is None and not args.baseline:
        raise ConfigError(
            f"{X_ALPACAEVAL} compares with another model's answers: add --baseline-answers FILE (rows of instruction "
            "and output), or --run RUN --baseline for the model that the run started from."
        )
    if asked and args.baseline_answers is not None and not args.baseline_answers.exists():
        raise ConfigError(f"--baseline-answers {args.baseline_answers}: there is no such file or folder.")


def _check_revision(args: Namespace) -> None:
    if args.run is not None:
        raise ConfigError("--revision names a revision of a Hub model; a run's model has none: leave it out.")
    if args.model in EMBEDDED or Path(args.model).expanduser().exists():
        raise ConfigError(f"--revision names a revision of a Hub model, which {args.model} is not: leave it out.")


def _check_judge_settings(settings: Sequence[str], judge: str) -> None:
    judges = [part.strip() for part in judge.split(",")]
    for setting in settings:
        part = setting.partition("=")[0].rpartition(".")[0]
        if part in JUDGES and part not in judges:
            raise ConfigError(
                f"--set {setting.partition('=')[0]}: {part} does not judge. Add it: --judge {judge},{part}"
            )
