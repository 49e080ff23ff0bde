"""What people did to a version's rows, as its manifest records it: for the card, `show` and whoever counts.

A review is kept in the build of the configs it touched: "review" -> config -> one entry for each round. Readers are
counted, not named.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mpodata.languages import language
from mpodata.versions.manifest import Manifest


def rounds_of(manifest: Manifest, config: str) -> list[Mapping[str, Any]]:
    """The rounds of readers that a config went through, oldest first."""
    build = manifest.builds.get(manifest.configs[config].build, {})
    return list(build.get("review", {}).get(config, []))


def human_fields(manifest: Manifest, config: str, pair_id: str) -> tuple[str, ...]:
    """The fields of a row that a native reader wrote, in place of a translator."""
    written = {name for one in rounds_of(manifest, config) for name in one.get("corrected_rows", {}).get(pair_id, [])}
    return tuple(sorted(written))


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
