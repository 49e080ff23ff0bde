"""What goes wrong in a Ray worker is one sentence, not Ray's traceback. No cluster is started here."""

from types import SimpleNamespace
from typing import Any

import pytest

from mpodata.errors import ConfigError, MissingPackage, ModelError, MpoError, RemoteError, UnknownName
from mpodata.pipeline import ray as on_ray
from mpodata.pipeline.ray import RayRunner, Worker


class ActorDied(Exception):
    """As Ray says that a worker is gone."""


def runner_of(rows) -> RayRunner:
    """A runner whose Ray gives these rows; one that is an exception is raised."""

    def iterate():
        for row in rows:
            if isinstance(row, Exception):
                raise row
            yield row

    class Other(Exception):
        pass

    runner: Any = object.__new__(RayRunner)
    kinds = {"RayActorError": ActorDied, "WorkerCrashedError": Other, "OutOfMemoryError": Other, "NodeDiedError": Other}
    runner.ray = SimpleNamespace(exceptions=SimpleNamespace(**kinds))
    mapped = SimpleNamespace(iter_rows=iterate)
    runner.data = SimpleNamespace(
        from_items=lambda items, override_num_blocks: SimpleNamespace(map_batches=lambda *_, **__: mapped)
    )
    runner.recipe = runner.keeper = runner.scratch = None
    runner.resources = {}
    made: RayRunner = runner
    return made


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (ModelError("Model 'x' cannot be loaded: no such file."), ModelError),
        (RemoteError("The server answers nothing."), RemoteError),
        (UnknownName("option", "devise", ["device"]), ConfigError),
        (MissingPackage("vllm", "The engine vllm", "vllm"), ConfigError),
    ],
)
def test_a_workers_sentence_reaches_the_user_word_for_word(monkeypatch, raised, kind) -> None:
    worker = object.__new__(Worker)

    def fails(self, batch):
        raise raised

    monkeypatch.setattr(Worker, "_results", fails)
    row = {name: values[0] for name, values in worker({}).items()}
    with pytest.raises(kind) as told:
        list(runner_of([row])._run([("sw", 0)]))
    assert str(told.value) == str(raised)
    assert isinstance(told.value, MpoError)


def test_a_bug_in_a_worker_stays_a_bug(monkeypatch) -> None:
    def fails(self, batch):
        raise ZeroDivisionError

    monkeypatch.setattr(Worker, "_results", fails)
    with pytest.raises(ZeroDivisionError):
        object.__new__(Worker)({})


def test_a_worker_that_dies_again_and_again_is_told_in_one_sentence() -> None:
    with pytest.raises(RemoteError, match=r"lost a worker again and again \(The actor died: out of memory\)\. Give"):
        list(runner_of([ActorDied("The actor died: out of memory\nstack\nof\nlines")])._run([("sw", 0)]))


def test_no_cluster_at_the_address_is_one_sentence(monkeypatch, tmp_path) -> None:
    def refuse(**_):
        raise ConnectionError("ray client: could not connect\nlong text")

    fake = SimpleNamespace(is_initialized=lambda: False, init=refuse)
    monkeypatch.setattr(on_ray, "require", lambda *_, **__: fake)
    monkeypatch.setenv("RAY_ADDRESS", "node1:6379")
    with pytest.raises(RemoteError, match=r"No Ray cluster answers at node1:6379: start it"):
        RayRunner(None, None, tmp_path)
