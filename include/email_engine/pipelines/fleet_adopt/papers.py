"""The draft and its report in a folder of their own: what a person changed there is kept."""

import os
from pathlib import Path

from email_engine.errors import InputError

FOLDER, DRAFT, REPORT = "adoption", "fleet.draft.yaml", "report.md"
MOST_KEPT = 99


def write_adoption(folder: Path, fleet: str, report: str) -> tuple[Path, Path]:
    """Draft and report; a draft that stands there with another text is kept as `fleet.draft.N.yaml`. Raises InputError: the folder cannot
    be written to."""
    draft, told = folder / DRAFT, folder / REPORT
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _keep(draft, fleet)
        for path, text in ((draft, fleet), (told, report)):
            beside = path.with_name(f".{path.name}.{os.getpid()}.new")
            beside.write_text(text, encoding="utf-8")
            beside.replace(path)
    except OSError as error:
        raise InputError(
            str(folder), f"cannot be written to: {error.strerror or type(error).__name__}", "a folder of the engine's user",
            "give it to that user, or name another; nothing else was touched",
        ) from None  # fmt: skip
    return draft, told


def _keep(draft: Path, text: str) -> None:
    """The one that stands there, under the first free number, unless it says the same."""
    try:
        before = draft.read_bytes()
    except FileNotFoundError:
        return
    if before == text.encode():
        return
    for number in range(1, MOST_KEPT + 1):
        try:
            with draft.with_name(f"fleet.draft.{number}.yaml").open("xb") as kept:
                kept.write(before)
        except FileExistsError:
            continue
        return
    raise InputError(
        str(draft.parent),
        f"{MOST_KEPT} earlier drafts",
        f"{MOST_KEPT} at most",
        "remove those that nobody needs, and run again",
    )
