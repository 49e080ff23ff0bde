"""TRL: conversations as JSON lines, and `dpo.yaml` for `trl dpo --config`."""

from mpodata.versions.formats.job import ExportJob, conversations, write_lines, write_yaml


def trl(job: ExportJob) -> int:
    """`prompt`, `chosen`, `rejected` as messages. Source: TRL, docs/source/dataset_formats.md and scripts/dpo.py."""
    rows, datasets = 0, []
    for config, split, sides in job.configs():
        name = f"{config}.{split}.jsonl"
        rows += write_lines(job.folder / name, map(conversations, sides))
        if split == "train":
            datasets.append({"path": "json", "data_files": job.path(name), "split": "train"})
    settings = {
        "model_name_or_path": job.model,
        "datasets": datasets,
        "output_dir": job.run_folder(),
        "learning_rate": 5e-7,
        "beta": 0.1,
        "num_train_epochs": 1,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 8,
    }
    write_yaml(job.folder / "dpo.yaml", settings)
    return rows
