"""torchrun with the exit codes of our commands: `python -m mpotrain.launch.agent TORCHRUN'S WORDS`.

torchrun itself ends with exit code 1 and pages of traceback whatever its processes said. Here a user's mistake stays
one sentence and exit code 2, however many processes made it; a bug keeps torchrun's summary.
"""

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, Final

from mpodata.cli import say

LAUNCHED: Final = "MPOTRAIN_LAUNCHED"  # set for the processes of one agent: they leave what to say to it
_ERROR_FILE: Final = "TORCHELASTIC_ERROR_FILE"  # torchrun's own: where a process leaves word of its end


def leave_word(program: str, sentence: str) -> None:
    """Say a sentence: to the agent, which says it once, where this process is one of several; else on the terminal."""
    place = os.environ.get(_ERROR_FILE) if os.environ.get(LAUNCHED) else None
    if place is None:
        say(program, sentence)
        return
    with open(place, "w", encoding="utf-8") as file:
        json.dump({"message": sentence, "timestamp": int(time.time())}, file)


def main(arguments: Sequence[str]) -> int:
    """Start the processes and wait for them; returns 0, 1 (a bug), 2 (what the user can mend), 130 (Ctrl-C)."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    torchrun: Any = import_module("torch.distributed.run")  # not typed

    logging.getLogger("torch.distributed.elastic.multiprocessing.api").setLevel(logging.CRITICAL)
    os.environ[LAUNCHED] = "1"
    try:
        torchrun.run(torchrun.parse_args(list(arguments)))
    except ChildFailedError as error:
        ends = [(failure.exitcode, failure.message) for failure in error.failures.values()]
        return _judge(ends, str(error))
    except SignalException as error:
        if error.sigval == signal.SIGINT:
            say("mpotrain", "stopped. Run the same command again to continue.")
        return 128 + int(error.sigval)
    return 0


def _judge(ends: Iterable[tuple[int, object]], summary: str) -> int:
    """The exit code for how the processes ended (their codes, and the word they left), said once."""
    ends = list(ends)
    codes = {code for code, _ in ends}
    if 2 in codes:
        for sentence in dict.fromkeys(str(word) for code, word in ends if code == 2):
            say("mpotrain", sentence)
        return 2
    if 130 in codes:
        say("mpotrain", "stopped. Run the same command again to continue.")
        return 130
    if codes == {-signal.SIGKILL}:
        say(
            "mpotrain",
            "A training process was killed (SIGKILL), as happens where the machine runs out of memory. Start fewer "
            "processes with --nproc, or lower --per_device_train_batch_size; then run the same command again.",
        )
        return 2
    print(summary, file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
