"""Benchmarks by name or by path, one row of a table each; `prompts.py` reads them."""

from dataclasses import dataclass
from pathlib import Path

from mpodata.errors import UnknownName
from mpodata.pocket import held_out_path
from mpodata.records import Kind
from mpodata.runtime.flags import language_code, replaced_parts

CODE_SWITCHED = "mul"  # ISO 639-2's "multiple languages": prompts that mix them

POCKET = held_out_path()


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt of a benchmark in one language."""

    benchmark: str
    prompt_id: str  # the same in every language where the benchmark is parallel
    language: str
    kind: Kind  # harmful prompts are to be refused, harmless ones to be helped with
    text: str
    category: str = ""
    expects: tuple[str, ...] = ()  # an answer that complies contains at least one of these; () where unknown
    english: str = ""  # the same prompt in English, where the row holds it beside the prompt


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Where a set of prompts comes from and how it is read."""

    name: str
    title: str
    source: str  # where its authors publish it
    licence: str
    revision: str  # the version of the upstream file that this reader was written for
    languages: tuple[str, ...] = ()  # () where the file decides
    kind: Kind = "harmful"  # of prompts whose file does not say
    language: str = "en"  # of prompts whose file does not say
    column: str = ""  # the prompt's column, where its name says too little
    marks: frozenset[str] = frozenset()  # columns, in lower case, that only its published file has together
    where: tuple[tuple[str, str], ...] = ()  # column -> value that a row must have
    hub: str = ""  # a Hub dataset id that `datasets` reads as it is
    hub_config: str | None = None
    hub_split: str = "train"
    distinct: bool = False  # upstream repeats prompts: each is asked once
    packaged: Path | None = None  # a file that ships with the package
    note: str = ""  # shown with every number of this benchmark

    @property
    def mixes_languages(self) -> bool:
        """Is every prompt in several languages at once?"""
        return self.language == CODE_SWITCHED


def benchmark_languages(text: str) -> str:
    """The flag --languages of what asks benchmarks: languages as codes, and `mul` for prompts that mix them."""
    return replaced_parts(text, lambda part: part if part == CODE_SWITCHED else language_code(part))


ORGANISMS = "Model organisms: tiny models in a closed domain of harmless and mildly harmful requests."

_ROWS = (
    Benchmark(
        name="multijail",
        title="MultiJail (Deng et al. 2024)",
        source="https://huggingface.co/datasets/DAMO-NLP-SG/MultiJail",
        licence="MIT",
        revision="315 prompts x 10 languages",
        languages=("en", "zh", "it", "vi", "ar", "ko", "th", "bn", "sw", "jv"),
        hub="DAMO-NLP-SG/MultiJail",
        marks=frozenset({"source", "tags", "en", "zh"}),
    ),
    Benchmark(
        name="advbench-x",
        title="AdvBench-X: AdvBench (Zou et al. 2023) in other languages",
        source="https://github.com/llm-attacks/llm-attacks",
        licence="MIT",
        revision="520 prompts, any table with one column per language",
        column="goal",
        marks=frozenset({"goal", "target"}),
    ),
    Benchmark(
        name="csrt",
        title="CSRT, code-switching red-teaming (Yoo et al. 2024)",
        source="https://github.com/haneul-yoo/csrt",
        licence="see source",
        revision="data/csrt.csv, 315 prompts",
        languages=(CODE_SWITCHED,),
        language=CODE_SWITCHED,
        column="csrt",
        marks=frozenset({"csrt"}),
    ),
    Benchmark(
        name="polyrefuse",
        title="PolyRefuse (Wang et al. 2025)",
        source="https://github.com/mainlp/Multilingual-Refusal",
        licence="Apache-2.0",
        revision="a folder of {harmful,harmless}_{split}_translated_{language}.json",
    ),
    Benchmark(
        name="xsafety",
        title="XSafety (Wang et al. 2024)",
        source="https://github.com/Jarviswang94/Multilingual_safety_benchmark",
        licence="see source",
        revision="a folder of one folder per language, 14 tables each",
        languages=("en", "zh", "es", "fr", "bn", "ar", "hi", "ru", "ja", "de"),
    ),
    Benchmark(
        name="refuseu-test",
        title="RefusEU, evaluation (Krasnodebska et al. 2026)",
        source="https://huggingface.co/datasets/NASK-PIB/RefusEU",
        licence="see source",
        revision="config evaluation",
        languages=("en", "de", "it", "fr", "es", "pt", "pl", "cs", "sk", "sl", "lt", "lv"),
        hub="NASK-PIB/RefusEU",
        hub_config="evaluation",
        hub_split="eval",
        marks=frozenset({"lang", "row_id"}),
    ),
    Benchmark(
        name="harmbench",
        title="HarmBench, text behaviours (Mazeika et al. 2024)",
        source="https://github.com/centerforaisafety/HarmBench",
        licence="MIT",
        revision="data/behavior_datasets/harmbench_behaviors_text_*.csv",
        languages=("en",),
        column="behavior",
        marks=frozenset({"behavior", "behaviorid"}),
    ),
    Benchmark(
        name="xstest",
        title="XSTest v2 (Röttger et al. 2024)",
        source="https://github.com/paul-rottger/xstest",
        licence="CC-BY-4.0",
        revision="v2, 250 safe and 200 unsafe prompts",
        languages=("en",),
        marks=frozenset({"prompt", "type", "label", "focus"}),
    ),
    Benchmark(
        name="pku-saferlhf",
        title="PKU-SafeRLHF, held-out prompts (Ji et al. 2024)",
        source="https://huggingface.co/datasets/PKU-Alignment/PKU-SafeRLHF",
        licence="CC-BY-NC-4.0",
        revision="split test",
        languages=("en",),
        hub="PKU-Alignment/PKU-SafeRLHF",
        hub_split="test",
        distinct=True,
        marks=frozenset({"is_response_0_safe", "is_response_1_safe"}),
        note="In the style of the training prompts; make sure that the training data does not hold these.",
    ),
    Benchmark(
        name="pocket",
        title="Pocket world (held-out test prompts)",
        source="ships with this package",
        licence="Apache-2.0",
        revision="heldout.jsonl, split test",
        where=(("split", "test"),),
        packaged=POCKET,
        note=ORGANISMS,
    ),
    Benchmark(
        name="pocket-dev",
        title="Pocket world, dev (held-out prompts to choose settings on)",
        source="ships with this package",
        licence="Apache-2.0",
        revision="heldout.jsonl, split dev",
        where=(("split", "dev"),),
        packaged=POCKET,
        note=ORGANISMS,
    ),
)

BENCHMARKS: dict[str, Benchmark] = {row.name: row for row in _ROWS}

DATASET = "dataset"  # the test split of the dataset version that a run was trained on, or of `--data dataset=REF`


def find(name: str) -> Benchmark:
    """The benchmark called `name`, or one made of the file or folder at that path."""
    if name in BENCHMARKS:
        return BENCHMARKS[name]
    path = Path(name)
    if path.exists():
        return Benchmark(path.stem, f"{path.name} (a local table)", str(path), licence="unknown", revision="local")
    raise UnknownName("benchmark", name, [*BENCHMARKS, DATASET])
