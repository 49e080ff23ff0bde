"""`supervisor.py FD COMMAND...`: run a command, and end its process group when the pipe FD closes (`children.py`).

Run as a file and with -I: it imports nothing of the project.
"""

import os
import signal
import subprocess
import sys
import threading
import time

PATIENCE = 20.0  # seconds between asking the group to end and ending it


def main() -> int:
    """Exit code of the command; 128 + n where signal n ended it."""
    pipe, command = int(sys.argv[1]), sys.argv[2:]
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the command, which gets them too: the group's
        signal.signal(number, lambda *_: None)
    process = subprocess.Popen(command)
    threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()
    code = process.wait()
    return code if code >= 0 else 128 - code


def _end_with(pipe: int) -> None:
    while os.read(pipe, 1):  # nothing is ever written: this returns when the other end is closed
        pass
    os.killpg(0, signal.SIGTERM)
    time.sleep(PATIENCE)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
