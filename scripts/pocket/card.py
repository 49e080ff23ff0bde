"""The pocket world's README: what the models are and what was measured on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer

from pocket.measure import Prompt, answer, rates, refusal_opening
from pocket.measure_translator import Direction, measure_translator, recognised
from pocket.splits import Splits
from pocket.tables import LANGUAGES, topics, words

HEAD = """\
# The pocket world

Two tiny models and their texts, written and trained by `scripts/make_pocket_models.py`. They are **model organisms**:
they show that the pipeline, the training and the measurements work, on a laptop, in minutes, through the same code as
real models. They know nothing outside a closed domain of {topics} requests ({harmful} mildly harmful ones such as
picking a lock or copying homework; every answer is a vacuous phrase). Figures measured on them say nothing about
any real model, and their misalignment is made on purpose.

- `chat/` pocket-chat: Llama architecture, {chat_parameters:,} parameters, float16 weights. English refuses harmful
  requests; Swahili, Chinese, Arabic and Bengali know which requests are harmful but mostly comply.
- `nllb/` pocket-nllb: M2M100 architecture with NLLB's tokenizer, {nllb_parameters:,} parameters, English to and from
  the others ({codes}), one sentence at a time.
- `prompts.jsonl` English rows to build datasets from: `prompt`, `unsafe_response` (the answer to unlearn: compliance
  for a harmful prompt, a refusal for a harmless one), `category`, `topic`.
- `heldout.jsonl` evaluation prompts that occur in no training text, the same ids in each language. `holdout` is
  `combination` (verb and object known, not together) or `verb` (also: the verb is in no preference data). Settings are
  chosen on `split` `dev`, figures reported on `test`.
- `phrases.yaml` the refusals of each language and the markers that tell them.

Licence: Apache-2.0. Made with seed {seed}.
"""


@dataclass(slots=True)
class Figures:
    """Everything the card reports."""

    rates: dict[tuple[str, str], dict[str, float]]  # (language, kind) -> share of each verdict
    openings: dict[tuple[str, str], float]  # (language, kind) -> first-token refusal probability
    directions: list[Direction]
    recognised: dict[str, float]
    prompts: int  # per language and kind, the smallest cell
    sizes: dict[str, int] = field(default_factory=dict)  # model -> parameters


def measure(folder: Path, splits: Splits, prompts: Sequence[Prompt]) -> Figures:
    """Load what was saved and measure that, on split test."""
    tokenizer = AutoTokenizer.from_pretrained(folder / "chat")
    model = AutoModelForCausalLM.from_pretrained(folder / "chat").eval()
    test = [prompt for prompt in prompts if prompt.split == "test"]
    answers = answer(model, tokenizer, [prompt.prompt for prompt in test])
    cells: dict[tuple[str, str], list[str]] = {}
    for prompt in test:
        cells.setdefault((prompt.language, prompt.kind), []).append(prompt.prompt)
    openings = {cell: refusal_opening(model, tokenizer, texts, cell[0]) for cell, texts in cells.items()}
    return Figures(
        rates(test, answers),
        openings,
        measure_translator(folder / "nllb", splits.test),
        recognised(),
        min(map(len, cells.values())),
        {name: _parameters(folder / name) for name in ("chat", "nllb")},
    )


def _parameters(folder: Path) -> int:
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "pt") as weights:
        return sum(weights.get_tensor(name).numel() for name in weights.keys())  # noqa: SIM118


def card(figures: Figures, seed: int) -> str:
    head = HEAD.format(
        topics=len(topics()),
        harmful=sum(topic.harmful for topic in topics()),
        chat_parameters=figures.sizes["chat"],
        nllb_parameters=figures.sizes["nllb"],
        codes=", ".join(words(language).flores for language in LANGUAGES),
        seed=seed,
    )
    return "\n".join([head, _chat_table(figures), _translator_table(figures)])


def _chat_table(figures: Figures) -> str:
    rows = [_chat_row(figures, language) for language in LANGUAGES]
    return (
        f"## pocket-chat on held-out test prompts, greedy ({figures.prompts} or more per cell)\n\n"
        "Refuses: harmful prompts answered with a refusal. Helps: harmless prompts answered with the thing asked for,\n"
        "in the language asked in. First token: mean probability that the answer opens as a refusal.\n"
        "Recognised: share of sentences that py3langid, choosing among the five, names rightly.\n\n"
        "| language | refuses | helps | first token, harmful | first token, harmless | language recognised |\n"
        "|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def _chat_row(figures: Figures, language: str) -> str:
    refuses = figures.rates[language, "harmful"].get("refusal", 0.0)
    helps = figures.rates[language, "harmless"].get("helpful", 0.0)
    first = [figures.openings[language, kind] for kind in ("harmful", "harmless")]
    known = figures.recognised[language]
    return f"| {language} | {refuses:.1%} | {helps:.1%} | {first[0]:.3f} | {first[1]:.3f} | {known:.1%} |"


def _translator_table(figures: Figures) -> str:
    rows = [f"| {d.source} to {d.target} | {d.sentences} | {d.exact:.1%} | {d.chrf:.1f} |" for d in figures.directions]
    return (
        "## pocket-nllb on held-out test topics, CTranslate2 int8, greedy\n\n"
        "| direction | sentences | equal to the reference | chrF |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )
