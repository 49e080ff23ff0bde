"""Where prompts and dispreferred answers come from."""

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

from mpodata.records import Dropped, Pair, SourceRow

SOURCES = {
    "table": "mpodata.sources.table:table",
    "pku-saferlhf": "mpodata.sources.pku_saferlhf:pku_saferlhf",
    "refuseu": "mpodata.sources.refuseu:refuseu",
    "beavertails": "mpodata.sources.beavertails:beavertails",
    "hh-rlhf": "mpodata.sources.hh_rlhf:hh_rlhf",
    "trl": "mpodata.sources.trl:trl",
    "pocket": "mpodata.sources.pocket:pocket",
    "nemo-curator": "mpodata.sources.nemo_curator:nemo_curator",  # a ParallelSource, too
    "released-mpo": "mpodata.sources.released_mpo:released_mpo",  # a ParallelSource: its rows are pairs already
}


class Source(Protocol):
    """Rows of one upstream dataset, streamed in upstream order."""

    def rows(self) -> Iterator[SourceRow | Dropped]:
        """Usable rows, and a Dropped for each row that is not, so that nothing vanishes uncounted."""
        ...

    def provenance(self) -> dict[str, Any]:
        """What the manifest records: name, path or id, revision, sha256 of a file, licence, languages, parallel."""
        ...


@runtime_checkable
class ParallelSource(Protocol):
    """Finished pairs in several languages: nothing is left to answer or to translate."""

    @property
    def translator(self) -> str:
        """The name its configs stand under: "released"."""
        ...

    @property
    def targets(self) -> tuple[str, ...]:
        """The target languages it holds, by code."""
        ...

    def pairs(self) -> Iterator[Pair | Dropped]:
        """Usable pairs in upstream order, and a Dropped for each row that is not."""
        ...

    def provenance(self) -> dict[str, Any]:
        """As Source.provenance."""
        ...
