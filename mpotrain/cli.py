"""The command line of mpotrain."""

import sys
from collections.abc import Sequence

from mpodata.cli import dispatch
from mpotrain.launch.agent import leave_word

ABOUT = "Train with MPO (Multilingual reward gaP Optimization) and its baselines; measure the result per language."

COMMANDS = {
    "train": "train a model on a dataset version",
    "sweep": "train over a method's published search space",
    "iterate": "rounds of build, publish, train: a round's model is the next one's policy",
    "preview": "show training rows as tokens, with what is trained",
    "gap": "measure the reward gap per language",
    "states": "draw states of prompts with safe and unsafe answers appended",
    "eval": "answer benchmarks, judge the answers, measure per language",
    "tasks": "write the prompts of benchmarks as a task of lm-evaluation-harness or inspect_ai",
    "calibrate": "measure a judge against a person's labels, and correct the rates for its errors",
    "reproduce": "reproduce a table or figure of a paper, beside its published figures",
    "report": "write one page from training and evaluation runs",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `mpotrain`; exit codes as in `mpodata.cli.main`."""
    given = sys.argv[1:] if arguments is None else arguments
    return dispatch("mpotrain", ABOUT, "mpotrain.commands", COMMANDS, given, leave_word)


if __name__ == "__main__":
    sys.exit(main())
