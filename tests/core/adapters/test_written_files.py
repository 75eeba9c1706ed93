"""Files in a folder of somebody's: whole, and never over what another wrote."""

import json
import os
from pathlib import Path

import pytest

from email_engine.adapters.written_files import MANIFEST, Written, write_files
from email_engine.errors import InputError


def test_files_are_written_and_written_again(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "zones"
    assert write_files(folder, {"a": "1\n", "b": "2\n"}) == Written(("a", "b"), ())
    assert write_files(folder, {"a": "1\n", "b": "3\n"}) == Written(("b",), ("a",))
    assert {name: (folder / name).read_text() for name in ("a", "b")} == {"a": "1\n", "b": "3\n"}
    assert sorted(os.listdir(folder)) == [MANIFEST, "a", "b"]


def test_a_file_of_somebody_else_stays_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("mine")
    with pytest.raises(InputError, match="b: not written by this command"):
        write_files(tmp_path, {"a": "1", "b": "2"})
    assert os.listdir(tmp_path) == ["b"]
    assert write_files(tmp_path, {"a": "1", "b": "2"}, force=True).written == ("a", "b")
    assert (tmp_path / "b").read_text() == "2"


def test_a_file_that_was_changed_since_stays(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": "1"})
    (tmp_path / "a").write_text("1 and my line")
    with pytest.raises(InputError, match="changed since"):
        write_files(tmp_path, {"a": "2"})
    assert (tmp_path / "a").read_text() == "1 and my line"


def test_the_same_content_is_no_overwriting(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    assert write_files(tmp_path, {"a": "1"}) == Written((), ("a",))
    with pytest.raises(InputError):
        write_files(tmp_path, {"a": "2"})


def test_a_run_that_ended_half_way_can_be_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {"a": "1", "b": "1"})
    replace, left = os.replace, 2

    def crash(source: str, target: Path) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(InputError, match="No space left"):
        write_files(tmp_path, {"a": "2", "b": "2"})
    monkeypatch.undo()
    assert sorted(os.listdir(tmp_path)) == [MANIFEST, "a", "b"]
    assert {name: (tmp_path / name).read_text() for name in "ab"} == {"a": "2", "b": "1"}
    assert write_files(tmp_path, {"a": "3", "b": "3"}).written == ("a", "b")


@pytest.mark.parametrize("text", ["no json", "[]", json.dumps({"files": {"a": 7}})])
def test_a_manifest_that_cannot_be_read_frees_nothing(tmp_path: Path, text: str) -> None:
    write_files(tmp_path, {"a": "1"})
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(InputError):
        write_files(tmp_path, {"a": "2"})


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("mine")
    (tmp_path / "a").symlink_to(tmp_path / "target")
    write_files(tmp_path, {"a": "1"}, force=True)
    assert (tmp_path / "target").read_text() == "mine"
    assert (tmp_path / "a").read_text() == "1"


def test_a_folder_that_is_none_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="File exists"):
        write_files(tmp_path / "file", {"a": "1"})
