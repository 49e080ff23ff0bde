"""The Hugging Face Hub as names know it (what is a Hub id, what is a path), and secrets kept out of what is written.

`redact` and `redacted` are the one border: manifests, cards, command lines and error messages pass through them.
"""

import json
import math
import os
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

_HUB_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_FILE_SUFFIXES: Final = (".json", ".jsonl", ".csv", ".tsv", ".parquet", ".gz", ".txt", ".ndjson", ".xlsx")


def is_hub_id(name: str) -> bool:
    """Does `name` mean a Hub repository? `user/name` does, unless a file, or a folder called `user`, is here."""
    if not _HUB_ID.fullmatch(name) or name.lower().endswith(_FILE_SUFFIXES):
        return False
    return not Path(name).exists() and not Path(name.partition("/")[0]).is_dir()


HIDDEN: Final = "***"  # stands where a secret was

# A name is that of a secret when one of its words is: "api_key", "X-Auth-Token", "clientSecret", but not "max_tokens".
_SECRET_WORDS: Final = frozenset((
    "apikey", "auth", "authorization", "bearer", "cookie", "cookies", "credential", "credentials", "key", "passphrase",
    "passwd", "password", "pw", "pwd", "secret", "secrets", "session", "sig", "signature", "token",
))  # fmt: skip
_OPAQUE: Final = frozenset(("header", "headers"))  # mappings of which nothing is written down
_FREE_FORM: Final = frozenset(("body", "query", "params"))  # mappings whose secrets may have any name
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_USERINFO: Final = re.compile(r"(?P<scheme>\b[a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s?#@'\"]*(?:@[^/\s?#@'\"]*)*@")
_NAMED: Final = re.compile(  # name=value, "name": "value", Name: value - in URLs, JSON, headers and prose
    r"(?P<name>[A-Za-z][\w.-]*)(?P<between>[\"']?\s*(?:[=:]|%3[dD])\s*[\"']?)"
    r"(?P<value>(?:(?:Bearer|Basic|Token|Digest)\s+)?[^\s\"'&?;,<>(){}\[\]]+)"
)
_SCHEME: Final = re.compile(r"(?P<name>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{6,}")
_TOKEN_SHAPES: Final = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{8,}|api_org_[A-Za-z0-9]{8,}|sk-[A-Za-z0-9_-]{8,}|gh[pousr]_[A-Za-z0-9]{16,}|"
    r"github_pat_\w{16,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{8,}|AKIA[A-Z0-9]{12,}|AIza[\w-]{30,}|ya29\.[\w.-]{8,}|"
    r"eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?)"
)
_SECRET_VARIABLE: Final = re.compile(r"(?:TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$")
_SHORTEST_SECRET: Final = 8  # characters; shorter values of environment variables are words like "none"


def redact(text: str) -> str:
    """`text` without secrets: credentials of URLs, values named as secrets, token shapes, this process's own tokens."""
    for value in _own_secrets():
        text = text.replace(value, HIDDEN)
    text = _USERINFO.sub(rf"\g<scheme>{HIDDEN}@", text)
    text = _NAMED.sub(_without_value, text)
    text = _SCHEME.sub(rf"\g<name>{HIDDEN}", text)
    return _TOKEN_SHAPES.sub(HIDDEN, text)


def _without_value(match: re.Match[str]) -> str:
    prose = match["name"].lower() == "key" and "=" not in match["between"]  # "No such key: foo"
    placeholder = match["value"].rstrip(",.:").lower() == "value"  # "KEY=VALUE" of a help text
    if prose or placeholder or not names_secret(match["name"]) or _is_setting(match["value"]):
        return match[0]
    return f"{match['name']}{match['between']}{HIDDEN}"


def redacted(value: Any, name: str = "") -> Any:
    """Plain data (of a recipe, of a manifest) without secrets; `name` is the key it stands under.

    Text under a secret's name and every value of a `headers` mapping become `***`; in a request `body` also text that
    looks random. Numbers, booleans and null stay: they are settings.
    """
    return _redacted(value, name, free_form=False)


def _redacted(value: Any, name: str, *, free_form: bool) -> Any:
    words = _words(name)
    if words & _OPAQUE:
        return _hidden(value)
    free_form = free_form or bool(words & _FREE_FORM)
    if isinstance(value, Mapping):
        return {key: _redacted(item, str(key), free_form=free_form) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted(item, name, free_form=free_form) for item in value]
    if not isinstance(value, str) or not value:
        return value
    if names_secret(name) or (free_form and _looks_random(value)):
        return HIDDEN
    return redact_command(value) if name == "command" else redact(value)


def _hidden(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _hidden(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hidden(item) for item in value]
    return value if value is None or isinstance(value, bool) else HIDDEN


def redact_command(command: str) -> str:
    """A shell command without the secrets of its `--set key=value` words, options and URLs."""
    try:
        words = shlex.split(command)
    except ValueError:  # not the command line of a shell
        return redact(command)
    kept = [_redacted_word(word, before) for before, word in zip(["", *words], words, strict=False)]
    return command if kept == words else shlex.join(kept)


def _redacted_word(word: str, before: str) -> str:
    key, equals, value = word.partition("=")
    if before.startswith("--") and "=" not in before and before != "--set" and names_secret(before):
        return HIDDEN
    if not equals or not re.fullmatch(r"[\w.-]+", key):
        return redact(word)
    *above, last = key.lstrip("-").split(".")
    structured = _structured(value)
    for name in reversed((*above, last)):
        structured = {name: structured}
    inner = redacted(structured)
    for name in (*above, last):
        inner = inner[name]
    if inner == _structured(value):
        return f"{key}={redact(value)}"
    return f"{key}={inner if isinstance(inner, str) else json.dumps(inner, ensure_ascii=False)}"


def _structured(value: str) -> Any:
    """What `--set` reads: a mapping or list in JSON or YAML flow style, else the text itself."""
    if not value.lstrip().startswith(("{", "[")):
        return value
    import yaml

    try:
        return yaml.safe_load(value)
    except (yaml.YAMLError, RecursionError, ValueError):
        return value


def names_secret(name: str) -> bool:
    """Is this the name of a secret: "api_key", "X-Auth-Token", "clientSecret"?"""
    return bool(_words(name) & _SECRET_WORDS)


def _words(name: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(name)} | {name.strip("-").lower()}


def _is_setting(text: str) -> bool:
    """A short number, a switch or nothing: no secret, whatever its name."""
    return text.lower() in ("true", "false", "null", "none", HIDDEN) or (len(text) < 6 and text.isdecimal())


def _looks_random(text: str) -> bool:
    """No words but many different characters in one run, as a token has: at least 3 bits a character over 12."""
    if len(text) < 12 or not re.fullmatch(r"[A-Za-z0-9_\-+/=.~:]+", text) or not re.search(r"\d", text):
        return False
    counts: Sequence[int] = list(Counter(text).values())
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts) >= 3.0


def _own_secrets() -> list[str]:
    """Values of this process's environment that are secrets by name, longest first."""
    values = {value for name, value in os.environ.items() if _SECRET_VARIABLE.search(name.upper())}
    return sorted(
        (value for value in values if len(value) >= _SHORTEST_SECRET and "/" not in value), key=len, reverse=True
    )
