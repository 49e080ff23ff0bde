"""One row of a preference table as (prompt, chosen, rejected), whichever of the field's layouts it has.

Layouts: TRL (text or messages, the prompt given or implicit), LLaMA-Factory's alpaca (instruction, input) and sharegpt
(conversations), HH-RLHF's transcripts. A pair has one user turn and nothing before it: a row with earlier turns, a
system turn, a history, an image or a context that no prompt column takes in is a Dropped that says which.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from mpodata.languages.labels import language_code
from mpodata.readers.account import RawRow
from mpodata.readers.conversation import turns
from mpodata.readers.kinds import folded_name, is_unlabelled, kind_beside, kind_of
from mpodata.records import COUNTERWEIGHT, Dropped, Kind

Texts = tuple[Any, Any, Any]  # prompt, chosen, rejected as found

MULTI_TURN: Final = "multi-turn"
LANGUAGE_COLUMNS: Final = (
    "language", "lang", "language_code", "lang_code", "locale", "prompt_language", "prompt_lang", "lang_id",
)  # fmt: skip

# Columns that change what is asked, in lower case, and the reason that a row which fills one is dropped with.
_MEANINGFUL: Final = {
    **dict.fromkeys(
        ("history", "system", "system_prompt", "system_message", "system_instruction", "system_instructions",
         "sys_prompt", "chat_history", "conversation_history", "dialogue_history", "dialog_history", "message_history",
         "previous_turns", "earlier_turns", "prior_turns", "previous_messages", "prior_messages", "past_messages"),
        MULTI_TURN,
    ),
    **dict.fromkeys(
        ("input", "context", "contextstring", "context_string", "document", "documents", "passage", "passages",
         "persona"), "unused-context",
    ),
    **dict.fromkeys(("image", "images", "video", "videos", "audio", "audios"), "needs-media"),
    **dict.fromkeys(("tools", "functions"), "needs-tools"),
}  # fmt: skip
_TURN_COUNTS: Final = ("turn", "turns", "num_turns", "n_turns", "turn_count")  # more than 1: not one exchange
_WHOLE_CONVERSATIONS: Final = ("messages", "conversation", "conversations")  # of the row, beside its prompt
_BLANK: Final = frozenset({"[]", "{}", "null", "none", "nan", "[[]]", "<noinput>"})  # how tables and alpaca write none
_TURN: Final = re.compile(r"(?:^|\n\n)(Human|Assistant):")


def transcript(value: Any) -> list[tuple[str, Any]] | None:
    """The turns of a `Human: ... Assistant: ...` transcript (HH-RLHF); None for anything else."""
    text = value.replace("\r\n", "\n").lstrip("\n") if isinstance(value, str) else ""  # tables strip and mend lines
    if not (text.startswith("Human:") and "\n\nAssistant:" in text):
        return None
    parts = _TURN.split(text)[1:]  # speaker, text, speaker, text, ...
    roles = {"Human": "user", "Assistant": "assistant"}
    return [(roles[speaker], text.strip()) for speaker, text in zip(parts[::2], parts[1::2], strict=True)]


def unused_meaning(row: Mapping[str, Any], used: Collection[str]) -> Dropped | None:
    """A Dropped where a column that changes what is asked is filled and not among the `used` ones."""
    for column, value in row.items():
        name = folded_name(str(column))
        if column in used:
            continue
        reason = _MEANINGFUL.get(name)
        if reason is not None and _is_filled(value):
            return Dropped(reason)
        if name in _WHOLE_CONVERSATIONS and isinstance(single_prompt(value), Dropped):
            return Dropped(MULTI_TURN)
        if name in _TURN_COUNTS and _is_more_than_one(value):
            return Dropped(MULTI_TURN)
    return None


def _is_more_than_one(value: Any) -> bool:
    """Does a count of turns, or a list of them, say more than one?"""
    if isinstance(value, list):
        return len(value) > 1
    return str(value).strip().isdecimal() and int(str(value)) > 1


def _is_filled(value: Any) -> bool:
    if isinstance(value, list | tuple | dict):
        return any(_is_filled(item) for item in (value.values() if isinstance(value, dict) else value))
    return value is not False and not is_unlabelled(value) and str(value).strip().casefold() not in _BLANK


def answer_to(prompt: Any, value: Any) -> Any:
    """The answer in a cell: text as it is, the one answer of a conversation; a Dropped for another conversation.

    A conversation that repeats the user's turn must repeat this `prompt`.
    """
    messages = turns(value) or transcript(value)
    if messages is None:
        return value
    roles = [role for role, _ in messages]
    if roles not in (["assistant"], ["user", "assistant"]):
        return Dropped("no-answer" if "assistant" not in roles else MULTI_TURN)
    if len(roles) > 1 and isinstance(prompt, str) and str(messages[0][1]).strip() != prompt.strip():
        return Dropped("different-prompts")
    return messages[-1][1]


def single_prompt(value: Any) -> Any:
    """The prompt in a cell: text as it is, the one user turn of a conversation; a Dropped for another conversation."""
    messages = turns(value) or transcript(value)
    if messages is None:
        return value
    if [role for role, _ in messages] in (["user"], ["user", "assistant"]):
        return messages[0][1]
    return Dropped(MULTI_TURN)


def joined_prompt(instruction: Any, addition: Any) -> Any:
    """Alpaca's prompt: the instruction, and on the next line its input where there is one."""
    prompt = single_prompt(instruction)
    return f"{prompt}\n{addition}" if isinstance(prompt, str) and prompt and _is_filled(addition) else prompt


