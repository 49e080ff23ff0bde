"""`scripts/check_gpu.py`: its first part holds on a CPU, sees what is wrong, and says so."""

import json
import sys
from pathlib import Path
from typing import Any

import check_gpu
import pytest
import torch
from gpu import agreement
from gpu.checks import Check, table

from mpotrain.model import attention


def errors(kind: str, dtype: torch.dtype = torch.float32) -> list[tuple[str, str, float]]:
    return list(agreement.errors(kind, dtype, "cpu"))


@pytest.mark.flow
def test_the_first_part_holds_on_a_cpu_and_writes_its_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "check.json"
    monkeypatch.setattr(sys, "argv", ["check_gpu.py", "--cpu", "--json", str(place)])
    assert check_gpu.main() == 0
    checks = json.loads(place.read_text())["checks"]
    assert len(checks) == 5 * 2 * 2 * 3, "architectures x number formats x layouts x quantities"
    assert all(check["passed"] for check in checks)
    assert "| agreement | gemma2 bfloat16 packed gradients |" in capsys.readouterr().out


def test_attention_that_forgets_the_sliding_window_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    whole: Any = attention._attend
    monkeypatch.setattr(attention, "_attend", lambda *states, **more: whole(*states, **{**more, "window": None}))
    limits = agreement.LIMITS[torch.float32]
    missed = {(layout, what) for layout, what, error in errors("mistral") if error > limits[what]}
    assert missed == {("packed", what) for what in limits}


def test_attention_that_forgets_soft_capping_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    whole: Any = attention._capped
    monkeypatch.setattr(attention, "_capped", lambda *args: whole(*args[:5], 1e6, args[6]))
    limits = agreement.LIMITS[torch.bfloat16]
    assert any(error > limits[what] for _, what, error in errors("gemma2", torch.bfloat16))


def test_a_missed_limit_is_marked_and_ends_in_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(agreement, "run", lambda device: iter([Check("agreement", "worst", 2.0, limit=1.0)]))
    monkeypatch.setattr(sys, "argv", ["check_gpu.py", "--cpu", "--json", str(tmp_path / "check.json")])
    assert check_gpu.main() == 1
    assert "| agreement | worst | 2  | <= 1 | MISSED |" in capsys.readouterr().out


def test_goals_and_values_that_are_no_numbers() -> None:
    assert Check("speed", "ratio", 2.0, "x", 1.5, ">=").passed
    assert not Check("agreement", "error", float("nan"), limit=1.0).passed
    assert Check("speed", "rate", 5.0, "TFLOP/s").passed is None
    assert "5 TFLOP/s" in table([Check("speed", "rate", 5.0, "TFLOP/s")])


@pytest.mark.parametrize("words", [["--cpu", "--parts", "speed"], ["--parts", "nothing"]])
def test_what_cannot_run_is_refused(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["check_gpu.py", *words])
    with pytest.raises(SystemExit) as stopped:
        check_gpu.main()
    assert stopped.value.code == 2


@pytest.mark.slow
def test_the_commands_run_on_a_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        sys, "argv", ["check_gpu.py", "--cpu", "--parts", "commands", "--json", str(tmp_path / "check.json")]
    )
    assert check_gpu.main() == 0
