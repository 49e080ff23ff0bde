"""Quality estimated by a program of its own: its protocol, its faults, its scores in the rows."""

import json
import os
import shlex
import sys
from functools import partial
from pathlib import Path

import pytest

import mpodata
from mpodata.cli import main
from mpodata.errors import ConfigError, RemoteError
from mpodata.pocket import prompts_path
from mpodata.quality.estimation import QualityEstimation
from mpodata.records import Side
from mpodata.runtime.journal import Journal
from mpodata.versions.schema import read_rows
from tests.fakes.raw import RawServer, Script, half_body, whole

SCRIPT = Path(__file__).parents[3] / "scripts" / "quality_estimation.py"
ENGLISH, SWAHILI = Side("en", "Hello.", "No.", "Yes."), Side("sw", "Habari yako.", "Hapana.", "Ndiyo.")
JSON = "Content-Type: application/json"


class Estimator:
    """Scores a translation by its length, and remembers what it was asked."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []

    def __call__(self, request: bytes) -> Script:
        if request.startswith(b"GET "):
            return whole(b'{"model": "by-length", "scale": "characters"}', JSON)
        rows = json.loads(request.partition(b"\r\n\r\n")[2])["rows"]
        self.rows += rows
        return whole(json.dumps({"scores": [len(row["mt"]) / 100 for row in rows]}).encode(), JSON)


def test_each_translated_field_is_scored_once():
    asked = Estimator()
    with RawServer(behave=asked) as server, Journal(":memory:") as journal:
        for _ in range(2):
            estimation = QualityEstimation(server.origin, journal)
            assert estimation.estimates([(ENGLISH, SWAHILI)]) == [(0.12, 0.07, 0.06)]
            assert estimation.estimates([(ENGLISH, SWAHILI)], ["chosen"]) == [(None, 0.07, None)]
    assert len(asked.rows) == 3
    assert asked.rows[0] == {"src": "Hello.", "mt": "Habari yako.", "source": "en", "target": "sw"}
    assert estimation.about == {"model": "by-length", "scale": "characters"}


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (half_body, "does not answer"),
        (partial(whole, b"", status="500 Internal Server Error"), "answered HTTP 500"),
        (partial(whole, b"<html>", JSON), "answered no JSON"),
        (partial(whole, b"[1]", JSON), "answered no JSON object"),
        (partial(whole, b"{}", JSON), "does not say which model it is"),
    ],
)
def test_a_server_that_is_no_estimator_is_one_sentence(script, told):
    with RawServer(script) as server, Journal(":memory:") as journal, pytest.raises(RemoteError, match=told):
        QualityEstimation(server.origin, journal)


@pytest.mark.parametrize("scores", ["[0.1]", '["a", 1, 2]', "[NaN, 1, 2]", "[true, 1, 2]", "null"])
def test_scores_that_are_none_are_not_taken(scores):
    def behave(request: bytes) -> Script:
        return whole(b'{"model": "x"}' if request.startswith(b"GET ") else f'{{"scores": {scores}}}'.encode(), JSON)

    with RawServer(behave=behave) as server, Journal(":memory:") as journal:
        estimation = QualityEstimation(server.origin, journal)
        with pytest.raises(RemoteError, match="did not answer 3 rows with numbers"):
            estimation.estimates([(ENGLISH, SWAHILI)])


def test_a_command_that_does_not_start_or_ends_is_said():
    with Journal(":memory:") as journal:
        with pytest.raises(ConfigError, match="neither an address nor a command that starts"):
            QualityEstimation("/no/such/program --lines", journal)
        with pytest.raises(RemoteError, match="ended without an answer"):
            QualityEstimation(shlex.join([sys.executable, "-c", "pass"]), journal)


COMET = """
class Model:
    def predict(self, data, batch_size, gpus, progress_bar):
        print("noise that is no answer")
        return type("Out", (), {"scores": [len(row["mt"]) / 100 for row in data]})
def download_model(name): return name
def load_from_checkpoint(path): return Model()
"""


@pytest.mark.flow
def test_the_script_answers_lines_with_what_comet_says(tmp_path, monkeypatch):
    """A module called comet stands in: the model is gated, and its package wants an environment of its own."""
    (tmp_path / "comet.py").write_text(COMET)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with Journal(":memory:") as journal:
        estimation = QualityEstimation(shlex.join([sys.executable, str(SCRIPT), "--lines"]), journal)
        assert estimation.about == {"model": "Unbabel/wmt22-cometkiwi-da"}
        assert estimation.estimates([(ENGLISH, SWAHILI)]) == [(0.12, 0.07, 0.06)]
        del estimation


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_build_keeps_the_scores_beside_the_rows_and_says_who_gave_them(tmp_path):
    lines = prompts_path().read_text(encoding="utf-8").splitlines()
    table = tmp_path / "rows.jsonl"
    table.write_text("\n".join(lines[:: len(lines) // 12][:12]) + "\n", encoding="utf-8")
    arguments = ["build", "--source", str(table), "--source-columns", "prompt=prompt,unsafe=unsafe_response"]
    arguments += ["--model", "pocket-chat", "--set", "sampling={candidates: 2, max_tokens: 48}", "--languages", "sw"]
    arguments += ["--translator", "pocket-nllb", "--set", "test_share=0", "--out", str(tmp_path / "out")]
    asked = Estimator()
    with RawServer(behave=asked) as server:
        assert main([*arguments, "--quality-estimation", server.origin]) == 0
        scored = len(asked.rows)
        assert main([*arguments, "--quality-estimation", server.origin]) == 0  # complete: nothing is asked again
    assert len(asked.rows) == scored > 0
    version = mpodata.load(str(tmp_path / "out"))
    [file] = (tmp_path / "out" / "pocket-nllb" / "sw").glob("*.parquet")
    for row in read_rows(file):
        assert row.estimates == tuple(
            round(len(text) / 100, 6) for text in (row.side.prompt, row.side.chosen, row.side.rejected)
        )
    [build] = version.manifest.builds.values()
    assert build["checks"]["quality_estimation"] == {"model": "by-length", "scale": "characters"}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "Estimated quality of the translations" in card
    assert "(by-length)" in card
    assert mpodata.verify(str(tmp_path / "out")) == []
