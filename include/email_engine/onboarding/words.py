"""A plan as a newcomer reads it."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from email_engine.fleet.model import Fleet, Mode, SendingIp
from email_engine.onboarding.plan import OnboardPlan, host_counts
from email_engine.plural import amount
from email_engine.warmup.capacity import quota_for
from email_engine.warmup.policy import Policy

MOST_ROWS = 8


def subject(plan: OnboardPlan) -> str:
    """One line: what comes where, or is there already."""
    where = f"{plan.request.tenant}/{plan.request.stream}"
    if plan.done_before:
        return f"{amount(len(plan.ips), 'IP')} of {where} {'is' if len(plan.ips) == 1 else 'are'} aboard already: go on where a run before ended?"
    return f"Bring {amount(len(plan.ips), 'IP')} to {where}?"


def describe(plan: OnboardPlan, policy: Policy, today: date) -> str:
    """What is new, where it goes, what a person does, and when mail will flow: markdown that is also plain text."""
    return "\n".join([*_what(plan), "", *_then(plan, policy, today), "", *_lines(plan)])


def _what(plan: OnboardPlan) -> Iterator[str]:
    tenant, stream = plan.request.tenant, plan.request.stream
    ips = plan.ips
    yield (
        f"**{amount(len(ips), 'IP')} for {tenant}/{stream}**, {ips[0].address} to {ips[-1].address}:"
        if len(ips) > 1
        else f"**1 IP for {tenant}/{stream}**:"
    )
    yield ""
    yield "| IP | host name (PTR, HELO) | sending domain | virtual MTA | host |"
    yield "|---|---|---|---|---|"
    shown = [*ips[: MOST_ROWS // 2], *ips[-MOST_ROWS // 2 :]] if len(ips) > MOST_ROWS else list(ips)
    for number, ip in enumerate(shown):
        if len(ips) > MOST_ROWS and number == MOST_ROWS // 2:
            yield f"| ... {len(ips) - MOST_ROWS} more | | | | |"
        yield f"| {ip.address} | {ip.hostname} | {ip.domain} | {ip.vmta} | {ip.mta_host} |"
    yield ""
    yield "On the hosts: " + ", ".join(f"{count} more on {host}" for host, count in _hosts(ips)) + "."
    for note in plan.notes:
        yield ""
        yield f"Note: {note}."


def _hosts(ips: Sequence[SendingIp]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for host, count in host_counts(ips):
        counts[host] = counts.get(host, 0) + count
    return list(counts.items())


def _then(plan: OnboardPlan, policy: Policy, today: date) -> Iterator[str]:
    ready = today + timedelta(days=policy.clean_days)
    stages = policy.schedules[plan.ips[0].schedule].stages
    mode = _mode(plan.fleet, plan.request.tenant)
    yield "**Then**"
    yield "1. The fleet file gets the lines below, and PowerMTA its virtual MTAs (in standby: defined, in no pool, paused)."
    yield "2. You publish the DNS records and make the delivery servers in MailWizz; both lists are made for you."
    yield "3. This run waits, without a worker, until every record is seen in DNS."
    yield (
        f"4. {amount(policy.clean_days, 'clean day')} follow: if DNS were right today, until {ready}. "
        + (
            "Then they start by themselves"
            if policy.auto_start_standby
            else "Then a person starts them (`ip_transition`)"
        )
        + f", {stages[0]} messages a day each at first, as the tenant's quota carries it."
    )
    yield from _quota(plan, policy)
    if mode is Mode.OBSERVE:
        yield f"Tenant {plan.request.tenant} is in mode observe: everything is reckoned and shown, nothing is sent or changed until it acts."


def _quota(plan: OnboardPlan, policy: Policy) -> Iterator[str]:
    """What the tenant's IPs come to when all are warm, against its quota: where that has no room, the last ones wait in standby."""
    tenant = next(one for one in plan.fleet.tenants if one.name == plan.request.tenant)
    targets = sum(ip.daily_target for ip in plan.fleet.ips if ip.tenant == tenant.name)
    needed = quota_for(targets, policy.head_room_rate)
    if needed <= tenant.daily_quota:
        yield f"5. The quota of {tenant.name}, {tenant.daily_quota:,} a day, carries all its IPs when they are warm ({targets:,})."
        return
    yield (
        f"5. **The quota of {tenant.name} does not carry them all**: {tenant.daily_quota:,} a day, and its IPs with these come to {targets:,} when "
        f"warm. IPs start while there is room; the others stand by until daily_quota grows to {needed:,} (`email-engine fleet capacity` shows when)."
    )


def _mode(fleet: Fleet, tenant: str) -> Mode:
    return next(one.mode for one in fleet.tenants if one.name == tenant)


def _lines(plan: OnboardPlan) -> Iterator[str]:
    if plan.done_before:
        yield "The fleet file has them already: nothing is added twice."
        return
    yield f"**{amount(len(plan.added), 'line')} for the fleet file**"
    yield ""
    yield "```yaml"
    yield from plan.added
    yield "```"
