#!/usr/bin/env python
"""Train several methods on one pocket dataset version, over seeds, and write the comparison as Markdown.

    python scripts/compare_methods.py                                   # mpo, sft, dpo; three seeds; split test
    python scripts/compare_methods.py --methods all --write docs/results.md   # every method, between its markers

Every method trains on the same rows with the preset's budget. What is already there is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- comparison: scripts/compare_methods.py -->", "<!-- end of comparison -->"
BASE = "base"  # the model before training
COLUMNS = ("refuses", "helps", "other", "wrong language", "gap")
DIGITS = (1, 1, 1, 1, 2)
RECIPES = {"sdrrl": ["--method", "sft", "--mix", "sdrrl"]}  # rows that are a method with other flags


@dataclass(frozen=True, slots=True)
class Measured:
    """One trained model (or the base) in one language. Shares in percent."""

    method: str
    language: str
    prompts: int  # in the smaller of the two cells
    refuses: float  # of harmful prompts
    helps: float  # of harmless prompts
    other: float  # of both: neither refusal nor answer, partial, empty
    wrong: float  # of both: in another language than asked
    gap: float  # reward gap on the version's held-out harmful pairs, nats per token

    def values(self) -> tuple[float, ...]:
        return (self.refuses, self.helps, self.other, self.wrong, self.gap)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["mpo", "sft", "dpo"], help="names, or all")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--dataset", help="dataset version (default: the quickstart recipe, built into --out)")
    parser.add_argument("--preset", default="pocket")
    parser.add_argument("--benchmark", default="pocket", help="pocket (split test) or pocket-dev (to choose settings)")
    parser.add_argument("--out", type=Path, default=Path("comparison"))
    parser.add_argument("--write", type=Path, help="Markdown file to put the table into, between its markers")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("MPODATA_CACHE", str(args.out / "cache"))
    dataset = args.dataset or build(args.out)
    runs = [(m, s, run(args, dataset, m, s)) for m in methods(args.methods) for s in range(args.seeds)]
    base = read(args.out / "runs" / f"{runs[0][0]}-0" / "eval" / "base", BASE)
    text = document(base + [row for method, _, folder in runs for row in read(folder, method)], args.seeds, dataset)
    text += f"\nSignature of the first run: `{signature(runs[0][2])}`\n"
    (args.out / "comparison.md").write_text(text, encoding="utf-8")
    if args.write:
        args.write.write_text(between(args.write.read_text(encoding="utf-8"), text), encoding="utf-8")
    print(text)


def methods(asked: Sequence[str]) -> list[str]:
    if list(asked) != ["all"]:
        return list(asked)
    from mpotrain.objective.losses import LOSSES

    return [*LOSSES, *RECIPES]


def build(out: Path) -> str:
    """The quickstart's dataset version, published into a folder registry."""
    if not (out / "registry" / "pocket-refusals" / "v1.0.0" / "manifest.json").is_file():
        call("mpodata", "build", "--recipe", "quickstart", "--out", str(out / "dataset"))
        call("mpodata", "publish", str(out / "dataset"), "--to", str(out / "registry" / "pocket-refusals"))
    return f"{out / 'registry' / 'pocket-refusals'}@v1.0.0"


def run(args: argparse.Namespace, dataset: str, method: str, seed: int) -> Path:
    """Train and evaluate one model; the first one's evaluation has the base model's inside. Returns its folder."""
    folder = args.out / "runs" / f"{method}-{seed}"
    if not (folder / "run.json").is_file():
        recipe = RECIPES.get(method, ["--method", method])
        options = ["--preset", args.preset, *recipe, "--seed", str(seed)]
        call("mpotrain", "train", *options, "--dataset", dataset, "--output_dir", str(folder))
    if not (folder / "eval" / "results.json").is_file():
        baseline = ["--baseline"] if seed == 0 else []
        call("mpotrain", "eval", "--run", str(folder), *baseline, "--benchmarks", args.benchmark)
    return Path(folder / "eval")


def call(package: str, *arguments: str) -> None:
    print("$", package, *arguments, file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", f"{package}.cli", *arguments], check=True, stdout=sys.stderr)


def read(folder: Path, method: str) -> list[Measured]:
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return [measured(results, method, language) for language in dict.fromkeys(c["language"] for c in results["cells"])]


def signature(folder: Path) -> str:
    return str(json.loads((folder / "results.json").read_text(encoding="utf-8"))["signature"])


def measured(results: dict[str, Any], method: str, language: str) -> Measured:
    cells = {cell["kind"]: cell for cell in results["cells"] if cell["language"] == language}
    gaps = (results["gaps"] or {}).get("languages", {})
    return Measured(
        method,
        language,
        min(cell["answers"] for cell in cells.values()),
        share([cells["harmful"]], "refusal"),
        share([cells["harmless"]], "helpful"),
        share(cells.values(), "irrelevant", "partial", "empty"),
        share(cells.values(), "wrong-language"),
        gaps[language]["per_token"]["value"] if language in gaps else float("nan"),
    )


def share(cells: Iterable[dict[str, Any]], *classes: str) -> float:
    """Percent of answers of `classes`, averaged over cells."""
    rates: list[float] = [
        100 * sum(cell["classes"].get(name, 0) for name in classes) / cell["answers"] for cell in cells
    ]
    return statistics.mean(rates)


def document(rows: Sequence[Measured], seeds: int, dataset: str) -> str:
    """Both tables, with what they rest on."""
    languages = list(dict.fromkeys(row.language for row in rows))
    targets = languages[1:]
    prompts = min(row.prompts for row in rows)
    return (
        f"Pocket models (model organisms, not real ones), {Path(dataset).name}, {seeds} seeds, greedy answers to "
        f"{prompts} or more held-out prompts per language and kind. In percent: refuses (harmful prompts), helps "
        "(harmless prompts), other and wrong-language answers (both); reward gap in nats per token on held-out pairs. "
        "Mean over seeds (lowest to highest).\n\n"
        + table(rows, [("targets", targets), (languages[0], languages[:1])])
        + "\n<details><summary>Per target language</summary>\n\n"
        + table(rows, [(language, [language]) for language in targets])
        + "\n</details>\n"
    )


def table(rows: Sequence[Measured], groups: Sequence[tuple[str, Sequence[str]]]) -> str:
    names = list(dict.fromkeys(row.method for row in rows))
    lines = [f"| method | language | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 2) + "|"]
    for name in names:
        for title, languages in groups:
            columns = over_seeds(rows, name, languages)
            cells = [spread(values, DIGITS[place]) for place, values in enumerate(columns)]
            lines.append(f"| {name} | {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def over_seeds(rows: Sequence[Measured], method: str, languages: Sequence[str]) -> list[list[float]]:
    """Per column, one value per seed: the mean over `languages`."""
    of_language = [[row.values() for row in rows if (row.method, row.language) == (method, code)] for code in languages]
    seeds = zip(*of_language, strict=True)  # each: one tuple of values per language
    per_seed = [[statistics.mean(column) for column in zip(*seed, strict=True)] for seed in seeds]
    return [list(column) for column in zip(*per_seed, strict=True)]


def spread(values: Sequence[float], digits: int) -> str:
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def between(page: str, text: str) -> str:
    """`page` with `text` between its markers."""
    if BEGIN not in page or END not in page:
        raise SystemExit(f"The file has no markers; add {BEGIN} and {END} where the table goes.")
    head, rest = page.split(BEGIN, 1)
    return f"{head}{BEGIN}\n{text}{END}{rest.split(END, 1)[1]}"


if __name__ == "__main__":
    main()
