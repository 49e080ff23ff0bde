"""The Slurm scripts: cores reach the steps, and a Ray cluster is waited for as long as it takes, not 20 seconds."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts" / "slurm"

STATUS = """\
======== Autoscaler status: 2026-11-27 ========
Node status
---------------------------------------------------------------
Active:
%s
Pending:
 (no pending nodes)
Recent failures:
 (no failures)
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A folder of programs that stand in for Slurm's, for ray and for mpodata; each writes down how it was called."""
    token = f'echo "$RAY_AUTH_MODE $RAY_AUTH_TOKEN" >> {tmp_path}/tokens'
    programs = {
        "scontrol": "printf 'node1\\nnode2\\n'",
        "srun": f'{token}; echo "srun $SRUN_CPUS_PER_TASK $*" >> {tmp_path}/calls; '
        'while [ "${1#--}" != "$1" ]; do case "$1" in *=*) shift;; *) shift 2;; esac; done; exec "$@"',
        "mpodata": f'{token}; echo "mpodata $RAY_ADDRESS $*" >> {tmp_path}/calls',
        "mpotrain": f'echo "mpotrain $*" >> {tmp_path}/calls',
        # A node joins the cluster only some calls after it was started.
        "ray": f'if [ "$1" = status ]; then echo x >> {tmp_path}/asked; n=$(( $(wc -l < {tmp_path}/asked) / 2 )); '
        f'most=$(grep -c " ray start" {tmp_path}/calls); [ "$n" -gt "$most" ] && n=$most; '
        f'printf \'{STATUS}\' "$(for i in $(seq $n); do echo " 1 node_$i"; done)"; else sleep 60; fi',
    }
    for name, body in programs.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/bash\n{body}\n", encoding="utf-8")
        path.chmod(0o755)
    return tmp_path


def submit(job: Path, script: str, *words: str, nodes: int = 2, **more: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PATH": f"{job / 'bin'}:{os.environ['PATH']}",
        "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_JOB_ID": "77", "SLURM_GPUS_ON_NODE": "8",
        "SLURM_JOB_NUM_NODES": str(nodes), "SLURM_CPUS_PER_TASK": "32", **more,
    }  # fmt: skip
    command, out = ["bash", str(SCRIPTS / script), *words], job / "out"
    with out.open("w", encoding="utf-8") as lines:  # a file: what runs on in the background would hold a pipe open
        process = subprocess.Popen(command, env=environment, stdout=lines, stderr=lines, start_new_session=True)
        try:
            process.wait(timeout=300)
        finally:  # the end of a job ends its steps
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
    return subprocess.CompletedProcess(command, process.returncode, "", out.read_text(encoding="utf-8"))


def test_the_build_starts_when_every_node_has_joined_however_late(job: Path) -> None:
    result = submit(job, "build_ray.sbatch", "--recipe", "mpo-paper")
    assert result.returncode == 0, result.stderr
    calls = (job / "calls").read_text(encoding="utf-8").splitlines()
    assert calls[-1] == (
        "mpodata node1:20077 build --scale ray --workers 16 --gpus-per-worker 1 --cpus-per-worker 4 --recipe mpo-paper"
    )
    assert [call.split()[:2] for call in calls[:-1]] == [["srun", "32"], ["srun", "32"]]
    tokens = set((job / "tokens").read_text(encoding="utf-8").splitlines())
    assert len(tokens) == 1  # every step and the build hold the job's own
    assert re.fullmatch(r"token [0-9a-f]{64}", tokens.pop())
    assert len((job / "asked").read_text(encoding="utf-8").splitlines()) >= 4  # asked until both were there


def test_a_node_that_never_joins_is_one_sentence(job: Path) -> None:
    (job / "bin" / "ray").write_text("#!/bin/bash\n[ $1 = start ] && sleep 60\nexit 1\n", encoding="utf-8")
    result = submit(job, "build_ray.sbatch", "--recipe", "mpo-paper", MPODATA_RAY_WAIT="2")
    assert result.returncode == 1
    assert "build_ray: 0 of 1 nodes joined the Ray cluster at node1:20077" in result.stderr
    assert "mpodata" not in (job / "calls").read_text(encoding="utf-8")


def test_a_head_that_ends_is_not_waited_for(job: Path) -> None:
    (job / "bin" / "ray").write_text("#!/bin/bash\nexit 1\n", encoding="utf-8")
    result = submit(job, "build_ray.sbatch", "--recipe", "mpo-paper", MPODATA_RAY_WAIT="50")
    assert result.returncode == 1
    assert "build_ray: ray start ended before 1 nodes had joined" in result.stderr


@pytest.mark.parametrize("script", ["train.sbatch", "train_sweep.sbatch"])
def test_a_training_step_gets_the_cores_of_its_job(job: Path, script: str) -> None:
    assert submit(job, script, "--method", "mpo").returncode == 0
    assert (job / "calls").read_text(encoding="utf-8").startswith("srun 32 ")


@pytest.mark.slow
def test_a_real_ray_says_which_nodes_are_alive_in_the_form_that_is_read(job: Path) -> None:
    """One node: `ray start --head` of the installed Ray, its own `ray status`."""
    ray = Path(sys.executable).with_name("ray")
    if not ray.exists():
        pytest.skip("ray is not installed")
    (job / "bin" / "ray").unlink()
    shutil.copy(ray, job / "bin" / "ray")
    # As a node's name resolves: Ray's head is not on 127.0.0.1.
    here = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()[0]
    (job / "bin" / "scontrol").write_text(f"#!/bin/bash\necho {here}\n", encoding="utf-8")
    # Ray's notes of this cluster lie in a folder of their own, with a short name for its sockets.
    with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as notes:
        cluster = {"SLURM_GPUS_ON_NODE": "0", "SLURM_CPUS_PER_TASK": "1", "RAY_TMPDIR": notes}
        result = submit(job, "build_ray.sbatch", nodes=1, **cluster)
    assert result.returncode == 0, result.stderr
    assert (job / "calls").read_text(encoding="utf-8").splitlines()[-1].startswith(f"mpodata {here}:20077 build")
