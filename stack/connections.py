"""The typed Airflow connections that lead to the lab, and those of this machine."""

import json
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from email_engine.fleet.model import Fleet
from email_engine_airflow.get_provider_info import get_provider_info
from stack.databases import server_of
from stack.postgres import Cluster
from stack.settings import Settings


def connections(settings: Settings, cluster: Cluster, fleet: Fleet) -> dict[str, dict[str, Any]]:
    """All that `make up` stores; see `lab_connections`."""
    engine = {
        "conn_type": "postgres", "host": str(cluster.socket_folder), "port": 5432, "schema": "email_engine",
        "login": "email_engine", "password": settings.secrets()["engine_db"],
        "description": "The engine's own database",
    }  # fmt: skip
    return {"email_engine_db": engine, **lab_connections(settings, server_of(cluster), fleet)}


def lab_connections(
    settings: Settings, server: URL, fleet: Fleet, lab: str = "127.0.0.1"
) -> dict[str, dict[str, Any]]:
    """Connection id -> fields as Airflow's JSON form takes them; secrets stay in `password` and `private_key`.

    `server`: where MailWizz's databases are; `lab`: the host that the lab listens on. Each connection has a port and every extra field
    of its form: Airflow 3.3.2 refuses to test a connection without the first, and hides in its edit form what the stored extra does not
    name."""
    known, ports = settings.secrets(), settings.ports
    database = server.host or str(server.query.get("host") or "")
    made: dict[str, dict[str, Any]] = {
        "dns_resolver_default": {
            "conn_type": "dns_resolver", "host": lab, "port": ports["lab dns"], "extra": {"timeout": 1.0, "tries": 2},
            "description": "The resolver that block lists and DNS checks ask",
        },
        "telegram_alerts_default": {
            "conn_type": "telegram_alerts", "port": ports["lab telegram"],
            "password": known["telegram"], "extra": {"chat_id": "-1001", "base_url": f"http://{lab}:{ports['lab telegram']}"},
            "description": "Where alerts go",
        },
    }  # fmt: skip
    private = (settings.lab / "client_key").read_text()
    for host in fleet.mta_hosts:
        key = (settings.lab / "keys" / f"{host.name}.pub").read_text().strip()
        made[host.connection] = {
            "conn_type": "powermta", "host": lab, "port": ports[f"lab {host.name} ssh"], "login": "pmta",
            "extra": {"host_key": key, "private_key": private}, "description": f"PowerMTA on {host.name}",
        }  # fmt: skip
    for instance in fleet.mailwizz_instances:
        made[instance.api_connection] = {
            "conn_type": "mailwizz", "host": f"http://{lab}/api", "port": ports[f"lab {instance.name}"],
            "password": known[f"{instance.name}_key"], "description": f"API of {instance.name}",
        }  # fmt: skip
        made[instance.db_connection] = {
            "conn_type": "mailwizz_db", "host": database, "port": server.port or 5432, "schema": instance.name,
            "login": instance.name, "password": known[f"{instance.name}_db"],
            "extra": {"dialect": "postgresql", "table_prefix": "mw_"}, "description": f"Database of {instance.name}",
        }  # fmt: skip
    forms = {form["connection-type"]: form["conn-fields"] for form in get_provider_info()["connection-types"]}
    for fields in made.values():
        if form := forms.get(fields["conn_type"]):
            every = {name: field["schema"].get("default") for name, field in form.items()}
            fields["extra"] = every | fields.get("extra", {})
    return made


def as_environment(made: dict[str, dict[str, Any]]) -> dict[str, str]:
    """`AIRFLOW_CONN_*` variables: how tests and the demo hand connections over without a metadata database."""
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(fields) for name, fields in made.items()}


def write_file(made: dict[str, dict[str, Any]], path: Path) -> None:
    """For `airflow connections import`, and for `email-engine stop` when Airflow is down (EMAIL_ENGINE_CONNECTIONS)."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(json.dumps(made))
