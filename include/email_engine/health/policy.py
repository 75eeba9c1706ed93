"""When people are told about an MTA host: include/config/health.yaml as values."""

from dataclasses import dataclass
from datetime import timedelta

from email_engine import paths
from email_engine.fleet.config_file import load_config, parse_config
from email_engine.fleet.document import Section


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """`backoff_rate` 0..1 of the waiting recipients; `used_*` in percent of a file system; `oldest`: mail that waits longer in
    a running queue is told; `behind`: accounting older than that says nothing about queues; `kept`: of what was seen."""

    clock_warning: timedelta
    clock_critical: timedelta
    used_warning: int
    used_critical: int
    oldest: timedelta
    behind: timedelta
    days_waiting: int
    backoff_rate: float
    backoff_minimum: int
    silence: timedelta
    unknown_sources: int
    kept: timedelta


def parse_health_policy(text: str, source: str = "health.yaml") -> HealthPolicy:
    """Raises FileInvalid that lists every mistake."""
    return parse_config(text, source, _policy)


def _policy(top: Section) -> HealthPolicy:
    top.only("clock", "disk", "queues", "accounting", "history")
    clock = top.part("clock", "warning_seconds", "critical_seconds")
    disk = top.part("disk", "warning_used_percent", "critical_used_percent")
    queues = top.part(
        "queues", "oldest_minutes", "accounting_behind_minutes", "days_waiting", "backoff_percent", "backoff_minimum"
    )  # fmt: skip
    accounting = top.part("accounting", "silence_minutes", "strangers_a_day")
    return HealthPolicy(
        clock_warning=timedelta(seconds=clock.number("warning_seconds", 5, 3600)),
        clock_critical=timedelta(seconds=clock.number("critical_seconds", 5, 86400)),
        used_warning=disk.number("warning_used_percent", 10, 99),
        used_critical=disk.number("critical_used_percent", 10, 99),
        oldest=timedelta(minutes=queues.number("oldest_minutes", 15, 7 * 1440)),
        behind=timedelta(minutes=queues.number("accounting_behind_minutes", 15, 1440)),
        days_waiting=queues.number("days_waiting", 1, 30),
        backoff_rate=queues.number("backoff_percent", 1, 100) / 100,
        backoff_minimum=queues.number("backoff_minimum", 1, 10_000_000),
        silence=timedelta(minutes=accounting.number("silence_minutes", 1, 1440)),
        unknown_sources=accounting.number("strangers_a_day", 0, 1_000_000),
        kept=timedelta(days=top.part("history", "kept_days").number("kept_days", 8, 3650)),
    )


def shipped_health_policy() -> HealthPolicy:
    """include/config/health.yaml."""
    return load_config(paths.CONFIG / "health.yaml", "health policy", _policy)
