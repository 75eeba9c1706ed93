"""Configuration files that people wrote: from disk to a value, or one error with every mistake and its line."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from email_engine.errors import InputError
from email_engine.fleet.document import Section, read_document
from email_engine.fleet.mistakes import FileInvalid, Mistakes

LARGEST_FILE = 8_000_000
"""Bytes of a file that a person wrote."""
Value = TypeVar("Value")


def read_text(path: Path, what: str, variable: str = "") -> str:
    """A text file in UTF-8; InputError names the file, why it cannot be read, and the environment `variable` that chose it."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        observed = error.strerror or type(error).__name__
        step = f"correct {variable} or the file" if variable else "check the path and its permissions"
        raise InputError(str(path), observed, f"a readable {what}", step) from None
    if len(data) > LARGEST_FILE:
        raise InputError(str(path), f"more than {LARGEST_FILE:,} bytes", f"a {what}", "check the path")
    try:
        return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        observed = f"byte {error.start}, 0x{data[error.start]:02x} in line {line}, is not UTF-8"
        raise InputError(str(path), observed, f"a {what} in UTF-8", "save it as UTF-8") from None


def parse_part(text: str, source: str, mistakes: Mistakes, parse: Callable[[Section], Value]) -> Value | None:
    """One of several files whose mistakes are told together; None when it is no mapping."""
    top = read_document(text, source, mistakes)
    return parse(top) if top else None


def parse_config(text: str, source: str, parse: Callable[[Section], Value]) -> Value:
    """What `parse` makes of the file's top mapping; FileInvalid lists every mistake that it noted."""
    mistakes = Mistakes()
    value = parse_part(text, source, mistakes, parse)
    if mistakes.found or value is None:
        raise FileInvalid(source, mistakes.found)
    return value


def load_config(path: Path, what: str, parse: Callable[[Section], Value]) -> Value:
    """The same for a file on disk; InputError when it cannot be read."""
    return parse_config(read_text(path, what), path.name, parse)
