"""What people did to a version's rows: the mark on a corrected field, and the rounds of readers in the manifest.

A field that a native reader wrote names HUMAN as its translator. A round is kept in the build of the configs that were
judged: "review" -> config -> one entry for each round. Readers are counted, not named.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mpodata.languages import language
from mpodata.records import FIELDS, Side
from mpodata.versions.manifest import Manifest

HUMAN: Final = "human"  # in `Side.translators`, in place of a translator's name


def human_fields(side: Side) -> tuple[str, ...]:
    """The fields of a row that a native reader wrote."""
    return tuple(name for name, maker in zip(FIELDS, side.translators or (), strict=False) if maker == HUMAN)


def rounds_of(manifest: Manifest, config: str) -> list[Mapping[str, Any]]:
    """The rounds of readers that a config went through, oldest first."""
    build = manifest.builds.get(manifest.configs[config].build, {})
    return list(build.get("review", {}).get(config, []))


def review_lines(manifest: Manifest) -> Iterator[str]:
    """What readers did with each config, in a sentence for the card."""
    for name, config in sorted(manifest.configs.items()):
        for one in rounds_of(manifest, name):
            readers = "1 native reader" if len(one["readers"]) == 1 else f"{len(one['readers'])} native readers"
            sentence = (
                f"`{name}` ({language(config.language).name}): {readers} judged {one['rows']} rows: "
                f"{one['accepted']} accepted, {one['corrected']} corrected by hand, {one['dropped']} dropped"
            )
            if one["disagreed"]:
                sentence += f"; decided differently by two of them: {one['disagreed']}"
            for pair in one.get("agreement", []):
                if pair["rows"]:
                    kappa = "undefined" if pair["kappa"] is None else f"{pair['kappa']:.2f}"
                    sentence += (
                        f"; same verdict on {100 * pair['raw']:.1f} % of {pair['rows']} rows (Cohen's kappa {kappa})"
                    )
            yield sentence + "."
