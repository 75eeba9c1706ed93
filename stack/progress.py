"""One line a step, with the time it took."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Prints `[ 12.3 s] starting Airflow ... 8.1 s`; on a terminal the line appears when the step begins."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        started = time.monotonic()
        sys.stdout.write(f"[{started - self.began:6.1f} s] {what} ... ")
        sys.stdout.flush()
        try:
            yield
        except BaseException:
            sys.stdout.write("failed\n")
            raise
        sys.stdout.write(f"{time.monotonic() - started:.1f} s\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        sys.stdout.write(f"[{time.monotonic() - self.began:6.1f} s] {text}\n")
        sys.stdout.flush()
