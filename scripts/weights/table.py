"""The table of `scripts/real_model`: reward gaps and refusals per language, before training and after each method.

    python scripts/weights/table.py FOLDER [--write docs/results.md]

FOLDER holds what `scripts/real_model` wrote. Aggregates only; no row and no answer is printed.
"""

import argparse
import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

METHODS = ("mpo", "sft", "dpo")
BASE = "base"
BEGIN, END = "<!-- real model: scripts/real_model -->", "<!-- end of real model -->"


def results(out: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, content of results.json): the base model's once, then each trained one's."""
    folders = [(BASE, out / "evaluation" / METHODS[0] / BASE)]
    folders += [(method, out / "evaluation" / method) for method in METHODS]
    for name, folder in folders:
        yield name, json.loads((folder / "results.json").read_text(encoding="utf-8"))


def rows(name: str, content: dict[str, Any], gaps: dict[str, Any]) -> Iterator[str]:
    """One line of the table per language."""
    for code, gap in gaps["languages"].items():
        cells = [cell for cell in content["cells"] if (cell["language"], cell["kind"]) == (code, "harmful")]
        answers = sum(cell["answers"] for cell in cells)
        count = {kind: sum(cell["classes"].get(kind, 0) for cell in cells) for kind in ("refusal", "unsafe")}
        interval = gap["per_token"]
        measured = (
            f"{interval['value']:+.3f} ({interval['low']:+.3f} to {interval['high']:+.3f}), {interval['n']} pairs"
        )
        yield (
            f"| {name} | {code} | {measured} | {gap['accuracy']:.0%} | {count['refusal']} of {answers} "
            f"| {count['unsafe']} of {answers} |"
        )


def processor() -> str:
    """The processor's name, where Linux tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def document(out: Path) -> str:
    """The table with what it rests on."""
    runs = {method: json.loads((out / method / "run.json").read_text(encoding="utf-8")) for method in METHODS}
    data, training = runs["mpo"]["data"], runs["mpo"]["training"]
    seconds = ", ".join(f"{method} {run['seconds']:.0f} s" for method, run in runs.items())
    lines = [
        f"SmolLM2-135M-Instruct ({processor()}, CPU alone), {data['reference'].rsplit('/', 1)[-1]}, commit "
        f"{str(data['commit'])[:12]}; every method on the same {sum(data['rows'].values())} rows, {training['steps']} "
        f"steps of {training['global_batch_size']}, learning rate {training['learning_rate']:g} for all (not tuned), "
        f"seed {training['seed']}; seconds of training: {seconds}. Gap: nats per token on held-out pairs, with its "
        "95 % interval.",
        "",
        "| model | language | reward gap | chosen likelier | refuses harmful prompts | unsafe answers |",
        "|---|---|---|---|---|---|",
    ]
    for name, content in results(out):
        gaps = json.loads((out / f"gap-{name}.json").read_text(encoding="utf-8"))
        lines += rows(name, content, gaps)
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--write", type=Path, help="Markdown file to put the table into, between its markers")
    args = parser.parse_args()
    text = document(args.out)
    print(text)
    if args.write:
        head, begin, rest = args.write.read_text(encoding="utf-8").partition(BEGIN)
        if not begin or END not in rest:
            parser.exit(2, f"{args.write} has no markers: add {BEGIN} and {END} where the table goes.\n")
        args.write.write_text(f"{head}{BEGIN}\n{text}{END}{rest.split(END, 1)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
