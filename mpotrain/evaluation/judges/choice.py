"""Judges from what a user types: `rules`, `polyguard`, `refuseu`, or ENGINE:MODEL for the paper's protocol."""

from collections.abc import Mapping, Sequence
from typing import Any

from mpodata.engines import ENGINES, Engine
from mpodata.errors import ConfigError
from mpodata.registry import check_name, construct
from mpodata.runtime.journal import Journal
from mpotrain.evaluation.judges import JUDGES, Judge

SHARED = "judge"


def make_judges(names: Sequence[str], options: Mapping[str, Mapping[str, Any]], journal: Journal) -> tuple[Judge, ...]:
    """The judges called `names`.

    options: a judge's name -> its own options; SHARED -> options of every judge but the rules, which take none.
    """
    if len(set(names)) < len(names):
        raise ConfigError(f"--judge names a judge twice: {', '.join(names)}.")
    if not names:
        raise ConfigError(f"--judge names no judge: {', '.join(JUDGES)}, or ENGINE:MODEL.")
    alone = list(names) == ["rules"]
    made = []
    for name in names:
        shared = options.get(SHARED, {}) if alone or name != "rules" else {}
        made.append(make_judge(name, {**shared, **options.get(name, {})}, journal))
    return tuple(made)


def make_judge(name: str, options: Mapping[str, Any], journal: Journal) -> Judge:
    """One judge; raises UnknownName for a name or an option that does not exist."""
    engine, colon, model = name.partition(":")
    if colon:
        from mpotrain.evaluation.judges.protocol import ProtocolJudge

        check_name("judge", dict.fromkeys([*ENGINES, *JUDGES], ""), engine)
        if engine not in ENGINES or not model:
            raise ConfigError(f"Judge {name!r} must be ENGINE:MODEL, as openai:gpt-4.1; engines: {', '.join(ENGINES)}.")
        own = {key: value for key, value in options.items() if key == "max_tokens"}
        rest = {key: value for key, value in options.items() if key not in own}
        chat: Engine = construct("engine", ENGINES, engine, {"model": model, **rest})
        return ProtocolJudge(chat, model, journal, **own)
    judge: Judge = construct("judge", JUDGES, name, options, journal=journal)
    return judge
