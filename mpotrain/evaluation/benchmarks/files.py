"""What a benchmark file's name says: language, kind and series, each checked against the texts or left aside."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpodata.languages import languages
from mpodata.languages.identification import UNDETERMINED, dominant_language_of, other_languages
from mpodata.languages.labels import language_code, language_in_name
from mpodata.readers.files import LocalFile
from mpodata.readers.kinds import kind_of
from mpodata.records import Kind
from mpotrain.evaluation.benchmarks import Benchmark

SPLITS = ("train", "val", "validation", "dev", "test")
SAMPLE = 200  # texts that a file's language is told from
CLEAR_SHARE = 0.8  # share of the texts below which a file's language is said to be uncertain


@dataclass(frozen=True, slots=True)
class FileName:
    """The name of one file, `root` taken off where it lies in a benchmark's folder."""

    stem: str  # "harmful_val_translated_ar"
    folder: str  # the folder in the benchmark's own, "" outside one
    kind: Kind
    series: str  # files of one series hold the same prompts in the same order, one language each

    def language(self, benchmark: Benchmark, texts: Sequence[Any]) -> tuple[str, str]:
        """(code, a note for the reader) of a file that has no column for it.

        1. Prompts that mix languages keep that mark. 2. A language that the name states counts where the texts confirm
        it, or, where it is the whole name, where they do not speak against it. 3. Else the texts' own language; where
        they do not say, the benchmark's.
        """
        if benchmark.mixes_languages:
            return benchmark.language, ""
        sample = [text for text in texts if isinstance(text, str) and text.strip()][:SAMPLE]
        stated = language_in_name("/".join(part for part in (self.folder, self.stem) if part), sample)
        if stated is None:
            stated = next((code for name in (self.folder, self.stem) if (code := self._unopposed(name, sample))), None)
        if stated is not None:
            return stated, ""
        code, share = dominant_language_of(sample)
        if code == UNDETERMINED:
            return benchmark.language, ""
        if code == benchmark.language and share >= CLEAR_SHARE:
            return code, ""
        return code, f"{self.stem}: language told from its texts, {languages()[code].name} ({share:.0%} of them)"

    def _unopposed(self, name: str, sample: Sequence[str]) -> str | None:
        """The language that is the whole of `name`, unless a text is clearly in another one."""
        code = language_code(name)
        return code if code and not any(other_languages(sample, code)) else None


def read_name(path: Path, benchmark: Benchmark, root: Path | None = None) -> FileName:
    """What the name of `path` says; `root`: the benchmark's folder, whose sub-folders may be languages."""
    folder = path.parent.name if root is not None and path.parent != root else ""
    stem = LocalFile(str(path)).stem
    words = stem.split("_")
    stated = kind_of(words[0])
    # "harmless_test.json" and "harmful.csv" say what they hold; "safe_driving.csv" is about driving.
    says_kind = stated is not None and (len(words) == 1 or words[1].casefold() in SPLITS)
    series = "-".join(word for word in words if language_code(word) is None and word not in {"translated", "n"})
    if root is not None and not folder and not series:
        series = ""  # sw.json beside en.json
    return FileName(
        stem=stem,
        folder=folder,
        kind=stated if says_kind and stated is not None else benchmark.kind,
        series=f"{re.sub(r'-+', '-', series)}-" if root is not None else "",
    )


def stated_language(stem: str, texts: Sequence[Any]) -> str | None:
    """The language that a word of a file's name states, the last word first, unless its texts are clearly in another.

    For folders whose files are named after languages by convention: mgsm_sw.tsv, bn_dev.json, mmlu_SW-KE.csv.
    """
    sample = [text for text in texts if isinstance(text, str) and text.strip()][:SAMPLE]
    confirmed = language_in_name(stem, sample)
    codes = (language_code(word) for word in reversed(stem.split("_")))
    return confirmed or next((code for code in codes if code and not any(other_languages(sample, code))), None)
