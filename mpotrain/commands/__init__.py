"""The commands of `mpotrain`."""

import logging

from mpodata.registry import require

TRAINING = ("torch", "transformers", "accelerate", "peft", "trl")
DTYPES = ("float32", "bfloat16", "float16", "auto")  # of the weights of a model that is measured


def require_training(command: str, *, deepspeed: bool = False) -> None:
    """Everything that reads or trains models is installed; raises MissingPackage with the pip command.

    What the libraries print beside our own progress is left out; DeepSpeed's lines where it is not used.
    """
    if not deepspeed:
        logging.getLogger("DeepSpeed").addFilter(_is_error)  # accelerate imports it wherever it is installed
    for module in TRAINING:
        require(module, package=module, purpose=f"mpotrain {command}", extra="train")
    transformers = require("transformers", package="transformers", purpose=f"mpotrain {command}", extra="train")
    transformers.utils.logging.disable_progress_bar()


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR
