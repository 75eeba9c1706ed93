"""Files with recipients' addresses: for the engine's own user alone, whole or not at all."""

import csv
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from email_engine.errors import Refused

FILE_MODE, FOLDER_MODE = 0o600, 0o700
Write = Callable[[Sequence[str]], None]


@contextmanager
def private_csv(path: Path, columns: Sequence[str]) -> Iterator[Write]:
    """Gives a function that writes a row; at the end the file takes the place of the one before, if a row was written, and else that one goes.

    After an error nothing has changed; what a kill leaves, the next one overwrites. Raises Refused where the folder cannot be
    written."""
    half = path.with_name(f".{path.name}.part")
    rows = 0
    try:
        _own_folder(path.parent)
        half.unlink(missing_ok=True)
        handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise _refused(path.parent, error) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            os.fchmod(file.fileno(), FILE_MODE)
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)

            def write(row: Sequence[str]) -> None:
                nonlocal rows
                writer.writerow([_plain(cell) for cell in row])
                rows += 1

            yield write
            file.flush()
            os.fsync(file.fileno())
        if rows:
            os.replace(half, path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise _refused(path.parent, error) from None
    finally:
        half.unlink(missing_ok=True)


def keep_only(folder: Path, names: Collection[str]) -> None:
    """Removes every other file of the folder; a folder that is not there is fine. Raises Refused."""
    try:
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in names and path.suffix in (".csv", ".part"):
                path.unlink(missing_ok=True)
    except OSError as error:
        raise _refused(folder, error) from None


def _plain(cell: str) -> str:
    """A spreadsheet takes what begins so for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _own_folder(folder: Path) -> None:
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    os.chmod(folder, FOLDER_MODE)


def _refused(folder: Path, error: OSError) -> Refused:
    return Refused(
        f"folder {folder}", error.strerror or type(error).__name__, "a folder that the engine's user may write",
        "give it one with EMAIL_ENGINE_HYGIENE, or set `files: false` in config/hygiene.yaml",
    )  # fmt: skip
