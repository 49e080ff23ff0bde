"""What the card says of a version, computed from its manifest."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mpodata.display.terminal import printable
from mpodata.languages import language
from mpodata.records import COUNTERWEIGHT, FIELDS
from mpodata.refusals import reliability_note
from mpodata.versions.human import rounds_of
from mpodata.versions.manifest import Config, Manifest
from mpodata.versions.schema import SUMMARISED_NUMBERS

FEW_ROWS = 100  # the paper's smallest setting: 100 prompts per language
MOSTLY = 0.95  # share of refusals from which the card calls the chosen answers refusals
_HASH = re.compile(r"[0-9a-f]{8,64}")
MANY_DROPS = 0.2  # share of rows lost in one language that a reader should know of

# What is known of each family of translators (FLORES-style names first part): said on every card that holds its text.
_TRANSLATOR_LIMITS = {
    "nllb": "NLLB was trained on single sentences; long or formatted answers are translated piece by piece.",
    "pocket": "`pocket-nllb` is a model organism for tests and demonstrations: its text is not real translation.",
    "google": "Google Translate changes without notice; the same text may be translated otherwise tomorrow.",
    "selftrans": "The policy translated its own text: languages it speaks badly are translated badly.",
    "lidr": "LIDR takes the policy's native answers as rejected: they are checked, but not known, to be harmful.",
    "mapo": "MAPO picks among sampled answers by translation likelihood, which does not measure harm.",
    "icr": "ICR picks among sampled answers by an implicit reward, which does not measure harm.",
}


def cell(value: object, limit: int = 300) -> str:
    """`value` on one line of a Markdown table, without what would open a cell, a tag or a template."""
    line = printable(" ".join(_prose(value).split())).replace("<", "&lt;").replace("{{", "{ {")
    line = re.sub(r"[\\|`*\[\]]", lambda match: "\\" + match[0], line)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def code(value: object, limit: int = 300) -> str:
    """`value` as code inside a Markdown line or table: nothing in it ends the code, the cell or the line."""
    line = printable(" ".join(str(value).split())).replace("`", "'").replace("{{", "{ {").replace("|", "\\|")
    return f"`{line if len(line) <= limit else line[: limit - 1] + '…'}`"


def fenced(command: object) -> str:
    """A command line for a fenced block, which nothing in it can end."""
    return printable(" ".join(str(command).split())).replace("```", "` ` `")


def _prose(value: object) -> str:
    """Plain values in words: "candidates 4, seed 42"; a table of hashes as how many there are, and the hash of them."""
    if isinstance(value, Mapping):
        if len(value) > 1 and all(isinstance(item, str) and _HASH.fullmatch(item) for item in value.values()):
            whole = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
            return f"{len(value)} (hash {whole})"
        return ", ".join(f"{key} {_prose(item)}" for key, item in value.items() if item not in (None, "", {}, []))
    if isinstance(value, (list, tuple)):
        return ", ".join(_prose(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def chosen_words(manifest: Manifest) -> str:
    """What the measured rows say of the chosen answers of harmful pairs, over all configs."""
    refusals, judged = (sum(counts) for counts in zip(*map(_refusals, manifest.configs.values()), strict=True))
    if not judged:
        return "meant to be a refusal; whether it is was not measured"
    share = refusals / judged
    if share >= MOSTLY:
        return f"a refusal in {100 * share:.1f} % of the harmful pairs, as far as the detector can tell"
    return f"only {100 * share:.1f} % of the harmful pairs hold what the detector takes for a refusal"


def _refusals(config: Config) -> tuple[int, int]:
    """(chosen answers that the detector takes for refusals, harmful pairs with a verdict), over all splits.

    Harmless pairs, whose chosen answer helps, have verdicts too and are taken off.
    """
    refusals = judged = 0
    for file in config.splits.values():
        verdicts = file.quality.get("chosen_verdict", {})
        harmful = max(0, sum(verdicts.values()) - file.categories.get(COUNTERWEIGHT, 0))
        judged += harmful
        refusals += min(harmful, verdicts.get("refusal", 0))
    return refusals, judged


def reliability_lines(manifest: Manifest) -> list[str]:
    """How far the phrase rules can be trusted in each language whose verdicts they gave."""
    by_rules = {key for key, facts in manifest.builds.items() if facts["detector"].get("detector") == "rules"}
    languages = sorted(
        {
            config.language
            for config in manifest.configs.values()
            if config.build in by_rules and any("chosen_verdict" in file.quality for file in config.splits.values())
        }
    )
    return [f"{language(code).name}: {cell(reliability_note(code))}" for code in languages]


def maker_lines(manifest: Manifest) -> list[str]:
    """Of each config whose rows name their translators: how often each made which field."""
    return [
        f"`{cell(name)}`: {cell(told)}"
        for name, config in sorted(manifest.configs.items())
        if (
            told := "; ".join(
                _makers(config, field) for field in FIELDS if label_counts(config, f"{field}_translators")
            )
        )
    ]


def _makers(config: Config, field: str) -> str:
    counts = label_counts(config, f"{field}_translators")
    return f"{field} by " + ", ".join(f"{maker} {count}" for maker, count in counts.most_common())


def estimate_lines(manifest: Manifest) -> list[str]:
    """Of each config with estimated quality: the means by field, and what estimated them."""
    lines = []
    for name, config in sorted(manifest.configs.items()):
        means = {field: _mean(config, f"{field}_quality_estimation") for field in FIELDS}
        told = ", ".join(f"{field} {mean:.3f}" for field, mean in means.items() if mean is not None)
        about = manifest.builds[config.build]["checks"].get("quality_estimation")
        by = about.get("model", "") if isinstance(about, Mapping) else ""
        if told:
            lines.append(f"`{cell(name)}`: mean of {told}" + (f" ({cell(by)})" if by else ""))
    return lines


def was_checked(manifest: Manifest) -> bool:
    """Were the rows of every translation measured by the checks?"""
    return all(
        any(key in file.quality for key in ("chosen_language", "chosen_length_ratio"))
        for config in manifest.configs.values()
        if config.translator
        for file in config.splits.values()
    )


def provenance_lines(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(part, "key value · key value") of everything that made a build and says something."""
    parts: list[tuple[str, Mapping[str, Any]]] = [
        ("source", facts["source"]),
        ("policy", facts["policy"]),
        ("sampling", facts["sampling"]),
        ("refusal check", facts["detector"]),
        ("quality checks", {key: value for key, value in facts["checks"].items() if key != "flagged"}),
        *((f"translator `{name}`", made) for name, made in facts["translators"].items()),
        ("libraries", facts["libraries"]),
    ]
    return [(name, _line(made)) for name, made in parts if made]


