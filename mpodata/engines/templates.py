"""Conversations as token ids: the chat template applied once, and text that stays text.

Three traps are closed here for every engine and for the trainer: a second BOS (templated text tokenised again with
special tokens), a dataset row that writes `<|eot_id|>` and so ends or opens a turn, and a prompt that depends on the
day it was built (templates that print today's date).
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import jinja2
import jinja2.nodes

from mpodata.engines.checkpoints import stop_ids
from mpodata.engines.reasoning import closing_of
from mpodata.errors import ModelError
from mpodata.languages.text import without_surrogates
from mpodata.records import Message, user_turn
from mpodata.runtime.limits import LimitReached, limited

LONGEST_RENDERING = 5.0  # seconds for one conversation; a usual one takes a thousandth
MOST_MEMORY = 1 << 30  # bytes
MOST_ADDED = 1 << 20  # characters around the text of a conversation
LARGEST_FACTOR = 10_000
TEMPLATE_ERRORS = (
    jinja2.TemplateError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RecursionError,
    MemoryError, AssertionError, LimitReached,
)  # fmt: skip

FIXED_DATE = {"%d": "26", "%b": "Jul", "%B": "July", "%m": "07", "%Y": "2024"}  # Llama 3.1's own default date


@dataclass(frozen=True, slots=True)
class Frame:
    """What a tokenizer puts around the text of a conversation."""

    template: str  # Jinja; "" where the tokenizer has none
    controls: re.Pattern[str] | None  # where a control token's string starts, in any text; None: there are none
    options: dict[str, Any]  # template variables: no thinking, a fixed date
    closing: str = ""  # ends the reasoning that the template opens with the assistant's turn, whatever its options


_frames: "WeakKeyDictionary[Any, Frame]" = WeakKeyDictionary()


def chat_ids(
    tokenizer: Any, messages: Sequence[Message], *, add_generation_prompt: bool = True, prefix: str = ""
) -> list[int]:
    """Token ids of a conversation, ready for the model: nothing is to be added.

    `add_generation_prompt` opens the assistant's turn; `prefix` are the words that turn begins with. Strings of control
    tokens inside messages or prefix are tokenised as plain characters; a template whose turn marks are ordinary text
    (`[INST]` in Mistral 7B v0.1) cannot be defended that way. A system message goes into the first user turn where the
    template knows no system role. Raises ModelError: no chat template, or one that refuses the conversation.
    """
    if prefix and not add_generation_prompt:
        raise ValueError("a prefix opens the assistant's turn: it needs add_generation_prompt=True")
    frame = frame_with_template(tokenizer)
    mark = _unused_character([*(message["content"] for message in messages), prefix])
    inert = [Message(role=m["role"], content=_inert(m["content"], frame, mark)) for m in messages]
    text = _render(tokenizer, frame, inert, add_generation_prompt)
    if add_generation_prompt:
        text += frame.closing + _inert(prefix, frame, mark)
    return _encode(tokenizer, text, mark)


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    """Token ids of bare text, without BOS or EOS; strings of control tokens in it are plain characters."""
    mark = _unused_character([text])
    return _encode(tokenizer, _inert(text, frame_of(tokenizer), mark), mark)


def template_hash(tokenizer: Any) -> str:
    """16 hex digits that change when the chat template, the options it is given or their values change.

    Raises ModelError where the tokenizer has no chat template.
    """
    frame = frame_with_template(tokenizer)
    options = [f"{name}={_shown(value)}" for name, value in sorted(frame.options.items())]
    closing = [frame.closing] if frame.closing else []
    return hashlib.sha256("\0".join([frame.template, *options, *closing]).encode()).hexdigest()[:16]


def turn_end(tokenizer: Any) -> tuple[int, ...]:
    """What the template closes an assistant's turn with, up to its first special token: `<|eot_id|>`, `<|im_end|>`, ...

    Found by comparing two conversations that differ in nothing but the answer. Without a special token there: all that
    follows the answer, which may be nothing.
    """
    first, second = (
        chat_ids(tokenizer, [*user_turn("?"), Message(role="assistant", content=answer)], add_generation_prompt=False)
        for answer in ("yes", "1 2")
    )
    shared = 0
    while shared < min(len(first), len(second)) and first[-1 - shared] == second[-1 - shared]:
        shared += 1
    suffix = first[len(first) - shared :]
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    ends = special | {tokenizer.eos_token_id}
    return tuple(suffix[: next((place + 1 for place, token in enumerate(suffix) if token in ends), len(suffix))])


def answer_stops(tokenizer: Any, *configs: Any) -> list[int]:
    """The tokens that end an answer: those of the configurations, and the one that the template ends a turn with.

    Training teaches that one; a model whose EOS is another token (`<|endoftext|>`) would else run on to the limit.
    """
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return sorted({*stop_ids(tokenizer, *configs), *(set(turn_end(tokenizer)[-1:]) & special)})


def frame_of(tokenizer: Any) -> Frame:
    """The tokenizer's chat frame, worked out once per tokenizer and template."""
    template = str(tokenizer.get_chat_template()) if getattr(tokenizer, "chat_template", None) else ""
    frame = _frames.get(tokenizer)
    if frame is None or frame.template != template:
        frame = Frame(template, _controls(tokenizer, template), _options(template))
        if "think" in template.lower() or "thought" in template or "inner_prefix" in template:
            opened = _render(tokenizer, frame, user_turn("x"), add_generation_prompt=True)
            frame = replace(frame, closing=closing_of(opened))
        _frames[tokenizer] = frame
    return frame


