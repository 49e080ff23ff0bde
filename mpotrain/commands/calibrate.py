"""`mpotrain calibrate`: measure a judge against a person, and correct the rates for its errors."""

import argparse
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mpodata.display.terminal import printable
from mpodata.errors import ConfigError
from mpodata.runtime.flags import whole

if TYPE_CHECKING:
    from mpotrain.evaluation.calibration.estimate import Confusion

HELP = "Have a person label a sample of an evaluation's answers; rates are then corrected for the judge's errors."
EXAMPLE = "mpotrain calibrate runs/mpo/eval --rows 200 --out labels.csv"
ROWS = 200


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument(
        "path", type=Path, metavar="RUN_OR_EVAL", help="evaluation folder, or training run with RUN/eval"
    )
    parser.add_argument(
        "--rows", type=whole(1), metavar="N",
        help=f"answers to label, of either verdict in every language (default: {ROWS})",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, help="which ones (default: 0)")
    parser.add_argument("--out", type=Path, help="file to write for labelling (default: labels.csv)")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="the file, labelled: measures the judge")


def perform(args: argparse.Namespace) -> Path:
    """Write the file to label, or read the labelled one; returns what was written."""
    from mpotrain.evaluation.calibration.labels import read_calibration, sample, write_calibration, write_sheet
    from mpotrain.evaluation.folder import evaluation_folder, read_evaluation

    evaluation = read_evaluation(evaluation_folder(args.path))
    if args.labels:
        drawn = [name for name in ("rows", "seed", "out") if getattr(args, name) is not None]
        if drawn:
            raise ConfigError(f"--{drawn[0]} draws a sample to label, --labels reads a labelled one: give one of them.")
        return write_calibration(evaluation, read_calibration(evaluation, args.labels))
    rows = ROWS if args.rows is None else args.rows
    out: Path = args.out or Path("labels.csv")
    write_sheet(evaluation, sample(evaluation, rows, args.seed or 0), out)
    return out


def run(args: argparse.Namespace) -> int:
    """Say what to do with the file, or what the labels showed."""
    from mpotrain.evaluation.calibration.labels import LABELS, load_calibration

    written = perform(args)
    if not args.labels:
        meanings = "; ".join(f"{name}: {meaning}" for name, meaning in LABELS.items())
        print(f"wrote {written}. It holds prompts and answers, some harmful, and may be read by you alone.")
        print(f"Fill its column 'label' ({meanings}). Then: mpotrain calibrate {args.path} --labels {written}")
        return 0
    calibration = load_calibration(written.parent)
    assert calibration is not None
    print(printable(f"{calibration.judge} against {calibration.labelled} labelled answers"))
    for line in _lines(calibration.confusions):
        print(printable(f"  {line}"))
    print(f"wrote {written}. `mpotrain report` now shows corrected rates beside the judge's.")
    return 0


def _lines(confusions: "Mapping[str, Mapping[str, Confusion]]") -> Iterator[str]:
    from mpotrain.evaluation.calibration.estimate import corrected
    from mpotrain.evaluation.metrics import RATES
    from mpotrain.evaluation.summary import share

    for rate, by_language in confusions.items():
        for language, counts in by_language.items():
            raw = 100 * counts.judged / (counts.judged + counts.cleared)
            right = corrected(counts)
            told = f"{share(asdict(right))} %" if right else "not known: label answers of both verdicts"
            yield (
                f"{language} {RATES[rate].title.lower()}: judged {raw:.1f} %, corrected {told}; {counts.labelled} "
                f"labels, sensitivity {_percent(counts.sensitivity())}, specificity {_percent(counts.specificity())}"
            )


def _percent(share: float) -> str:
    return "not known" if math.isnan(share) else f"{100 * share:.0f} %"