def preference(row: RawRow) -> Texts | Dropped:
    """(prompt, chosen, rejected) texts of one row of any TRL preference type, or of HH-RLHF."""
    texts = _preference(row)
    return unused_meaning(row, ("prompt",)) or texts if not isinstance(texts, Dropped) else texts


def _preference(row: RawRow) -> Texts | Dropped:
    before = turns(row.get("prompt"))
    chosen, rejected = (turns(row.get(name)) or transcript(row.get(name)) for name in ("chosen", "rejected"))
    if chosen is None or rejected is None:
        return _answered(single_prompt(row.get("prompt")), row)
    shared = 0
    while shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
        shared += 1
    if len(chosen) != shared + 1 or len(rejected) != shared + 1:
        one_turn_each = [role for role, _ in chosen[:-1]] == [role for role, _ in rejected[:-1]] == ["user"]
        return Dropped("different-prompts" if one_turn_each else MULTI_TURN)
    stated = row.get("prompt")
    if shared and before == chosen[:shared]:
        before = None  # the prompt is given and repeated in the answers
    states_text = isinstance(stated, str) and stated.strip() and transcript(stated) is None
    if states_text and shared == 1 and str(chosen[0][1]).strip() != str(stated).strip():
        return Dropped("different-prompts")
    if shared:
        before = [*(before or []), *chosen[:shared]]
    if before is None:
        return stated, chosen[-1][1], rejected[-1][1]
    if [role for role, _ in before] != ["user"]:
        return Dropped(MULTI_TURN)
    return before[0][1], chosen[-1][1], rejected[-1][1]


def alpaca(row: RawRow) -> Texts | Dropped:
    """(prompt, chosen, rejected) of LLaMA-Factory's alpaca ranking format."""
    unused = unused_meaning(row, ("instruction", "input"))
    return unused or _answered(joined_prompt(row.get("instruction"), row.get("input")), row)


def sharegpt(row: RawRow) -> Texts | Dropped:
    """(prompt, chosen, rejected) of LLaMA-Factory's sharegpt ranking format."""
    messages = turns(row.get("conversations")) or []
    if [role for role, _ in messages] != ["user"]:
        return Dropped(MULTI_TURN if messages else "no-conversation")
    return unused_meaning(row, ("conversations",)) or _answered(messages[0][1], row)


def _answered(prompt: Any, row: RawRow) -> Texts | Dropped:
    """(prompt, chosen, rejected) with the answers of `row`."""
    chosen, rejected = (answer_to(prompt, row.get(name)) for name in ("chosen", "rejected"))
    fault = next((part for part in (prompt, chosen, rejected) if isinstance(part, Dropped)), None)
    return fault or (prompt, chosen, rejected)


def row_kind(row: RawRow, column: str | None, default: Kind) -> Kind | Dropped:
    """What kind of prompt a row holds: a counterweight by its category, else what its kind `column` says.

    A row without such a column (JSON lines may lack it in some) is what its category says where that is a kind
    ("benign"), or else `default`. A row that has the column and leaves it blank says nothing, and is dropped: to take
    it as harmful would teach refusing it.
    """
    if row.get("category") == COUNTERWEIGHT:
        return "harmless"
    if column is None or column not in row:
        return kind_beside(row) or default
    if is_unlabelled(row.get(column)):
        return Dropped("unlabelled", f"{column} is blank")
    return kind_of(row[column], column) or Dropped("unknown-kind", f"{column} must say harmful or harmless")


def stated_language(row: RawRow) -> Any:
    """What a row's own column, in whatever case, calls its language; None where no column says it."""
    stated = {folded_name(str(name)): value for name, value in row.items()}
    return next((stated[name] for name in LANGUAGE_COLUMNS if _is_filled(stated.get(name))), None)


def other_language(row: RawRow, dominant: str | None) -> Dropped | None:
    """A Dropped where the row's own language column names another language than `dominant`, or none that is known."""
    label = stated_language(row)
    if label is None or dominant is None:
        return None
    code = language_code(label)
    if code is None:
        return Dropped("unknown-language")
    return None if code == dominant else Dropped("other-language", code)
