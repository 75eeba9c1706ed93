"""What a watch sees of a host: its queues and its counters, in one look."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from email_engine.adapters.powermta import PowerMta
from email_engine.adapters.powermta_reply import walk
from email_engine.pmta.config.watch import Sample


def take_sample(mta: PowerMta, leave_out: Collection[str], now: datetime) -> Sample:
    """Two commands. `leave_out`: virtual MTAs that were slowed down, whose queues may grow. Raises EngineError."""
    queues = [q for q in mta.queues("*/*") if q.paused is not True and q.vmta not in leave_out]
    backoff = frozenset(q.name for q in queues if q.mode == "backoff")
    counters = _counters(mta.ask("show", "status").data)
    return Sample(
        at=now,
        recipients=sum(q.recipients for q in queues),
        waiting=sum(q.recipients for q in queues if q.retries or q.name in backoff),
        backoff=backoff,
        sent=_number(counters, "total"),
        sent_last_hour=_number(counters, "lastHr"),
    )


def _counters(data: Any) -> Mapping[str, Any]:
    found = (item["traffic"] for item in walk(data) if isinstance(item.get("traffic"), Mapping))
    return next(found, {})


def _number(counters: Mapping[str, Any], period: str) -> int | None:
    value: Any = counters
    for key in (period, "out", "rcp"):
        value = value.get(key) if isinstance(value, Mapping) else None
    try:
        return int(str(value))
    except ValueError:
        return None
