"""Text out of conversational cells: lists of messages in OpenAI's (role, content) or ShareGPT's (from, value) form."""

from typing import Any, Final

ROLES: Final = {"human": "user", "gpt": "assistant", "prompter": "user", "bot": "assistant", "model": "assistant"}


def turns(value: Any) -> list[tuple[str, Any]] | None:
    """(role, content) of each message, roles in OpenAI's names; None where `value` is no conversation."""
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
