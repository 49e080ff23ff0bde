"""OpenRLHF: conversations as JSON lines, and the script that runs its DPO on them."""

from mpodata.errors import VersionError
from mpodata.versions.formats.job import ExportJob, conversations, write_lines, write_script


def openrlhf(job: ExportJob) -> int:
    """`prompt`, `chosen`, `rejected` as messages, joined and rendered by the chat template.

    Source: OpenRLHF (August 2026), datasets/reward_dataset.py::preprocess_data with a prompt key,
    datasets/utils.py::blending_datasets (paths between commas; "@" names a folder; a local file's only split is
    "train"), cli/train_dpo.py. Raises VersionError for a folder whose name it would take apart.
    """
    if "," in str(job.out) or "@" in str(job.out):
        raise VersionError(
            f"OpenRLHF takes ',' and '@' in a path for its own signs: choose another folder than {job.out}."
        )
    files: dict[str, list[str]] = {}
    rows = 0
    for config, split, sides in job.configs():
        name = f"{config}.{split}.jsonl"
        rows += write_lines(job.folder / name, map(conversations, sides))
        files.setdefault(split, []).append(job.path(name))
    settings = {
        "model.model_name_or_path": job.model,
        "data.dataset": ",".join(files.get("train", [])),
        "data.prompt_key": "prompt",
        "data.chosen_key": "chosen",
        "data.rejected_key": "rejected",
        "data.max_len": "2048",
        "eval.dataset": ",".join(files.get("test", [])) or None,
        "eval.split": "train" if "test" in files else None,
        "model.beta": "0.1",
        "adam.lr": "5e-7",
        "train.max_epochs": "1",
        "train.batch_size": "128",
        "train.micro_batch_size": "1",
        "ds.zero_stage": "3",
        "ckpt.output_dir": job.run_folder(),
        "ckpt.path": f"{job.run_folder()}/checkpoints",
    }
    command = ["deepspeed", "--module", "openrlhf.cli.train_dpo", "--data.apply_chat_template"]
    command += ["--model.gradient_checkpointing_enable"]
    command += [word for key, value in settings.items() if value is not None for word in (f"--{key}", value)]
    write_script(job.folder / "run.sh", ["pip install openrlhf"], command)
    return rows
