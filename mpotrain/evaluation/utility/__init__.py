"""What alignment may have cost: MGSM, M-MMLU and MT-Bench; and which file of a task's folder is in which language."""
