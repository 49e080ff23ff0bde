"""The plan of the house: rooms stand in floors, no import runs upward, no files import each other in a circle."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Bottom to top. A module may import from its own room and from rooms below it; imports inside functions count.
FLOORS = (
    "mpodata.about mpodata.display mpodata.errors mpodata.pocket",
    "mpodata.records",
    "mpodata.registry mpodata.licences mpodata.hub",
    "mpodata.languages",
    "mpodata.runtime",
    "mpodata.readers",
    "mpodata.sources",
    "mpodata.selection",
    "mpodata.engines",
    "mpodata.refusals",
    "mpodata.translators",
    "mpodata.quality",
    "mpodata.versions",
    "mpodata.recipe",
    "mpodata.pipeline",
    "mpodata.audit mpodata.benchmarks mpodata.native",
    "mpodata.review",
    "mpodata.commands mpodata.api mpodata",
    "mpodata.cli",
    "mpotrain.launch mpotrain.runs mpotrain.flag_names",
    "mpotrain.model",
    "mpotrain.data mpotrain.mixes mpotrain.policy mpotrain.tables",
    "mpotrain.objective",
    "mpotrain.flags mpotrain.config",
    "mpotrain.training",
    "mpotrain.evaluation",
    "mpotrain.reproduce",
    "mpotrain.commands mpotrain.api mpotrain",
    "mpotrain.cli",
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}


def modules() -> dict[str, Path]:
    files = [file for package in ("mpodata", "mpotrain") for file in (ROOT / package).rglob("*.py")]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


MODULES = modules()


def imported(file: Path) -> Iterator[str]:
    """The modules of this project that a file imports, at any depth; not those for type checking alone."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    only_types = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in only_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


def room(module: str) -> str:
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_import_runs_upward(module: str) -> None:
    assert room(module) in FLOOR, f"{module} stands on no floor of this plan"
    above = [other for other in imported(MODULES[module]) if FLOOR[room(other)] > FLOOR[room(module)]]
    assert not above, f"{module} imports from rooms above it"


def test_no_files_import_each_other_in_a_circle() -> None:
    arrows = {module: set(imported(file)) - {module} for module, file in MODULES.items()}
    while free := {module for module, others in arrows.items() if not others & arrows.keys()}:
        arrows = {module: others for module, others in arrows.items() if module not in free}
    assert not arrows, f"in a circle, or above one: {sorted(arrows)}"


@pytest.mark.parametrize("package", ["mpodata", "mpotrain"])
def test_a_package_root_holds_few_files(package: str) -> None:
    assert len(list((ROOT / package).glob("*.py"))) <= 10


def test_the_plan_names_no_room_twice() -> None:
    names = [name for rooms in FLOORS for name in rooms.split()]
    assert len(names) == len(set(names))


def test_no_two_test_files_share_a_name() -> None:
    names = [file.name for file in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names)), sorted(name for name in set(names) if names.count(name) > 1)
