"""What the `show` commands answer."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lab.powermta.command_output import Answer
from lab.powermta.config_model import DEFAULT_VMTA
from lab.powermta.delivery_records import MESSAGE_BYTES
from lab.powermta.mail_queue import Queue
from lab.powermta.queue_names import covers

if TYPE_CHECKING:
    from lab.powermta.host import Host


def _time(moment: float) -> str:
    """Local time without a zone, as the vendor prints it; the lab's hosts live in UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _kilobytes(count: int) -> int:
    return count * MESSAGE_BYTES // 1024


def _queue(queue: Queue, now: float, errors: bool) -> dict[str, Any]:
    due = queue.next_due()
    found: dict[str, Any] = {
        "name": queue.name,
        "rcp": len(queue),
        "kb": _kilobytes(len(queue)),
        "conn": 0,
        "paused": queue.paused,
        "mode": "backoff" if queue.backoff else "normal",
        "retryTime": _time(due) if due is not None and due > now else "",
    }
    if errors:
        found["errors"] = [{"time": _time(moment), "text": text} for moment, text in queue.events]
    return found


def queues(host: "Host", pattern: str, options: Mapping[str, str], max_items: int) -> Answer:
    """Queues with mail, and paused ones, that `pattern` names: the first `max_items` of them, without a word on the rest."""
    found = [queue for queue in host.book.shown_queues() if covers(pattern, queue.name)]
    if "paused" in options:
        found = [queue for queue in found if queue.paused]
    if "mode" in options:
        found = [queue for queue in found if queue.backoff == (options["mode"] == "backoff")]
    by_size = options.get("sort") in {"rcpt", "size"}
    found.sort(key=lambda queue: (-len(queue) if by_size else 0, queue.name))
    return _queue_list(host, found[:max_items], "errors" in options)


def top_queues(host: "Host", max_items: int) -> Answer:
    found = sorted(host.book.shown_queues(), key=lambda queue: (-len(queue), queue.name))
    return _queue_list(host, found[:max_items], errors=True)


def _queue_list(host: "Host", found: list[Queue], errors: bool) -> Answer:
    now = host.clock.now().timestamp()
    rows = [_queue(queue, now, errors) for queue in found]
    lines = [
        f"{row['name']:<50} {row['rcp']:>8} {row['kb']:>9} {row['mode']:<8}{' paused' if row['paused'] else ''}"
        for row in rows
    ]
    return Answer({"queues": rows}, "\n".join([f"{'queue':<50} {'rcp':>8} {'kb':>9} mode", *lines]))


def vmtas(host: "Host", max_items: int) -> Answer:
    """Only virtual MTAs that have mail queued."""
    waiting: dict[str, list[Queue]] = {}
    for queue in host.book.queues():
        if len(queue):
            waiting.setdefault(queue.vmta, []).append(queue)
    counts = {name: sum(map(len, mine)) for name, mine in waiting.items()}
    total = sum(counts.values())
    rows = [
        {
            "name": name,
            "rcp": counts[name],
            "kb": _kilobytes(counts[name]),
            "pctOfTotal": round(100 * counts[name] / total),
            "conn": 0,
            "dom": len(waiting[name]),
        }
        for name in sorted(counts, key=lambda name: (-counts[name], name))[:max_items]
    ]
    lines = [f"{row['name']:<40} {row['rcp']:>8} {row['dom']:>5}" for row in rows]
    return Answer({"vmtas": rows}, "\n".join([f"{'vmta':<40} {'rcp':>8} {'dom':>5}", *lines]))


def domains(host: "Host", max_items: int) -> Answer:
    counts: dict[str, int] = {}
    for queue in host.book.queues():
        counts[queue.domain] = counts.get(queue.domain, 0) + len(queue)
    names = sorted((name for name in counts if counts[name]), key=lambda name: (-counts[name], name))[
        :max_items
    ]
    rows = [{"name": name, "rcp": counts[name], "kb": _kilobytes(counts[name])} for name in names]
    return Answer({"domains": rows}, "\n".join(f"{row['name']:<50} {row['rcp']:>8}" for row in rows))


