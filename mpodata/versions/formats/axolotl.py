"""axolotl: JSON lines and `dpo.yaml` for `axolotl train`."""

from mpodata.versions.formats.job import ExportJob, chat, write_lines, write_yaml


def axolotl(job: ExportJob) -> int:
    """Source: axolotl, docs/rlhf.qmd, `chat_template.default`; local files as in docs/dataset_loading.qmd."""
    rows, datasets = 0, []
    for config, split, sides in job.configs():
        name = f"{config}.{split}.jsonl"
        rows += write_lines(job.folder / name, map(chat, sides))
        if split == "train":
            datasets.append(
                {
                    "path": job.path(name),
                    "ds_type": "json",
                    "split": "train",
                    "type": "chat_template.default",
                    "field_messages": "messages",
                    "field_chosen": "chosen",
                    "field_rejected": "rejected",
                    "message_property_mappings": {"role": "role", "content": "content"},
                    "roles": {"user": ["user"], "assistant": ["assistant"], "system": ["system"]},
                }
            )
    settings = {
        "base_model": job.model,
        "rl": "dpo",
        "chat_template": "tokenizer_default",
        "datasets": datasets,
        "output_dir": job.run_folder(),
        "dataset_prepared_path": f"{job.run_folder()}/prepared",
        "sequence_len": 2048,
        "adapter": "lora",
        "lora_r": 32,
        "lora_alpha": 16,
        "lora_target_linear": True,
        "micro_batch_size": 2,
        "gradient_accumulation_steps": 8,
        "num_epochs": 1,
        "optimizer": "adamw_torch",
        "learning_rate": 5e-6,
        "bf16": "auto",
    }
    write_yaml(job.folder / "dpo.yaml", settings)
    return rows
