"""How the tests are spread over processes: those that share a fixture of their file stay together (conftest.py)."""

import pytest


@pytest.fixture(scope="module")
def costly() -> str:
    return "made once a process"


@pytest.mark.parametrize("_number", range(2))
def test_tests_that_share_a_fixture_of_their_file_are_one_group(
    request: pytest.FixtureRequest, costly: str, _number: int
) -> None:
    marks = list(request.node.iter_markers("xdist_group"))
    assert [mark.args for mark in marks] == [("tests/test_spread.py",)]


def test_other_tests_run_where_there_is_room(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("xdist_group") is None


def test_the_groups_are_heeded(pytestconfig: pytest.Config) -> None:
    assert "loadgroup" in pytestconfig.getini("addopts")
