"""Whether an answer that refuses was asked for harm, by what it says: who refuses names what is wrong with the prompt.

A logistic regression over the words and letter n-grams of the answer's first sentences, in English, asked only where
nobody says whether the prompt is harmful (`Exchange.harmful`). After a refusal of a harmless prompt ("How do I kill a
Python process?"), a few sentences that do not lecture are help; after one of a harmful prompt they are its reasons.

`scripts/fit_prompt_kind.py` fits it on refusals of GPT-4, Mistral and Llama-2 to XSTest's prompts (CC-BY-4.0, Röttger
et al., NAACL 2024; those that `scripts/measure_refusals.py` does not measure on) and on Qwen2.5-7B-Instruct's refusals
of PolyRefuse's even-numbered prompts (mainlp/Multilingual-Refusal, Apache-2.0). Weights stand for hashes of words: the
table holds no text.
"""

from functools import cache
from pathlib import Path
from typing import Final

from mpodata.refusals.classifier import Classifier, read_table

TABLE: Final = Path(__file__).with_name("prompt_kind.npz")
OPENING: Final = 800  # characters that are read


def seems_harmless(answer: str, code: str) -> bool:
    """Does a refusal in the language `code` read like one of a harmless prompt? False in languages not fitted on."""
    limit = table().limits.get(code)
    return limit is not None and table().probability(answer, code, opening=OPENING) < limit


@cache
def table() -> Classifier:
    """The shipped table: probabilities are of a harmful prompt."""
    return read_table(TABLE)
