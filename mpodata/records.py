"""The records that flow through a build, in the paper's words: dominant / target, chosen / rejected."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from mpodata.display.notebook import hidden, table

Kind = Literal["harmful", "harmless"]

FIELDS = ("prompt", "chosen", "rejected")  # the texts of a side
COUNTERWEIGHT = "counterweight"  # the category of harmless pairs: chosen = a helpful answer, rejected = a refusal


class Message(TypedDict):
    """One turn of a conversation."""

    role: str  # "system", "user" or "assistant"
    content: str


def user_turn(text: str) -> list[Message]:
    """`text` as the one user turn of a conversation."""
    return [{"role": "user", "content": text}]


def assistant_turn(text: str) -> list[Message]:
    """`text` as the one assistant turn that answers."""
    return [{"role": "assistant", "content": text}]


def content_id(*parts: str) -> str:
    """A stable 16-hex-digit hash of some texts; the same on every machine and in every language's row."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One prompt in the dominant language with the answers its source offers."""

    pair_id: str  # content_id of the source row
    source_id: str  # where the row stands in its source: "row-17", an upstream id
    group: str  # rows of one group never straddle train and test: normally content_id(normalised prompt)
    prompt: str
    kind: Kind  # harmful rows teach refusing; harmless ones are counterweight pairs
    unsafe: str | None = None  # harmful: becomes `rejected`
    safe: str | None = None  # the source's own safe answer: `chosen` under `--chosen source`
    category: str = ""  # the source's harm category; "counterweight" for harmless rows


@dataclass(frozen=True, slots=True, repr=False)
class Side:
    """One language's view of a preference pair. Its repr, which ends up in logs and notebooks, hides harmful texts."""

    language: str  # a code of languages.py: "sw"
    prompt: str
    chosen: str  # the answer to learn: a refusal (harmless rows: the helpful answer)
    rejected: str  # the answer to unlearn (harmless rows: a refusal)
    # Who translated prompt, chosen and rejected, where several may have; None: whatever the config is named after.
    translators: tuple[str, str, str] | None = field(default=None, kw_only=True)

    def __repr__(self) -> str:
        hidden = {name: f"<{len(getattr(self, name))} characters>" for name in ("prompt", "rejected")}
        told = {"language": repr(self.language), **hidden, "chosen": repr(self.chosen)}
        return f"Side({', '.join(f'{name}={told[name]}' for name in ('language', *FIELDS))})"


@dataclass(frozen=True, slots=True)
class Quality:
    """Measured values of one language's side; None where a value was not measured."""

    prompt_language: str | None = None  # detected language code
    chosen_language: str | None = None
    rejected_language: str | None = None
    prompt_length_ratio: float | None = None  # characters, target / dominant
    chosen_length_ratio: float | None = None
    rejected_length_ratio: float | None = None
    chosen_repetition: float | None = None  # share of the text that repeats itself, 0..1
    rejected_repetition: float | None = None
    round_trip_chrf: float | None = None  # 0..100, dominant text against its back-translation
    chosen_verdict: str | None = None  # refusals.Label of the chosen answer
    rejected_verdict: str | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """The same preference in the dominant language and in one target language; one row of training data."""

    pair_id: str  # the same in every language: what makes the data parallel
    dominant: Side
    target: Side
    category: str = ""  # COUNTERWEIGHT, or the source's harm category
    source_id: str = ""
    quality: Quality = Quality()

    @property
    def kind(self) -> Kind:
        """Harmful pairs teach refusing, counterweight pairs teach helping."""
        return "harmless" if self.category == COUNTERWEIGHT else "harmful"

    def _repr_html_(self) -> str:
        """The two sides beside each other in a notebook; prompt and rejected of a harmful pair are left out."""
        sides = (self.dominant, self.target)
        rows = []
        for name in FIELDS:
            texts = [getattr(side, name) for side in sides]
            rows.append((name, *(map(hidden, texts) if self.kind == "harmful" and name != "chosen" else texts)))
        return table(f"Pair {self.pair_id}", ("", *(side.language for side in sides)), rows)


@dataclass(frozen=True, slots=True)
class Dropped:
    """In place of a result: why there is none. Dropped rows are counted by `reason`, never lost."""

    reason: str  # a short name that tests and manifests use: "truncated", "copied", "not-a-refusal"
    detail: str = ""  # free text for the drop file; never holds a token or a key
