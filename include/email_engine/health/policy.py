"""When people are told about an MTA host: include/config/health.yaml as values."""

from dataclasses import dataclass
from datetime import timedelta

from email_engine import paths
from email_engine.fleet.document import Section, read_document
from email_engine.fleet.mistakes import FileInvalid, Mistakes


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
    mistakes = Mistakes()
    top = read_document(text, source, mistakes)
    if top is None:
        raise FileInvalid(source, mistakes.found)
    top.only("clock", "disk", "queues", "accounting", "history")

    def number(section: str, key: str, lowest: int, highest: int) -> int:
        found: Section | None = top.section(section)
        if found is None:
            top.add(section, f"{key} missing", f"a whole number from {lowest} to {highest}")
            return 0
        return found.number(key, lowest, highest)

    policy = HealthPolicy(
        clock_warning=timedelta(seconds=number("clock", "warning_seconds", 5, 3600)),
        clock_critical=timedelta(seconds=number("clock", "critical_seconds", 5, 86400)),
        used_warning=number("disk", "warning_used_percent", 10, 99),
        used_critical=number("disk", "critical_used_percent", 10, 99),
        oldest=timedelta(minutes=number("queues", "oldest_minutes", 15, 7 * 1440)),
        behind=timedelta(minutes=number("queues", "accounting_behind_minutes", 15, 1440)),
        days_waiting=number("queues", "days_waiting", 1, 30),
        backoff_rate=number("queues", "backoff_percent", 1, 100) / 100,
        backoff_minimum=number("queues", "backoff_minimum", 1, 10_000_000),
        silence=timedelta(minutes=number("accounting", "silence_minutes", 1, 1440)),
        unknown_sources=number("accounting", "strangers_a_day", 0, 1_000_000),
        kept=timedelta(days=number("history", "kept_days", 8, 3650)),
    )
    if mistakes.found:
        raise FileInvalid(source, mistakes.found)
    return policy


def shipped_health_policy() -> HealthPolicy:
    """include/config/health.yaml."""
    return parse_health_policy((paths.CONFIG / "health.yaml").read_text("utf-8"))
