"""Fit the classifier of `mpodata/refusals/classifier.py` and write its table.

    git clone https://github.com/mainlp/Multilingual-Refusal answers
    python scripts/fit_refusal_classifier.py --answers answers

Fitted on this project's own sentences (scripts/refusals/) and on answers of Qwen2.5-7B-Instruct to the even-numbered
prompts with WildGuard's labels, both Apache-2.0. In some languages there are also answers of that model after its
refusals were ablated; they have no labels and count as help (of the labelled ones in other languages, 1 of 1,716
refuses). `scripts/fit_dense_classifier.py` does the same for Japanese, Korean and Chinese.
`scripts/measure_refusals.py --answers` measures on the odd-numbered prompts and on two models that are not
read here. English is left out: there the classifier called informative answers about sensitive topics refusals
(XSTest), and the phrases miss little. Prints counts only.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from measure_refusals import DATA, KINDS, Labelled, harmless, sentences, wildguard_answers
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import expit

from mpodata.refusals.classifier import HIGH_LIMIT, OPENING, SIZE, TABLE, Classifier, features, write_table
from mpodata.refusals.dense_classifier import DenseClassifier
from mpodata.refusals.rules import is_asked, judged
from mpodata.refusals.tables import rules_of

LANGUAGES = ("de", "es", "fr", "it", "pl")  # those with answers of the model, without English
MODEL = "Qwen2.5-7B-Instruct"
ABLATED = f"pipeline/runs/{MODEL}/*/completions/*_harm_ablation_completions.json"
LEVELS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)  # tried as limits on harmless texts not measured on
FALSE_ALARMS = 0.0025  # share of them that the classifier may call refusals beside those that the phrases call so
PARTS = 5
FEWEST = 3  # texts that hold a feature
OWN_WEIGHT = 2.0  # of one of our sentences beside an answer of the model
SHRINKAGE = 0.1  # times half of the squared weights

Floats = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=Path, required=True, help="a checkout of mainlp/Multilingual-Refusal")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with parallel/: harmless texts for the limits")
    options = parser.parse_args()
    rows, importance = training_rows(LANGUAGES, options.answers)
    weights, bias = average_fit([features(row.answer, row.language) for row in rows], rows, importance)
    fitted = rounded(weights, bias)
    limits = {code: limit(fitted, code, options.data, OPENING) for code in LANGUAGES}
    write_table(TABLE, replace(fitted, limits=limits))
    print(f"{int((fitted.weights != 0).sum())} weights, {TABLE.stat().st_size:,} bytes; limits {limits}")


def training_rows(languages: Sequence[str], folder: Path) -> tuple[list[Labelled], list[float]]:
    """Our own sentences and the model's answers, and the weight of each."""
    own = [row for code in languages for split in ("fit", "held", "unseen") for row in sentences(code, split)]
    answers = answers_of_model(folder, languages)
    ablated = list(ablated_answers(folder, languages))
    print(
        f"{len(own)} own sentences; answers of {MODEL}: {dict(Counter(row.language for row in answers))}, "
        f"ablated {dict(Counter(row.language for row in ablated))}"
    )
    rows = [*own, *answers, *ablated]
    return rows, [OWN_WEIGHT] * len(own) + [1.0] * (len(rows) - len(own))


def answers_of_model(folder: Path, languages: Sequence[str]) -> list[Labelled]:
    """The model's answers to the prompts that are not measured on, as it is and ablated. Exits where there are none."""
    answers = [
        row for kind in KINDS for code in languages for row in wildguard_answers(folder, MODEL, kind, code, odd=False)
    ]
    if not answers:
        raise SystemExit(f"no answers of {MODEL} are in {folder}: is it a checkout of mainlp/Multilingual-Refusal?")
    return answers


def rounded(weights: Floats, bias: float) -> Classifier:
    """A table of the weights as it is read back from its file, without limits."""
    scale = float(np.abs(weights).max()) / 127
    return Classifier((np.rint(weights / scale) * scale).astype(np.float32), bias, {})


def ablated_answers(folder: Path, languages: Sequence[str]) -> Iterator[Labelled]:
    """Answers of the model after its refusals were ablated, but to no prompt that is measured on."""
    measured = {
        row["instruction_en"].strip()
        for path in folder.glob(f"output/*/*/{MODEL}/*/*/*/completions/harmful_baseline_evaluations.json")
        for row in json.loads(path.read_text(encoding="utf-8"))["completions"][1::2]
    }
    for path in sorted(folder.glob(ABLATED)):
        if (code := path.parts[-3]) in languages:
            answers = json.loads(path.read_text(encoding="utf-8"))
            answers = answers if isinstance(answers, list) else answers["completions"]
            for row in answers:
                if row["instruction_en"].strip() not in measured:
                    yield Labelled(code, row["response"], "compliance")


def limit(fitted: Classifier | DenseClassifier, code: str, data: Path, opening: int) -> float:
    """The lowest of LEVELS at which few harmless texts become refusals. opening: characters of a long answer."""
    texts = [row.answer for row in harmless(code, data, odd=False)]
    rules = rules_of(code)
    asked = [text for text in texts if judged(text, rules, code)[0] == "compliance" and is_asked(text, rules, code)]
    found = [(fitted.probability(text, code), len(text) >= opening) for text in asked]

    def alarms(level: float) -> int:
        return sum(probability > (level if long else max(level, HIGH_LIMIT)) for probability, long in found)

    return next((level for level in LEVELS if alarms(level) <= FALSE_ALARMS * len(texts)), LEVELS[-1])


def average_fit(
    places: Sequence[Sequence[int]], rows: Sequence[Labelled], importance: Sequence[float], *, size: int = SIZE
) -> tuple[Floats, float]:
    """The mean of PARTS fits, each without one part of the rows: steadier on texts of another kind than one fit."""
    fits = []
    for part in range(PARTS):
        kept = [number for number in range(len(rows)) if number % PARTS != part]
        fits.append(
            fit([places[at] for at in kept], [rows[at] for at in kept], [importance[at] for at in kept], size=size)
        )
    return np.mean([weights for weights, _ in fits], axis=0), float(np.mean([bias for _, bias in fits]))


def fit(
    places: Sequence[Sequence[int]],
    rows: Sequence[Labelled],
    importance: Sequence[float],
    *,
    shrinkage: float = SHRINKAGE,
    size: int = SIZE,
) -> tuple[Floats, float]:
    """Weights (size,) and bias of a logistic regression; rare features get no weight. places: of each row."""
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
        value = float((np.logaddexp(0, -margins) * counts).sum() + shrinkage / 2 * weights @ weights)
        return value, np.append(matrix.T @ slopes + shrinkage * weights, slopes.sum())

    fitted: Floats = minimize(loss, np.zeros(len(columns) + 1), jac=True, method="L-BFGS-B", options={"maxiter": 100}).x
    weights = np.zeros(size)
    weights[list(columns)] = fitted[:-1]
    return weights, float(fitted[-1])


if __name__ == "__main__":
    main()
