"""From the pairs of a dataset version to token rows: template once, boundary exact, end of turn trained, drops counted.

A row is tokenised in two parts, the prompt as generation sees it and the answer as text, so the boundary between what
is given and what is trained is exact by construction and no BOS can appear twice.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mpodata.engines import templates
from mpodata.engines.templates import chat_ids, plain_ids
from mpodata.errors import DataError
from mpodata.records import Pair, Side, user_turn
from mpotrain.mixes import Example
from mpotrain.model.batches import Tokens


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One preference in one language as tokens, or one answer to learn."""

    pair_id: str
    language: str
    chosen: Tokens
    unwanted: Tokens | None  # the rejected answer; None in the rows of a mix, which have none
    category: str = ""
    weight: float = 1.0  # its language's weight in the loss
    # Bare text in the dominant and in the target language, of some mixes.
    sentences: tuple[Tokens, Tokens] | None = None

    def sentence(self, *, dominant: bool) -> Tokens:
        """The bare text in one of its two languages; raises DataError where the row has none."""
        if self.sentences is None:
            raise DataError(f"The {self.language} row of pair {self.pair_id} has no translated text beside it.")
        return self.sentences[0 if dominant else 1]

    @property
    def rejected(self) -> Tokens:
        """The answer to unlearn; raises DataError where the row has none."""
        if self.unwanted is None:
            raise DataError(f"The {self.language} row of pair {self.pair_id} has no rejected answer to compare with.")
        return self.unwanted


