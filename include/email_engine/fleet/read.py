"""The fleet file from disk."""

from datetime import date
from pathlib import Path

from email_engine.errors import InputError
from email_engine.fleet.config_file import read_text
from email_engine.fleet.mistakes import FleetInvalid
from email_engine.fleet.model import Fleet
from email_engine.fleet.parse import parse_fleet


def read_fleet(path: Path, today: date | None = None) -> Fleet:
    """Reads and parses; raises InputError, or FleetInvalid with every mistake. `today`: see `parse_fleet`."""
    try:
        text = read_text(path, "fleet file")
    except InputError as error:
        error.cause = FleetInvalid.cause
        raise
    return parse_fleet(text, path.name, today=today)
