"""Who may see and write a dataset on the Hub, what is said when they may not, and that no token is ever told."""

import logging
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest

from mpodata.errors import MpoError, RemoteError, VersionError
from mpodata.records import COUNTERWEIGHT
from mpodata.versions.load import load_from
from mpodata.versions.publish import publish
from mpodata.versions.reference import Reference
from mpodata.versions.stores.hub import HubStore
from tests.fakes.hub import Blob, LoopbackHub
from tests.mpodata.small_versions import write_version

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

Stores = Callable[..., HubStore]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_version(tmp_path / "out")
    return tmp_path / "out"


READING = {
    "private, not signed in": ("", "private", r"ana/demo is private or does not exist, and you are not signed in"),
    "private, someone else": (
        "ben",
        "private",
        r"ana/demo does not exist on the Hub, or it is private",
    ),
    "missing, signed in": ("ben", "missing", r"ana/demo does not exist on the Hub, or it is private"),
    "missing, own name": ("ana", "missing", r"ana/demo does not exist on the Hub"),
    "gated": ("ben", "gated", r"ana/demo is gated and your account has no access yet\. Ask for it on"),
    "wrong token": ("nobody", "public", r"The Hub does not accept your token.*hf auth login"),
}


@pytest.mark.parametrize("case", READING)
def test_reading_without_the_right_has_its_own_sentence(
    case: str, hub: LoopbackHub, store: Stores, folder: Path
) -> None:
    user, state, sentence = READING[case]
    if state != "missing":
        publish(folder, "ana/demo", store=store(), public=state != "private", gated=state == "gated")
    with pytest.raises(VersionError, match=sentence) as caught:
        load_from(store(user=user), Reference("ana/demo"))
    assert "\n" not in str(caught.value)
    assert "hf_" not in str(caught.value)


WRITING = {
    "no right to create": (
        "ben",
        "missing",
        r"Your token may not create ana/demo\. Use a token with write",
    ),
    "no right to write": ("ben", "public", r"Your token may not publish ana/demo"),
    "private, someone else": ("ben", "private", r"Your token may not create ana/demo"),
    "wrong token": ("nobody", "missing", r"The Hub does not accept your token"),
    "not signed in": ("", "missing", r"ana/demo is private or does not exist, and you are not signed in"),
}


@pytest.mark.parametrize("case", WRITING)
def test_publishing_without_the_right_has_its_own_sentence_and_changes_nothing(
    case: str, hub: LoopbackHub, store: Stores, folder: Path, tmp_path: Path
) -> None:
    user, state, sentence = WRITING[case]
    write_version(tmp_path / "more", languages=["ko"])
    if state != "missing":
        publish(folder, "ana/demo", store=store(), public=state == "public", gated=False)
    before = {name: (repo.head(), dict(repo.tags)) for name, repo in hub.repos.items()}
    with pytest.raises(VersionError, match=sentence):
        publish(tmp_path / "more", "ana/demo", store=store(user=user), public=True, gated=False)
    assert {name: (repo.head(), dict(repo.tags)) for name, repo in hub.repos.items()} == before


def test_harmful_completions_are_private_and_gated_unless_the_user_says_otherwise(
    hub: LoopbackHub, store: Stores, folder: Path, tmp_path: Path
) -> None:
    publish(folder, "ana/one", store=store("ana/one"))
    publish(folder, "ana/two", store=store("ana/two"), public=True)
    publish(folder, "ana/three", store=store("ana/three"), public=True, gated=False)
    write_version(tmp_path / "harmless", category=COUNTERWEIGHT)
    publish(tmp_path / "harmless", "ana/four", store=store("ana/four"))
    assert [(repo.private, repo.gated) for repo in hub.repos.values()] == [
        (True, "manual"), (False, "manual"), (False, False), (True, False),
    ]  # fmt: skip