def frame_with_template(tokenizer: Any) -> Frame:
    """The tokenizer's frame; raises ModelError where it has no chat template."""
    frame = frame_of(tokenizer)
    if not frame.template:
        name = getattr(tokenizer, "name_or_path", "") or "this model"
        raise ModelError(
            f"The tokenizer of {name} has no chat template. Use the instruction-tuned model of that family, "
            "or put a chat_template.jinja into its folder."
        )
    return frame


def _controls(tokenizer: Any, template: str) -> re.Pattern[str] | None:
    """Added tokens that mean something: special ones, and ordinary ones the template itself writes."""
    strings = {
        str(token.content)
        for token in tokenizer.added_tokens_decoder.values()
        if len(token.content) > 1 and (token.special or token.content in template) and not token.content.isspace()
    }
    if not strings:
        return None
    longest_first = sorted(strings, key=lambda string: (-len(string), string))
    return re.compile(f"(?=({'|'.join(map(re.escape, longest_first))}))")


def _options(template: str) -> dict[str, Any]:
    """Only what the template names: Qwen3 and others think aloud by default, Llama 3.2 and others print the date."""
    offered = {
        "enable_thinking": False,
        "thinking": False,
        "reasoning_effort": "low",  # gpt-oss cannot be told to leave it out
        "thinking_budget": 0,
        "date_string": "26 Jul 2024",
        "strftime_now": _fixed_date,
    }
    return {name: value for name, value in offered.items() if re.search(rf"\b{name}\b", template)}


def _shown(value: Any) -> str:
    """An option as text for the hash; the fixed date by what it prints."""
    return str(value("%d %B %m %Y")) if callable(value) else repr(value)


def _fixed_date(form: str) -> str:
    return re.sub("%[A-Za-z]", lambda code: FIXED_DATE.get(code[0], "00"), form)


def _render(tokenizer: Any, frame: Frame, messages: list[Message], add_generation_prompt: bool) -> str:
    def render(conversation: list[Message]) -> str:
        return str(
            tokenizer.apply_chat_template(
                conversation, tokenize=False, add_generation_prompt=add_generation_prompt, **frame.options
            )
        )

    try:
        with limited(LONGEST_RENDERING, MOST_MEMORY):
            _check_powers(frame.template)
            text = _with_system(render, messages)
    except TEMPLATE_ERRORS as error:
        roles = ", ".join(message["role"] for message in messages) or "none"
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ModelError(
            f"The model's chat template refuses a conversation with the turns {roles}: {reason}"
        ) from error
    if len(text) > MOST_ADDED + 2 * sum(len(message["content"]) for message in messages):
        raise ModelError(f"The model's chat template makes {len(text)} characters of a short conversation.")
    return text


@cache
def _check_powers(template: str) -> None:
    """Raise ModelError for arithmetic that no chat template needs and that nothing could stop once it runs."""
    environment = jinja2.Environment(extensions=["jinja2.ext.loopcontrols"])  # parsed, not run
    try:
        tree = environment.parse(re.sub(r"{%-?\s*(?:end)?generation\s*-?%}", "", template))
    except jinja2.TemplateSyntaxError:
        return  # a syntax of transformers' own, or an error that it will name
    factors = [side for node in tree.find_all(jinja2.nodes.Mul) for side in (node.left, node.right)]
    large = any(isinstance(side, jinja2.nodes.Const) and _is_large(side.value) for side in factors)
    if large or tree.find(jinja2.nodes.Pow) is not None:
        raise ModelError("The model's chat template computes powers or large products: it is damaged or hostile.")


def _is_large(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) > LARGEST_FACTOR


def _with_system(render: Callable[[list[Message]], str], messages: list[Message]) -> str:
    """Gemma's template raises on a system turn and others leave it out; it then goes into the first user turn."""
    if len(messages) < 2 or messages[0]["role"] != "system":
        return render(messages)
    system = messages[0]["content"]
    try:
        text = render(messages)
    except jinja2.TemplateError:
        text = ""
    if text and system.strip() in text:
        return text
    first = messages[1]
    return render([Message(role=first["role"], content=f"{system}\n\n{first['content']}"), *messages[2:]])


def _unused_character(texts: Sequence[str]) -> str:
    """A private-use character that stands in none of `texts`."""
    return next(mark for mark in map(chr, range(0xE000, 0xF900)) if not any(mark in text for text in texts))


def _inert(text: str, frame: Frame, mark: str) -> str:
    """`text` with `mark` inside every control string."""
    text = without_surrogates(text)
    if frame.controls is None:
        return text
    cuts = [match.start() + 1 for match in frame.controls.finditer(text)]
    return mark.join(text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True))


def _encode(tokenizer: Any, text: str, mark: str) -> list[int]:
    """Ids of `text`; the tokens of `mark` are taken out again, which leaves the control strings in pieces."""
    if mark not in text:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    if tokenizer.is_fast:
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        spans = [text[start:end] for start, end in encoded["offset_mapping"]]
        if all(span == mark or mark not in span for span in spans):
            return [token for token, span in zip(encoded["input_ids"], spans, strict=True) if span != mark]
    pieces = [tokenizer(piece, add_special_tokens=False)["input_ids"] for piece in text.split(mark)]
    return [token for piece in pieces for token in piece]