def _line(made: Mapping[str, Any]) -> str:
    """Names first, then the rest in the manifest's order."""
    ordered = sorted(made.items(), key=lambda item: item[0] not in ("name", "engine", "model"))
    return " · ".join(f"{key} {cell(value)}" for key, value in ordered if value not in (None, "", {}, []))


def contamination_line(found: Mapping[str, Any]) -> str:
    """What looking for one evaluation set's prompts found, in words."""
    by = ", ".join(f"{count} {how}" for how, count in found.get("by", {}).items())
    left_out = f"{found.get('contaminated', 0)} rows left out" + (f" ({by})" if by else "")
    unreadable = found.get("unreadable", 0)
    unread = f"; {unreadable} of its rows could not be read and were not looked for" if unreadable else ""
    return cell(f"{left_out}; {found.get('prompts', 0)} prompts looked for ({found.get('method', '')}){unread}")


def quality_rows(manifest: Manifest) -> list[dict[str, str]]:
    """One row per config for the quality table; a dash where nothing was measured."""
    ordered = sorted(manifest.configs.items(), key=lambda item: (item[1].translator is not None, item[0]))
    return [_quality_row(name, config) for name, config in ordered]


def _quality_row(name: str, config: Config) -> dict[str, str]:
    lost = sum(config.dropped.values())
    measured = measures(config)
    refusals, judged = _refusals(config)
    return {
        "config": name,
        "rows": str(config.rows),
        "kept": _percent(config.rows, config.rows + lost),
        "language": _share(measured, "chosen_in_language"),
        "refusals": _percent(refusals, judged),
        "ratio": _number(measured, "chosen_length_ratio"),
        "repetition": _number(measured, "chosen_repetition"),
        "chrf": _number(measured, "round_trip_chrf"),
    }


