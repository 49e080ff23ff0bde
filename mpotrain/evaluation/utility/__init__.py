"""What alignment may have cost: MGSM, M-MMLU and MT-Bench."""
