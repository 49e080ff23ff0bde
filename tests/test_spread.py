"""How the tests are spread over processes (pyproject.toml, `--dist`): those of one file stay in one."""

import os
import uuid

import pytest

RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)


@pytest.fixture(scope="module")
def costly(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fails where another process of this run has made it, too."""
    made = tmp_path_factory.getbasetemp().parent / f"costly-{RUN}"
    made.touch(exist_ok=False)
    return made.name


@pytest.mark.parametrize("_number", range(8))
def test_what_tests_of_a_file_share_is_made_once_a_run(costly: str, _number: int) -> None:
    assert costly == f"costly-{RUN}"
