"""Fit the classifier of `mpodata/refusals/classifier.py` and write its table.

    git clone https://github.com/mainlp/Multilingual-Refusal answers
    python scripts/fit_refusal_classifier.py --answers answers

Fitted on this project's own sentences (scripts/refusals/) and on answers of Qwen2.5-7B-Instruct to the even-numbered
prompts with WildGuard's labels, both Apache-2.0. `scripts/measure_refusals.py --answers` measures on the odd-numbered
prompts and on two models that are not read here. English is left out: there the classifier called informative answers
about sensitive topics refusals (XSTest), and the phrases miss little. Prints counts only.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from measure_refusals import DATA, KINDS, Labelled, harmless, sentences, wildguard_answers
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import expit

from mpodata.refusals.classifier import SIZE, TABLE, Classifier, features

LANGUAGES = ("de", "es", "fr", "it", "ja", "ko", "pl", "zh")  # those with answers of the model, without English
MODEL = "Qwen2.5-7B-Instruct"
LIMITS = (0.7, 0.75, 0.8, 0.85, 0.9)  # tried for each language on harmless texts that are not measured on
FALSE_ALARMS = 0.005  # share of them that the classifier may call refusals
USUAL_LIMIT = 0.8  # of languages without such texts
FEWEST = 3  # texts that hold a feature
OWN_WEIGHT = 3.0  # of one of our sentences beside an answer of the model
SHRINKAGE = 0.1  # times half of the squared weights

Floats = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=Path, required=True, help="a checkout of mainlp/Multilingual-Refusal")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with parallel/: harmless texts for the limits")
    options = parser.parse_args()
    own = [row for code in LANGUAGES for split in ("fit", "held", "unseen") for row in sentences(code, split)]
    answers = [
        row
        for kind in KINDS
        for code in LANGUAGES
        for row in wildguard_answers(options.answers, MODEL, kind, code, odd=False)
    ]
    print(f"{len(own)} own sentences; answers of {MODEL}: {dict(Counter(row.language for row in answers))}")
    weights, bias = fit([*own, *answers], [OWN_WEIGHT] * len(own) + [1.0] * len(answers))
    scale = float(np.abs(weights).max()) / 127
    weights = np.rint(weights / scale)
    fitted = Classifier((weights * scale).astype(np.float32), bias, {})
    limits = {code: limit(fitted, code, options.data) for code in LANGUAGES}
    np.savez_compressed(
        TABLE,
        languages=np.array(LANGUAGES),
        limits=np.array(list(limits.values())),
        weights=weights.astype(np.int8),
        scale=np.float64(scale),
        bias=np.float64(bias),
    )
    print(f"{int((weights != 0).sum())} weights, {TABLE.stat().st_size:,} bytes; limits {limits}")


def limit(fitted: Classifier, code: str, data: Path) -> float:
    """The lowest of LIMITS that few harmless texts exceed."""
    texts = harmless(code, data, odd=False)
    found = np.array([fitted.probability(row.answer, code) for row in texts])
    if not texts:
        return USUAL_LIMIT
    return next((level for level in LIMITS if (found > level).mean() <= FALSE_ALARMS), LIMITS[-1])


def fit(rows: Sequence[Labelled], importance: Sequence[float]) -> tuple[Floats, float]:
    """Weights (SIZE,) and bias of a logistic regression; rare features get no weight."""
    places = [features(row.answer, row.language) for row in rows]
    seen = Counter(place for text in places for place in text)
    columns = {place: column for column, place in enumerate(sorted(p for p, n in seen.items() if n >= FEWEST))}
    known = [[columns[place] for place in text if place in columns] for text in places]
    values = [1 / np.sqrt(max(len(text), 1)) for text in places]
    matrix = csr_matrix(
        (
            np.repeat(values, [len(text) for text in known]),
            np.concatenate([np.array(text, dtype=np.int64) for text in known]),
            np.cumsum([0, *(len(text) for text in known)]),
        ),
        shape=(len(rows), len(columns)),
    )
    truths = np.array([1.0 if row.label != "compliance" else -1.0 for row in rows])
    counts = np.array(importance)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weights, bias = parameters[:-1], parameters[-1]
        margins = truths * (matrix @ weights + bias)
        slopes = -truths * expit(-margins) * counts
        value = float((np.logaddexp(0, -margins) * counts).sum() + SHRINKAGE / 2 * weights @ weights)
        return value, np.append(matrix.T @ slopes + SHRINKAGE * weights, slopes.sum())

    found: Floats = minimize(loss, np.zeros(len(columns) + 1), jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    weights = np.zeros(SIZE)
    weights[list(columns)] = found[:-1]
    return weights, float(found[-1])


if __name__ == "__main__":
    main()
