"""PowerMTA configuration files from disk, with what they include."""

import glob
import os
from pathlib import Path

from email_engine.errors import InputError
from email_engine.pmta.language.assembly import Assembly, Read, assemble

LARGEST = 64 * 1024 * 1024


def load_configuration(path: Path, root: Path | None = None) -> Assembly:
    """One configuration with its includes; raises InputError if the file itself cannot be read."""
    return assemble(read_text(path), str(path), reader(root))


def read_text(path: Path) -> str:
    """The file's text; bytes that are no UTF-8 become U+FFFD. Raises InputError."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        said = (error.strerror if isinstance(error, OSError) else None) or "no name of a file"
        raise InputError(
            str(path), f"cannot be read ({said})", "a readable file", "correct the name"
        ) from error
    if len(data) > LARGEST:
        allowed = f"a configuration of at most {LARGEST // 2**20} MiB"
        raise InputError(str(path), "is larger", allowed, "name the right file")
    if b"\0" in data:
        observed = "holds NUL bytes: it is binary, or text in UTF-16"
        raise InputError(str(path), observed, "text in UTF-8", "name the right file, or save it as UTF-8")
    return data.decode("utf-8", errors="replace")


def reader(root: Path | None = None) -> Read:
    """Reads includes: beside the including file where the name is relative, below `root` where it is absolute."""

    def read(value: str, file: str) -> list[tuple[str, str]] | None:
        name = value.strip('"')
        if name.startswith("/"):
            pattern = root / name.lstrip("/") if root else Path(name)
        else:
            pattern = Path(file).parent / name
        whole = os.path.normpath(pattern)
        wild = any(letter in name for letter in "*?[")
        try:
            found = sorted(glob.glob(whole)) if wild else [whole]
            files = [one for one in found if Path(one).is_file()]
            return [(one, read_text(Path(one))) for one in files] if files or wild else None
        except (InputError, OSError, ValueError):
            return None

    return read
