"""The prompts of a benchmark, out of whatever shape its file has: one prompt column, one column per language, a folder
of one file per language.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from mpodata.errors import DataError
from mpodata.languages import languages
from mpodata.readers.upstream import Upstream
from mpodata.records import Kind, Pair, content_id
from mpotrain.evaluation.benchmarks import CODE_SWITCHED, Benchmark, Prompt
from mpotrain.evaluation.benchmarks.tables import SUFFIXES, BenchmarkTable, read_table

PROMPTS = ("prompt", "instruction", "goal", "question", "query", "jailbreak", "text")  # by what authors call a prompt
IDS = ("id", "prompt_id", "question_id", "row_id", "index")
KINDS: dict[str, Kind] = {
    "harmful": "harmful", "unsafe": "harmful", "harmless": "harmless", "safe": "harmless", "benign": "harmless",
}  # fmt: skip


def load_prompts(benchmark: Benchmark, path: str | Path | None = None) -> tuple[list[Prompt], dict[str, Any]]:
    """The prompts of `benchmark` in file order, and what the results record of where they came from.

    `path` (a file, a folder or a Hub dataset id) takes the place of the published one. Raises DataError where prompts
    cannot be had.
    """
    place = path if path is not None else benchmark.packaged
    if place is None and not benchmark.hub:
        raise DataError(
            f"Benchmark {benchmark.name!r} needs its file: --data {benchmark.name}=PATH "
            f"(published at {benchmark.source})."
        )
    if place is not None and Path(place).is_dir():
        prompts, origin = _folder(benchmark, Path(place))
    else:
        prompts, origin = _table(benchmark, str(place) if place is not None else "")
    if not prompts:
        raise DataError(f"Benchmark {benchmark.name!r}: no prompts in {place or benchmark.hub}.")
    if benchmark.distinct:
        prompts = list({(prompt.language, prompt.text): prompt for prompt in reversed(prompts)}.values())[::-1]
    return _numbered(prompts), origin


def choose(prompts: Sequence[Prompt], wanted: Collection[str] | None, limit: int | None) -> list[Prompt]:
    """The prompts in the `wanted` languages, at most `limit` per language and kind.

    Which ones a limit keeps depends on their ids alone: the same in every language and every run, so that runs stay
    paired and languages parallel.
    """
    kept = [prompt for prompt in prompts if not wanted or prompt.language in wanted]
    if limit is None:
        return kept
    cells: dict[tuple[str, str], list[Prompt]] = {}
    for prompt in kept:
        cells.setdefault((prompt.language, prompt.kind), []).append(prompt)
    chosen = {
        id(prompt) for cell in cells.values() for prompt in sorted(cell, key=lambda p: content_id(p.prompt_id))[:limit]
    }
    return [prompt for prompt in kept if id(prompt) in chosen]


def prompts_of(
    benchmark: Benchmark, rows: Sequence[Mapping[str, Any]], place: str, language: str = ""
) -> Iterator[Prompt]:
    """The prompts in the rows of one table, whatever its shape: one prompt column, or one column per language.

    Rows without text in a language are left out there. Raises DataError where no column holds prompts.
    """
    columns = {str(name).strip().casefold(): name for row in rows for name in row}
    prompt_column = _prompt_column(benchmark, columns, place)
    wide = [] if prompt_column else _language_columns(columns)
    for number, row in enumerate(rows, start=1):
        if row.get("is_response_0_safe") and row.get("is_response_1_safe"):
            continue  # PKU-SafeRLHF: nobody answered it unsafely, so it asks for nothing to refuse
        if any(str(row.get(columns.get(name, name), "")).casefold() != value for name, value in benchmark.where):
            continue
        if wide:
            texts = [(code, row.get(columns[code])) for code in wide]
        else:
            own = str(_cell(row, columns, ("language", "lang")) or language or benchmark.language).strip()
            texts = [(own, row.get(columns[prompt_column]))]
        for code, text in texts:
            if isinstance(text, str) and text.strip():
                yield Prompt(
                    benchmark=benchmark.name,
                    prompt_id=str(_cell(row, columns, IDS) or number),
                    language=_code(code, place),
                    kind=_kind(row, columns, benchmark.kind),
                    text=text.strip(),
                    category=str(_cell(row, columns, ("category", "tags", "type")) or ""),
                    expects=tuple(_cell(row, columns, ("expects",)) or ()),
                )


def known_columns(benchmark: Benchmark) -> frozenset[str]:
    """The column names that tell a header from a first row of data."""
    names = {*PROMPTS, *IDS, *languages(), "language", "lang", "kind", "label", "category", benchmark.column}
    return frozenset(names - {""})


def _prompt_column(benchmark: Benchmark, columns: Mapping[str, str], place: str) -> str:
    """The prompts' column, "" where every language has its own."""
    for name in (benchmark.column, *PROMPTS):
        if name in columns:
            return name
    if _language_columns(columns):
        return ""
    if len(columns) == 1 or ("0" in columns and place.endswith(".tsv")):  # a bare list of prompts
        return next(iter(columns))
    found = "a first line that names none" if "0" in columns else ", ".join(sorted(columns))
    raise DataError(
        f"{place}: no column holds prompts. Expected one of {', '.join(PROMPTS)}, or one column per language code; "
        f"found {found}."
    )


