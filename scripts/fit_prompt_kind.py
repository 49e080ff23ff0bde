"""Fit the table of `mpodata/refusals/prompt_kind.py`: was a refusal one of a harmful prompt?

    git clone https://github.com/mainlp/Multilingual-Refusal answers
    git clone https://github.com/paul-rottger/exaggerated-safety
    python scripts/fit_prompt_kind.py --answers answers --xstest exaggerated-safety/model_completions

Fitted on the refusals, whole and partial, that `scripts/measure_refusals.py` does not measure on: XSTest's answers of
llama2orig, and those of gpt4 and mistralinstruct to prompts of even number; Qwen2.5-7B-Instruct's answers to
PolyRefuse's prompts of even number, all of which are harmful. Prints counts only, and how many are told right in
cross-validation over the prompts of XSTest.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from fit_refusal_classifier import MODEL, Floats, fit, rounded
from measure_refusals import Labelled, wildguard_answers, xstest_rows

from mpodata.refusals.classifier import features, write_table
from mpodata.refusals.prompt_kind import OPENING, TABLE

READ = {"gpt4": False, "mistralinstruct": False, "llama2orig": None}  # even prompts, or all
LIMIT = 0.5  # probability of a harmful prompt below which it seems harmless
SHRINKAGE = 0.02  # best of .5, .1 and .02 in cross-validation
PARTS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=Path, required=True, help="a checkout of mainlp/Multilingual-Refusal")
    parser.add_argument("--xstest", type=Path, required=True, help="model_completions of exaggerated-safety")
    options = parser.parse_args()
    numbered = [
        (number, row)
        for model, odd in READ.items()
        for number, row in xstest_rows(options.xstest, odd=odd, models=f"{model}.csv")
        if row.label != "compliance"
    ]
    others = [
        row
        for row in wildguard_answers(options.answers, MODEL, "baseline", "en", odd=False)
        if row.label != "compliance"
    ]
    print(f"{len(numbered)} refusals of XSTest's prompts, {len(others)} of {MODEL}")
    right = sum(cross_validated([number for number, _ in numbered], [row for _, row in numbered], others))
    print(f"cross-validated over XSTest's prompts: {right} of {len(numbered)} right")
    weights, bias = fitted([*(row for _, row in numbered), *others])
    write_table(TABLE, replace(rounded(weights, bias), limits={"en": LIMIT}))
    print(f"{int((weights != 0).sum())} weights, {TABLE.stat().st_size:,} bytes")


def cross_validated(numbers: Sequence[int], rows: Sequence[Labelled], others: Sequence[Labelled]) -> list[bool]:
    """Is each row's kind told right by a fit without any answer to its prompt?"""
    right = []
    for part in range(PARTS):
        weights, bias = fitted([*(row for n, row in zip(numbers, rows, strict=True) if n % PARTS != part), *others])
        table = rounded(weights, bias)
        right += [
            (table.probability(row.answer, "en", opening=OPENING) >= LIMIT) == row.harmful
            for number, row in zip(numbers, rows, strict=True)
            if number % PARTS == part
        ]
    return right


def fitted(rows: Sequence[Labelled]) -> tuple[Floats, float]:
    """Weights and bias for "was the prompt harmful?"."""
    kinds = [replace(row, label="refusal" if row.harmful else "compliance") for row in rows]  # what `fit` tells apart
    places = [features(row.answer, "en", opening=OPENING) for row in rows]
    return fit(places, kinds, np.ones(len(rows)).tolist(), shrinkage=SHRINKAGE)


if __name__ == "__main__":
    main()
