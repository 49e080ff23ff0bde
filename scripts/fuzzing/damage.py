"""Damage to files: what disks, transfers, editors and hostile people do to them."""

import json
import random
from typing import Any, Final

# Values that hostile or careless files hold where others are expected.
VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2**63, 10**400, 1.5, float("inf"), float("nan"), "", "x", "\x00", "\x1b[2J", "\u202e",
    "\ud800", "../../x", "/etc/passwd", "C:\\x", "a" * 10_000, "9" * 5_000, [], [[]], {}, {"": None}, [None], ["x"],
)  # fmt: skip
BYTES: Final = (
    b"\x00", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\n", b'"', b"\\", b"[" * 5_000,
    b"{" * 5_000, b"9" * 5_000, b"1e999", b"NaN", b"\\ud800", b"\x1b[2J", b"&a [*a,*a]", b"!!python/object:os.system ",
)  # fmt: skip


def json_or_bytes(data: bytes, chance: random.Random) -> bytes:
    """Damage of bytes; for JSON and JSON lines as often another value somewhere inside."""
    if chance.random() < 0.5:
        return of_bytes(data, chance)
    lines = data.splitlines()
    try:
        if len(lines) > 1 and data.lstrip()[:1] == b"{" and lines[0].rstrip().endswith(b"}"):
            at = chance.randrange(len(lines))
            lines[at] = _dumped(of_value(json.loads(lines[at]), chance))
            return b"\n".join(lines) + b"\n"
        return _dumped(of_value(json.loads(data), chance))
    except (ValueError, UnicodeDecodeError):
        return of_bytes(data, chance)


def of_bytes(data: bytes, chance: random.Random) -> bytes:
    """One to three accidents: a flipped bit, a lost end, zeros, noise, bytes put in, taken out or doubled."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(changed) + 1)
        length = min(len(changed) - start, chance.choice([1, 2, 8, 100, 5_000]))
        accident = chance.choice(["bit", "end", "zeros", "noise", "in", "out", "double"])
        if accident == "bit" and start < len(changed):
            changed[start] ^= 1 << chance.randrange(8)
        elif accident == "end":
            del changed[start:]
        elif accident == "zeros":
            changed[start : start + length] = bytes(length)
        elif accident == "noise":
            changed[start : start + length] = chance.randbytes(length)
        elif accident == "in":
            changed[start:start] = chance.choice(BYTES)
        elif accident == "out":
            del changed[start : start + length]
        else:
            changed[start:start] = changed[start : start + length]
    return bytes(changed)


def of_value(value: Any, chance: random.Random) -> Any:
    """A JSON value with one part of it replaced, taken away, doubled or added."""
    parts: list[tuple[Any, Any]] = list(_parts(value))
    if not parts:
        return chance.choice(VALUES)
    inside, key = chance.choice(parts)
    accident = chance.choice(["replace", "replace", "remove", "add", "deep"])
    if accident == "replace":
        inside[key] = chance.choice(VALUES)
    elif accident == "remove":
        del inside[key]
    elif accident == "deep":
        inside[key] = _nested(chance.choice([50, 500, 3_000]))
    elif isinstance(inside, dict):
        inside[chance.choice(["surprise", "../x", "\x1b", "", key + "x"])] = chance.choice(VALUES)
    else:
        inside.append(chance.choice(VALUES))
    return value


def _parts(value: Any) -> Any:
    """(container, key) of everything inside a JSON value."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _parts(value[key])


def _nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


def _dumped(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=True).encode()
    except RecursionError:
        return b"[" * 3_000
