"""One row of a preference table as (prompt, chosen, rejected), whichever of the field's layouts it has.

Layouts: TRL (text or messages, the prompt given or implicit), LLaMA-Factory's alpaca (instruction, input) and sharegpt
(conversations), HH-RLHF's transcripts. A pair has one user turn and nothing before it: a row with earlier turns, a
system turn, a history, an image or a context that no prompt column takes in is a Dropped that says which.
"""

import re
from collections.abc import Collection
from typing import Any, Final

from mpodata.languages.labels import language_code
from mpodata.readers.account import RawRow
from mpodata.readers.conversation import answer_text, turns
from mpodata.readers.kinds import is_unlabelled, kind_of
from mpodata.records import COUNTERWEIGHT, Dropped, Kind

Texts = tuple[Any, Any, Any]  # prompt, chosen, rejected as found

MULTI_TURN: Final = "multi-turn"
LANGUAGE_COLUMNS: Final = ("language", "lang", "language_code", "lang_code", "locale")

# Columns that change what is asked, in lower case, and the reason that a row which fills one is dropped with.
_MEANINGFUL: Final = {
    **dict.fromkeys(
        ("history", "system", "system_prompt", "system_message", "chat_history", "conversation_history",
         "dialogue_history", "previous_turns", "earlier_turns"), MULTI_TURN,
    ),
    **dict.fromkeys(("input", "context", "contextstring"), "unused-context"),
    **dict.fromkeys(("image", "images", "video", "videos", "audio", "audios"), "needs-media"),
    **dict.fromkeys(("tools", "functions"), "needs-tools"),
}  # fmt: skip
_TURN: Final = re.compile(r"\n\n(Human|Assistant):")


def transcript(value: Any) -> list[tuple[str, Any]] | None:
    """The turns of a `Human: ... Assistant: ...` transcript (HH-RLHF); None for anything else."""
    if not (isinstance(value, str) and value.startswith("\n\nHuman:") and "\n\nAssistant:" in value):
        return None
    parts = _TURN.split(value)[1:]  # speaker, text, speaker, text, ...
    roles = {"Human": "user", "Assistant": "assistant"}
    return [(roles[speaker], text.strip()) for speaker, text in zip(parts[::2], parts[1::2], strict=True)]


def unused_meaning(row: RawRow, used: Collection[str]) -> Dropped | None:
    """A Dropped where a column that changes what is asked is filled and not among the `used` ones."""
    for column, value in row.items():
        reason = _MEANINGFUL.get(str(column).strip().casefold())
        if reason is not None and column not in used and _is_filled(value):
            return Dropped(reason)
    return None


def _is_filled(value: Any) -> bool:
    if isinstance(value, list | tuple | dict):
        return any(_is_filled(item) for item in (value.values() if isinstance(value, dict) else value))
    return not is_unlabelled(value)


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
        prompt = single_prompt(row.get("prompt"))
        return prompt if isinstance(prompt, Dropped) else (prompt, row.get("chosen"), row.get("rejected"))
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
    prompt = joined_prompt(row.get("instruction"), row.get("input"))
    if isinstance(prompt, Dropped):
        return prompt
    unused = unused_meaning(row, ("instruction", "input"))
    return unused or (prompt, answer_text(row.get("chosen")), answer_text(row.get("rejected")))


def sharegpt(row: RawRow) -> Texts | Dropped:
    """(prompt, chosen, rejected) of LLaMA-Factory's sharegpt ranking format."""
    messages = turns(row.get("conversations")) or []
    if [role for role, _ in messages] != ["user"]:
        return Dropped(MULTI_TURN if messages else "no-conversation")
    unused = unused_meaning(row, ("conversations",))
    return unused or (messages[0][1], answer_text(row.get("chosen")), answer_text(row.get("rejected")))


def row_kind(row: RawRow, column: str | None, default: Kind) -> Kind | Dropped:
    """What kind of prompt a row holds: a counterweight by its category, else what its kind `column` says.

    `default` counts where the table has no such column; a row that leaves its cell blank is harmful.
    """
    if row.get("category") == COUNTERWEIGHT:
        return "harmless"
    if column is None:
        return default
    if is_unlabelled(row.get(column)):
        return "harmful"
    return kind_of(row[column], column) or Dropped("unknown-kind", f"{column} must say harmful or harmless")


def other_language(row: RawRow, dominant: str | None) -> Dropped | None:
    """A Dropped where the row's own language column names another language than `dominant`, or none that is known."""
    label = next((row[name] for name in LANGUAGE_COLUMNS if _is_filled(row.get(name))), None)
    if label is None or dominant is None:
        return None
    code = language_code(label)
    if code is None:
        return Dropped("unknown-language")
    return None if code == dominant else Dropped("other-language", code)
