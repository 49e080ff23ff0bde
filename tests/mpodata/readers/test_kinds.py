"""Labels of harm are read by one table; what it does not know is no label."""

import pytest

from mpodata.readers.kinds import is_unlabelled, kind_of


@pytest.mark.parametrize(
    "label", ["harmful", "Harmful", " unsafe ", "toxic", "malicious", "not_safe", "有害", "不安全"]
)
def test_harmful_labels(label: str) -> None:
    assert kind_of(label) == "harmful"


@pytest.mark.parametrize(
    "label",
    [
        "harmless",
        "safe",
        "benign",
        "unharmful",
        "Unharmful",
        "non-harmful",
        "non_harmful",
        "Not harmful",
        "无害",
        "安全",
    ],
)
def test_harmless_labels(label: str) -> None:
    assert kind_of(label) == "harmless"


@pytest.mark.parametrize(
    ("value", "column", "kind"),
    [
        (True, "is_safe", "harmless"), (False, "is_safe", "harmful"), ("True", "isSafe", "harmless"),
        (1, "toxicity", "harmful"), (0, "toxicity", "harmless"), ("0", "harmful", "harmless"),
        ("1.0", "unsafe", "harmful"), ("yes", "is_harmful", "harmful"), (0.0, "Is toxic", "harmless"),
    ],
)  # fmt: skip
def test_a_yes_or_no_means_what_its_column_affirms(value: object, column: str, kind: str) -> None:
    assert kind_of(value, column) == kind


@pytest.mark.parametrize("value", [True, False, 0, 1, "True", "0", "yes", "maybe", "S3", "harmful?", 2, 0.7, [], {}])
def test_what_the_table_does_not_know_is_no_label(value: object) -> None:
    assert kind_of(value, "label") is None


def test_a_number_between_yes_and_no_is_no_label() -> None:
    assert kind_of(0.7, "toxicity") is None


def test_blank_cells_are_unlabelled() -> None:
    assert all(map(is_unlabelled, (None, float("nan"), "", "  ")))
    assert not any(map(is_unlabelled, (0, False, "x")))