def disabled_sources(host: "Host") -> Answer:
    rows = [
        {
            "ip": one.address,
            "queue": one.pattern,
            "disabledSince": _time(one.since),
            "reenableTime": _time(one.until) if one.until < float("inf") else "never",
        }
        for one in host.book.switches.disabled
    ]
    lines = [f"{row['ip']:<40} {row['queue']:<40} {row['reenableTime']}" for row in rows]
    return Answer({"disabledSources": rows}, "\n".join(lines))


def version(host: "Host") -> Answer:
    product = {
        "name": "PowerMTA",
        "version": host.version,
        "buildDate": "2024-01-01",
        "revision": "(lab)",
        "bits": 64,
    }
    data = {"mta": {"product": product, "fullHostName": f"{host.name}.lab.example"}}
    return Answer(data, f"PowerMTA v{host.version}")


def status(host: "Host") -> Answer:
    now = host.clock.now().timestamp()
    sending = host.sending
    waiting = host.book.waiting()

    def counts(moment: float | None) -> dict[str, Any]:
        received, sent = (
            (host.counters.received, sending.sent) if moment is None else host.counters.since(moment)
        )
        return {
            way: {"rcp": count, "msg": count, "kb": _kilobytes(count)}
            for way, count in (("in", received), ("out", sent))
        }

    idle = {"rcp": 0, "dom": 0, "kb": 0}
    data = {
        "mta": version(host).data["mta"],
        "status": {
            "timeNow": _time(now),
            "startupTime": _time(host.started_at.timestamp()),
            "shuttingDown": False,
            "status": "running",
            "traffic": {"total": counts(None), "lastHr": counts(now - 3600), "lastMin": counts(now - 60)},
            "conn": {way: {"cur": 0, "max": 1200, "top": 0} for way in ("smtpIn", "smtpOut")},
            "queue": {
                "smtp": {"rcp": waiting, "dom": len(host.book.shown_queues()), "kb": _kilobytes(waiting)},
                **dict.fromkeys(
                    ("pipe", "discard", "file", "alias", "bounceProcessor", "feedbackLoopProcessor"), idle
                ),
            },
            "spool": {
                "initPct": 100,
                "dirs": 1,
                "files": {"inUse": waiting, "recycled": 0, "total": waiting},
                "totalRcp": waiting,
                "maxRcp": 0,
            },
        },
    }
    return Answer(
        data,
        f"PowerMTA v{host.version} is running since {_time(host.started_at.timestamp())}\n{waiting} recipients queued",
    )


def vmta_settings(host: "Host", name: str) -> Answer:
    """The directives of a virtual MTA as loaded, without its <domain> blocks."""
    vmta = host.book.model.vmtas.get(name)
    if vmta is None:
        return Answer(error=f'unknown virtual MTA "{name}"')
    data: dict[str, Any] = {"name": name}
    for directive, value in vmta.settings:
        if directive in {"smtp-source-host", "domain-key", "cold-virtual-mta"}:
            data.setdefault(directive, []).append(value)
        else:
            data[directive] = value
    lines = [f"{directive} {value}" for directive, value in vmta.settings]
    return Answer(data, "\n".join([f"virtual-mta {name}", *lines]))


def settings(host: "Host", queue: str) -> Answer:
    """The <domain> settings in force for a queue."""
    domain, _, vmta = queue.partition("/")
    vmta = vmta or DEFAULT_VMTA
    if vmta != DEFAULT_VMTA and vmta not in host.book.model.vmtas:
        return Answer(error=f'unknown virtual MTA "{vmta}"')
    found: dict[str, Any] = dict(sorted(host.book.effective(domain.lower(), vmta).items()))
    lines = [f"{name} {value}" for name, value in found.items()]
    return Answer({"queue": queue, **found}, "\n".join([f"queue {queue}", *lines]))
