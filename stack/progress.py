"""One line a step, with the time it took."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Progress:
    """Prints `[ 12.3 s] starting Airflow ... 8.1 s`; on a terminal the line appears when the step begins."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        started = time.monotonic()
        _write(f"[{started - self.began:6.1f} s] {what} ... ")
        try:
            yield
        except BaseException:
            _write("failed\n")
            raise
        _write(f"{time.monotonic() - started:.1f} s\n")

    def note(self, text: str) -> None:
        _write(f"[{time.monotonic() - self.began:6.1f} s] {text}\n")


def _write(text: str) -> None:
    with suppress(BrokenPipeError):  # `make up | head`: nobody reads on, and the work goes on
        sys.stdout.write(text)
        sys.stdout.flush()
