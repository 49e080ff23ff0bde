"""Is a prompt itself harmful? Guards that say so of a request without an answer, strictly read."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from mpodata.engines import Answer, Sampling
from mpodata.errors import ConfigError
from mpodata.records import Message, user_turn
from mpodata.refusals import Exchange
from mpodata.refusals.guards import Guard, read_llama_guard, read_qwen3guard, without_marks


def _harmful_request(output: str) -> bool | None:
    """PolyGuard's line `Harmful request:`; the lines on the answer, which there is none of, are not looked at."""
    said = {
        value.strip().lower()
        for name, colon, value in (line.partition(":") for line in output.splitlines())
        if colon and name.strip().lower() == "harmful request"
    }
    return {"yes": True, "no": False}.get(said.pop()) if len(said) == 1 else None


def _llama_guard(output: str) -> bool | None:
    reading = read_llama_guard(output)
    return None if reading is None else reading.unsafe


def _qwen3guard(output: str) -> bool | None:
    reading = read_qwen3guard(output, strict=True)
    return None if reading is None else reading.unsafe


READERS: Final[dict[str, Callable[[str], bool | None]]] = {
    "llama-guard-3": _llama_guard,
    "qwen3guard": _qwen3guard,
    "polyguard": _harmful_request,
}


def check_judges_prompts(name: str) -> None:
    """Raise ConfigError for a guard that only judges answers."""
    if name not in READERS:
        raise ConfigError(f"{name} judges answers, not prompts alone: take two of {', '.join(READERS)}.")


def prompts_unsafe(guard: Guard, prompts: Sequence[str]) -> list[bool | None]:
    """For each prompt whether the guard calls it harmful; None where its output could not be read."""
    name = guard.form.name
    check_judges_prompts(name)

    def ask(part: list[str]) -> list[dict[str, Any]]:
        answers = guard.engine.answers(
            [_conversation(guard, prompt) for prompt in part], Sampling(max_tokens=guard.form.max_tokens)
        )
        return [asdict(row[0]) for row in answers]

    asked = [without_marks(prompt) for prompt in prompts]
    if guard.journal is None:
        rows = ask(asked)
    else:
        spec = {"prompt": guard.form.prompt, "model": guard.engine.provenance()}
        rows = guard.journal.through(
            f"guard-prompt:{name}", spec, asked, ask, block=256, keep=lambda row: bool(row["finish"] != "error")
        )
    outputs = [Answer(**row) for row in rows]
    return [None if output.finish == "error" else READERS[name](output.text) for output in outputs]


def _conversation(guard: Guard, prompt: str) -> list[Message]:
    """The user's turn alone, which the chat templates of Llama Guard and Qwen3Guard judge; PolyGuard's own form."""
    if guard.form.name == "polyguard":
        return guard.form.conversation(Exchange("", prompt, ""))
    return user_turn(prompt)
