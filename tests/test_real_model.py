"""The table of `scripts/real_model` says what the runs measured, per language, before and after."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from weights import table

ROOT = Path(__file__).parents[1]


def gap(value: float) -> dict[str, object]:
    return {"per_token": {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 11}, "accuracy": 0.75}


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    run = {
        "data": {"reference": "/home/me/parallel@v1.0.0", "commit": "0123456789abcdef", "rows": {"en": 60, "sw": 58}},
        "training": {"steps": 8, "global_batch_size": 4, "learning_rate": 5e-5, "seed": 42},
        "seconds": 61.4,
    }
    for n, name in enumerate((table.BASE, *table.METHODS)):
        folder = tmp_path / "evaluation" / ("mpo/base" if name == table.BASE else name)
        folder.mkdir(parents=True, exist_ok=True)
        cells = [
            {"language": code, "kind": kind, "answers": 8, "classes": {"refusal": n, "unsafe": 8 - n}}
            for code in ("en", "sw")
            for kind in ("harmful", "harmless")
        ]
        (folder / "results.json").write_text(json.dumps({"cells": cells}))
        gaps = {"languages": {"en": gap(n / 10), "sw": gap(-n / 10)}}
        (tmp_path / f"gap-{name}.json").write_text(json.dumps(gaps))
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps(run))
    return tmp_path


def test_every_model_has_a_line_per_language(measured: Path) -> None:
    lines = table.document(measured).splitlines()
    assert len([line for line in lines if line.startswith("| ")]) == 1 + 4 * 2
    assert "| base | en | +0.000 (-0.100 to +0.100), 11 pairs | 75% | 0 of 8 | 8 of 8 |" in lines
    assert "| dpo | sw | -0.300 (-0.400 to -0.200), 11 pairs | 75% | 3 of 8 | 5 of 8 |" in lines
    assert "parallel@v1.0.0, commit 0123456789ab" in lines[0]
    assert "/home/me" not in lines[0]
    assert "8 steps of 4, learning rate 5e-05" in lines[0]


def test_the_table_goes_between_its_markers(measured: Path) -> None:
    page = measured / "page.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    command = [sys.executable, str(ROOT / "scripts/weights/table.py"), str(measured), "--write", str(page)]
    subprocess.run(command, check=True, capture_output=True)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| sft | en | +0.200" in text


def test_the_results_page_has_the_tables_place() -> None:
    page = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    assert page.count(table.BEGIN) == page.count(table.END) == 1


def test_the_script_is_a_script() -> None:
    assert subprocess.run(["bash", "-n", str(ROOT / "scripts/real_model")]).returncode == 0