def measures(config: Config) -> dict[str, float]:
    """The quality of one config in a few figures, over all splits: shares in 0..1, means of the measured numbers."""
    figures = {
        "chosen_in_language": _label_share(config, "chosen_language", config.language),
        "rejected_in_language": _label_share(config, "rejected_language", config.language),
        "chosen_is_refusal": _label_share(config, "chosen_verdict", "refusal"),
        "rejected_is_refusal": _label_share(config, "rejected_verdict", "refusal"),
        **{name: _mean(config, name) for name in SUMMARISED_NUMBERS},
    }
    return {name: round(value, 4) for name, value in figures.items() if value is not None}


def label_counts(config: Config, measure: str) -> Counter[str]:
    """How often each label of a measure was given, over all splits."""
    counts: Counter[str] = Counter()
    for file in config.splits.values():
        counts.update(file.quality.get(measure, {}))
    return counts


def _label_share(config: Config, measure: str, label: str) -> float | None:
    counts = label_counts(config, measure)
    return counts[label] / counts.total() if counts else None


def _mean(config: Config, measure: str) -> float | None:
    parts = [file.quality[measure] for file in config.splits.values() if measure in file.quality]
    rows = sum(part["rows"] for part in parts)
    return sum(part["mean"] * part["rows"] for part in parts) / rows if rows else None


def _share(measured: Mapping[str, float], name: str) -> str:
    return f"{100 * measured[name]:.1f} %" if name in measured else "–"


def _number(measured: Mapping[str, float], name: str) -> str:
    return f"{measured[name]:.2f}" if name in measured else "–"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def limits(manifest: Manifest) -> list[str]:
    """What a user of these rows should know before training on them."""
    return list(_limits(manifest))


def _limits(manifest: Manifest) -> Iterator[str]:
    yield (
        "Text in the target languages is machine-made; native speakers read the rows that “Native readers” counts."
        if any(rounds_of(manifest, name) for name in manifest.configs)
        else "Text in the target languages is machine-made and was checked by programs, not by native speakers."
        if manifest.translators() and was_checked(manifest)
        else "Text in the target languages is machine-made, and not all of it was checked."
        if manifest.translators()
        else "The version holds the dominant side only."
    )
    for translator in manifest.translators():
        family = translator.partition("-")[0]
        if family in _TRANSLATOR_LIMITS:
            yield _TRANSLATOR_LIMITS[family]
    for facts in manifest.builds.values():
        if facts["chosen"] == "policy" and facts["policy"].get("model"):
            yield (
                f"Chosen answers were sampled from {cell(facts['policy']['model'])}: they are on-policy for that model "
                "only."
            )
        else:
            yield "Chosen answers are the source's own: they are off-policy for every model."
        for name, reasons in facts["checks"].get("flagged", {}).items():
            counted = cell(", ".join(f"{reason} {count}" for reason, count in reasons.items()))
            yield f"`{name.replace('`', '')}` keeps rows that the quality checks find fault with: {counted}."
    if not all(facts["decontamination"] for facts in manifest.builds.values()):
        yield "Not every build was checked against evaluation sets: look for overlaps before reporting results."
    for name, config in manifest.configs.items():
        lost = sum(config.dropped.values())
        if config.rows < FEW_ROWS:
            yield f"`{name}` has only {config.rows} rows."
        if lost > MANY_DROPS * (config.rows + lost):
            yield (
                f"`{name}` lost {_percent(lost, config.rows + lost)} of its rows on the way: what is left may be the "
                f"easier part of {language(config.language).name}."
            )
