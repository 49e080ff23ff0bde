"""Sources by Hub id, against the loopback Hub, in a process of its own: HF_ENDPOINT is read at import."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.hub import LoopbackHub

SCRIPT = """
import json
from huggingface_hub import HfApi
from mpodata.errors import MpoError
from mpodata.records import SourceRow
from mpodata.sources.detection import detect
from mpodata.readers.upstream import Upstream
from mpodata.sources.table import table

api = HfApi()
api.create_repo("ana/prompts", repo_type="dataset")
commits = []
for name in ("jar", "door"):
    rows = "".join(json.dumps({"prompt": f"How do I open {n} {name}s?", "rejected": "Pull."}) + "\\n" for n in range(3))
    commits.append(api.upload_file(
        path_or_fileobj=rows.encode(), path_in_repo="train.jsonl", repo_id="ana/prompts", repo_type="dataset"
    ).oid)


def refused(**options):
    try:
        list(Upstream(**options).rows())
    except MpoError as error:
        return f"{type(error).__name__}: {error}"


old, new = (table(path="ana/prompts", revision=revision) for revision in (commits[0], None))
print(json.dumps({
    "commits": commits,
    "old": [row.prompt for row in old.rows() if isinstance(row, SourceRow)],
    "new": [row.prompt for row in new.rows() if isinstance(row, SourceRow)],
    "pinned": [source.provenance()["revision"] for source in (old, new)],
    "source": detect("ana/prompts"),
    "split": refused(path="ana/prompts", split="exam"),
    "revision": refused(path="ana/prompts", revision="v9"),
    "missing": refused(path="ana/none"),
}))
"""


def run(script: str, tmp_path: Path, endpoint: str, token: str = "") -> subprocess.CompletedProcess[str]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        **{"HF_ENDPOINT": endpoint, "HF_TOKEN": token, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"},
        **{"HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    }
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.flow
def test_a_hub_dataset_is_read_at_the_commit_that_is_recorded(tmp_path: Path) -> None:
    with LoopbackHub() as hub:
        done = run(SCRIPT, tmp_path, hub.endpoint, hub.user("ana"))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["old"] == [f"How do I open {n} jars?" for n in range(3)]
    assert found["new"] == [f"How do I open {n} doors?" for n in range(3)]
    assert found["pinned"] == found["commits"]
    assert found["source"] == "table"
    assert found["split"].startswith("DataError: Hub dataset ana/prompts: ")
    assert "exam" in found["split"]
    assert found["revision"].startswith("DataError: Hub dataset ana/prompts has no revision 'v9'")
    assert found["missing"].startswith("DataError: ana/none is neither a file here nor a dataset on the Hub")


CUT_SHORT = """
import io
import json
import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import HfApi
from mpodata.errors import MpoError
from mpodata.readers.upstream import Upstream

api = HfApi()
api.create_repo("ana/jars", repo_type="dataset")
for part in range(2):
    table = io.BytesIO()
    pq.write_table(pa.table({"prompt": [f"How do I open {part}{n} jars?" for n in range(3)]}), table)
    name = f"data/train-{part:05}-of-00002.parquet"
    api.upload_file(path_or_fileobj=table.getvalue(), path_in_repo=name, repo_id="ana/jars", repo_type="dataset")
whole = [row["prompt"] for row in Upstream("ana/jars").rows()]
stream = datasets.DatasetBuilder.as_streaming_dataset
datasets.DatasetBuilder.as_streaming_dataset = lambda *given, **named: stream(*given, **named).take(5)
rows = []
try:
    rows.extend(Upstream("ana/jars").rows())
except MpoError as error:
    print(json.dumps({"whole": whole, "said": f"{type(error).__name__}: {error}"}))
"""


@pytest.mark.flow
def test_a_stream_that_ends_early_is_told_by_the_files_own_count(tmp_path: Path) -> None:
    with LoopbackHub() as hub:
        done = run(CUT_SHORT, tmp_path, hub.endpoint, hub.user("ana"))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["whole"] == [f"How do I open {part}{n} jars?" for part in range(2) for n in range(3)]
    assert told["said"] == ("RemoteError: The Hub gave 5 rows of ana/jars (train), and its files hold 6. Try again.")


def test_a_hub_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    script = "from mpodata.cli import main; raise SystemExit(main(['audit', 'ana/prompts']))"
    done = run(script, tmp_path, "http://127.0.0.1:9")
    assert done.returncode == 2
    assert (
        done.stderr.strip()
        .splitlines()[-1]
        .startswith("mpodata: ana/prompts is no file here, and the Hub did not answer")
    )
