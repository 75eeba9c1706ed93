"""Keeps Airflow's own log folder (tasks, DAG processor) within bounds by age and by size."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

DAYS = 14.0
DAYS_OF_PARSING = 2.0
LARGEST = 500_000_000
YOUNG = 3600.0
"""Seconds: what was written to within the last hour may still be open."""


def trim(
    folder: Path,
    *,
    now: float | None = None,
    days: float = DAYS,
    days_of_parsing: float = DAYS_OF_PARSING,
    largest: int = LARGEST,
) -> int:
    """Deletes logs older than `days` (the DAG processor's: `days_of_parsing`), then the oldest until the rest fits.

    Links are never followed; a folder that became empty goes too. Gives the number of files deleted."""
    now = time.time() if now is None else now
    deleted, kept = 0, []
    for path, status in _files(folder):
        age = now - status.st_mtime
        parsing = path.relative_to(folder).parts[0] == "dag_processor"
        if age > (days_of_parsing if parsing else days) * 86_400:
            deleted += _delete(path)
        else:
            kept.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in kept)
    for written, size, path in sorted(kept):
        if total <= largest or now - written < YOUNG:
            break
        total -= size
        deleted += _delete(path)
    _remove_empty(folder, now)
    return deleted


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for base, _, names in os.walk(folder):
        for name in names:
            path = Path(base) / name
            with suppress(OSError):
                if not path.is_symlink():
                    yield path, path.stat()


def _delete(path: Path) -> int:
    with suppress(OSError):
        path.unlink()
        return 1
    return 0


def _remove_empty(folder: Path, now: float) -> None:
    for base, _, _ in os.walk(folder, topdown=False):
        place = Path(base)
        with suppress(OSError):
            if place != folder and now - place.stat().st_mtime > YOUNG:
                place.rmdir()  # refuses where something is left
