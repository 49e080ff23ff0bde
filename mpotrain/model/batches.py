"""Prompt + response sequences as one tensor: packed without padding, or padded for models that cannot pack.

Both layouts carry the same places (which state predicts which response token, where a sequence lies), so what is
measured on them (`logprobs.py`) does not know the layout. Packing stores nothing twice: a prompt that two answers share
and a sequence that occurs again (the dominant side of a pair, once for each of its target languages) are encoded once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Tokens:
    """One prompt with one response, as token ids."""

    input_ids: tuple[int, ...]  # prompt, then response with its end-of-turn token
    prompt_length: int  # tokens of the prompt; the rest is response
    scored: bool = True  # False: only its hidden states are wanted, so the LM head skips it

    def __post_init__(self) -> None:
        if not 1 <= self.prompt_length <= len(self.input_ids):
            raise ValueError(f"prompt_length {self.prompt_length} of a sequence of {len(self.input_ids)} tokens")

    @property
    def prompt(self) -> tuple[int, ...]:
        """The prompt's token ids."""
        return self.input_ids[: self.prompt_length]


@dataclass(frozen=True, slots=True)
class Span:
    """What one stretch of packed tokens attends to: `prefix`, if any, and causally itself."""

    start: int
    stop: int
    prefix: tuple[int, int] | None = None  # start and stop of a prompt that is stored with an earlier sequence


@dataclass(frozen=True, slots=True)
class Spans:
    """All spans of a packed batch, also as the tensors that variable-length kernels read."""

    spans: tuple[Span, ...]  # in order of `start`, covering 0 .. T
    query_starts: Tensor  # (spans + 1,) int32
    key_starts: Tensor  # (spans + 1,) int32: boundaries in `keys`
    keys: Tensor | None  # places every span attends to, span after span; None: just its own tokens
    longest_query: int
    longest_key: int


@dataclass(frozen=True, slots=True)
class Batch:
    """n sequences laid out for one forward. `place` means an index into `input_ids` flattened."""

    input_ids: Tensor  # (1, T) packed, (n, longest) padded
    position_ids: Tensor  # as input_ids: a token's position in its own sequence
    attention_mask: Tensor | None  # padded: (n, longest), 1 = real
    spans: Spans | None  # packed: who attends to whom
    starts: Tensor  # (n + 1,): sequence i is places[starts[i]:starts[i + 1]]
    places: Tensor  # (N,) place of every token of every sequence in order; the identity where nothing is shared
    predictors: Tensor  # (m,) places whose state predicts a response token of a scored sequence
    targets: Tensor  # (m,) those response tokens
    owners: Tensor  # (m,) the sequence each belongs to, 0 .. n - 1
    tokens: Tensor  # (n,) response tokens of each sequence, scored or not; a state-only prompt has 0
    last_prompt: Tensor  # (n,) place of each prompt's last token

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def encoded(self) -> int:
        """Tokens the backbone encodes, padding included."""
        return self.input_ids.numel()


def pack(sequences: Sequence[Tokens], device: torch.device | str = "cpu", *, share: bool = True) -> Batch:
    """`sequences` concatenated without padding; `share` encodes repeated prompts and sequences once.

    Needs attention that reads `spans` (`attention.py`); `logprobs.attach` says whether a model has it.
    """
    stored: list[int] = []
    positions: list[int] = []
    spans: list[Span] = []
    places: list[list[int]] = []
    prompts: dict[tuple[int, ...], int] = {}  # prompt -> where it is stored
    seen: dict[tuple[tuple[int, ...], int], list[int]] = {}
    for sequence in sequences:
        key = (sequence.input_ids, sequence.prompt_length)
        if share and key in seen:
            places.append(seen[key])
            continue
        start, first = len(stored), 0
        prefix = None
        if share and (at := prompts.get(sequence.prompt)) is not None:
            first, prefix = sequence.prompt_length, (at, at + sequence.prompt_length)
        else:
            prompts[sequence.prompt] = start
        stored += sequence.input_ids[first:]
        positions += range(first, len(sequence.input_ids))
        if len(stored) > start:
            spans.append(Span(start, len(stored), prefix))
        places.append([*(range(*prefix) if prefix else ()), *range(start, len(stored))])
        seen[key] = places[-1]
    ids = torch.tensor([stored], device=device)
    return _batch(
        sequences, places, ids, torch.tensor([positions], device=device), None, _spans(tuple(spans), ids.device)
    )


def pad(sequences: Sequence[Tokens], device: torch.device | str = "cpu") -> Batch:
    """The same sequences, one per row, padded on the right with token 0 behind an attention mask."""
    longest = max(len(sequence.input_ids) for sequence in sequences)
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence.input_ids)] = torch.tensor(sequence.input_ids)
        mask[row, : len(sequence.input_ids)] = 1
    positions = torch.arange(longest).expand(len(sequences), -1).contiguous()
    places = [list(range(r * longest, r * longest + len(s.input_ids))) for r, s in enumerate(sequences)]
    return _batch(sequences, places, ids.to(device), positions.to(device), mask.to(device), None)


def _spans(spans: tuple[Span, ...], device: torch.device) -> Spans:
    seen = [(*range(*(span.prefix or (0, 0))), *range(span.start, span.stop)) for span in spans]
    starts = [0, *accumulate(len(keys) for keys in seen)]
    shared = any(span.prefix for span in spans)
    return Spans(
        spans,
        query_starts=torch.tensor([span.start for span in spans] + [spans[-1].stop], dtype=torch.int32, device=device),
        key_starts=torch.tensor(starts, dtype=torch.int32, device=device),
        keys=torch.tensor([place for keys in seen for place in keys], device=device) if shared else None,
        longest_query=max(span.stop - span.start for span in spans),
        longest_key=max(len(keys) for keys in seen),
    )


def _batch(
    sequences: Sequence[Tokens],
    places: Sequence[Sequence[int]],
    input_ids: Tensor,
    position_ids: Tensor,
    attention_mask: Tensor | None,
    spans: Spans | None,
) -> Batch:
    predictors: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    for number, (sequence, at) in enumerate(zip(sequences, places, strict=True)):
        if sequence.scored:
            predictors += at[sequence.prompt_length - 1 : -1]
            targets += sequence.input_ids[sequence.prompt_length :]
            owners += [number] * (len(sequence.input_ids) - sequence.prompt_length)

    def tensor(values: list[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=input_ids.device)

    return Batch(
        input_ids=input_ids,
        position_ids=position_ids,
        attention_mask=attention_mask,
        spans=spans,
        starts=tensor([0, *accumulate(len(at) for at in places)]),
        places=tensor([place for at in places for place in at]),
        predictors=tensor(predictors),
        targets=tensor(targets),
        owners=tensor(owners),
        tokens=tensor([len(s.input_ids) - s.prompt_length for s in sequences]),
        last_prompt=tensor([at[s.prompt_length - 1] for s, at in zip(sequences, places, strict=True)]),
    )
