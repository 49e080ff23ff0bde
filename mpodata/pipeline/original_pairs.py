"""The training pairs that a method's own code makes, out of a version that holds one per prompt and language.

MAPO trains on every winning with every losing answer, LIDR on an English row beside each target row: neither fits a
version, in which a pair is in each config once. Both are made here from the version's dominant rows and its recipe;
what the build sampled, scored and translated is found in the journal.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mpodata.errors import ConfigError
from mpodata.pipeline.components import Components
from mpodata.recipe import recorded_recipe
from mpodata.records import Dropped
from mpodata.runtime.journal import Journal
from mpodata.versions.load import LoadedVersion

BLOCK = 64  # dominant rows at once


@dataclass(slots=True)
class OriginalPairs:
    """The rows of one language, and what became of the dominant rows that gave none."""

    version: LoadedVersion
    translator: str
    language: str
    journal: Journal
    dropped: Counter[str] = field(default_factory=Counter)  # reason -> dominant rows
    prompts: int = 0  # dominant rows that gave at least one pair

    def rows(self, split: str) -> Iterator[dict[str, Any]]:
        """{pair_id, language, target, prompt, chosen, rejected, category} of each pair of `split`, in stored order.

        `language` is the row's own: the dominant one in LIDR's English rows, whose rejected answer is in `target`.
        Raises ConfigError for a translator that makes one pair a prompt.
        """
        version = self.version
        facts = version.manifest.builds[version.manifest.configs[f"{self.translator}.{self.language}"].build]
        translator = Components(recorded_recipe(facts["recipe"]), self.journal).translator
        rows = list(version.rows(version.dominant, split))
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            made = translator.original_pairs([row.side for row in block], self.language)
            if made is None:
                raise ConfigError(
                    f"{self.translator} makes one pair of each prompt, and the version holds it: mpodata export writes "
                    "it out. Only mapo and lidr make more."
                )
            for row, pairs in zip(block, made, strict=True):
                if isinstance(pairs, Dropped):
                    self.dropped[pairs.reason] += 1
                    continue
                self.prompts += 1
                for side in pairs:
                    texts = {"prompt": side.prompt, "chosen": side.chosen, "rejected": side.rejected}
                    named = {"pair_id": row.pair_id, "language": side.language, "target": self.language}
                    yield {**named, **texts, "category": row.category}
