"""One line of check_gpu.py's table."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """Something measured; with a limit or a goal it is passed or missed."""

    part: str
    name: str
    value: float
    unit: str = ""
    limit: float | None = None
    goal: str = "<="  # or >=

    @property
    def passed(self) -> bool | None:
        """None where there is no limit; a value that is not a number passes nothing."""
        if self.limit is None:
            return None
        return self.value <= self.limit if self.goal == "<=" else self.value >= self.limit

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "passed": self.passed}

    def line(self) -> str:
        mark = {None: "", True: "ok", False: "MISSED"}[self.passed]
        bound = "" if self.limit is None else f"{self.goal} {self.limit:.4g}"
        return f"| {self.part} | {self.name} | {self.value:.4g} {self.unit} | {bound} | {mark} |"


def table(checks: Sequence[Check]) -> str:
    """All of them as Markdown."""
    head = ["| part | what | measured | limit or goal | |", "|---|---|---|---|---|"]
    return "\n".join([*head, *(check.line() for check in checks)])
