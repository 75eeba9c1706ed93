"""The fleet file is replaced whole, by one writer at a time, and stays its owner's."""

import contextlib
import os
import threading
from pathlib import Path

import pytest

from email_engine.errors import InputError
from email_engine.pipelines.fleet_onboard import fleet_file
from email_engine.pipelines.fleet_onboard.fleet_file import ReadOnly, replace_text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "fleet.yaml"
    made.write_text("a\n")
    return made


def test_of_two_writers_one_is_told(file: Path) -> None:
    told: list[str] = []
    start = threading.Barrier(8)

    def write(number: int) -> None:
        start.wait()
        with contextlib.suppress(InputError):
            replace_text(file, "a\n", f"a\n{number}\n")
            told.append(f"a\n{number}\n")

    writers = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert told == [file.read_text()], "who was told that it stands is the one whose lines stand"
    assert os.listdir(file.parent) == ["fleet.yaml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
def test_its_owner_keeps_it(file: Path) -> None:
    os.chown(file, 1234, 1235)
    replace_text(file, "a\n", "b\n")
    assert (file.stat().st_uid, file.stat().st_gid, file.read_text()) == (1234, 1235, "b\n")


def test_who_cannot_keep_its_owner_leaves_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fstat

    def stranger(handle: int) -> os.stat_result:
        seen = list(real(handle))
        seen[4] += 1
        return os.stat_result(seen)

    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(fleet_file.os, "fstat", stranger)
        patch.setattr(fleet_file.os, "fchown", refused)
        with pytest.raises(ReadOnly, match="Operation not permitted"):
            replace_text(file, "a\n", "b\n")
    assert (file.read_text(), os.listdir(file.parent)) == ("a\n", ["fleet.yaml"])
