"""Text out of conversational cells: lists of messages in OpenAI's (role, content) or ShareGPT's (from, value) form.

A table without nested cells (CSV, xlsx) holds messages as their text, in JSON's notation or in Python's.
"""

import ast
import json
import re
from typing import Any, Final

ROLES: Final = {"human": "user", "gpt": "assistant", "prompter": "user", "bot": "assistant", "model": "assistant"}
_MESSAGES_AS_TEXT: Final = re.compile(r"""\s*\[?\s*\{\s*["'](?:role|content|from|value)["']\s*:""")


def is_messages_as_text(value: Any) -> bool:
    """Is a cell the text of messages, whole or broken? Such a text is no prompt and no answer."""
    return isinstance(value, str) and _MESSAGES_AS_TEXT.match(value) is not None


def _parsed(text: str) -> Any:
    """What the text of messages holds; None where it is broken (numpy writes no commas between messages)."""
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def turns(value: Any) -> list[tuple[str, Any]] | None:
    """(role, content) of each message, roles in OpenAI's names; None where `value` is no conversation."""
    if is_messages_as_text(value):
        value = _parsed(value)
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not value:
        return None
    turns_read = []
    for message in value:
        if not isinstance(message, dict):
            return None
        role, content = message.get("role", message.get("from")), message.get("content", message.get("value"))
        if role is None and content is None:
            return None
        turns_read.append((ROLES.get(str(role), str(role)), content))
    return turns_read


def answer_text(value: Any) -> Any:
    """The last assistant turn of a conversation; anything else as it is."""
    messages = turns(value)
    if messages is None:
        return value
    return next((content for role, content in reversed(messages) if role == "assistant"), messages[-1][1])


def prompt_text(value: Any) -> Any:
    """The last user turn of a conversation; anything else as it is."""
    messages = turns(value)
    if messages is None:
        return value
    return next((content for role, content in reversed(messages) if role == "user"), None)
