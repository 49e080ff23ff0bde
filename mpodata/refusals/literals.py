"""Literal strings that a text must hold for a pattern to match: a cheap look before a slow search.

A phrase table is a hundred alternatives, and most answers hold none of their words. `in` finds that out far faster than
`re.search` does.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, Final

from mpodata.errors import DataError

SHORTEST: Final = 2  # ASCII characters of a literal that is worth looking for; of other scripts, one is enough
GROUPS: Final = 2  # groups of literals that are looked for
LONGEST_HIT: Final = 160  # characters past a limit that a match before it may reach


def required_literals(pattern: str) -> list[tuple[str, ...]]:
    """Groups of strings: every match of `pattern` holds at least one string of each; empty where none can be named.

    Raises DataError where `pattern` is no regular expression.
    """
    from re import _parser  # type: ignore[attr-defined]  # the standard library's own parser has no public name

    try:
        groups = _groups(_parser.parse(pattern))
    except re.error as error:
        raise DataError(f"{pattern!r} is no regular expression: {error}") from error
    useful = [group for group in groups if all(len(text) >= SHORTEST or not text.isascii() for text in group)]
    return [tuple(sorted(group)) for group in sorted(useful, key=_rarity, reverse=True)[:GROUPS]]


def _groups(items: Iterable[tuple[Any, Any]]) -> list[frozenset[str]]:
    """What each part of a sequence needs."""
    groups: list[frozenset[str]] = []
    run = ""
    for operation, argument in items:
        if str(operation) == "LITERAL":
            run += chr(argument)
            continue
        groups += [frozenset({run})] if run else []
        run = ""
        groups += _groups_of_item(str(operation), argument)
    return groups + ([frozenset({run})] if run else [])


def _groups_of_item(operation: str, argument: Any) -> list[frozenset[str]]:
    if operation == "SUBPATTERN":
        return _groups(argument[-1])
    if operation == "MAX_REPEAT" and argument[0] >= 1:
        return _groups(argument[2])
    if operation == "BRANCH":
        branches = [max(_groups(branch), key=_rarity, default=None) for branch in argument[1]]
        needed = [branch for branch in branches if branch is not None]
        return [frozenset[str]().union(*needed)] if len(needed) == len(branches) else []
    return []


def _rarity(group: frozenset[str]) -> tuple[int, int]:
    """A group is worth the more the longer its shortest literal is, then the fewer it has."""
    return min(map(len, group)), -len(group)


class Phrase:
    """One pattern, compiled when it is first tried, and the literals that a text must hold for it to be tried."""

    def __init__(self, pattern: str) -> None:
        self.literals = required_literals(pattern)
        self._source = pattern

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self._source)

    def possible(self, text: str) -> bool:
        """False where the pattern cannot match anywhere in `text`."""
        for group in self.literals:
            for literal in group:  # a plain loop: a generator costs as much as the look itself
                if literal in text:
                    break
            else:
                return False
        return True


def hits(phrases: Iterable[Phrase], text: str, limit: int) -> list[list[re.Match[str]]]:
    """For each phrase that occurs in `text` before `limit`, its matches there."""
    text = text[: limit + LONGEST_HIT]
    found = ([*_before(phrase.pattern, text, limit)] for phrase in phrases if phrase.possible(text))
    return [matches for matches in found if matches]


def occurs(phrases: Iterable[Phrase], text: str, limit: int) -> bool:
    """Does one of the phrases begin in `text` before `limit`?"""
    text = text[: limit + LONGEST_HIT]
    return any(phrase.possible(text) and any(_before(phrase.pattern, text, limit)) for phrase in phrases)


def _before(pattern: re.Pattern[str], text: str, limit: int) -> Iterator[re.Match[str]]:
    for match in pattern.finditer(text):
        if match.start() >= limit:
            return
        yield match
