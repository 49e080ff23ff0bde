"""Semantic versions of datasets: what may be called what."""

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from mpodata.errors import VersionError

_SHAPE = re.compile(r"v?(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})")


class Bump(IntEnum):
    """The smallest step that a change asks for; larger is stronger."""

    NONE = 0  # the same content
    PATCH = 1  # only card or metadata changed
    MINOR = 2  # rows, languages or translators were added
    MAJOR = 3  # rows of an existing config changed or went, or the schema changed


@dataclass(frozen=True, slots=True, order=True)
class SemVer:
    """MAJOR.MINOR.PATCH."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "1.2.0" or "v1.2.0"; raises VersionError."""
        match = _SHAPE.fullmatch(text)
        if match is None:
            raise VersionError(f"{text!r} is not a version. Write MAJOR.MINOR.PATCH, for example 1.2.0.")
        return cls(*(int(part) for part in match.groups()))

    @classmethod
    def of_tag(cls, tag: str) -> Self | None:
        """The version that a tag or folder name stands for; None where it is another tag."""
        return cls.parse(tag) if tag.startswith("v") and _SHAPE.fullmatch(tag) else None

    @property
    def tag(self) -> str:
        return f"v{self}"

    def bumped(self, bump: Bump) -> "SemVer":
        """The version after a change of that strength."""
        if bump is Bump.MAJOR:
            return SemVer(self.major + 1, 0, 0)
        if bump is Bump.MINOR:
            return SemVer(self.major, self.minor + 1, 0)
        return SemVer(self.major, self.minor, self.patch + (bump is Bump.PATCH))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


FIRST = SemVer(1, 0, 0)
