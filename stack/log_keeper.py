"""Writes what the processes say into files of bounded size: `python -m stack.log_keeper LIMIT FD=FILE ...`.

It is a process of its own, so that the last words of the children are kept also when the supervisor was killed. It ends
when nobody holds a pipe's other end any more, or by SIGTERM after what stands in the pipes is written. A full disk costs
lines, never a process that waits for us.
"""

import os
import selectors
import signal
import sys
import time
from pathlib import Path

LIMIT = 10_000_000
KEPT = 2
ORPHANED = 60.0
CHUNK = 65_536


class RotatedFile:
    """`name.log`, and the two before it as `name.log.1` and `name.log.2`; broken only between lines where there are any."""

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self.path = path
        self.limit = limit
        self.lost = 0
        self._open()

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.size = os.fstat(self.file).st_size

    def write(self, data: bytes) -> None:
        if self.size + len(data) > self.limit:
            cut = data.rfind(b"\n") + 1
            if cut or self.size >= 2 * self.limit:  # a line that never ends is broken too
                self._put(data[:cut])
                self._rotate()
                data = data[cut:]
        self._put(data)

    def _put(self, data: bytes) -> None:
        if self.lost and data:
            note = f"[{self.lost} bytes of log were lost: nothing could be written]\n".encode()
            data = note + data
        while data:
            try:
                written = os.write(self.file, data)
            except OSError:  # most often a full disk
                self.lost += len(data)
                return
            self.size += written
            data = data[written:]
        self.lost = 0

    def _rotate(self) -> None:
        try:
            for number in range(KEPT, 0, -1):
                source = self.path.with_name(f"{self.path.name}.{number - 1}") if number > 1 else self.path
                if source.exists():
                    source.replace(self.path.with_name(f"{self.path.name}.{number}"))
            before = self.file
            self._open()
            os.close(before)
        except OSError:
            self.size = 0  # go on in the old file, try again later


def keep(pipes: dict[int, RotatedFile]) -> None:
    """Until every pipe is closed at its other end."""
    ending: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: ending.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent, alone_since = os.getppid(), None
    with selectors.DefaultSelector() as waiting:
        for pipe in pipes:
            os.set_blocking(pipe, False)
            waiting.register(pipe, selectors.EVENT_READ)
        while waiting.get_map():
            ready = waiting.select(timeout=0.0 if ending else 1.0)
            for key, _ in ready:
                if not _pass_on(key.fd, pipes[key.fd]):
                    waiting.unregister(key.fd)
            if ending and not ready:
                return
            if os.getppid() != parent:
                alone_since = alone_since or time.monotonic()
                if time.monotonic() - alone_since > ORPHANED:
                    return


def _pass_on(pipe: int, file: RotatedFile) -> bool:
    """False at the end of the pipe."""
    try:
        data = os.read(pipe, CHUNK)
    except BlockingIOError:
        return True
    if data:
        file.write(data)
    return bool(data)


def main(arguments: list[str]) -> int:
    limit, *pairs = arguments
    pipes = {}
    for pair in pairs:
        pipe, _, path = pair.partition("=")
        pipes[int(pipe)] = RotatedFile(Path(path), int(limit))
    keep(pipes)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
