"""Benchmarks that `mpodata translate-benchmark` made: their languages, and who translated them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mpodata.benchmarks.version import BenchmarkVersion, open_benchmark
from mpodata.errors import DataError
from mpodata.readers.upstream import Upstream
from mpotrain.evaluation.benchmarks import BENCHMARKS, Benchmark, Prompt
from mpotrain.evaluation.benchmarks.columns import header_names
from mpotrain.evaluation.benchmarks.files import FileName
from mpotrain.evaluation.benchmarks.prompts import Reading, read_prompts
from mpotrain.evaluation.benchmarks.tables import read_table


def load_version(name: str, place: str) -> tuple[Benchmark, list[Prompt], dict[str, Any]] | None:
    """The benchmark at `place`, its prompts and what the results record; None where no such version lies there.

    Raises DataError where it is a translation of another benchmark than `name`, VersionError for a damaged file.
    """
    version = open_benchmark(place)
    if version is None:
        return None
    origin_name = version.manifest["benchmark"]
    if name in BENCHMARKS and name != origin_name:
        raise DataError(f"{place} is a translation of {origin_name}. Give it as {origin_name}={place}.")
    benchmark = _described(BENCHMARKS[origin_name], version)
    if name not in BENCHMARKS:
        benchmark = replace(benchmark, name=str(version.manifest["name"]))
    reading = Reading()
    for path in version.files().values():
        table = read_table(Upstream(str(path)), header_names(benchmark))
        file = FileName(path.stem, "", benchmark.kind, "")
        reading.add(read_prompts(benchmark, table.rows, str(path), file))
    hashes = {code: facts["sha256"] for code, facts in version.manifest["languages"].items()}
    return benchmark, reading.prompts, {"path": version.folder.name, "languages": hashes, **reading.record()}


def _described(original: Benchmark, version: BenchmarkVersion) -> Benchmark:
    makers = "; ".join(f"{name}: {_listed(codes)}" for name, codes in version.made_by().items())
    translated = f"Machine-translated ({makers}) and not checked by native speakers." if makers else ""
    languages = version.manifest["languages"]
    left_out = {code: sum(facts["dropped"].values()) for code, facts in languages.items() if facts["dropped"]}
    missing = f" Not translated and left out: {_listed([f'{code} {n}' for code, n in left_out.items()])}."
    return replace(
        original,
        revision=f"{version.manifest['name']}@v{version.version}",
        licence=str(version.manifest["licence"]),
        languages=version.languages,
        note=" ".join(part for part in (original.note, translated + (missing if left_out else "")) if part),
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
