"""What people are told when a day of the warm-up closes: once a day who moved, and once each reason why somebody holds."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from email_engine.store.alerts import News
    from email_engine.warmup.capacity import CapacityPlan
    from email_engine.warmup.plan import Outcome
    from email_engine.warmup.policy import Policy
    from email_engine_airflow.run import Run

DAY, HOLD, CAPACITY = "warmup_advance", "warmup_hold", "capacity"
NAMED = 20


def day_news(
    conn: "Connection", tenant: str, days: Sequence[date], outcomes: "Sequence[Outcome]", run: "Run"
) -> "list[News]":
    """What a tenant's closed `days` are worth telling; clears alerts about reasons that hold nobody any more."""
    from email_engine.store.alerts import News

    if not outcomes:
        return []
    stopped = {str(outcome.choice.action) for outcome in outcomes if outcome.stops}
    severity = "critical" if "quarantine" in stopped else "warning" if "pause" in stopped else "info"
    told = _summary(tenant, days, outcomes)
    day = News(DAY, tenant, days[-1].isoformat(), severity, told, tenant, run.dag_id, run.run_id, quiet=False)
    return [day, *_hold_news(conn, tenant, outcomes[-_ips(outcomes) :], run)]


def capacity_of(
    conn: "Connection", outcomes: "Sequence[Outcome]", policy: "Policy", days: Sequence[date], run: "Run"
) -> "CapacityPlan | None":
    """Who has room in the tenant's quota; None unless every IP of the tenant was decided: else it tells nothing."""
    from email_engine.store.ips import load_ips
    from email_engine.store.observations import quotas
    from email_engine.warmup.capacity import plan_capacity

    last_day = outcomes[-_ips(outcomes) :]
    tenant = last_day[0].observation.ip.tenant if last_day else ""
    effective = run.day + timedelta(days=1)
    if not last_day or len(last_day) < len(load_ips(conn, day=effective, tenant=tenant)):
        return None
    return plan_capacity(last_day, policy, quotas(conn, tenant), days[-1], effective)


def capacity_news(conn: "Connection", plan: "CapacityPlan | None", run: "Run") -> "list[News]":
    """News when the quota begins to be too small for somebody; the alert is cleared when it is not."""
    from email_engine.store.alerts import News, clear
    from email_engine.warmup.seats import Place, capacity_words

    if plan is None:
        return []
    if not any(seat.place is Place.SHORT or seat.quota_short for seat in plan.seats):
        clear(conn, CAPACITY, plan.tenant)
        return []
    title = f"{plan.tenant}: the quota of {plan.quota} a day is too small for its IPs"
    text = "\n".join(
        [title, *capacity_words(plan), "Told once; `email-engine fleet capacity` shows every day."]
    )
    return [News(CAPACITY, plan.tenant, "short", "info", text, plan.tenant, run.dag_id, run.run_id)]


def _ips(outcomes: "Sequence[Outcome]") -> int:
    return len({outcome.observation.ip.ip_id for outcome in outcomes})


def _hold_news(conn: "Connection", tenant: str, last_day: "Sequence[Outcome]", run: "Run") -> "list[News]":
    """A reason that holds somebody is told when it begins to, not every day that it does."""
    from email_engine.amounts import amount
    from email_engine.store.alerts import News, clear, standing
    from email_engine.warmup.choice import LIST_PROBLEM
    from email_engine.warmup.cycle import DUE

    held: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in last_day:
        if outcome.choice.cause is not None:
            held[f"{tenant}: {outcome.choice.cause}"].append(outcome)
    for alert in standing(conn, HOLD):
        if alert.object.startswith(f"{tenant}: ") and alert.object not in held:
            clear(conn, HOLD, alert.object)
    news = []
    for subject, outcomes in held.items():
        cause = subject.removeprefix(f"{tenant}: ")
        severity = {LIST_PROBLEM: "critical", DUE: "info"}.get(cause, "warning")
        lines = [f"{tenant}: {cause}, {amount(len(outcomes), 'IP')}", *_lines(outcomes)]
        text = "\n".join([*lines, "Told once; it is cleared when it holds nobody any more."])
        news.append(News(HOLD, subject, cause, severity, text, tenant, run.dag_id, run.run_id))
    return news


def _summary(tenant: str, days: Sequence[date], outcomes: "Sequence[Outcome]") -> str:
    from email_engine.fleet.model import Mode

    counted: Mapping[str, int] = Counter(str(outcome.choice.action) for outcome in outcomes)
    planned = sum(outcome.allowance for outcome in outcomes[-_ips(outcomes) :])
    mode = outcomes[0].observation.ip.mode
    head = (
        f"{tenant}, {days[-1]}: "
        + ", ".join(f"{count} {action.replace('_', ' ')}" for action, count in sorted(counted.items()))
        + f"; {planned} messages a day are allowed"
        + (" (observe: nothing was applied)" if mode is Mode.OBSERVE else "")
    )
    news = [o for o in outcomes if str(o.choice.action) != "stay" and (o.stops or o.choice.cause is None)]
    return "\n".join([head, *_lines(sorted(news, key=lambda outcome: not outcome.stops))])


def _lines(outcomes: "Sequence[Outcome]") -> list[str]:
    lines = [f"{outcome.observation.ip.address}: {outcome.reason}" for outcome in outcomes[:NAMED]]
    more = len(outcomes) - NAMED
    return [*lines, f"... and {more} more"] if more > 0 else lines
