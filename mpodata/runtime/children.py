"""Commands that do not outlive whoever started them, however that one ends: kill -9 included.

The command runs under a supervisor (`supervisor.py`) in a process group of its own. The supervisor holds the reading
end of a pipe whose other end only the starter has; when the starter is gone the pipe closes, and the supervisor ends
the group. Works wherever there are pipes and process groups; nothing polls.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SUPERVISOR = Path(__file__).with_name("supervisor.py")


def run_bound(command: Sequence[str], **options: Any) -> int:
    """Run `command` to its end and return its exit code (128 + n where signal n ended it); options: Popen's.

    Ctrl-C is passed on, and raised here when the command has ended.
    """
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", str(SUPERVISOR), str(reading), *command],
            pass_fds=(reading,),
            process_group=0,
            **options,
        )
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    try:
        return process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGINT)
        process.wait()
        raise
    finally:
        os.close(writing)
