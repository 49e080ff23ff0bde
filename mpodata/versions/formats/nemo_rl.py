"""NeMo RL: `PreferenceDataset` files, and the script that runs its DPO example on them."""

from typing import Any

from mpodata.records import Side, assistant_turn, user_turn
from mpodata.versions.formats.job import ExportJob, hydra_quoted, write_lines, write_script


def nemo_rl(job: ExportJob) -> int:
    """One file per split, all languages in it: NeMo RL takes one training file.

    Source: NeMo RL (August 2026), data/datasets/preference_datasets/preference_dataset.py: `context`, and two
    `completions` of which the lower rank is preferred; docs/guides/dpo.md; examples/configs/dpo.yaml, whose `split`
    of a local file is always "train".
    """
    counts = {
        split: write_lines(job.folder / f"{split}.jsonl", (_ranked(row.side) for _, row in job.rows_of(split)))
        for split in job.version.splits()
    }
    held_out = next((split for split in ("validation", "test") if counts.get(split)), None)
    settings = {
        "policy.model_name": job.model,
        "policy.tokenizer.name": job.model,
        "policy.max_total_sequence_length": "2048",
        "data.train.dataset_name": "PreferenceDataset",
        "data.train.data_path": job.path("train.jsonl"),
        "data.train.split": "train",
        "checkpointing.checkpoint_dir": job.run_folder(),
        "logger.log_dir": f"{job.run_folder()}/logs",
    }
    if held_out:
        settings |= {
            "data.validation.dataset_name": "PreferenceDataset",
            "data.validation.data_path": job.path(f"{held_out}.jsonl"),
            "data.validation.split": "train",
        }
    else:
        settings |= {"data.validation": "null", "dpo.val_period": "0", "dpo.val_at_start": "false"}
    command = ["uv", "run", "examples/run_dpo.py"]
    words = [f"++{key}={hydra_quoted(value)}" for key, value in settings.items() if value is not None]
    write_script(job.folder / "run.sh", ["Start it in a clone of NeMo RL."], [*command, *words])
    return sum(counts.values())


def _ranked(side: Side) -> dict[str, Any]:
    return {
        "context": user_turn(side.prompt),
        "completions": [
            {"rank": 0, "completion": assistant_turn(side.chosen)},
            {"rank": 1, "completion": assistant_turn(side.rejected)},
        ],
    }
