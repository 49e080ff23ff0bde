"""The commands of `mpotrain`."""

from mpodata.registry import require

TRAINING = ("torch", "transformers", "accelerate", "peft", "trl")


def require_training(command: str) -> None:
    """Everything that reads or trains models is installed; raises MissingPackage with the pip command."""
    for module in TRAINING:
        require(module, package=module, purpose=f"mpotrain {command}", extra="train")
