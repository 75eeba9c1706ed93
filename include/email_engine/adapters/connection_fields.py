"""One connection's fields, as Airflow's form or a file hands them over, and how a mistake in them is told."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from email_engine.addresses import shown
from email_engine.errors import InputError

TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Fields:
    """One connection. `name`: its id; `under_test`: Airflow's test button saved it under a random id, which tells nobody
    anything, so errors call it by its type and host."""

    name: str
    kind: str
    host: str | None = None
    port: int | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    schema: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    under_test: bool = False

    @property
    def subject(self) -> str:
        """How errors call it."""
        if not self.under_test:
            return f"connection {self.name}"
        where = shown(self.host)
        return f"{self.kind} connection{f' to {where}' if where else ''}"

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """A mistake in a connection's fields is that connection's, however many tasks meet it."""
        try:
            yield
        except InputError as error:
            error.because_of(f"connection {self.name}")
            raise


def truth(fields: Fields, name: str, default: bool) -> bool:
    """An extra that is on or off, also where it came as text."""
    given = fields.extra.get(name)
    if given is None or given == "":
        return default
    known = TRUTHS.get(str(given).strip().lower())
    if known is None:
        raise InputError(
            fields.subject, f"{name} {given!r}", "true or false", "correct the connection's extra fields"
        )
    return known


def refuse_unknown(fields: Fields, known: tuple[str, ...]) -> None:
    """A slip in the name of a field that protects the connection must not pass in silence."""
    unknown = sorted(set(fields.extra) - set(known))
    if unknown:
        raise InputError(
            fields.subject, f"unknown extra: {', '.join(unknown)}", f"extra fields {', '.join(known)}",
            "correct its name or take it out of the connection's extra",
        )  # fmt: skip


def seconds(fields: Fields, name: str, default: float) -> float:
    """An extra that is a time."""
    given = fields.extra.get(name)
    try:
        value = float(given or default)
    except (TypeError, ValueError):
        value = -1.0
    if not 0 < value <= 3600:
        raise InputError(
            fields.subject,
            f"{name} {given!r}",
            "seconds between 0 and 3600",
            "correct it under Admin > Connections",
        )
    return value
