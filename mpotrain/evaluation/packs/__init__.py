"""The task "multilingual refusal" for other harnesses: the prompts of any benchmark, scored by this package's code."""

PACKS = {
    "lm-eval": "mpotrain.evaluation.packs.lm_eval_files:write",
    "inspect": "mpotrain.evaluation.packs.inspect_files:write",
}
TASK = "multilingual_refusal"
