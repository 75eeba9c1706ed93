"""When people are told about a MailWizz: part `health` of include/config/mailer.yaml as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from email_engine.fleet.document import Section

SEND = "send-campaigns"
NOT_STARTED: Mapping[str, timedelta] = {
    SEND: timedelta(minutes=10),
    "hourly": timedelta(hours=2),
    "daily": timedelta(hours=26),
    "bounce-handler": timedelta(hours=1),
    "feedback-loop-handler": timedelta(hours=1),
}
"""Console commands that are looked at, and for how long each may not have been started."""
EVERYWHERE = (SEND, "hourly", "daily")
"""Commands that every MailWizz must run; the others only where they ever ran."""


@dataclass(frozen=True, slots=True)
class MailwizzHealthPolicy:
    """`not_started` by command; `unfinished`: the newest run of a command may go on for so long; `silent`: a campaign that should
    send and handed over nothing for so long; `clock`: database against engine; `latency`: one round trip."""

    not_started: Mapping[str, timedelta] = field(default_factory=lambda: dict(NOT_STARTED))
    unfinished: timedelta = timedelta(hours=2)
    silent: timedelta = timedelta(minutes=30)
    clock: timedelta = timedelta(minutes=5)
    latency: timedelta = timedelta(seconds=1)


def read_health_policy(top: Section) -> MailwizzHealthPolicy:
    """What the part does not say is as usual."""
    usual = MailwizzHealthPolicy()
    health = top.part(
        "health", "not_started_minutes", "unfinished_minutes", "silent_minutes", "clock_minutes", "latency_ms", needed=False
    )  # fmt: skip
    starts = health.part("not_started_minutes", *NOT_STARTED, needed=False)
    return MailwizzHealthPolicy(
        {name: _minutes(starts, name, 10_080, limit) for name, limit in NOT_STARTED.items()},
        _minutes(health, "unfinished_minutes", 10_080, usual.unfinished),
        _minutes(health, "silent_minutes", 1_440, usual.silent),
        _minutes(health, "clock_minutes", 1_440, usual.clock),
        timedelta(
            milliseconds=health.number("latency_ms", 1, 30_000, usual.latency // timedelta(milliseconds=1))
        ),
    )


def _minutes(section: Section, key: str, highest: int, usual: timedelta) -> timedelta:
    return timedelta(minutes=section.number(key, 1, highest, usual // timedelta(minutes=1)))
