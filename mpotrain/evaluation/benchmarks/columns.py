"""Which column of a benchmark's table is what: prompts, languages, kinds, ids; and whose table it is."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpodata.errors import DataError
from mpodata.languages.labels import language_code, language_columns, language_in_name, merge_note
from mpodata.readers.kinds import KIND_COLUMNS, kind_columns
from mpodata.sources.exchange import LANGUAGE_COLUMNS
from mpotrain.evaluation.benchmarks import BENCHMARKS, Benchmark

# By what authors call a prompt. A translated column goes before the text that it translates (PolyRefuse's test files).
PROMPTS = (
    "instruction_translated", "prompt_translated", "translated_prompt", "translation", "translated",
    "prompt", "instruction", "goal", "behavior", "question", "query", "jailbreak", "text", "chosen",
)  # fmt: skip
ORIGINALS = ("prompt", "instruction", "goal", "behavior", "question", "query", "text", "english", "en")
IDS = ("id", "prompt_id", "question_id", "row_id", "behaviorid", "index")
LANGUAGES = LANGUAGE_COLUMNS
CATEGORIES = ("category", "semanticcategory", "tags", "type")
CONTEXTS = {"input": "\n\n", "contextstring": "\n\n---\n\n"}  # columns that a prompt goes on with, and what joins them


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of one table hold; names as the file has them."""

    names: Mapping[str, str]  # name in lower case -> name
    prompt: str  # "" where every language has a column of its own
    languages: Mapping[str, str]  # column -> code, where every language has its own
    english: str  # the column of the English prompt beside a translated one, "" where there is none
    note: str = ""  # which labels were read as one language

    def cell(self, row: Mapping[str, Any], wanted: Sequence[str]) -> Any:
        """The first of the columns `wanted` that the row fills."""
        cells = (row.get(self.names[name]) for name in wanted if name in self.names)
        return next((cell for cell in cells if cell not in (None, "")), None)

    def asked(self) -> list[str]:
        """The columns whose texts are asked."""
        return [self.prompt, *(self.names[name] for name in CONTEXTS if name in self.names)]

    def kinds(self) -> list[str]:
        """The columns that say what kind of prompt a row holds."""
        return kind_columns(self.names.values())


def columns_of(benchmark: Benchmark, rows: Sequence[Mapping[str, Any]], place: str, folder: str = "") -> Columns:
    """The columns of a table; raises DataError where none holds prompts, or where they are another benchmark's.

    folder: the folder that the file lies in. Where it is named after a language and no column has a known name, the
    first column whose texts are in that language holds the prompts (XSafety's sheets).
    """
    names = {str(name).strip().casefold(): str(name) for row in rows for name in row}
    _check_owner(benchmark, names, place)
    prompt = _prompt_column(benchmark, names)
    if prompt:
        return Columns(names, names[prompt], {}, _english_column(benchmark, names, prompt))
    wide = language_columns(list(names.values()), rows)
    if wide and len(names) > 1:
        return Columns(names, "", wide, "", merge_note(wide))
    spoken = [name for name in names.values() if language_in_name(folder, [row.get(name) for row in rows])]
    if spoken:
        note = f"columns {', '.join(spoken)} are in one language: the first is asked" if len(spoken) > 1 else ""
        return Columns(names, spoken[0], {}, "", note)
    if len(names) == 1 or ("0" in names and place.endswith((".tsv", ".xlsx"))):  # a bare list of prompts
        return Columns(names, next(iter(names.values())), {}, "")
    seen = "a first line that names none" if "0" in names else ", ".join(sorted(names))
    raise DataError(
        f"{place}: no column holds prompts. Expected one of {', '.join(PROMPTS)}, or one column per language code; "
        f"found {seen}."
    )


def header_names(benchmark: Benchmark) -> frozenset[str]:
    """The column names, besides those of languages, that tell a header from a first row of data."""
    names = {*PROMPTS, *ORIGINALS, *IDS, *LANGUAGES, *KIND_COLUMNS, "category", benchmark.column}
    return frozenset(names - {""})


def is_header(fields: Sequence[str], known: frozenset[str]) -> bool:
    """Is a first line one of names? One known name is enough; codes and names of languages count.

    Several cells that all look like names of columns (response, data_type) are names, too.
    """
    folded = [field.strip().casefold() for field in fields]
    if any(field in known or (len(field) < 30 and language_code(field) is not None) for field in folded):
        return True
    return len(set(folded)) == len(folded) > 1 and all(map(_COLUMN_NAME.fullmatch, folded))


_COLUMN_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")


def _prompt_column(benchmark: Benchmark, names: Mapping[str, str]) -> str:
    """The prompts' column in lower case, "" where every language has its own."""
    return next((name for name in (benchmark.column, *PROMPTS) if name and name in names), "")


def _english_column(benchmark: Benchmark, names: Mapping[str, str], prompt: str) -> str:
    """The column of the English text that `prompt` translates or mixes; "" for a table without one."""
    if "english" in names and prompt != "english":
        return names["english"]
    if "translat" not in prompt and not benchmark.mixes_languages:
        return ""
    return next((names[name] for name in ORIGINALS if name in names and name != prompt), "")


def _check_owner(benchmark: Benchmark, names: Mapping[str, str], place: str) -> None:
    """Raise DataError where the columns are those of another benchmark's published file."""
    if benchmark.name not in BENCHMARKS:
        return  # a table under its own name is whatever it is
    for other in BENCHMARKS.values():
        if other.name != benchmark.name and other.marks and other.marks <= names.keys():
            if benchmark.marks and benchmark.marks <= names.keys():
                continue
            raise DataError(
                f"{place} has the columns of {other.title} ({', '.join(sorted(other.marks))}), not those of "
                f"{benchmark.title}. Give it as {other.name}={place}."
            )
