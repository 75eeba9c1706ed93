"""From Airflow's connection to the fields that clients are made of."""

from airflow.sdk import Connection

from email_engine.adapters.connection_fields import Fields


def fields_of(connection: Connection, under_test: bool = False) -> Fields:
    """`under_test`: the test button saved it under a random id."""
    return Fields(
        name=connection.conn_id,
        kind=connection.conn_type or "",
        host=connection.host,
        port=connection.port,
        login=connection.login,
        password=connection.password,
        schema=connection.schema,
        extra=connection.extra_dejson,
        under_test=under_test,
    )
