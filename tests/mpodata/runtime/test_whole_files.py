"""A file appears whole or not at all, and nothing that was planted in its place is followed."""

from pathlib import Path

import pytest

from mpodata.runtime.whole_files import check_folder_writable, check_writable, whole_file, write_text
from tests.faults.machine import without_rights


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_text(path, "before")
    with pytest.raises(TypeError), whole_file(path) as file:
        file.writelines([b"half", "power"])
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years")
    (tmp_path / "page.html").symlink_to(tmp_path / "thesis.txt")
    write_text(tmp_path / "page.html", "page")
    assert (tmp_path / "thesis.txt").read_text() == "ten years"
    assert not (tmp_path / "page.html").is_symlink()


def test_a_new_private_file_is_its_owners_and_takes_no_ones_place(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    write_text(path, "labels", private=True, new=True)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        write_text(path, "others", new=True)
    assert path.read_text() == "labels"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_names_the_file_and_not_the_one_aside(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=r"file'$"):
        write_text(tmp_path / "file" / "page.html", "page")
    with pytest.raises(OSError, match=r"'/proc/page.html'$"):
        write_text(Path("/proc/page.html"), "page")


def test_a_device_is_written_as_it_is() -> None:
    with pytest.raises(OSError, match="No space left"):
        write_text(Path("/dev/full"), "page")
    assert Path("/dev/full").is_char_device()


def test_lone_surrogates_are_kept_as_escapes(tmp_path: Path) -> None:
    write_text(tmp_path / "answers.jsonl", "a\ud800b")
    assert (tmp_path / "answers.jsonl").read_text() == "a\\ud800b"


def test_a_place_that_can_be_written_is_found_so_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years")
    (tmp_path / "page.html").symlink_to(tmp_path / "nowhere")
    for path in ("thesis.txt", "page.html", "new/folder/page.html"):
        check_writable(tmp_path / path)
    check_folder_writable(tmp_path / "new" / "folder")
    check_writable(Path("/dev/stdout"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "thesis.txt"]


def test_a_place_that_cannot_be_written_is_known_without_writing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    with pytest.raises(IsADirectoryError):
        check_writable(tmp_path)
    for folder in ("file", "file/inside", "nowhere"):
        with pytest.raises(NotADirectoryError):
            check_folder_writable(tmp_path / folder)
        with pytest.raises(NotADirectoryError):
            check_writable(tmp_path / folder / "page.html")
    with without_rights(tmp_path, 0o555), pytest.raises(PermissionError, match=r"page\.html'$"):
        check_writable(tmp_path / "new" / "page.html")
