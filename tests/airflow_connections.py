"""Airflow connections as the environment variables that tests set."""

import json

from sqlalchemy import make_url


def engine_connection(url: str, **changes: object) -> str:
    """`AIRFLOW_CONN_EMAIL_ENGINE_DB` for a database over a unix socket."""
    parsed = make_url(url)
    fields = {
        "conn_type": "postgres",
        "host": parsed.query["host"],
        "login": parsed.username,
        "password": parsed.password,
        "schema": parsed.database,
    }
    return json.dumps(fields | changes)
