"""Is an MTA host well? Facts of one look to findings; what could not be seen is unknown, and unknown is never good."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from email_engine.accounting.names import listed
from email_engine.health.host_facts import Check, Expected, Facts, HealthFinding, Level, loaded_at
from email_engine.health.policy import HealthPolicy
from email_engine.health.queue_ages import QueueGroup
from email_engine.plural import amount
from email_engine.pmta.release import Release

NAMED = 5


def judge(
    facts: Facts, expected: Expected, before: Mapping[str, Any], policy: HealthPolicy, as_of: datetime
) -> tuple[HealthFinding, ...]:
    """Every check once. `before`: what `memory` gave at the last look."""
    if facts.host_trouble is not None:
        return (
            HealthFinding(
                Check.REACHABLE, Level.CRITICAL, f"it does not let us in: {facts.host_trouble}", "away"
            ),
            *(HealthFinding(c, Level.UNKNOWN, "not seen") for c in Check if c is not Check.REACHABLE),
        )
    return (
        HealthFinding(Check.REACHABLE, Level.GOOD, "it answers"),
        _powermta(facts),
        _version(facts, expected),
        _clock(facts, policy),
        _disk(facts, policy),
        _write(facts),
        _file(facts, expected, as_of),
        _queues(facts, expected, policy),
        _age(facts, policy, as_of),
        _backoff(facts, policy),
        _accounting(facts, before, policy, as_of),
        _senders(expected, policy),
        _holds(facts),
        _by_hand(facts),
    )


def _powermta(facts: Facts) -> HealthFinding:
    if facts.powermta_trouble is not None:
        return HealthFinding(
            Check.POWERMTA, Level.CRITICAL, f"PowerMTA does not answer: {facts.powermta_trouble}", "down"
        )
    if facts.status is not None and facts.status.shutting_down:
        return HealthFinding(Check.POWERMTA, Level.WARNING, "PowerMTA is shutting down", "shutting down")
    return HealthFinding(Check.POWERMTA, Level.GOOD, "PowerMTA runs")


def _version(facts: Facts, expected: Expected) -> HealthFinding:
    seen = facts.status.version if facts.status else None
    if seen is None:
        return HealthFinding(Check.VERSION, Level.UNKNOWN, "its version is not told")
    installed, wanted = Release.read(seen), Release.read(expected.version)
    if installed and wanted and wanted.covers(installed):
        return HealthFinding(Check.VERSION, Level.GOOD, f"PowerMTA {seen}")
    told = f"PowerMTA {seen} runs, fleet.yaml says {expected.version}: correct it, other releases know other directives"
    return HealthFinding(Check.VERSION, Level.WARNING, told, seen)


def _clock(facts: Facts, policy: HealthPolicy) -> HealthFinding:
    off = facts.clock_offset
    if off is None:
        return HealthFinding(Check.CLOCK, Level.UNKNOWN, "its clock could not be read")
    seconds = off.total_seconds()
    told = f"its clock is {abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}"
    if abs(off) >= policy.clock_critical:
        return HealthFinding(
            Check.CLOCK,
            Level.CRITICAL,
            f"{told}: accounting counts on wrong days; start its time service",
            "off",
        )
    if abs(off) >= policy.clock_warning:
        return HealthFinding(Check.CLOCK, Level.WARNING, f"{told}: look at its time service", "off")
    return HealthFinding(Check.CLOCK, Level.GOOD, told)


def _disk(facts: Facts, policy: HealthPolicy) -> HealthFinding:
    fullest = facts.fullest
    if fullest is None:
        return HealthFinding(Check.DISK, Level.UNKNOWN, "its SFTP server does not tell free space (statvfs)")
    told = f"{fullest.path} is {fullest.used_percent:.0f} % used ({fullest.free_bytes / 1e9:.1f} GB free)"
    if fullest.used_percent > policy.used_critical:
        return HealthFinding(
            Check.DISK, Level.CRITICAL, f"{told}: PowerMTA stops taking mail when it is full", "critical"
        )
    if fullest.used_percent > policy.used_warning:
        return HealthFinding(Check.DISK, Level.WARNING, told, "warning")
    return HealthFinding(Check.DISK, Level.GOOD, told)


def _write(facts: Facts) -> HealthFinding:
    if facts.write_trouble is not None:
        told = f"nothing can be written beside its configuration, so nothing can be deployed: {facts.write_trouble}"
        return HealthFinding(Check.WRITE, Level.WARNING, told, "refused")
    if facts.clock_offset is None:
        return HealthFinding(Check.WRITE, Level.UNKNOWN, "not tried")
    return HealthFinding(Check.WRITE, Level.GOOD, "files can be written")


def _file(facts: Facts, expected: Expected, as_of: datetime) -> HealthFinding:
    if expected.interrupted:
        told = "a deployment was interrupted; the next run of pmta_config_deploy finishes or undoes it"
        return HealthFinding(Check.FILE, Level.WARNING, told, "interrupted")
    if facts.file is None or expected.under_way:
        return HealthFinding(
            Check.FILE, Level.UNKNOWN, "a deployment is under way" if facts.file else "its file was not read"
        )
    if expected.digest is None:
        return HealthFinding(Check.FILE, Level.GOOD, "nothing was deployed yet")
    if facts.file == "":
        told = "the engine's file is gone: PowerMTA will not start again; run pmta_config_deploy"
        return HealthFinding(Check.FILE, Level.CRITICAL, told, "gone")
    if facts.file != expected.digest:
        told = (
            "somebody edited the engine's file; it is left as it is. The log of `check` shows the lines; the next "
            "deployment lowers at once what they raised, and asks before it replaces the rest"
        )
        return HealthFinding(Check.FILE, Level.WARNING, told, f"edited {facts.file[:12]}")
    loaded = loaded_at(facts, expected, as_of)
    when = f", loaded {loaded:%Y-%m-%d %H:%M} UTC" if loaded else ""
    return HealthFinding(Check.FILE, Level.GOOD, f"as deployed, {facts.file[:12]}{when}")


def _queues(facts: Facts, expected: Expected, policy: HealthPolicy) -> HealthFinding:
    if facts.queues is None:
        return HealthFinding(Check.QUEUES, Level.UNKNOWN, "its queues were not seen")
    told = f"{amount(facts.queues.recipients, 'recipient')} waiting, {facts.queues.running} of them in running queues"
    if expected.allowance and facts.queues.running > expected.allowance * policy.days_waiting:
        told += f": more than its IPs may send in {policy.days_waiting} d ({expected.allowance} a day); old mail will bounce"
        return HealthFinding(Check.QUEUES, Level.WARNING, told, "long")
    return HealthFinding(Check.QUEUES, Level.GOOD, told)


def _age(facts: Facts, policy: HealthPolicy, as_of: datetime) -> HealthFinding:
    if facts.groups is None:
        return HealthFinding(Check.AGE, Level.UNKNOWN, "its queues were not seen")
    old = sorted((g for g in facts.groups if g.runs and g.age > policy.oldest), key=lambda g: (-g.age, g.key))
    if not old:
        least = policy.oldest.total_seconds() / 60
        return HealthFinding(
            Check.AGE, Level.GOOD, f"no running queue is known to be older than {least:.0f} min"
        )
    told = (
        f"mail waits for more than {policy.oldest.total_seconds() / 60:.0f} min in {amount(len(old), 'queue')}: {_some(tuple(_waits(g, as_of) for g in old))}. "
        "`pmta show queues --errors 'DOMAIN/VMTA'` on the host tells what the receiver says"
    )
    return HealthFinding(Check.AGE, Level.WARNING, told, "old")


def _waits(group: QueueGroup, as_of: datetime) -> str:
    since = group.waiting_since
    day = f"{since:%Y-%m-%d} " if since and since.date() != as_of.date() else ""
    return f"{group.vmta} to {group.provider} ({amount(group.recipients, 'recipient')}, since {day}{since:%H:%M} UTC or longer)"


def _backoff(facts: Facts, policy: HealthPolicy) -> HealthFinding:
    if facts.queues is None:
        return HealthFinding(Check.BACKOFF, Level.UNKNOWN, "its queues were not seen")
    seen = facts.queues
    told = f"{seen.backoff} of {seen.running} recipients wait in {amount(len(seen.backoff_names), 'queue')} in backoff"
    many = seen.backoff >= policy.backoff_minimum and seen.backoff >= seen.running * policy.backoff_rate
    if many:
        return HealthFinding(Check.BACKOFF, Level.WARNING, f"{told}: {_some(seen.backoff_names)}", "many")
    return HealthFinding(Check.BACKOFF, Level.GOOD, told)


def _accounting(
    facts: Facts, before: Mapping[str, Any], policy: HealthPolicy, as_of: datetime
) -> HealthFinding:
    sent = facts.status.sent if facts.status else None
    if facts.newest is None or sent is None:
        return HealthFinding(Check.ACCOUNTING, Level.UNKNOWN, "accounting files or counters were not seen")
    since = memory(facts, before, as_of).get("silent_since")
    quiet = as_of - datetime.fromisoformat(since) if since else timedelta(0)
    unusable = f"; not used: {listed(facts.newest.unusable)}" if facts.newest.unusable else ""
    if quiet > policy.silence:
        told = (
            f"mail leaves for {quiet.total_seconds() / 60:.0f} min and PowerMTA closes no accounting file: its counts are "
            f"missing here. See the <acct-file> of its configuration and the disk{unusable}"
        )
        return HealthFinding(Check.ACCOUNTING, Level.WARNING, told, "silent")
    told = f"newest file {facts.newest.told or 'none, and no mail'}{unusable}"
    return HealthFinding(Check.ACCOUNTING, Level.GOOD, told)


def memory(facts: Facts, before: Mapping[str, Any], as_of: datetime) -> dict[str, Any]:
    """What the next look needs: counters as they stood when the newest accounting file was new, and since when mail left
    without another one. Nothing seen keeps what was known."""
    known = {k: before.get(k) for k in ("started", "newest", "sent_at_newest", "silent_since")}
    sent = facts.status.sent if facts.status else None
    if facts.newest is None or sent is None or facts.status is None:
        return known
    started = facts.status.started
    at_newest = known["sent_at_newest"]
    newest = facts.newest.told
    fresh = newest != known["newest"] or started != known["started"]
    if fresh or at_newest is None or sent <= at_newest:
        return {"started": started, "newest": newest, "sent_at_newest": sent, "silent_since": None}
    return known | {"silent_since": known["silent_since"] or as_of.isoformat()}


def _senders(expected: Expected, policy: HealthPolicy) -> HealthFinding:
    if expected.unknown_sources is None:
        return HealthFinding(Check.SENDERS, Level.UNKNOWN, "its accounting was not asked for senders")
    told = f"{amount(expected.unknown_sources, 'accounting record')} of the last day of senders that are not in the fleet"
    if expected.unknown_sources > policy.unknown_sources:
        told += ": nothing advances on this host. `accounting_ingest` names them in its log; add them to fleet.yaml"
        return HealthFinding(Check.SENDERS, Level.WARNING, told, "strangers")
    return HealthFinding(Check.SENDERS, Level.GOOD, told)


def _holds(facts: Facts) -> HealthFinding:
    if facts.loose is None:
        return HealthFinding(Check.HOLDS, Level.UNKNOWN, "what must stand still was not seen")
    if facts.loose:
        told = f"running although it must stand still: {amount(len(facts.loose), 'virtual MTA')}, {_some(facts.loose)}; it is tried again"
        return HealthFinding(Check.HOLDS, Level.CRITICAL, told, "loose")
    if facts.put_back:
        told = (
            f"{amount(len(facts.put_back), 'virtual MTA')} found running, after a restart or by hand, although they must stand still: "
            f"{_some(facts.put_back)}; held again"
        )
        return HealthFinding(Check.HOLDS, Level.WARNING, told, "put back")
    return HealthFinding(Check.HOLDS, Level.GOOD, "everything that must stand still does")


def _by_hand(facts: Facts) -> HealthFinding:
    if facts.by_hand is None:
        return HealthFinding(Check.BY_HAND, Level.UNKNOWN, "queues and sources were not seen")
    if facts.by_hand:
        told = f"stopped by hand, not by the engine, and left so: {_some(facts.by_hand)}"
        return HealthFinding(Check.BY_HAND, Level.INFO, told, ",".join(facts.by_hand)[:200])
    return HealthFinding(Check.BY_HAND, Level.GOOD, "nothing is stopped by hand")


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def report(findings: tuple[HealthFinding, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """The findings as plain JSON by check."""
    return ((str(f.check), {"level": str(f.level), "told": f.told}) for f in findings)


def seen_row(
    facts: Facts, expected: Expected, findings: tuple[HealthFinding, ...], as_of: datetime
) -> dict[str, Any]:
    """Columns of table `mta_health`; None: it could not be seen."""
    status, fullest, offset, newest = facts.status, facts.fullest, facts.clock_offset, facts.newest
    ages = [g.waiting_since for g in facts.groups or () if g.runs and g.waiting_since is not None]
    return {
        "worst": str(max((f.level for f in findings), key=list(Level).index)),
        "reachable": facts.host_trouble is None,
        "version": status.version if status else None,
        "started_at": as_of - status.uptime if status and status.uptime is not None else None,
        "config_digest": facts.file,
        "deployed_digest": expected.digest,
        "reloaded_at": loaded_at(facts, expected, as_of),
        "disk_path": fullest.path if fullest else None,
        "disk_used_rate": fullest.used_percent / 100 if fullest else None,
        "clock_offset_seconds": offset.total_seconds() if offset is not None else None,
        "accounting_file": newest.name if newest else None,
        "accounting_file_at": newest.at if newest else None,
        "recipients": facts.queues.recipients if facts.queues else None,
        "running": facts.queues.running if facts.queues else None,
        "backoff": facts.queues.backoff if facts.queues else None,
        "oldest_since": min(ages, default=None),
        "checks": {str(f.check): str(f.level) for f in findings},
    }
