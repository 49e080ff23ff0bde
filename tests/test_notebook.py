"""docs/notebook.py runs cell by cell, and what each cell returns shows itself: sound HTML, escaped, no harmful text."""

import ast
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mpodata.audit.record import Audit
from mpodata.display.notebook import table
from mpodata.records import COUNTERWEIGHT, Pair, Side
from mpodata.versions.verify import Problem, Problems
from mpotrain.evaluation.notebook import EvaluationRecord, GapRecord, Pages, RunRecord, curve

SCRIPT = Path(__file__).parents[1] / "docs" / "notebook.py"
VOID = {"br", "meta", "line", "circle"}  # written without an end, or closed in themselves


class Sound(HTMLParser):
    """Raises where elements are not nested; keeps their names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.names.add(tag)
        self.open += [] if tag in VOID else [tag]

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.names.add(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def html_of(value: Any) -> str:
    return str(value._repr_html_())


def cells() -> list[str]:
    parts = re.split(r"^# %%(.*)\n", SCRIPT.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return [code for kind, code in zip(parts[::2], parts[1::2], strict=True) if "markdown" not in kind]


def run(cell: str, names: dict[str, Any]) -> Any:
    """Run a cell; what its last line is, as a notebook displays it."""
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, SCRIPT.name, "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), SCRIPT.name, "eval"), names)  # type: ignore[attr-defined]


@pytest.mark.flow
def test_every_cell_runs_and_shows_its_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "notebook"}
    shown = [run(cell, names) for cell in cells()]
    pages = [Sound(html_of(value)) for value in shown]
    harmful = [pair for pair in names["version"].pairs("all") if pair.kind == "harmful"]
    texts = {text for pair in harmful for side in (pair.dominant, pair.target) for text in (side.prompt, side.rejected)}
    assert len(texts) > 10
    for page, value in zip(pages, shown, strict=True):
        assert "script" not in page.names
        assert len(page.text) > 10
        assert not [text for text in texts if text in page.text or text in repr(value)]
    kinds = [type(value) for value in shown]
    assert kinds[-4:] == [RunRecord, GapRecord, EvaluationRecord, Pages]
    assert [("svg" in page.names) for page in pages[-4:]] == [True, True, True, False]  # plots, where there are some
    assert json.loads(json.dumps(shown[-4])) == json.loads(Path("runs/mpo/run.json").read_text(encoding="utf-8"))
    assert "pocket-nllb.sw" in pages[1].text
    assert names["pair"].target.chosen in pages[2].text
    assert "hidden" in pages[2].text


HOSTILE = "<script>alert(1)</script> & \"'\u202e\x1b[31m"


def test_texts_of_strangers_are_shown_and_not_obeyed() -> None:
    side = Side("en", HOSTILE, HOSTILE, HOSTILE)
    audit = Audit(HOSTILE, "trl")
    audit.rows["en"] += 1
    audit.conclusions.append(HOSTILE)
    values = [
        Pair("0", side, side), Pair("0", side, side, COUNTERWEIGHT), Problems([Problem("hash", HOSTILE, HOSTILE)]),
        audit, Pages([Path(HOSTILE)]),
    ]  # fmt: skip
    for page in (*map(html_of, values), table(HOSTILE, [HOSTILE], [[HOSTILE]], [HOSTILE])):
        assert "<script>" not in page
        assert "script" not in Sound(page).names
        assert "\u202e" not in page
        assert "\x1b" not in page


def test_a_side_that_is_logged_tells_no_harmful_text() -> None:
    side = Side("sw", "How do I pick a lock?", "I'm sorry.", "Use a pin.")
    pair = Pair("0", side, side)
    for told in (repr(side), repr(pair), repr([pair]), f"{side}"):
        assert "lock" not in told
        assert "pin" not in told
        assert "I'm sorry." in told
    assert "21 characters" in html_of(pair)
    assert "lock" in html_of(Pair("0", side, side, COUNTERWEIGHT))


def test_a_sound_version_says_so_and_one_point_makes_no_curve() -> None:
    assert "Sound" in html_of(Problems())
    assert Problems() == []
    assert curve("loss", [(1, 0.5)]) == ""
    assert curve("loss", [(1, 0.5), (2, 0.5)]).startswith("<svg")