def test_harmful_completions_do_not_go_to_a_public_dataset_by_accident(
    hub: LoopbackHub, store: Stores, folder: Path
) -> None:
    hub.repos.clear()
    publish(folder, "ana/demo", store=store(), public=True)
    hub.repos["ana/demo"].gated = False
    with pytest.raises(VersionError, match="is public and this version holds harmful completions"):
        publish(folder, "ana/demo", store=store(), version="1.1.0")
    publish(folder, "ana/demo", store=store(), version="1.1.0", public=True)
    assert hub.repos["ana/demo"].gated == "manual"


def test_a_reader_whom_the_gate_lets_in_can_read(hub: LoopbackHub, store: Stores, folder: Path) -> None:
    publish(folder, "ana/demo", store=store(), public=True)
    hub.repos["ana/demo"].readers.add("ben")
    assert len(list(load_from(store(user="ben"), Reference("ana/demo")).pairs())) == 10


def test_what_was_loaded_once_loads_again_without_network(
    hub: LoopbackHub, store: Stores, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(folder, "ana/demo", store=store())
    assert len(list(load_from(store(), Reference("ana/demo")).pairs())) == 10
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    hub.requests.clear()
    again = load_from(store(), Reference("ana/demo"))
    assert (again.version, len(list(again.pairs()))) == ("1.0.0", 10)
    assert hub.requests == []
    with pytest.raises(RemoteError, match=r"HF_HUB_OFFLINE is set and this machine never loaded ana/other"):
        load_from(store("ana/other"), Reference("ana/other"))
    with pytest.raises(RemoteError, match=r"HF_HUB_OFFLINE is set, so mpodata cannot read ana/demo"):
        publish(folder, "ana/demo", store=store())


def test_configs_and_files_that_mpodata_did_not_make_are_kept(
    hub: LoopbackHub, store: Stores, folder: Path, tmp_path: Path
) -> None:
    theirs = store()
    theirs._api.create_repo("ana/demo", repo_type="dataset")
    card = b"---\nconfigs:\n- config_name: extra\n  data_files: extra.csv\n  default: true\n---\nold card\n"
    hub.repos["ana/demo"].add("by hand", "", {"README.md": Blob(card, False), "extra.csv": Blob(b"a,b\n1,2\n", False)})
    write_version(tmp_path / "more", languages=["ko"])
    for version in (folder, tmp_path / "more"):
        commit = publish(version, "ana/demo", store=store(), public=True).commit
        files = hub.repos["ana/demo"].commits[commit].files
        assert "extra.csv" in files
        assert files["README.md"].data.decode().count("- config_name: extra\n  data_files: extra.csv\n") == 1


def test_a_config_of_ours_never_takes_the_name_of_one_of_theirs(hub: LoopbackHub, store: Stores, folder: Path) -> None:
    theirs = store()
    theirs._api.create_repo("ana/demo", repo_type="dataset")
    card = b"---\nconfigs:\n- config_name: en\n  data_files: mine.csv\n---\n"
    hub.repos["ana/demo"].add("by hand", "", {"README.md": Blob(card, False)})
    with pytest.raises(VersionError, match="has a config 'en' already that mpodata did not make"):
        publish(folder, "ana/demo", store=store(), public=True)
    assert hub.repos["ana/demo"].tags == {}


def test_no_token_appears_in_any_file_message_or_log(
    hub: LoopbackHub, store: Stores, folder: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    hub.fault("POST", "/commit/main", 503)
    hub.fault("POST", "/tag/", "drop")
    publish(folder, "ana/demo", store=store(), say=said.append)
    hub.fault("POST", "/commit/main", 400, times=1)
    write_version(tmp_path / "more", languages=["ko"])
    for user in ("ana", "ben", "", "wrong"):
        try:
            publish(tmp_path / "more", "ana/demo", store=store(user=user), say=said.append)
        except MpoError as error:
            said.append(str(error))
            said.append(repr(error.__cause__))
    files = [blob.data.decode(errors="replace") for blob in hub.repos["ana/demo"].commits.popitem()[1].files.values()]
    written = [path.read_bytes().decode(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    everything = "\n".join([*said, *files, *written, caplog.text, *capfd.readouterr()])
    assert "ana/demo" in everything
    assert len(said) > 8
    for secret in (*hub.users, "hf_wrongWrongWrong", "Bearer"):
        assert secret not in everything
