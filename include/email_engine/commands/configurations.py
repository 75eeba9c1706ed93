"""PowerMTA configuration files from disk, with what they include."""

import glob
from pathlib import Path

from email_engine.errors import InputError
from email_engine.mta.language.assembly import Assembly, Read, assemble

LARGEST = 64 * 1024 * 1024


def load_configuration(path: Path, root: Path | None = None) -> Assembly:
    """One configuration with its includes; raises InputError if the file itself cannot be read."""
    return assemble(read_text(path), str(path), reader(root))


def read_text(path: Path) -> str:
    """The file's text; bytes that are no UTF-8 become U+FFFD. Raises InputError."""
    try:
        if path.is_file() and path.stat().st_size > LARGEST:
            raise InputError(
                str(path),
                f"{path.stat().st_size // 2**20} MiB",
                f"a configuration of at most {LARGEST // 2**20} MiB",
                "name the right file",
            )
        return path.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise InputError(
            str(path), f"cannot be read ({error.strerror})", "a readable file", "correct the name"
        ) from error


def reader(root: Path | None = None) -> Read:
    """Reads includes: beside the including file where the name is relative, below `root` where it is absolute."""

    def read(value: str, file: str) -> list[tuple[str, str]] | None:
        name = value.strip('"')
        if name.startswith("/"):
            pattern = root / name.lstrip("/") if root else Path(name)
        else:
            pattern = Path(file).parent / name
        if any(letter in name for letter in "*?["):
            return [(found, read_text(Path(found))) for found in sorted(glob.glob(str(pattern)))]
        try:
            return [(str(pattern), read_text(pattern))] if pattern.is_file() else None
        except (InputError, OSError, ValueError):
            return None

    return read
