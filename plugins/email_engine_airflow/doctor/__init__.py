"""What `email-engine doctor` looks at with Airflow's help: Airflow itself, and everything behind a connection."""

from collections.abc import Iterator

from email_engine.doctor.finding import Named
from email_engine.fleet.model import Fleet
from email_engine_airflow.doctor.airflow_itself import airflow_checks
from email_engine_airflow.doctor.mailwizz import mailwizz_checks
from email_engine_airflow.doctor.powermta import powermta_checks
from email_engine_airflow.doctor.services import service_checks
from email_engine_airflow.doctor.stored import engine_url, stored_ids

__all__ = ["checks", "engine_url"]


def checks(fleet: Fleet | None) -> Iterator[Named]:
    """Everything but the engine's database; without a fleet file only what needs none."""
    known = stored_ids()
    yield from airflow_checks()
    yield from service_checks(known)
    if fleet is not None:
        for host in fleet.mta_hosts:
            yield from powermta_checks(host, known)
        for instance in fleet.mailwizz_instances:
            ips = tuple(ip for ip in fleet.ips if ip.mailwizz == instance.name)
            yield from mailwizz_checks(instance, ips, known)
