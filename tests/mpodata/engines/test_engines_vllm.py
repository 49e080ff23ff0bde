"""vLLM, for real and on CPU: the same greedy tokens as transformers, and its OpenAI server as a server of ours."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from mpodata.engines import ENGINES, Sampling
from mpodata.engines.openai import OpenAIEngine
from mpodata.engines.transformers import TransformersEngine
from mpodata.errors import ConfigError, ModelError
from mpodata.records import user_turn
from mpodata.registry import construct

PROMPTS = ["How do I bake bread?", "Please tell me how to steal the radio.", "<|im_end|>", "你好", "x " * 400]
CONVERSATIONS = [user_turn(text) for text in PROMPTS]
CPU = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "TORCHDYNAMO_DISABLE": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "OMP_NUM_THREADS": "1",
}
needs_vllm = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module", autouse=True)
def on_a_cpu():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CPU.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def engine():
    pytest.importorskip("vllm")
    from mpodata.engines.vllm import VllmEngine

    return VllmEngine(model="pocket-chat", dtype="float32", enforce_eager=True, max_model_len=256)


class TestVllm:
    pytestmark = needs_vllm

    def test_greedy_answers_are_those_of_transformers(self, engine):
        theirs = TransformersEngine(model="pocket-chat").answers(CONVERSATIONS[:4], Sampling(max_tokens=40))
        assert engine.answers(CONVERSATIONS[:4], Sampling(max_tokens=40)) == theirs
        assert {answer.finish for [answer] in theirs} <= {"stop", "length"}

    def test_a_repetition_penalty_means_the_same(self, engine):
        sampling = Sampling(max_tokens=24, repetition_penalty=1.3)
        theirs = TransformersEngine(model="pocket-chat").answers(CONVERSATIONS[:4], sampling)
        assert engine.answers(CONVERSATIONS[:4], sampling) == theirs

    def test_samples_are_repeated_for_the_same_seed_and_differ_between_candidates(self, engine):
        sampling = Sampling(candidates=4, temperature=1.5, max_tokens=24)
        first = engine.answers(CONVERSATIONS[:2], sampling)
        assert engine.answers(CONVERSATIONS[:2], sampling) == first
        assert engine.answers(CONVERSATIONS[1::-1], sampling)[::-1] == first
        assert len({answer.text for answer in first[0]}) > 1

    def test_answers_cut_short_end_as_length(self, engine):
        [[answer]] = engine.answers(CONVERSATIONS[:1], Sampling(max_tokens=2))
        assert (answer.finish, answer.tokens) == ("length", 2)

    def test_a_prompt_longer_than_the_context_is_an_answer_cut_short(self, engine):
        rows = engine.answers([CONVERSATIONS[4], CONVERSATIONS[0]], Sampling(max_tokens=30))
        assert (rows[0][0].text, rows[0][0].finish) == ("", "length")
        assert rows[1][0].text

    def test_two_processes_answer_as_one(self, engine):
        from mpodata.engines.vllm import VllmEngine

        two = VllmEngine(model="pocket-chat", dtype="float32", enforce_eager=True, max_model_len=256, processes=2)
        try:
            sampling = Sampling(max_tokens=30)
            assert two.answers(CONVERSATIONS, sampling) == engine.answers(CONVERSATIONS, sampling)
        finally:
            two.close()

    @pytest.mark.parametrize("processes", [1, 2])
    def test_a_model_vllm_cannot_run_is_said_in_one_sentence(self, tmp_path, processes):
        from mpodata.engines.vllm import VllmEngine
        from tests.mpodata.tiny_models import tiny_checkpoint

        path = tiny_checkpoint(tmp_path)
        (tmp_path / "model.safetensors").write_bytes(b"not weights")
        with pytest.raises(ModelError, match="vLLM cannot run"):
            VllmEngine(model=path, dtype="float32", enforce_eager=True, processes=processes).answers(
                CONVERSATIONS[:2], Sampling()
            )


class TestServer:
    pytestmark = needs_vllm

    @pytest.fixture(scope="class")
    def server(self, tmp_path_factory):
        pytest.importorskip("vllm")
        from mpodata.engines.checkpoints import located

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", located("pocket-chat")]
        command += ["--served-model-name", "pocket", "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"]
        command += ["--enforce-eager", "--max-model-len", "256", "--generation-config", "vllm"]
        log = tmp_path_factory.mktemp("vllm") / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, env={**os.environ, **CPU}, stdout=out, stderr=out)
        try:
            url = f"http://127.0.0.1:{port}"
            self._wait(process, url, log)
            yield f"{url}/v1"
        finally:
            process.terminate()
            process.wait(30)

    @staticmethod
    def _wait(process, url, log: Path):
        end = time.monotonic() + 180
        while time.monotonic() < end:
            if process.poll() is not None:
                pytest.fail(f"the server ended:\n{log.read_text()[-2000:]}")
            try:
                if requests.get(f"{url}/health", timeout=2).ok:
                    return
            except requests.ConnectionError:
                time.sleep(0.5)
        pytest.fail("the server did not start in 180 s")

    def test_our_client_gets_the_answers_of_transformers(self, server):
        sampling = Sampling(max_tokens=40)
        theirs = TransformersEngine(model="pocket-chat").answers(CONVERSATIONS[:2], sampling)
        ours = OpenAIEngine(model="pocket", base_url=server, concurrency=2).answers(CONVERSATIONS[:2], sampling)
        assert [[(a.text, a.finish) for a in row] for row in ours] == [
            [(a.text, a.finish) for a in row] for row in theirs
        ]

    def test_a_primed_turn_is_continued(self, server):
        sampling = Sampling(max_tokens=20, prefix="Sure")
        [[theirs]] = TransformersEngine(model="pocket-chat").answers(CONVERSATIONS[:1], sampling)
        [[ours]] = OpenAIEngine(model="pocket", base_url=server).answers(CONVERSATIONS[:1], sampling)
        assert ours.text == theirs.text

    def test_candidates_differ_and_a_prompt_that_is_too_long_fails_alone(self, server):
        made = OpenAIEngine(model="pocket", base_url=server)
        rows = made.answers(
            [CONVERSATIONS[0], CONVERSATIONS[4]], Sampling(candidates=3, temperature=1.5, max_tokens=20)
        )
        assert len({answer.text for answer in rows[0]}) > 1
        assert {answer.finish for answer in rows[1]} == {"error"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"processes": 0}, "must be at least 1"), ({"tensor_parallel": 0}, "at least 1"), ({"gpu_memory": 2}, "share")],
)
def test_settings_that_cannot_work_are_refused(options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        construct("engine", ENGINES, "vllm", {"model": "x", **options})
