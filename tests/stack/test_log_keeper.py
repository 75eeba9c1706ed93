"""What the processes say: kept whole, in files of bounded size, whatever happens to writer, keeper and disk."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from email_engine.paths import ROOT
from stack import log_keeper
from stack.log_keeper import RotatedFile
from stack.log_pipes import LogPipes


def everything(log: Path) -> list[str]:
    """All lines that are kept, the oldest first."""
    files = [log.with_name(f"{log.name}.{number}") for number in (2, 1)] + [log]
    return "".join(file.read_text() for file in files if file.exists()).splitlines()


def test_no_line_is_lost_or_broken_when_files_change(tmp_path: Path) -> None:
    log = tmp_path / "lab.log"
    file = RotatedFile(log, limit=1000)
    text = "".join(f"line {number:04}\n" for number in range(250)).encode()
    for start in range(0, len(text), 37):  # pieces end anywhere
        file.write(text[start : start + 37])
    assert everything(log) == [f"line {number:04}" for number in range(250)]
    for each in (log, tmp_path / "lab.log.1", tmp_path / "lab.log.2"):
        assert each.stat().st_size <= 1000 + 37, "the limit, and one piece"
        assert each.read_bytes().endswith(b"\n")


def test_old_lines_go_and_the_files_stay_bounded(tmp_path: Path) -> None:
    file = RotatedFile(tmp_path / "lab.log", limit=1000)
    for number in range(5000):
        file.write(f"line {number:04}\n".encode())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lab.log", "lab.log.1", "lab.log.2"]
    assert everything(tmp_path / "lab.log")[-1] == "line 4999"
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 3000


def test_a_line_that_never_ends_fills_no_disk(tmp_path: Path) -> None:
    file = RotatedFile(tmp_path / "lab.log", limit=1000)
    for _ in range(100):
        file.write(b"x" * 100)
    assert max(path.stat().st_size for path in tmp_path.iterdir()) <= 2100


def test_a_log_that_was_there_is_continued(tmp_path: Path) -> None:
    (tmp_path / "lab.log").write_text("before\n")
    RotatedFile(tmp_path / "lab.log").write(b"after\n")
    assert everything(tmp_path / "lab.log") == ["before", "after"]


def test_a_full_disk_costs_lines_and_says_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RotatedFile(tmp_path / "lab.log")
    real = os.write

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    file.write(b"one\n")
    monkeypatch.setattr(log_keeper.os, "write", full)
    file.write(b"lost\n")
    file.write(b"lost too\n")
    monkeypatch.setattr(log_keeper.os, "write", real)
    file.write(b"two\n")
    assert everything(tmp_path / "lab.log")[0] == "one"
    assert everything(tmp_path / "lab.log")[1].endswith("bytes of log were lost: nothing could be written]")
    assert everything(tmp_path / "lab.log")[2] == "two"


@pytest.fixture
def pipes(tmp_path: Path):
    made = LogPipes([tmp_path / "a.log", tmp_path / "b.log"], limit=10_000)
    made.ensure()
    yield made
    made.close()


def say(pipes: LogPipes, log: Path, words: str) -> None:
    subprocess.run(["printf", words], stdout=pipes.writer(log), check=True)


def test_each_process_has_its_file_and_the_last_words_are_written(pipes: LogPipes, tmp_path: Path) -> None:
    say(pipes, tmp_path / "a.log", "from a\\n")
    say(pipes, tmp_path / "b.log", "from b\\nhalf a line")
    pipes.close()
    assert (tmp_path / "a.log").read_text() == "from a\n"
    assert (tmp_path / "b.log").read_text() == "from b\nhalf a line"


def test_a_keeper_that_was_killed_loses_nothing_that_is_said_meanwhile(
    pipes: LogPipes, tmp_path: Path
) -> None:
    keeper = pipes._keeper
    assert keeper is not None
    keeper.kill()
    keeper.wait()
    say(pipes, tmp_path / "a.log", "while nobody listened\\n")
    pipes.ensure()
    pipes.close()
    assert (tmp_path / "a.log").read_text() == "while nobody listened\n"


def test_a_stranger_that_keeps_a_pipe_open_holds_up_no_stop(pipes: LogPipes, tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "1000"], stdout=pipes.writer(tmp_path / "a.log"))
    keeper = pipes._keeper
    assert keeper is not None
    say(pipes, tmp_path / "a.log", "said\\n")
    pipes.close(patience=1.0)
    stranger.kill()
    stranger.wait()
    assert keeper.returncode == 0, "asked to end, it writes what is there and ends"
    assert (tmp_path / "a.log").read_text() == "said\n"


def test_ctrl_c_in_the_terminal_does_not_end_the_keeper(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    keeper = subprocess.Popen(
        [sys.executable, "-m", "stack.log_keeper", "1000", f"{reader}={tmp_path / 'a.log'}"], cwd=ROOT, pass_fds=(reader,)
    )  # fmt: skip
    os.close(reader)
    os.write(writer, b"one\n")
    while not (tmp_path / "a.log").exists() or not (tmp_path / "a.log").read_text():
        assert keeper.poll() is None
    keeper.send_signal(signal.SIGINT)
    os.write(writer, b"two\n")
    os.close(writer)
    assert keeper.wait(20) == 0
    assert (tmp_path / "a.log").read_text() == "one\ntwo\n"
