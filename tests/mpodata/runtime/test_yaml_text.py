"""YAML of a recipe, a preset or --set that cannot be read is one sentence and exit code 2."""

from pathlib import Path

import pytest

from mpodata.cli import main

BROKEN = {
    "open list": "[zh",
    "unknown anchor": "*a",
    "a tag that runs code": '!!python/object/apply:os.system ["id"]',
    "no such date": "2020-99-99",
    "too deep": "[" * 5000,
    "list as key": "{[a]: 1}",
    "control character": "\x01",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_yaml_that_cannot_be_read_is_one_sentence(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe.yaml").write_text(f"samples: {text}\n")
    for arguments in (["--set", f"samples={text}"], ["--recipe", str(tmp_path / "recipe.yaml")]):
        assert main(["plan", *arguments]) == 2
        assert "is not valid YAML" in capsys.readouterr().err
