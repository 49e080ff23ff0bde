"""Training data made of a version's pairs before they are tokenised: rows across languages, mixed texts, translations.

A mix takes the pairs of one version and returns examples, each a prompt with one answer to learn; it adds no text that
is not in the version, apart from short requests in English ("Answer in Swahili."). Where rows of a language depend on
chance, the draw is seeded by pair and language: the same pair gets the same rows whatever else is trained on.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import sentencex

from mpodata.errors import UnknownName
from mpodata.languages import language
from mpodata.records import Pair, Side


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt with the answer to learn; there is no answer to unlearn."""

    pair_id: str
    language: str  # of the answer
    prompt: str
    answer: str
    kind: str  # what it is in its mix: own, crossed, code-switched, translation; counted in the census
    category: str = ""
    # The same text in the dominant and in a target language, where a mix has it.
    sentences: tuple[str, str] | None = None


CODE_SWITCH, PARALLEL = 0.3, 0.1
REPEATS = 3  # rows that `cla` makes of each pair and target, as its authors' code


@dataclass(frozen=True, slots=True)
class MixOptions:
    """What a mix is made with."""

    code_switch: float = CODE_SWITCH  # chance of a prompt's sentence to be replaced by its translation
    parallel: float = PARALLEL  # share of pairs that also give translation rows
    seed: int = 42


Mix = Callable[[Iterable[Pair], MixOptions], list[Example]]


def sdrrl(pairs: Iterable[Pair], options: MixOptions) -> list[Example]:
    """Self-distillation from the resource-rich language: the model's own dominant answers, translated and recombined.

    Zhang et al. 2024 (arXiv 2402.12204, ACL 2024), trained by next-token cross-entropy on the answers. With x a prompt,
    y the model's own answer, d the dominant and t a target language, in this order per pair and target:

        own            x^t -> y^t, and once per pair x^d -> y^d
        crossed        x^d -> y^t and x^t -> y^d, each prompt with a request for the answer's language
        code-switched  x^t with some sentences in d -> y^t, with that request
        translation    of the prompt and of the answer, each in a direction drawn by chance

    Deviations: the paper's own settings could not be read. The language request is ours: without it crossed rows teach
    answers in another language than the prompt's. Sentences, not words, are switched, for want of a bilingual
    dictionary; a prompt of one sentence gives no such row. Rejected answers are never used.
    """
    examples: list[Example] = []
    seen: set[str] = set()
    for pair in pairs:
        dominant, target = pair.dominant, pair.target
        if not all(text.strip() for side in (dominant, target) for text in (side.prompt, side.chosen)):
            continue
        if pair.pair_id not in seen:
            seen.add(pair.pair_id)
            examples.append(_example(pair, dominant.prompt, dominant, "own"))
        examples.append(_example(pair, target.prompt, target, "own"))
        examples.append(_example(pair, _requesting(dominant.prompt, target.language), target, "crossed"))
        examples.append(_example(pair, _requesting(target.prompt, dominant.language), dominant, "crossed"))
        random = Random(f"{options.seed}:{pair.pair_id}:{target.language}")
        if mixed := _code_switched(target, dominant, options.code_switch, random):
            examples.append(_example(pair, _requesting(mixed, target.language), target, "code-switched"))
        if random.random() < options.parallel:
            examples += _translations(pair, random)
    return examples


def cla(pairs: Iterable[Pair], options: MixOptions) -> list[Example]:
    """Answers across languages, each beside a prompt and its translation (AFP; code chongli17/CrossLingualAlignment).

    Li et al. 2024 (NAACL), for method cla. Three times per pair and target, d the dominant and t the target language,
    each half by chance: crossed (x^d -> y^t or x^t -> y^d), or own (prompt and answer of one of the pair's languages);
    every prompt with a request for the answer's language, and with x^d and x^t as the texts to bring together. Pairs
    with an empty or an identical prompt are left out. Deviations: every target comes equally often, where the authors
    draw; prompts are turns of the chat template, where their base models read one line; no translation rows, which are
    optional there.
    """
    examples: list[Example] = []
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        if pair.dominant.prompt.strip() and pair.target.prompt.strip() and pair.dominant.prompt != pair.target.prompt:
            groups.setdefault(pair.pair_id, []).append(pair)
    for group in groups.values():
        sides = [group[0].dominant, *(pair.target for pair in group)]
        for pair in group:
            random = Random(f"{options.seed}:cla:{pair.pair_id}:{pair.target.language}")
            for _ in range(REPEATS):
                crossed = random.random() < 0.5
                asked, answered = (
                    (pair.target, pair.dominant) if random.random() < 0.5 else (pair.dominant, pair.target)
                )
                if not crossed:
                    asked = answered = random.choice(sides)
                if not answered.chosen.strip():
                    continue
                example = _example(
                    pair, _requesting(asked.prompt, answered.language), answered, "crossed" if crossed else "own"
                )
                examples.append(replace(example, sentences=(pair.dominant.prompt, pair.target.prompt)))
    return examples


MIXES: Mapping[str, Mix] = {"sdrrl": sdrrl, "cla": cla}


def find_mix(name: str) -> Mix:
    """The mix behind a name; raises UnknownName."""
    if name not in MIXES:
        raise UnknownName("mix", name, MIXES)
    return MIXES[name]


def _example(pair: Pair, prompt: str, answered_by: Side, kind: str) -> Example:
    return Example(pair.pair_id, answered_by.language, prompt, answered_by.chosen, kind, pair.category)


def _requesting(prompt: str, code: str) -> str:
    return f"{prompt}\n\nAnswer in {language(code).name}."


def _code_switched(side: Side, other: Side, share: float, random: Random) -> str | None:
    """`side`'s prompt with each sentence replaced, by chance `share`, by the one of `other` in its place.

    None where the prompts do not have the same number of sentences, or where all or none would be replaced.
    """
    ours, theirs = (_sentences(one.language, one.prompt) for one in (side, other))
    if len(ours) != len(theirs):
        return None
    switched = [random.random() < share for _ in ours]
    if all(switched) or not any(switched):
        return None
    chosen = [their if switch else our for our, their, switch in zip(ours, theirs, switched, strict=True)]
    return " ".join(chosen)


def _sentences(code: str, text: str) -> Sequence[str]:
    return [sentence.strip() for sentence in sentencex.segment(code, text) if sentence.strip()]


def _translations(pair: Pair, random: Random) -> list[Example]:
    """Two rows: the prompt and the chosen answer to translate, each from either language into the other."""
    examples = []
    for field in ("prompt", "chosen"):
        source, result = (pair.dominant, pair.target) if random.random() < 0.5 else (pair.target, pair.dominant)
        names = language(source.language).name, language(result.language).name
        request = f"Translate from {names[0]} into {names[1]}:\n\n{getattr(source, field)}"
        text = str(getattr(result, field))
        examples.append(Example(pair.pair_id, result.language, request, text, "translation", pair.category))
    return examples
