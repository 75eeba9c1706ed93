"""The fleet file from disk."""

from datetime import date
from pathlib import Path

from email_engine.errors import InputError
from email_engine.fleet.model import Fleet
from email_engine.fleet.parse import parse_fleet


def read_text(path: Path, what: str) -> str:
    """A text file in UTF-8; InputError names the file and why it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        observed = error.strerror or type(error).__name__
        raise InputError(
            str(path), observed, f"a readable {what}", "check the path and its permissions"
        ) from None
    except UnicodeDecodeError as error:
        observed = f"byte {error.start} is not UTF-8"
        raise InputError(str(path), observed, f"a {what} in UTF-8", "save it as UTF-8") from None


def read_fleet(path: Path, today: date | None = None) -> Fleet:
    """Reads and parses; raises InputError, or FleetInvalid with every mistake. `today`: see `parse_fleet`."""
    return parse_fleet(read_text(path, "fleet file"), path.name, today=today)
