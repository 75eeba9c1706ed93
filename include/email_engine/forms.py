"""How long what people type may be, in every form; and how a text is cut where it is longer."""

from collections.abc import Mapping
from typing import Any

from email_engine.errors import InputError

LONGEST_REASON = 300
"""Characters of a reason or a cause: it goes into alerts and decision rows."""
LONGEST_NAME = 253
"""Characters of a name: no host name is longer (RFC 1035, 2.3.4)."""
MOST_ENTRIES = 100
"""Entries of a list."""
SHOWN = 60
"""Characters of a wrong value that an error repeats."""
_REASONS = frozenset({"reason", "cause"})


def longest(key: str) -> int:
    """Characters that a value of this param may have."""
    return LONGEST_REASON if key in _REASONS else LONGEST_NAME


def shortened(text: str, most: int = SHOWN) -> str:
    """The text, cut to `most` characters; the last three say that it was longer."""
    return text if len(text) <= most else text[: most - 3] + "..."


def one_line(given: Any, most: int = LONGEST_REASON) -> str:
    """What a person wrote, on one line and no longer than `most`; '' for nothing."""
    text = "" if given is None else str(given)
    return shortened(" ".join(text[: 20 * most].split()), most)


def require_short(params: Mapping[str, Any]) -> None:
    """Raises InputError that names every value of a form that is too long. The UI and the API look at these lengths too;
    what one DAG hands to another passes neither."""
    mistakes = [said for key in sorted(params) if (said := _too_long(key, params[key]))]
    if mistakes:
        raise InputError(
            "form of this run",
            "; ".join(mistakes),
            f"names of {LONGEST_NAME} characters at most, reasons and causes of {LONGEST_REASON}, lists of "
            f"{MOST_ENTRIES} entries",
            "nothing was done; shorten it and trigger again",
        )


def _too_long(key: str, value: Any) -> str | None:
    if isinstance(value, str) and len(value) > longest(key):
        return f"{key} has {len(value)} characters ({shortened(value)!r})"
    if isinstance(value, list | tuple):
        if len(value) > MOST_ENTRIES:
            return f"{key} has {len(value)} entries"
        entry = next((e for e in value if isinstance(e, str) and len(e) > LONGEST_NAME), None)
        if entry is not None:
            return f"an entry of {key} has {len(entry)} characters ({shortened(entry)!r})"
    return None
