"""How errors call a connection. Airflow's test button saves it under a random id, which tells nobody anything."""

from airflow.sdk import Connection

from email_engine.addresses import shown


def called(connection: Connection, testing: bool) -> str:
    """`connection ID`; under test its type and host."""
    if not testing:
        return f"connection {connection.conn_id}"
    where = shown(connection.host)
    return f"{connection.conn_type} connection{f' to {where}' if where else ''}"
