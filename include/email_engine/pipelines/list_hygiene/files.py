"""Where addresses with a finding are written: one file a list, in the folder of its instance."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from email_engine import paths
from email_engine.adapters.mailwizz_lists import Listed
from email_engine.adapters.private_files import private_csv

COLUMNS = ("address", "finding", "subscriber_uid", "status")
Note = Callable[[str, Listed], None]
_SAFE = re.compile(r"[A-Za-z0-9_-]{1,64}")


def folder_of(instance: str) -> Path:
    """Of one MailWizz instance."""
    return paths.hygiene_path() / _safe(instance)


def file_name(list_uid: str) -> str:
    return f"{_safe(list_uid)}.csv"


@contextmanager
def findings_file(instance: str, list_uid: str, *, written: bool) -> Iterator[Note]:
    """Gives a function that notes one subscriber with its finding; one that forgets it where nothing is to be written."""
    if not written:
        yield lambda finding, one: None
        return
    with private_csv(folder_of(instance) / file_name(list_uid), COLUMNS) as write:
        yield lambda finding, one: write(
            (one.email, finding, one.uid, "unsubscribed" if one.unsubscribed else "confirmed")
        )


def _safe(name: str) -> str:
    """A name that somebody else chose, as a part of a path."""
    return name if _SAFE.fullmatch(name) else sha256(name.encode()).hexdigest()[:32]
