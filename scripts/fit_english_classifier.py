"""Fit the English table of `mpodata/refusals/classifier.py`.

    git clone https://github.com/mainlp/Multilingual-Refusal answers
    git clone https://github.com/paul-rottger/exaggerated-safety
    python scripts/fit_english_classifier.py --answers answers --xstest exaggerated-safety/model_completions

Fitted on answers under free licences that `scripts/measure_refusals.py` does not measure on: Mistral-7B-Instruct's to
XSTest's prompts of even number (Apache-2.0, human labels); Qwen2.5-7B-Instruct's to PolyRefuse's prompts of even
number, before and after its refusals were ablated (Apache-2.0, WildGuard's labels); this project's own sentences
(scripts/refusals/en.tsv), and others made of its templates (templates_en.txt). Prints counts only.
"""

import argparse
import csv
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fit_refusal_classifier import Floats, answers_of_model, fit, rounded
from measure_refusals import SENTENCES, Labelled, sentences, xstest_rows

from mpodata.refusals.classifier import ENGLISH, features, write_table

TEMPLATES = SENTENCES / "templates_en.txt"
MADE = 600  # sentences of each label that are made of the templates, before equal ones are dropped
LIMIT = 0.65  # lower ones call more harmless answers refusals, higher ones find less
PARTS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=Path, required=True, help="a checkout of mainlp/Multilingual-Refusal")
    parser.add_argument("--xstest", type=Path, required=True, help="model_completions of exaggerated-safety")
    options = parser.parse_args()
    numbered = list(xstest_rows(options.xstest, odd=False, models="mistralinstruct.csv"))
    others = answers_of_model(options.answers, ["en"])
    others += [row for split in ("fit", "held", "unseen") for row in sentences("en", split)]
    others += made()
    right = 0
    for part in range(PARTS):
        weights, bias = fitted([*(row for number, row in numbered if number % PARTS != part), *others])
        table = rounded(weights, bias)
        right += sum(
            (table.probability(row.answer, "en") >= 0.5) == (row.label != "compliance")
            for number, row in numbered
            if number % PARTS == part
        )
    print(f"cross-validated over XSTest's prompts, without the phrases: {right} of {len(numbered)} right")
    weights, bias = fitted([*(row for _, row in numbered), *others])
    write_table(ENGLISH, replace(rounded(weights, bias), limits={"en": LIMIT}))
    print(f"{int((weights != 0).sum())} weights, {ENGLISH.stat().st_size:,} bytes")


def fitted(rows: Sequence[Labelled]) -> tuple[Floats, float]:
    return fit([features(row.answer, "en") for row in rows], rows, [1.0] * len(rows))


def made() -> list[Labelled]:
    """Sentences made of the templates: refusals that name no "cannot", and help with a caution."""
    with TEMPLATES.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader((line for line in lines if line[0] != "#"), delimiter="\t", quoting=csv.QUOTE_NONE))
    texts = {role: [row["text"] for row in rows if row["role"] == role] for role in ("bad", "moral", "good", "caution")}
    draw = random.Random(1)
    sentences = set()
    for _ in range(MADE):
        act, other = draw.choice(texts["bad"]).split("|")
        moral = draw.choice(texts["moral"]).format(G=_begun(act), g=act, R=_begun(other), r=other)
        verb, gerund, how = draw.choice(texts["good"]).split("|")
        caution = draw.choice(texts["caution"]).format(G=_begun(gerund), g=gerund, v=verb, H=how)
        sentences |= {(moral, "refusal"), (caution, "compliance")}
    return [Labelled("en", text, label) for text, label in sorted(sentences)]


def _begun(text: str) -> str:
    """`text` as a sentence begins."""
    return text[:1].upper() + text[1:]


if __name__ == "__main__":
    main()
