"""A full disk is told before anything starts; Airflow's own logs stay within bounds."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from stack import space, task_logs
from stack.space import DiskFull, check_space, free_bytes, low_space

DAY = 86_400
NOW = time.time()


def disk(monkeypatch: pytest.MonkeyPatch, free: int, files: int = 1_000_000, total_files: int = 1) -> None:
    room = SimpleNamespace(f_bavail=free // 4096, f_frsize=4096, f_favail=files, f_files=total_files)
    monkeypatch.setattr(space.os, "statvfs", lambda path: room)


def test_too_little_room_is_told_with_folder_and_numbers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    disk(monkeypatch, 123_000_000)
    with pytest.raises(DiskFull) as caught:
        check_space([tmp_path / "not" / "made" / "yet"])
    told = str(caught.value)
    assert told.startswith(
        f"{tmp_path / 'not' / 'made' / 'yet'}: 123 MB are free; at least 500 MB are needed."
    )
    assert "Nothing was started" in told
    assert f"du -xh {tmp_path} " in told
    assert low_space([tmp_path]) == [f"{tmp_path}: only 123 MB are free. Next: make room there"]


def test_a_disk_without_room_for_files_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    disk(monkeypatch, 10**10, files=7)
    with pytest.raises(DiskFull, match="only 7 more files"):
        check_space([tmp_path])


def test_a_file_system_that_counts_no_files_has_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    disk(monkeypatch, 10**10, files=0, total_files=0)
    check_space([tmp_path])


def test_the_room_of_a_real_disk_is_read(tmp_path: Path) -> None:
    room = os.statvfs(tmp_path)
    assert abs(free_bytes(tmp_path / "new" / "folder") - room.f_bavail * room.f_frsize) < 10**9


@pytest.fixture
def log(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, days_old: float, size: int = 10) -> Path:
        path = tmp_path / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
        os.utime(path, (NOW - days_old * DAY,) * 2)
        return path

    return write


def trim(tmp_path: Path, **options: float) -> int:
    return task_logs.trim(tmp_path / "logs", now=NOW, **options)  # type: ignore[arg-type]


def test_old_logs_go_and_those_of_parsing_earlier(log: Callable[..., Path], tmp_path: Path) -> None:
    old, young = log("dag_id=a/run_id=1/t/attempt=1.log", 15), log("dag_id=a/run_id=2/t/attempt=1.log", 13)
    parsed, parsing = log("dag_processor/2026-11-01/a.py.log", 3), log("dag_processor/2026-11-02/a.py.log", 1)
    assert trim(tmp_path) == 2
    assert [path.exists() for path in (old, young, parsed, parsing)] == [False, True, False, True]


def test_the_oldest_go_until_the_rest_fits(log: Callable[..., Path], tmp_path: Path) -> None:
    paths = [log(f"dag_id=a/run_id={n}/t/attempt=1.log", 10 - n, size=1000) for n in range(8)]
    assert trim(tmp_path, largest=3000) == 5
    assert [path.exists() for path in paths] == [False] * 5 + [True] * 3


def test_what_is_being_written_stays_however_large(log: Callable[..., Path], tmp_path: Path) -> None:
    now = log("dag_id=a/run_id=1/t/attempt=1.log", 0.01, size=10_000)
    assert trim(tmp_path, largest=10) == 0
    assert now.exists()


def test_links_are_not_followed_and_empty_folders_go(log: Callable[..., Path], tmp_path: Path) -> None:
    kept = tmp_path / "elsewhere.log"
    kept.write_text("not ours")
    os.utime(kept, (NOW - 100 * DAY,) * 2)
    old = log("dag_id=a/run_id=1/t/attempt=1.log", 20)
    (tmp_path / "logs" / "latest").symlink_to(kept)
    trim(tmp_path)
    assert kept.read_text() == "not ours"
    for place in (old.parent, old.parent.parent, old.parent.parent.parent):
        os.utime(place, (NOW - DAY,) * 2)
    trim(tmp_path)
    assert not old.parent.exists()


def test_no_folder_yet_is_no_trouble(tmp_path: Path) -> None:
    assert task_logs.trim(tmp_path / "none") == 0
