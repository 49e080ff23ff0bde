"""LLaMA-Factory: its OpenAI form, `dataset_info.json`, and `dpo.yaml` for `llamafactory-cli train`."""

import json

from mpodata.versions.formats.job import ExportJob, chat, write_lines, write_yaml


def llama_factory(job: ExportJob) -> int:
    """Use the folder as `dataset_dir`.

    Source: LLaMA-Factory, data/README.md, "Sharegpt Format / Preference Dataset" with the tags of "OpenAI Format";
    examples/train_lora/qwen3_lora_dpo.yaml. Without `template` it reads the tokenizer's chat template.
    """
    rows, info = 0, {}
    for config, split, sides in job.configs():
        name = f"{config}.{split}.jsonl"
        rows += write_lines(job.folder / name, map(chat, sides))
        info[f"{config}.{split}"] = {
            "file_name": name,
            "formatting": "sharegpt",
            "ranking": True,
            "columns": {"messages": "messages", "chosen": "chosen", "rejected": "rejected"},
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
                "system_tag": "system",
            },
        }
    (job.folder / "dataset_info.json").write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
    settings = {
        "model_name_or_path": job.model,
        "stage": "dpo",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_target": "all",
        "pref_beta": 0.1,
        "pref_loss": "sigmoid",
        "dataset_dir": str(job.out),
        "dataset": ",".join(name for name in info if name.endswith(".train")),
        "cutoff_len": 2048,
        "output_dir": job.run_folder(),
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 8,
        "learning_rate": 5e-6,
        "num_train_epochs": 1.0,
        "lr_scheduler_type": "cosine",
        "bf16": True,
        "report_to": "none",
    }
    write_yaml(job.folder / "dpo.yaml", settings)
    return rows
