"""DNS, Telegram, and the engine's database as Airflow's tasks will see them."""

from collections.abc import Iterator

from email_engine.doctor.finding import Named
from email_engine_airflow.doctor.stored import tested
from email_engine_airflow.hooks.dns_resolver import DnsResolverHook
from email_engine_airflow.hooks.engine_db import EngineDbHook
from email_engine_airflow.hooks.telegram_alerts import TelegramAlertsHook

HOOKS: tuple[tuple[str, str, type[DnsResolverHook | EngineDbHook | TelegramAlertsHook]], ...] = (
    ("engine database", "postgres", EngineDbHook),
    ("DNS", "dns_resolver", DnsResolverHook),
    ("Telegram", "telegram_alerts", TelegramAlertsHook),
)


def service_checks(known: tuple[str, ...]) -> Iterator[Named]:
    """Each connection's own test; nothing is sent or written."""
    for what, kind, hook in HOOKS:
        name = hook.default_conn_name
        subject = f"{what}: connection {name}"
        yield Named(
            subject,
            lambda s=subject, n=name, k=kind, h=hook: tested(s, n, k, known, lambda: h(n).test_connection()),  # type: ignore[misc]
        )
