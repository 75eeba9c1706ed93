"""One `make up` at a time, one supervisor: locks that a killed holder cannot leave behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from email_engine.paths import ROOT
from stack import locks

HOLD = """
import sys, time
from pathlib import Path
from stack import locks
locks.take(Path(sys.argv[1]), "make up")
print("held", flush=True)
time.sleep(1000)
"""


def other(lock: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.stdout.close()
    return process


def test_the_second_says_who_holds_it_and_gives_up(tmp_path: Path) -> None:
    holder = other(tmp_path / "up.lock")
    try:
        with pytest.raises(locks.Busy, match=rf"make up \(process {holder.pid}, since .* UTC\) is at work"):
            locks.take(tmp_path / "up.lock", "make down", patience=0.3)
        found = locks.holder(tmp_path / "up.lock")
        assert found is not None
        assert (found["pid"], found["what"]) == (holder.pid, "make up")
    finally:
        holder.kill()
        holder.wait()


def test_the_second_waits_and_says_so_once(tmp_path: Path) -> None:
    holder, told = other(tmp_path / "up.lock"), list[str]()
    timer = threading.Timer(0.5, holder.terminate)
    timer.start()
    with locks.held(tmp_path / "up.lock", "make down", told.append, patience=20):
        assert holder.wait(5) == -signal.SIGTERM
    assert len(told) == 1
    assert f"process {holder.pid}" in told[0]
    assert locks.holder(tmp_path / "up.lock") is None


def test_a_killed_holder_leaves_nothing(tmp_path: Path) -> None:
    holder = other(tmp_path / "up.lock")
    holder.kill()
    holder.wait()
    assert locks.holder(tmp_path / "up.lock") is None, "the text in the file is no holder"
    os.close(locks.take(tmp_path / "up.lock", "make up"))


def test_a_child_of_the_holder_does_not_hold_it(tmp_path: Path) -> None:
    descriptor = locks.take(tmp_path / "up.lock", "make up")
    child = subprocess.Popen(["sleep", "1000"], close_fds=False)
    os.close(descriptor)
    try:
        os.close(locks.take(tmp_path / "up.lock", "make up"))
    finally:
        child.kill()
        child.wait()


def test_a_lock_that_was_deleted_with_its_folder_locks_nobody_out_and_nobody_in(tmp_path: Path) -> None:
    lock = tmp_path / "up.lock"
    first = locks.take(lock, "make reset")
    taken: list[int] = []
    waiting = threading.Thread(target=lambda: taken.append(locks.take(lock, "make up", patience=10)))
    waiting.start()
    time.sleep(0.3)
    lock.unlink()
    os.close(first)
    waiting.join()
    with pytest.raises(locks.Busy):
        locks.take(lock, "a third")
    os.close(taken[0])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}'])
def test_a_file_with_odd_words_is_no_trouble(tmp_path: Path, text: str) -> None:
    lock = tmp_path / "up.lock"
    lock.write_text(text)
    assert locks.holder(lock) is None
    os.close(locks.take(lock, "make up"))
