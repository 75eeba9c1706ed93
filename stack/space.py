"""Says that a disk is nearly full before anything is started on it."""

import os
from collections.abc import Iterable
from pathlib import Path

NEEDED = 500_000_000
"""Bytes: two fresh databases take 110 MB, the rest is for write-ahead logs, accounting files and a day's logs."""
LOW = 200_000_000
"""Bytes below which `make status` and the supervisor warn."""
FILES_NEEDED = 5_000


class DiskFull(Exception):
    """Names the folder, the room that it has and the room that is needed."""


def free_bytes(folder: Path) -> int:
    """What this user may still write where `folder` is or will be made."""
    room = os.statvfs(_existing(folder))
    return room.f_bavail * room.f_frsize


def check_space(folders: Iterable[Path], needed: int = NEEDED) -> None:
    """Raises DiskFull for the first file system with less than `needed` bytes or without room for new files."""
    for folder in folders:
        room = os.statvfs(_existing(folder))
        free = room.f_bavail * room.f_frsize
        if free < needed:
            raise DiskFull(
                f"{folder}: {megabytes(free)} are free; at least {megabytes(needed)} are needed. Nothing was started. "
                f"Next: make room there (du -xh {_existing(folder)} | sort -h | tail), or use another disk: "
                "EMAIL_ENGINE_STATE=/some/folder make up"
            )
        if room.f_files and room.f_favail < FILES_NEEDED:
            raise DiskFull(
                f"{folder}: only {room.f_favail} more files can be made; at least {FILES_NEEDED} are needed. "
                "Nothing was started. Next: delete files there (df -i shows the file system)"
            )


def low_space(folders: Iterable[Path]) -> list[str]:
    """One line a folder whose disk is nearly full."""
    return [
        f"{folder}: only {megabytes(free)} are free. Next: make room there"
        for folder in folders
        if (free := free_bytes(folder)) < LOW
    ]


def megabytes(number: int) -> str:
    return f"{number / 1_000_000:,.0f} MB"


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())
