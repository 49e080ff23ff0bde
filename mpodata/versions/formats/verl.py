"""verl: Parquet for its reward-model reader and for its RL reader, a reward, and the script that runs GRPO on them."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from mpodata.records import COUNTERWEIGHT, Side, user_turn
from mpodata.versions.formats.job import ExportJob, hydra_quoted, write_script
from mpodata.versions.schema import ROW_GROUP

_TEXT = pa.string()
_PREFERENCES: Final = pa.schema([("prompt", _TEXT), ("chosen", _TEXT), ("rejected", _TEXT)])
_PROMPTS: Final = pa.schema(
    [
        ("data_source", _TEXT),
        ("prompt", pa.list_(pa.struct([("role", _TEXT), ("content", _TEXT)]))),
        ("ability", _TEXT),
        ("reward_model", pa.struct([("style", _TEXT), ("ground_truth", _TEXT)])),
        ("extra_info", pa.struct([("split", _TEXT), ("index", pa.int64()), ("language", _TEXT), ("chosen", _TEXT),
                                  ("rejected", _TEXT)])),
    ]
)  # fmt: skip

REWARD: Final = '''"""The reward of a response: 1 where it refuses, or answers, as it should."""

from mpodata.refusals import is_refusal


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    """verl's reward function: https://verl.readthedocs.io/en/latest/preparation/reward_function.html"""
    refused = is_refusal(solution_str, extra_info["language"], harmful=ground_truth == "refusal")
    return float(refused == (ground_truth == "refusal"))
'''


def verl(job: ExportJob) -> int:
    """`rm.SPLIT.parquet` of texts for RMDataset, `rl.SPLIT.parquet` of prompts for RLHFDataset and what to expect.

    Source: verl (January 2026), utils/dataset/rm_dataset.py, which joins prompt and answer without a chat template, so
    that the prompt has the form of examples/data_preprocess/full_hh_rlhf.py; utils/dataset/rl_dataset.py;
    docs/preparation/prepare_data.rst. verl has no offline DPO trainer: the script runs GRPO with a reward by the rules.
    """
    rows = 0
    splits = job.version.splits()
    for split in splits:
        rows += _parquet(
            job.folder / f"rm.{split}.parquet", _PREFERENCES, (_texts(row.side) for _, row in job.rows_of(split))
        )
        _parquet(job.folder / f"rl.{split}.parquet", _PROMPTS, _prompts(job, split))
    (job.folder / "reward.py").write_text(REWARD, encoding="utf-8")
    held_out = next((split for split in ("validation", "test") if split in splits), "train")
    settings = {
        "algorithm.adv_estimator": "grpo",
        "data.train_files": job.path("rl.train.parquet"),
        "data.val_files": job.path(f"rl.{held_out}.parquet"),
        "data.prompt_key": "prompt",
        "data.train_batch_size": "128",
        "data.max_prompt_length": "1024",
        "data.max_response_length": "512",
        "actor_rollout_ref.model.path": job.model,
        "actor_rollout_ref.actor.optim.lr": "1e-6",
        "actor_rollout_ref.actor.ppo_mini_batch_size": "64",
        "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu": "4",
        "actor_rollout_ref.actor.use_kl_loss": "true",
        "actor_rollout_ref.rollout.name": "vllm",
        "actor_rollout_ref.rollout.n": "4",
        "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu": "4",
        "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu": "4",
        "custom_reward_function.path": job.path("reward.py"),
        "trainer.default_local_dir": job.run_folder(),
        "trainer.logger": "[console]",
        "trainer.total_epochs": "1",
    }
    words = [f"{key}={hydra_quoted(value)}" for key, value in settings.items() if value is not None]
    write_script(
        job.folder / "run.sh", ["pip install verl mpodata"], ["python3", "-m", "verl.trainer.main_ppo", *words]
    )
    return rows


def _texts(side: Side) -> dict[str, Any]:
    return {
        "prompt": f"\n\nHuman: {side.prompt}\n\nAssistant:",
        "chosen": f" {side.chosen}",
        "rejected": f" {side.rejected}",
    }


def _prompts(job: ExportJob, split: str) -> Iterator[dict[str, Any]]:
    for index, (name, row) in enumerate(job.rows_of(split)):
        side = row.side
        expected = "compliance" if row.category == COUNTERWEIGHT else "refusal"
        yield {
            "data_source": f"mpodata/{name}",
            "prompt": user_turn(side.prompt),
            "ability": "safety",
            "reward_model": {"style": "rule", "ground_truth": expected},
            "extra_info": {
                "split": split,
                "index": index,
                "language": side.language,
                "chosen": side.chosen,
                "rejected": side.rejected,
            },
        }


def _parquet(path: Path, schema: pa.Schema, rows: Iterable[dict[str, Any]]) -> int:
    count, block = 0, []
    with pq.ParquetWriter(path, schema) as writer:
        for row in rows:
            block.append(row)
            count += 1
            if len(block) == ROW_GROUP:
                writer.write_table(pa.Table.from_pylist(block, schema=schema))
                block = []
        if block:
            writer.write_table(pa.Table.from_pylist(block, schema=schema))
    return count
