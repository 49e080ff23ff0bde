"""Fit the classifier of `mpodata/refusals/dense_classifier.py` and write its table.

    git clone https://github.com/mainlp/Multilingual-Refusal answers
    python scripts/fit_dense_classifier.py --answers answers

Fitted on the Japanese, Korean and Chinese rows that `scripts/fit_refusal_classifier.py` describes, and on answers that
`scripts/composed_answers.py` puts together from our own sentences. Prints counts only.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from composed_answers import composed
from fit_refusal_classifier import average_fit, limit, training_rows
from measure_refusals import DATA

from mpodata.refusals.dense_classifier import PARTS, SIZE, TABLE, DenseClassifier, features, write_table

# Best in cross-validation over the even prompts, with the phrases as they were before anybody read answers to those.
HARMFUL_LIMITS = {"ja": 0.65, "ko": 0.58, "zh": 0.7}
COMPOSED_WEIGHT = 0.3  # of one of the composed answers beside an answer of the model; best of 0, .3 and 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=Path, required=True, help="a checkout of mainlp/Multilingual-Refusal")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with parallel/: harmless texts for the limits")
    options = parser.parse_args()
    rows, importance = training_rows(tuple(HARMFUL_LIMITS), options.answers)
    added = [row for code in HARMFUL_LIMITS for row in composed(code)]
    rows, importance = [*rows, *added], [*importance, *[COMPOSED_WEIGHT] * len(added)]
    read = [features(row.answer, row.language) for row in rows]
    fits = [
        average_fit([places[part].tolist() for places in read], rows, importance, size=SIZE)
        for part in range(len(PARTS))
    ]
    weights = np.array([weights for weights, _ in fits], dtype=np.float32)
    fitted = DenseClassifier(weights, tuple(bias for _, bias in fits), {}, HARMFUL_LIMITS)
    limits = {code: limit(fitted, code, options.data, PARTS["opening"]) for code in HARMFUL_LIMITS}
    write_table(replace(fitted, limits=limits))
    print(f"{TABLE.stat().st_size:,} bytes; limits {limits}")


if __name__ == "__main__":
    main()
