"""What alignment may have cost: MGSM, M-MMLU and MT-Bench; and which file of a task's folder is in which language."""

from mpotrain.evaluation.utility.harness import files_by_language as _files

__all__ = ["_files"]
