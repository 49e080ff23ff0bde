"""The Python example of README.md does what it shows."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"<!-- python example.*?-->\n```python\n(.*?)```", README, re.DOTALL)


def test_the_python_example_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(EXAMPLE, "README.md", "exec"), {"__name__": "readme"})
    harmful, steps, gaps = re.match(r"(\d+) (\d+) (\{.*\})", capsys.readouterr().out.splitlines()[-1]).groups()
    assert int(harmful) > 5
    assert steps == "4"
    assert "'en'" in gaps
    assert "'sw'" in gaps