@dataclass(frozen=True, slots=True)
class Census:
    """What happened to the rows of a version on their way to tokens, per language."""

    kept: Counter[str] = field(default_factory=Counter)
    truncated: Counter[str] = field(default_factory=Counter)  # kept, but an answer lost its end
    dropped: dict[str, Counter[str]] = field(default_factory=dict)  # reason -> language -> rows
    mixed: Counter[str] = field(default_factory=Counter)  # kind of a mix's examples -> rows kept; empty without a mix

    def drop(self, reason: str, language: str) -> None:
        self.dropped.setdefault(reason, Counter())[language] += 1

    def lines(self) -> list[str]:
        """What a mix is made of, then one sentence per kind of loss; empty where there is neither."""
        lines = [f"rows of the mix: {_counts(self.mixed)}"] if self.mixed else []
        lines += [f"dropped, {reason}: {_counts(counts)}" for reason, counts in sorted(self.dropped.items())]
        return [*lines, f"answers truncated: {_counts(self.truncated)}"] if self.truncated else lines


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Everything a run trains on."""

    targets: tuple[TrainingRow, ...]  # one per pair and target language; of a mix: every row, in any language
    dominant: Mapping[str, TrainingRow]  # pair_id -> the dominant side, once per pair; empty for a mix
    dominant_language: str
    census: Census

    def trained(self, rows: str) -> tuple[TrainingRow, ...]:
        """`paired`: the target rows; `all`: the dominant rows too, as baselines train (the paper's 700 pairs).

        `dominant`: the dominant rows alone.
        """
        if rows == "dominant":
            return tuple(self.dominant.values())
        return self.targets if rows == "paired" else (*self.targets, *self.dominant.values())

    def prompts(self) -> dict[str, dict[str, Tokens]]:
        """pair_id -> target language -> its prompt; raises DataError where a pair lacks a language that others have."""
        prompts: dict[str, dict[str, Tokens]] = {key: {} for key in self.dominant}
        for row in self.targets:
            prompts[row.pair_id][row.language] = Tokens(row.chosen.prompt, row.chosen.prompt_length, scored=False)
        languages = set(self.languages())
        if lacking := [key for key, sides in prompts.items() if set(sides) != languages]:
            raise DataError(
                f"{len(lacking)} of {len(prompts)} pairs have no prompt in every language "
                f"({', '.join(sorted(languages))}), which this method compares: "
                "choose with --languages those that all pairs have."
            )
        return prompts

    def languages(self) -> list[str]:
        """Target languages in order of first appearance."""
        return [code for code in dict.fromkeys(row.language for row in self.targets) if code != self.dominant_language]


def tokenise(
    pairs: Iterable[Pair],
    tokenizer: Any,
    max_length: int,
    weights: Mapping[str, float] | None = None,
    truncation: str = "answer",
) -> TrainingRows:
    """Token rows of `pairs`; raises DataError where none is left.

    What reaches over `max_length` tokens is cut (counted) as `truncation` says (TRUNCATIONS). A pair is dropped
    (counted) where a prompt leaves no room for an answer, an answer is empty, chosen and rejected are the same or
    become so by the cut, or its dominant side was dropped. A pair whose target is its dominant side is one row, which
    stands among the dominant ones in its own language.
    """
    weights = weights or {}
    census = Census()
    end = turn_end(tokenizer)
    dominant: dict[str, TrainingRow | None] = {}
    targets: list[TrainingRow] = []
    alone: set[str] = set()  # pairs that are one row
    dominant_language = ""
    cut = TRUNCATIONS[truncation]

    def row_of(pair: Pair, side: Side) -> TrainingRow | None:
        return _row(pair, side, tokenizer, end, max_length, cut, weights, census)

    for pair in pairs:
        dominant_language = dominant_language or pair.dominant.language
        if pair.pair_id not in dominant:
            dominant[pair.pair_id] = row_of(pair, pair.dominant)
        if pair.target is pair.dominant:
            alone.add(pair.pair_id)
            continue
        if dominant[pair.pair_id] is None:
            census.drop("dominant side dropped", pair.target.language)
        elif row := row_of(pair, pair.target):
            targets.append(row)
    used = alone.union(row.pair_id for row in targets)
    kept = {key: row for key, row in dominant.items() if row is not None and key in used}
    if not kept:
        raise DataError(f"No row is left to train on: {'; '.join(census.lines()) or 'the selection holds no pair'}.")
    _check_weights(weights, {dominant_language, *census.kept})
    return TrainingRows(tuple(targets), kept, dominant_language, census)


def tokenise_mix(
    examples: Sequence[Example],
    tokenizer: Any,
    max_length: int,
    dominant_language: str,
    weights: Mapping[str, float] | None = None,
    truncation: str = "answer",
) -> TrainingRows:
    """Token rows of a mix, without rejected answers and without dominant sides; raises DataError where none is left.

    Cut and counted as `tokenise` does; the census also counts the examples of each kind that were kept.
    """
    weights = weights or {}
    census = Census()
    end = turn_end(tokenizer)
    rows: list[TrainingRow] = []
    for example in examples:
        (whole,) = encode(tokenizer, example.prompt, [example.answer], end)
        answers = TRUNCATIONS[truncation](max_length, whole, whole)
        if answers is None:
            census.drop(f"prompt of {max_length} tokens or more", example.language)
            continue
        answer = answers[0]
        census.kept[example.language] += 1
        census.mixed[example.kind] += 1
        if answer != whole:
            census.truncated[example.language] += 1
        weight = weights.get(example.language, 1.0)
        sentences = None if example.sentences is None else _bare(tokenizer, example.sentences, max_length)
        rows.append(TrainingRow(example.pair_id, example.language, answer, None, example.category, weight, sentences))
    if not rows:
        raise DataError(f"No row is left to train on: {'; '.join(census.lines()) or 'the mix holds no example'}.")
    _check_weights(weights, {dominant_language, *census.kept})
    return TrainingRows(tuple(rows), {}, dominant_language, census)


def _bare(tokenizer: Any, texts: tuple[str, str], max_length: int) -> tuple[Tokens, Tokens]:
    """Texts as the tokenizer reads plain text, its own special tokens included, cut to length; nothing is scored."""
    dominant, target = (tuple(tokenizer(text)["input_ids"][:max_length]) for text in texts)
    return Tokens(dominant, len(dominant), scored=False), Tokens(target, len(target), scored=False)


def _check_weights(weights: Mapping[str, float], languages: set[str]) -> None:
    if unknown := set(weights) - languages:
        raise DataError(
            f"language_weights names {', '.join(sorted(unknown))}, which no row has. "
            f"Languages: {', '.join(sorted(languages))}."
        )


def with_dominant(pairs: Sequence[Pair], language: str) -> list[Pair]:
    """The same pairs seen from another dominant language: its side becomes dominant, the old dominant one a target.

    Pairs without a side in `language` fall away. Raises DataError where none has one.
    """
    if all(pair.dominant.language == language for pair in pairs):
        return list(pairs)
    by_id: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_id.setdefault(pair.pair_id, []).append(pair)
    turned: list[Pair] = []
    for group in by_id.values():
        new = next((pair.target for pair in group if pair.target.language == language), None)
        if new is None:
            continue
        first = group[0]
        sides = [first.dominant, *(pair.target for pair in group if pair.target.language != language)]
        turned += [Pair(first.pair_id, new, side, first.category, first.source_id) for side in sides]
    if not turned:
        languages = sorted({pair.target.language for pair in pairs} | {pair.dominant.language for pair in pairs})
        raise DataError(f"No pair has a side in {language!r} to be dominant. Languages: {', '.join(languages)}.")
    return turned


def encode(tokenizer: Any, prompt: str, answers: Sequence[str], end: Sequence[int]) -> list[Tokens]:
    """For each answer: the prompt as the chat template opens the assistant's turn, the answer as text, end of turn."""
    given = chat_ids(tokenizer, user_turn(prompt))
    return [Tokens((*given, *plain_ids(tokenizer, answer), *end), len(given)) for answer in answers]


def turn_end(tokenizer: Any) -> tuple[int, ...]:
    """What closes an assistant's turn in the template, ended by a special token; else EOS is added.

    Raises DataError where the tokenizer has neither a closing token nor EOS: a model could never learn to stop.
    """
    suffix = templates.turn_end(tokenizer)
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    if suffix and (suffix[-1] in special or suffix[-1] == tokenizer.eos_token_id):
        return suffix
    if tokenizer.eos_token_id is None:
        raise DataError("The tokenizer has no end-of-turn and no EOS token: the model could not learn to stop.")
    return (*suffix, tokenizer.eos_token_id)


def stop_at_turn_end(model: Any, tokenizer: Any) -> None:
    """Let the saved generation settings stop where training teaches answers to end, beside the stops they have."""
    settings = model.generation_config
    stops = settings.eos_token_id
    stop_ids = [stops] if isinstance(stops, int) else list(stops or [])
    end = turn_end(tokenizer)[-1]
    if end not in stop_ids:
        settings.eos_token_id = [*stop_ids, end]


def cut_answers(max_length: int, chosen: Tokens, rejected: Tokens) -> tuple[Tokens, Tokens] | None:
    """Both sequences within `max_length` tokens: an answer loses its end. None where the prompt leaves it no room."""
    if chosen.prompt_length >= max_length:
        return None
    return _first(chosen, chosen.prompt_length, max_length), _first(rejected, rejected.prompt_length, max_length)


def cut_as_released(max_length: int, chosen: Tokens, rejected: Tokens) -> tuple[Tokens, Tokens] | None:
    """Both sequences within `max_length` tokens as the authors' code cuts them: prompt and answers share the room.

    LLaMA-Factory's rule, the longer answer deciding: a short answer (below half) leaves the rest to the prompt, a short
    prompt leaves the rest to the answer, and two long ones are cut in proportion. A prompt loses its end, the opening
    of the assistant's turn included. None where no token of the prompt is left.
    """
    given = chosen.prompt_length
    answer = max(len(tokens.input_ids) - tokens.prompt_length for tokens in (chosen, rejected))
    if answer * 2 < max_length:
        room = max_length
    elif given * 2 < max_length:
        room = max_length - given
    else:
        room = int(max_length * (answer / (given + answer)))
    kept = min(room, answer)
    prompt = min(max(max_length - kept, 0), given)
    if prompt < 1:
        return None
    return _first(chosen, prompt, prompt + kept), _first(rejected, prompt, prompt + kept)


Cut = Callable[[int, Tokens, Tokens], tuple[Tokens, Tokens] | None]
TRUNCATIONS: Mapping[str, Cut] = {"answer": cut_answers, "released": cut_as_released}


def _row(
    pair: Pair,
    side: Side,
    tokenizer: Any,
    end: Sequence[int],
    max_length: int,
    cut: Cut,
    weights: Mapping[str, float],
    census: Census,
) -> TrainingRow | None:
    """`side` as tokens, cut to length; None where that cannot be (counted)."""
    if not (side.prompt.strip() and side.chosen.strip() and side.rejected.strip()):
        census.drop("empty text", side.language)
        return None
    whole = encode(tokenizer, side.prompt, (side.chosen, side.rejected), end)
    answers = cut(max_length, *whole)
    if answers is None:
        census.drop(f"prompt of {max_length} tokens or more", side.language)
        return None
    chosen, rejected = answers
    if chosen == rejected:
        reason = "chosen and rejected are the same"
        census.drop(reason if whole[0] == whole[1] else f"{reason} after the cut", side.language)
        return None
    census.kept[side.language] += 1
    if list(answers) != whole:
        census.truncated[side.language] += 1
    weight = weights.get(side.language, 1.0)
    return TrainingRow(pair.pair_id, side.language, chosen, rejected, pair.category, weight)


def _first(tokens: Tokens, prompt: int, length: int) -> Tokens:
    """The first `prompt` tokens of the prompt and as much of the response as makes `length`."""
    response = tokens.input_ids[tokens.prompt_length :]
    return Tokens((*tokens.input_ids[:prompt], *response[: length - prompt]), prompt)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{language} {number}" for language, number in sorted(counts.items()))
