"""The clients of pipelines, made from Airflow's connections."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from airflow.sdk.exceptions import AirflowNotFoundException

if TYPE_CHECKING:
    from email_engine.errors import InputError
    from email_engine.pipelines.clients import Clients

P = ParamSpec("P")
T = TypeVar("T")


def airflow_clients() -> "Clients":
    """One factory for each kind of connection; a connection that does not exist is an InputError too."""
    from email_engine.pipelines.clients import Clients
    from email_engine_airflow.hooks.dns_resolver import DnsResolverHook
    from email_engine_airflow.hooks.mailwizz import MailwizzHook
    from email_engine_airflow.hooks.mailwizz_db import MailwizzDbHook
    from email_engine_airflow.hooks.powermta import PowerMtaHook
    from email_engine_airflow.hooks.telegram_alerts import TelegramAlertsHook

    return Clients(
        mta=_known(lambda name: PowerMtaHook(name).get_conn()),
        mailwizz_db=_known(lambda name: MailwizzDbHook(name).get_conn()),
        mailwizz_api=_known(lambda name: MailwizzHook(name).get_conn()),
        resolver=_known(lambda: DnsResolverHook().get_conn()),
        blocklist_keys=_known(lambda: DnsResolverHook().blocklist_keys()),
        telegram=_known(lambda: TelegramAlertsHook().get_conn()),
    )


def _known(factory: Callable[P, T]) -> Callable[P, T]:
    @wraps(factory)
    def opened(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return factory(*args, **kwargs)
        except AirflowNotFoundException as error:
            raise missing_connection(str(error)) from None

    return opened


def missing_connection(seen: str) -> "InputError":
    """What a person reads instead of Airflow's "The conn_id `X` isn't defined"."""
    from email_engine.errors import InputError

    name = seen.split("`")[1] if seen.count("`") >= 2 else seen
    return InputError(
        f"Airflow connection {name}",
        "it does not exist",
        "a connection of this name",
        "make it under Admin > Connections, or correct its name in the fleet file",
    ).because_of(f"connection {name}")
