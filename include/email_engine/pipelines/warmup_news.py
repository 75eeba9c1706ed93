"""What people are told when a day of the warm-up closes: once a day who moved, and once each reason why somebody holds."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from sqlalchemy import Connection

from email_engine.fleet.model import Mode
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store.fleet.ips import load_ips
from email_engine.store.judgement.observations import quotas
from email_engine.store.telling.alerts import News, clear, standing
from email_engine.warmup.capacity import CapacityPlan, plan_capacity
from email_engine.warmup.capacity_plan import AllocationKind, capacity_words
from email_engine.warmup.plan import IpDecision
from email_engine.warmup.policy import Policy
from email_engine.warmup.proposal import PROVIDER_OUTAGE, RECIPIENT_LIST_PROBLEM, STREAM_PROBLEM
from email_engine.warmup.rotation import DUE

DAY, HOLD, CAPACITY = "warmup_advance", "warmup_hold", "capacity"
NAMED, ROOM = 20, 800
"""So many IPs, in so many characters: a chat shows 1,500 of an alert, and the next step must be among them."""
MOST_WEIGHED, MOST_STEPS = 1, 3


def day_news(
    conn: Connection, tenant: str, days: Sequence[date], ip_decisions: Sequence[IpDecision], run: Run
) -> list[News]:
    """What a tenant's closed `days` are worth telling; clears alerts about reasons that hold nobody any more."""

    if not ip_decisions:
        return []
    stopped = {str(ip_decision.proposal.action) for ip_decision in ip_decisions if ip_decision.stops}
    severity = "critical" if "quarantine" in stopped else "warning" if "pause" in stopped else "info"
    told = _summary(tenant, days, ip_decisions)
    day = News(DAY, tenant, days[-1].isoformat(), severity, told, tenant, run.dag_id, run.run_id, quiet=False)
    return [day, *_hold_news(conn, tenant, ip_decisions[-_ips(ip_decisions) :], run)]


def capacity_of(
    conn: Connection,
    ip_decisions: Sequence[IpDecision],
    policy: Policy,
    days: Sequence[date],
    run: Run,
) -> CapacityPlan | None:
    """Who has room in the tenant's quota; None unless every IP of the tenant was decided: else it tells nothing."""

    last_day = ip_decisions[-_ips(ip_decisions) :]
    tenant = last_day[0].observation.ip.tenant if last_day else ""
    effective = run.day + timedelta(days=1)
    if not last_day or len(last_day) < len(load_ips(conn, day=effective, tenant=tenant)):
        return None
    return plan_capacity(last_day, policy, quotas(conn, tenant), days[-1], effective)


def capacity_news(conn: Connection, plan: CapacityPlan | None, run: Run) -> list[News]:
    """News when the quota begins to be too small for somebody; the alert is cleared when it is not."""

    if plan is None:
        return []
    if not any(
        allocation.kind is AllocationKind.SHORT or allocation.quota_short for allocation in plan.allocations
    ):
        clear(conn, CAPACITY, plan.tenant)
        return []
    title = f"{plan.tenant}: the quota of {plan.quota} a day is too small for its IPs"
    text = "\n".join(
        [title, *capacity_words(plan), "Told once; `email-engine fleet capacity` shows every day."]
    )
    return [News(CAPACITY, plan.tenant, "short", "info", text, plan.tenant, run.dag_id, run.run_id)]


def _ips(ip_decisions: Sequence[IpDecision]) -> int:
    return len({ip_decision.observation.ip.ip_id for ip_decision in ip_decisions})


def _hold_news(conn: Connection, tenant: str, last_day: Sequence[IpDecision], run: Run) -> list[News]:
    """A reason that holds somebody is told when it begins to, not every day that it does; `reputation_guard` tells of outages."""

    held: dict[str, list[IpDecision]] = defaultdict(list)
    for ip_decision in last_day:
        if ip_decision.proposal.cause not in (None, PROVIDER_OUTAGE):
            held[f"{tenant}: {ip_decision.proposal.cause}"].append(ip_decision)
    for alert in standing(conn, HOLD):
        if alert.object.startswith(f"{tenant}: ") and alert.object not in held:
            clear(conn, HOLD, alert.object)
    news = []
    for subject, ip_decisions in held.items():
        cause = subject.removeprefix(f"{tenant}: ")
        severity = {RECIPIENT_LIST_PROBLEM: "critical", STREAM_PROBLEM: "critical", DUE: "info"}.get(
            cause, "warning"
        )
        lines = [f"{tenant}: {cause}, {amount(len(ip_decisions), 'IP')}", *_lines(ip_decisions)]
        text = "\n".join([*lines, "Told once; it is cleared when it holds nobody any more."])
        news.append(News(HOLD, subject, cause, severity, text, tenant, run.dag_id, run.run_id))
    return news


def _summary(tenant: str, days: Sequence[date], ip_decisions: Sequence[IpDecision]) -> str:

    counted: Mapping[str, int] = Counter(str(ip_decision.proposal.action) for ip_decision in ip_decisions)
    planned = sum(ip_decision.allowance for ip_decision in ip_decisions[-_ips(ip_decisions) :])
    mode = ip_decisions[0].observation.ip.mode
    head = (
        f"{tenant}, {days[-1]}: "
        + ", ".join(f"{count} {action.replace('_', ' ')}" for action, count in sorted(counted.items()))
        + f"; {planned} messages a day are allowed"
        + (" (observe: nothing was applied)" if mode is Mode.OBSERVE else "")
    )
    news = [
        o for o in ip_decisions if str(o.proposal.action) != "stay" and (o.stops or o.proposal.cause is None)
    ]
    return "\n".join([head, *_lines(sorted(news, key=lambda ip_decision: not ip_decision.stops))])


def _lines(ip_decisions: Sequence[IpDecision]) -> list[str]:
    """One for each IP; then what weighs most and what to do, each sentence once."""
    lines: list[str] = []
    room = ROOM
    for one in ip_decisions[:NAMED]:
        line = f"{one.observation.ip.address}: {one.happens}"
        room -= len(line)
        if lines and room < 0:
            break
        lines.append(line)
    more = len(ip_decisions) - len(lines)
    lines += [f"... and {more} more"] if more > 0 else []
    weighs = dict.fromkeys(one.weighs for one in ip_decisions if one.weighs)
    steps = dict.fromkeys(one.next_step for one in ip_decisions if one.next_step)
    return [*lines, *list(weighs)[:MOST_WEIGHED], *list(steps)[:MOST_STEPS]]
