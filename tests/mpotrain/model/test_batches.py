"""Packing loses nothing and stores nothing twice; padding holds the same places."""

import pytest
import torch

from mpotrain.model.attention import packed_attention
from mpotrain.model.batches import Batch, Span, Tokens, pack, pad

PROMPT = (5, 6, 7)
CHOSEN = Tokens((*PROMPT, 1, 2), 3)
REJECTED = Tokens((*PROMPT, 3, 4, 8), 3)
OTHER = Tokens((9, 1), 1)


def sequence(batch: Batch, number: int) -> tuple[int, ...]:
    places = batch.places[batch.starts[number] : batch.starts[number + 1]]
    return tuple(batch.input_ids.flatten()[places].tolist())


@pytest.mark.parametrize("layout", [pack, pad, lambda s: pack(s, share=False)])
def test_every_layout_gives_every_sequence_back(layout) -> None:
    sequences = [CHOSEN, REJECTED, OTHER, CHOSEN, Tokens(PROMPT, 3, scored=False)]
    batch = layout(sequences)
    assert [sequence(batch, number) for number in range(len(batch))] == [s.input_ids for s in sequences]
    for number, tokens in enumerate(sequences):
        positions = batch.position_ids.flatten()[batch.places[batch.starts[number] : batch.starts[number + 1]]]
        assert positions.tolist() == list(range(len(tokens.input_ids)))
    assert batch.tokens.tolist() == [2, 3, 1, 2, 0]
    assert batch.input_ids.flatten()[batch.last_prompt].tolist() == [7, 7, 9, 7, 7]


@pytest.mark.parametrize("layout", [pack, pad])
def test_predictors_stand_one_before_their_targets(layout) -> None:
    batch = layout([CHOSEN, REJECTED, Tokens(OTHER.input_ids, 1, scored=False)])
    assert batch.targets.tolist() == [1, 2, 3, 4, 8]
    assert batch.owners.tolist() == [0, 0, 1, 1, 1]
    assert batch.input_ids.flatten()[batch.predictors].tolist() == [7, 1, 7, 3, 4]


def test_answers_to_one_prompt_share_it() -> None:
    batch = pack([CHOSEN, REJECTED])
    assert batch.input_ids.tolist() == [[5, 6, 7, 1, 2, 3, 4, 8]]
    assert batch.spans is not None
    assert batch.spans.spans == (Span(0, 5), Span(5, 8, prefix=(0, 3)))
    assert batch.spans.keys is not None
    assert batch.spans.keys.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 5, 6, 7]
    assert batch.spans.key_starts.tolist() == [0, 5, 11]
    assert batch.spans.query_starts.tolist() == [0, 5, 8]


def test_a_sequence_that_comes_again_is_encoded_once() -> None:
    assert pack([CHOSEN, REJECTED] * 6).encoded == pack([CHOSEN, REJECTED]).encoded == 8
    assert pack([CHOSEN, REJECTED] * 6, share=False).encoded == 66


def test_equal_tokens_with_another_prompt_boundary_are_other_sequences() -> None:
    batch = pack([Tokens((5, 6, 7), 1), Tokens((5, 6, 7), 2)])
    assert batch.encoded == 6
    assert batch.targets.tolist() == [6, 7, 7]


def test_one_token_is_a_batch() -> None:
    batch = pack([Tokens((5,), 1)])
    assert batch.encoded == 1
    assert len(batch.targets) == 0


def test_padding_is_masked_and_never_a_place() -> None:
    batch = pad([REJECTED, OTHER])
    assert batch.attention_mask is not None
    assert batch.attention_mask.tolist() == [[1] * 6, [1, 1, 0, 0, 0, 0]]
    assert torch.isin(batch.places, batch.attention_mask.flatten().nonzero().squeeze(1)).all()
    assert batch.encoded == 12


@pytest.mark.parametrize("length", [0, 3])
def test_a_prompt_must_lie_inside_its_sequence(length: int) -> None:
    with pytest.raises(ValueError, match="prompt_length"):
        Tokens((1, 2), length)


def test_the_tensors_for_variable_length_kernels_say_what_the_spans_say() -> None:
    """What such a kernel computes from them (its causal mask ends at the last key) is what the loop over spans does."""
    batch = pack([CHOSEN, REJECTED, OTHER, Tokens((*PROMPT, 2), 3)])
    spans = batch.spans
    assert spans is not None
    assert spans.keys is not None
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, heads, batch.encoded, 4) for heads in (4, 2, 2))
    expected, _ = packed_attention(torch.nn.Module(), query, key, value, None, spans=spans)
    out = []
    for number in range(len(spans.spans)):
        asking = query[0, :, spans.query_starts[number] : spans.query_starts[number + 1]]
        places = spans.keys[spans.key_starts[number] : spans.key_starts[number + 1]]
        keys, values = (states[0][:, places].repeat_interleave(2, dim=0) for states in (key, value))
        scores = asking @ keys.transpose(1, 2) / 2
        hidden = torch.ones(scores.shape[1:], dtype=torch.bool).triu(len(places) - asking.shape[1] + 1)
        out.append(scores.masked_fill(hidden, float("-inf")).softmax(-1) @ values)
        assert asking.shape[1] <= spans.longest_query
        assert len(places) <= spans.longest_key
    torch.testing.assert_close(torch.cat(out, dim=1).transpose(0, 1)[None], expected)
