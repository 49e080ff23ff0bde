"""Fault x command -> what a user meets: a cell `says` a sentence, is `fine`, or `na`: the fault cannot occur there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Cell:
    """What happens."""

    code: int = 2
    words: str = ""  # of the sentence; "|" between those of which one is enough
    keeps: tuple[str, ...] = ()  # what may stand beside the output afterwards, as suffixes of {out}: to go on from
    reason: str = ""  # why the fault cannot occur; then nothing is run
    slow: bool = False  # trains or builds


def says(words: str, *keeps: str, code: int = 2, slow: bool = False) -> Cell:
    return Cell(code, words, keeps, slow=slow)


def na(reason: str) -> Cell:
    return Cell(reason=reason)


def fine(*keeps: str, slow: bool = False) -> Cell:
    """The command is not harmed by it, and does what it does."""
    return Cell(0, "", keeps, slow=slow)


def each(commands: str, cell: Cell) -> dict[str, Cell]:
    return dict.fromkeys(commands.split(), cell)


PRINT = "versions diff verify show preview"  # print, and write no file
NEW_FOLDER = "apply-review export tasks"  # make a folder whole or not at all
FILES = "audit compare-translators gap states calibrate report"  # make a page, table or JSON file
GO_ON = "train sweep eval reproduce review"  # work on in a folder that is there
TABLES = "build plan audit translate-benchmark"  # read a table of a user
VERSION = "publish diff verify show review apply-review compare-translators export train sweep preview gap states"
MODEL = "train sweep gap states eval"
NO_MODEL = (
    "plan audit publish versions diff verify show review apply-review compare-translators export tasks calibrate report"
)
NO_SETTINGS = (
    "audit publish versions diff verify show review apply-review compare-translators export train sweep preview gap "
    "states tasks calibrate report"
)
NO_TEXT = na("writes no file")
NO_TABLE = na("reads no version's rows")
SMALL = "too large|disk"

_ROWS: Final[Mapping[str, Mapping[str, Cell]]] = {
    # The kernel refuses to write; the journal is new and so is met first where there is one.
    "full disk": {
        **each(PRINT, NO_TEXT),
        **each("build plan gap states eval translate-benchmark", says("The journal")),
        **each("train", says("The journal|too large", "")),
        **each("sweep", says("too large", "")),
        **each("audit compare-translators calibrate report reproduce", says("File too large", "")),
        **each("review", says("File too large", "")),
        **each("publish", says("The folder registry cannot write", "", "/name", "/name/.lock")),
        **each(NEW_FOLDER, says("File too large")),
    },
    "full standard output": {
        **each("review publish audit compare-translators plan versions diff verify show preview apply-review export "
               "tasks calibrate report gap", says("No space left on device", "", ".html", ".csv", ".json", ".md")),
        **each("states eval", says("No space left on device", "", ".html", ".json")),
        **each("build translate-benchmark train", says("No space left on device", "", ".work", slow=True)),
        **each("sweep", says("The run beta=0.1 failed (exit code 2): see above|No space left", "", slow=True)),
        **each("reproduce", says("No space left on device", "")),
    },
    "unwritable folder": {
        **each(PRINT, NO_TEXT),
        **each("plan", says("The journal")),
        **each("build publish apply-review export", says("cannot be made: Permission denied. Choose another place")),
        **each("translate-benchmark", says("Permission denied")),
        **each("train", says("cannot be written: Permission denied. Choose a folder of your own")),
        **each(f"{FILES} review eval tasks sweep reproduce", says("Permission denied. Choose a place")),
    },
    "file in place of its folder": {
        **each(f"{PRINT} plan", NO_TEXT),
        **each("build publish apply-review export", says("cannot be made|cannot be written")),
        **each("translate-benchmark", says("Not a directory")),
        **each("train", says("cannot be written: Not a directory")),
        **each("audit compare-translators", says("does not exist. Make it first")),
        **each("gap states calibrate report review eval tasks sweep reproduce", says("Not a directory|File exists")),
    },
    "something else in its place": {
        **each(f"{PRINT} plan", NO_TEXT),
        **each("build apply-review", says("exists and is not a dataset version. Choose another folder")),
        **each("export tasks", says("exists. Choose another folder, or remove it first")),
        **each("publish", says("cannot be made: Not a directory")),
        **each("translate-benchmark", says("is a file: name a folder")),
        **each("train", says("cannot be written: File exists. Choose a folder of your own")),
        **each("sweep review eval", says("File exists|Not a directory")),
        **each("reproduce", says("is a file: name a folder")),
        **each("audit compare-translators", says("It is a folder: name a file")),
        **each("gap states report", says("is a folder: name a file, for example")),
        **each("calibrate", says("exists and may hold labels. Choose another --out, or remove it")),
    },
    # {out} is a link to a folder or file of the user's: nothing that was there is changed.
    "planted link": {
        **each(f"{PRINT} plan", NO_TEXT),
        **each("build apply-review", says("exists and is not a dataset version")),
        **each("export tasks", says("exists. Choose another folder")),
        **each("calibrate", says("exists and may hold labels")),
        **each("audit compare-translators gap states report", fine(".json", ".md", ".html")),
        **each("publish review eval", fine("")),
        **each("reproduce", says("steps failed; the page says which", "")),  # they are not run here
        **each("train sweep translate-benchmark", fine("", slow=True)),
    },
    "link to nowhere": {
        **each(f"{PRINT} plan", NO_TEXT),
        **each("build apply-review export", says("is a link to nowhere. Remove it, or choose another folder")),
        **each("tasks", says("exists. Choose another folder")),
        **each("calibrate", says("exists and may hold labels")),
        **each("audit compare-translators gap states report", fine(".json", ".md", ".html")),
        **each("train review eval sweep reproduce", says("File exists|Not a directory")),
        **each("publish", fine("")),
        **each("translate-benchmark", fine("", slow=True)),
    },
    "missing input": {
        **each("build plan audit", says("is neither a file nor a Hub dataset id")),
        **each("translate-benchmark", says("is not a file")),
        **each("publish", says("holds no manifest.json")),
        **each("diff verify show review apply-review compare-translators export train sweep preview gap states",
               says("has no published version in")),
        **each("sweep", says("The run beta=0.1 failed (exit code 2): see above", "")),
        **each("versions", says("has no published version in")),
        **each("eval", says("There is no model")),
        **each("calibrate report", says("holds no evaluation. Make one with")),
        **each("tasks reproduce", na("reads what ships alone")),
    },
    "unreadable input": {
        **each(f"{TABLES} {VERSION} versions calibrate report", says("Permission denied")),
        **each("sweep", says("The run beta=0.1 failed (exit code 2): see above", "")),
        **each("eval", says("cannot be loaded|Permission denied")),
        **each("tasks reproduce", na("reads what ships alone")),
    },
    "damaged Parquet": {
        **each("publish apply-review", says("is not a sound version")),
        **each("verify", says("is not sound: ")),
        **each("diff show compare-translators export preview gap states", says("is not what its manifest recorded")),
        **each("review", says("is not what its manifest recorded", "")),  # the reader's file, without a decision
        **each("train", says("is not what its manifest recorded", "", "/.lock")),
        **each("sweep", says("failed (exit code 2)|is not what its manifest recorded", "")),
        **each("build plan audit versions eval tasks calibrate report reproduce translate-benchmark", NO_TABLE),
    },
    "swapped answers": {
        **each("publish apply-review", says("is not a sound version")),
        **each("verify", says("is not sound: ")),
        **each("diff show compare-translators export preview gap states", says("is not what its manifest recorded")),
        **each("review", says("is not what its manifest recorded", "")),  # the reader's file, without a decision
        **each("train", says("is not what its manifest recorded", "", "/.lock")),
        **each("sweep", says("failed (exit code 2)|is not what its manifest recorded", "")),
        **each("build plan audit versions eval tasks calibrate report reproduce translate-benchmark", NO_TABLE),
    },
    "broken manifest": {
        **each(f"{VERSION} versions", says("is not a manifest of mpodata", "", "/.lock")),
        **each("sweep", says("The run beta=0.1 failed (exit code 2): see above", "")),
        **each("calibrate report", says("is not JSON")),  # of an evaluation: its results.json
        **each("build plan audit eval tasks reproduce translate-benchmark", na("reads no manifest")),
    },
    # The Hub does not answer: references and models are looked for there.
    "no network": {
        **each(f"{VERSION} versions", says("The Hub did not answer|could not be reached|cannot be reached|Hub")),
        **each("publish", says("holds no manifest.json")),  # takes a folder alone
        **each("sweep", says("The run beta=0.1 failed (exit code 2): see above", "")),
        **each("build plan audit", says("Hub|network|connection")),
        **each("eval", says("user/model", "")),
        **each("calibrate report tasks reproduce translate-benchmark", na("reads files of this machine alone")),
    },
    # `pip install mpodata` without extras.
    "base install": {
        **each("compare-translators", says("pip install 'mpodata[quality]'")),
        **each("plan audit publish versions diff verify show apply-review export tasks calibrate report",
               fine("", ".html", ".csv", ".json", ".md")),
        **each("build translate-benchmark", says("pip install 'mpodata[nllb]'")),
        **each("review", says("pip install 'mpodata[review]'")),
        **each("train sweep preview gap states reproduce", says("pip install 'mpodata[train]'")),
        **each("eval", says("pip install 'mpodata[transformers]'", "")),
    },
    "pickle weights": {
        **each("gap states eval", says("holds its weights as a pickle")),
        **each("train sweep", says("holds its weights as a pickle|failed (exit code 2)", "")),
        **each("preview", na("reads the tokenizer alone")),
        **each(NO_MODEL, na("loads no model")),
        **each("build translate-benchmark reproduce", na("tried with models that ship, whose weights are checked")),
    },
    "invalid YAML": {
        **each("build plan", says("is not valid YAML")),
        **each("eval translate-benchmark reproduce", says("YAML")),
        **each(NO_SETTINGS, na("has no --set")),
    },
    "Ctrl-C": {
        **each(f"{PRINT} {FILES} {NEW_FOLDER} {GO_ON} publish plan",
               says("stopped. Run the same command again", code=130)),
        **each("build", says("stopped. Run the same command again", ".work", code=130)),  # behind the block in flight
        **each("translate-benchmark", says("stopped. Run the same command again", code=130)),
    },
}  # fmt: skip


_NEEDS_MAPO: Final = na("reads only what MAPO or LIDR built, and writes its one file as audit writes its page")
_ORIGINAL_PAIRS: Final = {
    "missing input": says("has no published version in"),
    "unreadable input": says("Permission denied"),
    "broken manifest": says("is not a manifest of mpodata"),
    "something else in its place": says("is a folder: name a file"),
    "no network": says("is on the Hub: its recipe would run models"),
}
# Its models are of random weights, so that no pair is left: tests/mpodata/native has the whole line.
_BUILDS_NOTHING: Final = na("models of random weights leave no pair: nothing is printed")
_BUILD_NATIVE: Final = {
    "full disk": says("The journal"),
    "full standard output": _BUILDS_NOTHING,
    "unwritable folder": says("cannot be made: Permission denied. Choose another place"),
    "file in place of its folder": says("cannot be made"),
    "something else in its place": says("exists and is not a dataset version. Choose another folder"),
    "planted link": says("exists and is not a dataset version"),
    "link to nowhere": says("is a link to nowhere. Remove it, or choose another folder"),
    "missing input": says("give a table of slots"),
    "unreadable input": says("Permission denied"),
    "damaged Parquet": NO_TABLE,
    "swapped answers": NO_TABLE,
    "broken manifest": na("reads no manifest"),
    "no network": says("user/model"),
    "base install": says("pip install 'mpodata[transformers]'"),
    "pickle weights": says("holds its weights as a pickle"),
    "invalid YAML": says("must hold valid YAML"),
    "Ctrl-C": says("stopped. Run the same command again", code=130),
}
_STEPS: Final = na("its steps are commands of the table, started one by one")
_ITERATE: Final = {
    "full disk": says("File too large", ""),
    "full standard output": says("No space left on device", ""),
    "unwritable folder": says("cannot be written: Permission denied. Choose a folder of your own"),
    "file in place of its folder": says("cannot be written: Not a directory"),
    "something else in its place": says("cannot be written: File exists. Choose a folder of your own"),
    "planted link": says("round 1: build failed", ""),  # its steps are not run here
    "link to nowhere": says("cannot be written: File exists"),
    "missing input": says("is neither a folder nor a Hub id"),
    "unreadable input": _STEPS,
    "damaged Parquet": _STEPS,
    "swapped answers": _STEPS,
    "broken manifest": _STEPS,
    "no network": _STEPS,
    "base install": says("pip install 'mpodata[train]'"),
    "pickle weights": _STEPS,
    "invalid YAML": na("has no --set"),
    "Ctrl-C": says("stopped. Run the same command again", code=130),
}
TABLE: Final[Mapping[str, Mapping[str, Cell]]] = {
    fault: {
        **row,
        "original-pairs": _ORIGINAL_PAIRS.get(fault, _NEEDS_MAPO),
        "build-native": _BUILD_NATIVE[fault],
        "iterate": _ITERATE[fault],
    }
    for fault, row in _ROWS.items()
}


def cells() -> Iterable[tuple[str, str, Cell]]:
    return ((fault, command, cell) for fault, row in TABLE.items() for command, cell in row.items())
