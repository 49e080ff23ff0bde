"""Started by torchrun: runs `mpotrain train` once per line of a JSON file of flags, in one process group."""

import json
import sys
from pathlib import Path

from mpotrain.cli import main

if __name__ == "__main__":
    for flags in json.loads(Path(sys.argv[1]).read_text()):
        if code := main(["train", *flags]):
            sys.exit(code)
