"""How errors call a connection. Airflow's test button saves it under a random id, which tells nobody anything."""

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk import Connection

from email_engine.addresses import shown
from email_engine.errors import InputError


def called(connection: Connection, testing: bool) -> str:
    """`connection ID`; under test its type and host."""
    if not testing:
        return f"connection {connection.conn_id}"
    where = shown(connection.host)
    return f"{connection.conn_type} connection{f' to {where}' if where else ''}"


@contextmanager
def reading(conn_id: str) -> Iterator[None]:
    """A mistake in a connection's fields is that connection's, however many tasks meet it."""
    try:
        yield
    except InputError as error:
        error.because_of(f"connection {conn_id}")
        raise
