"""Reasoning taken off an answer, once and for every engine: it is never judged, stored or trained on.

Known forms: `<think>` and its sisters (DeepSeek, Qwen, Phi, EXAONE, Seed, LongCat), `[THINK]` (Magistral), `◁think▷`
(Kimi), `<|START_THINKING|>` (Command A), `<|begin_of_thought|>` (OpenThinker), `<|inner_prefix|>` (Apertus), the
channels of gpt-oss and Gemma with and without their marks, Granite's headings. An `<answer>` around what is left goes
too. A mark in backticks is one that the answer talks about.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mpodata.engines import Answer, Finish
from mpodata.languages.text import storable

_NAMES: Final = (
    "think|thinking|thoughts?|thought_process|thinking_process|reasoning|reason|reflection|reflect|rationale|analysis"
    "|scratchpad|inner_monologue|inner_thoughts?|internal_monologue|internal_thoughts?|chain_of_thought|cot"
    "|deliberation|seed:think|longcat_think"
)
_OPEN: Final = rf"""(?<!`)(?: <(?:{_NAMES})(?:\s[^<>\n]{{0,80}})?> | \[(?:think|thinking|reasoning|analysis)\] | ◁think▷
    | <\|start_thinking\|> | <\|begin_of_thought\|> | <\|inner_prefix\|> | <\|channel>thought | <unused94>thought )"""
_CLOSE: Final = rf"""(?<!`)(?: </(?:{_NAMES})\s*> | \[/(?:think|thinking|reasoning|analysis)\] | ◁/think▷
    | <\|end_thinking\|> | <\|end_of_thought\|> | <\|inner_suffix\|> | <channel\|> | <unused95> )"""
MARK: Final = re.compile(rf"(?P<open>{_OPEN})|(?P<close>{_CLOSE})", re.VERBOSE | re.IGNORECASE)
_OPENED: Final = re.compile(rf"(?:{_OPEN})\s*\Z", re.VERBOSE | re.IGNORECASE)

_CHANNEL: Final = "<|channel|>"  # gpt-oss: <|channel|>analysis<|message|>...<|end|>...<|channel|>final<|message|>...
_FINAL: Final = re.compile(r"<\|channel\|>\s*final\b[^<]{0,80}(?:<\|constrain\|>[^<]{0,80})?<\|message\|>")
_TURN_END: Final = re.compile(r"<\|(?:end|return|call|start)\|>")
_CHANNEL_TOKENS: Final = frozenset(
    {"<|channel|>", "<|message|>", "<|constrain|>", "<|start|>", "<|end|>", "<|return|>"}
)
_BARE_CHANNELS: Final = re.compile(r"\s*analysis(?=[A-Z]).*?(?:assistant\s*final(?P<answer>.*))?\Z", re.DOTALL)
_HEADINGS: Final = re.compile(
    r"\s*Here(?: is|'s) my thought process:.*?(?:Here(?: is|'s) my response:(?P<answer>.*))?\Z", re.DOTALL
)
_WRAPPED: Final = re.compile(
    r"""\s*(?: <answer>(?P<a>.*?)(?:</answer>\s*)? | <response>(?P<b>.*?)(?:</response>\s*)?
      | <\|start_response\|>(?P<c>.*?)(?:<\|end_response\|>\s*)?
      | <\|begin_of_solution\|>(?P<d>.*?)(?:<\|end_of_solution\|>\s*)? )\Z""",
    re.DOTALL | re.VERBOSE | re.IGNORECASE,
)


def answer_of(text: str, finish: Finish, tokens: int = 0) -> Answer:
    """What a model wrote as an Answer without its reasoning; reasoning that never reached an answer was cut short.

    Lone surrogates become U+FFFD and NUL goes: neither tokenizers nor files take them.
    """
    answer = without_reasoning(storable(text))
    if answer is None:
        return Answer("", "length" if finish == "stop" else finish, tokens)
    return Answer(answer, finish, tokens)


def restored(record: Mapping[str, Any]) -> Answer:
    """A journaled answer; those of earlier versions hold reasoning and lone surrogates."""
    return answer_of(record["text"], record["finish"], record.get("tokens", 0))


def without_reasoning(text: str) -> str | None:
    """`text` without its reasoning; None where it is all reasoning that nothing closed. Without marks: unchanged."""
    if _CHANNEL in text:
        return _final_channel(text)
    for form in (_BARE_CHANNELS, _HEADINGS):
        if match := form.match(text):
            return None if match["answer"] is None else match["answer"].strip()
    if not MARK.search(text):
        return text
    kept: list[str] = []  # what stands outside the marks
    position, inside = 0, False
    for mark in MARK.finditer(text):
        if mark["open"] and not inside:
            kept.append(text[position : mark.start()])
            inside = True
        elif mark["close"]:
            if not inside:  # it began before the text did: the template or the server opened it
                kept.clear()
            position, inside = mark.end(), False
    if not inside:
        kept.append(text[position:])
    answer = "".join(kept).strip()
    if inside and not answer:
        return None
    wrapped = _WRAPPED.match(answer)
    return next(group for group in wrapped.groups() if group is not None).strip() if wrapped else answer


def _final_channel(text: str) -> str | None:
    finals = list(_FINAL.finditer(text))
    return _TURN_END.split(text[finals[-1].end() :], maxsplit=1)[0].strip() if finals else None


def closing_of(opened: str) -> str:
    """What ends the reasoning that a filled template leaves open at its end; "" where it opens none."""
    match = _OPENED.search(opened)
    if match is None:
        return ""
    mark = match[0].strip()
    if mark.startswith("["):
        closer = f"[/{mark[1:]}"
    elif mark.startswith("<|"):
        closer = re.sub("(?i)start", "END", re.sub("begin", "end", re.sub("prefix", "suffix", mark)))
        closer = "<channel|>" if "channel" in mark else closer
    elif mark.startswith("<unused"):
        closer = "<unused95>"
    else:
        closer = f"{mark[0]}/{mark[1:]}"
    return f"\n{closer}\n\n"


def decoded(tokenizer: Any, rows: Sequence[Sequence[int]]) -> list[str]:
    """Each row's text without special tokens, save those that mark reasoning: to some models these are special too."""
    marks = {
        number: str(token.content)
        for number, token in tokenizer.added_tokens_decoder.items()
        if token.special and (MARK.search(token.content) or token.content in _CHANNEL_TOKENS)
    }
    if _CHANNEL not in marks.values():
        marks = {number: mark for number, mark in marks.items() if mark not in _CHANNEL_TOKENS}
    return [_decoded(tokenizer, row, marks) for row in rows]


def _decoded(tokenizer: Any, ids: Sequence[int], marks: Mapping[int, str]) -> str:
    if marks.keys().isdisjoint(ids):
        return str(tokenizer.decode(list(ids), skip_special_tokens=True))
    parts, run = [], []
    for token in [*ids, None]:
        if token is not None and token not in marks:
            run.append(token)
            continue
        parts += [
            tokenizer.decode(run, skip_special_tokens=True) if run else "",
            "" if token is None else marks[token],
        ]
        run = []
    return "".join(parts)
