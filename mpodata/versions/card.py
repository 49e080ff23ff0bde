"""The card of a version: `cards/dataset.md.j2` filled from the manifest, strict about holes."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import yaml

from mpodata.about import __version__
from mpodata.languages import language
from mpodata.licences import commercial_use, conditions, obstacles
from mpodata.runtime.yaml_text import parse_yaml
from mpodata.versions.card_facts import (
    cell,
    chosen_words,
    contamination_line,
    estimate_lines,
    fenced,
    limits,
    maker_lines,
    provenance_lines,
    quality_rows,
    reliability_lines,
)
from mpodata.versions.human import review_lines
from mpodata.versions.manifest import SPLITS, Config, Manifest, licences_of, parse_manifest

# The Hub's own size classes, by upper bound in rows.
_SIZES = (
    (10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"),
)  # fmt: skip

GATING = (
    "This dataset holds harmful requests and harmful completions. They are here so that models can be taught to refuse "
    "them. By asking for access you agree to use them for safety research and safety training only, not to produce or "
    "spread harmful content, and not to show them to anyone without a warning."
)


def cards_folder() -> Path:
    """Where the card templates are: inside an installed package, or beside it in a source tree."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "cards"
    return inside if inside.is_dir() else package.parent / "cards"


def render_card(manifest: Manifest) -> str:
    """The README.md of a version: Hub front matter and a page for people. A pure function of the manifest."""
    manifest = parse_manifest(manifest.text().encode(), "the manifest")  # in the order of its file
    configs = [_entry(name, config) for name, config in _in_order(manifest)]
    parts = licences_of(manifest.builds)
    on_hub = "/" in (manifest.name or "")
    name = manifest.name if on_hub else f"ROOT/{manifest.name}" if manifest.name else "PATH/OF/THIS/FOLDER"
    return _template().render(
        front_matter=front_matter(manifest),
        manifest=manifest,
        name=name,
        title=cell(_title(manifest)),
        revision=f"v{manifest.version}" if manifest.version else None,
        on_hub=on_hub,
        dominant=language(manifest.dominant),
        configs=configs,
        example=next((entry["name"] for entry in configs if entry["translator"]), manifest.dominant),
        translators=manifest.translators(),
        names={t: [language(code).name for code in manifest.languages(t)] for t in manifest.translators()},
        splits=[split for split in SPLITS if any(split in config.splits for config in manifest.configs.values())],
        builds=[_build(manifest, key, facts) for key, facts in manifest.builds.items()],
        quality=quality_rows(manifest),
        other_configs=[cell(config["config_name"]) for config in manifest.other_configs],
        limits=limits(manifest),
        harmful=manifest.holds_harmful_completions(),
        commercial=commercial_use(parts.values()),
        obstacles=[cell(obstacle) for obstacle in obstacles(parts)],
        conditions=[cell(condition) for condition in conditions(parts)],
        makers=maker_lines(manifest),
        estimates=estimate_lines(manifest),
        chosen_words=chosen_words(manifest),
        reliability=reliability_lines(manifest),
        readers=list(review_lines(manifest)),
        keeps_failing=any(facts["checks"].get("mode") == "keep" for facts in manifest.builds.values()),
        mpodata_version=__version__,
    )


def _title(manifest: Manifest) -> str:
    return (manifest.name or "Multilingual refusal preference pairs").rpartition("/")[2]


def front_matter(manifest: Manifest) -> str:
    """The YAML block the Hub and `datasets` read: every config by the exact name of its files."""
    rows = sum(config.rows for config in manifest.configs.values())
    codes = {manifest.dominant, *(config.language for config in manifest.configs.values())}
    harmful = manifest.holds_harmful_completions()
    metadata: dict[str, Any] = {
        "pretty_name": _title(manifest),
        "language": sorted(codes),
        "license": manifest.licence,
        **({"license_name": "see-card", "license_link": "#licence"} if manifest.licence == "other" else {}),
        "multilinguality": [
            "monolingual" if len(codes) == 1 else "translation" if manifest.parallel else "multilingual"
        ],
        "task_categories": ["text-generation"],
        "tags": [
            "preference", "dpo", "safety", "refusal", *(["parallel", "mpo"] if manifest.parallel else []), "mpodata",
            "trl",
            *(["not-for-all-audiences"] if harmful else []),
        ],
        "size_categories": [next((name for bound, name in _SIZES if rows < bound), "1B<n<10B")],
        **({"extra_gated_prompt": GATING, "extra_gated_fields": {"Purpose": "text"}} if harmful else {}),
        "configs": [*configs_metadata(manifest), *(dict(config) for config in manifest.other_configs)],
    }  # fmt: skip
    return str(yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=120))


def configs_metadata(manifest: Manifest) -> list[dict[str, Any]]:
    """`configs:` of the front matter. Exact file names, so that no cache takes one version's rows for another's."""
    return [
        {
            "config_name": name,
            "data_files": [{"split": split, "path": file.path} for split, file in config.files()],
            **({"default": True} if name == manifest.dominant else {}),
        }
        for name, config in _in_order(manifest)
    ]


def parse_front_matter(card: str) -> dict[str, Any]:
    """The YAML block of a card; empty where there is none or it is no mapping."""
    if not card.startswith("---\n"):
        return {}
    block, end, _ = card[4:].partition("\n---\n")
    try:
        parsed = parse_yaml(block) if end else None
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _in_order(manifest: Manifest) -> list[tuple[str, Config]]:
    """The dominant side first, then translators and languages by name."""
    return sorted(manifest.configs.items(), key=lambda item: (item[1].translator is not None, item[0]))


def _entry(name: str, config: Config) -> dict[str, Any]:
    return {
        "name": name,
        "language": language(config.language).name,
        "translator": config.translator or "",
        "rows": {split: file.rows for split, file in config.splits.items()},
        "dropped": sum(config.dropped.values()),
        "reasons": cell(", ".join(f"{reason} {count}" for reason, count in config.dropped.items())),
    }


def _build(manifest: Manifest, key: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """One build as the template shows it: what made which configs."""
    return {
        "configs": [name for name, config in _in_order(manifest) if config.build == key],
        "command": fenced(facts["command"]),
        "chosen": facts["chosen"],
        "parts": provenance_lines(facts),
        "shortfall": {cell(key): counts for key, counts in facts.get("shortfall", {}).items()},
        "dropped": {cell(stage): _escaped(counts) for stage, counts in facts["dropped"].items()},
        "licences": _escaped(facts["licences"]),
        "decontamination": {
            cell(name): contamination_line(result) for name, result in facts["decontamination"].items()
        },
    }


def _escaped(values: Mapping[str, Any]) -> dict[str, Any]:
    return {cell(key): cell(value) if isinstance(value, str) else value for key, value in values.items()}


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(cards_folder()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML; what comes from outside goes through card_facts.cell
    )
    return environment.get_template("dataset.md.j2")