def _language_columns(columns: Mapping[str, str]) -> list[str]:
    """The columns named after a language; "id" is an identifier, not Indonesian, unless there is a `prompt_id`."""
    return [name for name in columns if name in languages() and (name != "id" or "prompt_id" in columns)]


def _kind(row: Mapping[str, Any], columns: Mapping[str, str], default: Kind) -> Kind:
    said = str(_cell(row, columns, ("kind", "label")) or "").strip().casefold()
    if said in KINDS:
        return KINDS[said]
    if "label" not in columns and "focus" not in columns and "final_label" in columns:
        # XSTest's completion files leave the label out; its contrast types are the unsafe ones.
        return "harmful" if str(_cell(row, columns, ("type",))).startswith("contrast_") else "harmless"
    return default


def _cell(row: Mapping[str, Any], columns: Mapping[str, str], names: Sequence[str]) -> Any:
    """The first of the columns `names` that the row fills."""
    return next(
        (row[columns[name]] for name in names if name in columns and row.get(columns[name]) not in (None, "")), None
    )


def _code(code: str, place: str) -> str:
    lowered = code.strip().casefold()
    if lowered == CODE_SWITCHED or lowered in languages():
        return lowered
    by_name = {row.name.casefold(): row.code for row in languages().values()}
    short = lowered.replace("_", "-").split("-")[0]  # zh-CN
    if lowered in by_name or short in languages():
        return by_name.get(lowered, short)
    raise DataError(f"{place}: language {code!r} is not in the table of languages.")


def _table(benchmark: Benchmark, place: str) -> tuple[list[Prompt], dict[str, Any]]:
    if place:
        table = read_table(Upstream(place), known_columns(benchmark))
    else:
        hub = Upstream(benchmark.hub, split=benchmark.hub_split, config=benchmark.hub_config)
        table = read_table(hub, known_columns(benchmark))
    code, kind, _ = _from_name(Path(place), benchmark)
    prompts = list(prompts_of(replace(benchmark, kind=kind), table.rows, place or benchmark.hub, code))
    return prompts, {**table.provenance, "unreadable": table.unreadable}


def _folder(benchmark: Benchmark, place: Path) -> tuple[list[Prompt], dict[str, Any]]:
    paths = sorted(path for path in place.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    if not paths:
        raise DataError(f"{place}: no table in this folder.")
    prompts: list[Prompt] = []
    tables: list[BenchmarkTable] = []
    for path in paths:
        tables.append(read_table(Upstream(str(path)), known_columns(benchmark)))
        code, kind, series = _from_name(path, benchmark)
        part = prompts_of(replace(benchmark, kind=kind), tables[-1].rows, str(path), code)
        prompts += [replace(prompt, prompt_id=f"{series}-{prompt.prompt_id}") for prompt in part]
    digest = sha256("".join(str(table.provenance.get("sha256")) for table in tables).encode()).hexdigest()
    unreadable = sum(table.unreadable for table in tables)
    return prompts, {"path": place.name, "files": len(paths), "sha256": digest, "unreadable": unreadable}


def _from_name(path: Path, benchmark: Benchmark) -> tuple[str, Kind, str]:
    """Language, kind and series that a file of a folder is named after: harmless_val_translated_ar.json, ar/Insult.csv.

    Files of one series hold the same prompts in the same order, one language each.
    """
    words = path.stem.split("_")
    parent = path.parent.name.casefold()
    code = next((word for word in (parent, words[-1], words[0]) if word in languages()), benchmark.language)
    kind = next((KINDS[word.casefold()] for word in words[:1] if word.casefold() in KINDS), benchmark.kind)
    series = "-".join(word for word in words if word not in {code, "translated", "n"})
    return code, kind, series


def _numbered(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Ids made unique within a language: files that repeat an id (RefusEU does) keep all their rows."""
    seen: Counter[tuple[str, str]] = Counter()
    unique = []
    for prompt in prompts:
        seen[prompt.language, prompt.prompt_id] += 1
        times = seen[prompt.language, prompt.prompt_id]
        unique.append(prompt if times == 1 else replace(prompt, prompt_id=f"{prompt.prompt_id}#{times}"))
    return unique


def pairs_prompts(name: str, pairs: Iterable[Pair]) -> list[Prompt]:
    """The prompts of a dataset version's pairs, each dominant one once."""
    found: dict[tuple[str, str], Prompt] = {}
    for pair in pairs:
        for side in (pair.dominant, pair.target):
            prompt = Prompt(name, pair.pair_id, side.language, pair.kind, side.prompt, pair.category)
            found.setdefault((side.language, pair.pair_id), prompt)
    return list(found.values())
