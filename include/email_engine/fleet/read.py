"""The fleet file from disk."""

from datetime import date
from pathlib import Path

from email_engine.errors import InputError
from email_engine.fleet.mistakes import FleetInvalid
from email_engine.fleet.model import Fleet
from email_engine.fleet.parse import parse_fleet

LARGEST_FILE = 8_000_000
"""Bytes of a file that a person wrote."""


def read_text(path: Path, what: str) -> str:
    """A text file in UTF-8; InputError names the file and why it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        observed = error.strerror or type(error).__name__
        raise InputError(
            str(path), observed, f"a readable {what}", "check the path and its permissions"
        ) from None
    if len(data) > LARGEST_FILE:
        raise InputError(str(path), f"more than {LARGEST_FILE:,} bytes", f"a {what}", "check the path")
    try:
        return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        observed = f"byte {error.start}, 0x{data[error.start]:02x} in line {line}, is not UTF-8"
        raise InputError(str(path), observed, f"a {what} in UTF-8", "save it as UTF-8") from None


def read_fleet(path: Path, today: date | None = None) -> Fleet:
    """Reads and parses; raises InputError, or FleetInvalid with every mistake. `today`: see `parse_fleet`."""
    try:
        text = read_text(path, "fleet file")
    except InputError as error:
        error.cause = FleetInvalid.cause
        raise
    return parse_fleet(text, path.name, today=today)
