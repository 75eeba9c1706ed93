"""What MailWizz's tables say of a delivery server's limits: its row, and how far it is in MailWizz's own warm-up plan."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, distinct, func, select

from email_engine.adapters.mailwizz_tables import Tables
from email_engine.mailer.limits import PlanProgress, ServerLimits, parse_use_for


def server_limits(row: Mapping[str, Any], known: Tables, plan: PlanProgress | None) -> ServerLimits:
    """A column that this MailWizz does not have limits nothing."""
    customer, use_for, probability = row.get("customer_id"), row.get("use_for"), row.get("probability")
    quotas = {name: int(row[name] or 0) for name in known.unknown_quotas}
    usual = ServerLimits()
    return ServerLimits(
        customer_id=None if customer is None else int(customer),
        second_quota=int(row.get("second_quota") or 0),
        minute_quota=int(row.get("minute_quota") or 0),
        monthly_quota=int(row.get("monthly_quota") or 0),
        pause_after_send=int(row.get("pause_after_send") or 0),
        probability=usual.probability if probability is None else int(probability),
        use_for=usual.use_for if use_for is None else parse_use_for(use_for),
        unknown_quotas={name: quota for name, quota in quotas.items() if quota},
        unread=known.unread,
        plan=plan,
    )


def read_progress(conn: Connection, known: Tables) -> dict[tuple[int, int], PlanProgress]:
    """By (server_id, plan_id), how far each server is in its plan; empty where the tables cannot be read."""
    if known.plan_schedule is None or known.plan_log is None:
        return {}
    schedule, log = known.plan_schedule, known.plan_log
    if not {"allowed_quota", "used_quota"} <= set(log.c.keys()):
        return {}
    counted: Any = conn.execute(
        select(schedule.c.plan_id, func.count(distinct(schedule.c.schedule_id))).group_by(schedule.c.plan_id)
    )
    steps = {int(plan_id): int(count) for plan_id, count in counted}
    completed: dict[tuple[int, int], int] = {}
    running: dict[tuple[int, int], tuple[int, int]] = {}
    columns = (log.c.server_id, log.c.plan_id, log.c.status, log.c.allowed_quota, log.c.used_quota)
    for row in conn.execute(select(*columns).order_by(log.c.schedule_id)):
        key = (int(row.server_id), int(row.plan_id))
        if str(row.status).strip() == "completed":
            completed[key] = completed.get(key, 0) + 1
        else:
            running[key] = (int(row.allowed_quota or 0), int(row.used_quota or 0))
    return {
        key: PlanProgress(steps[key[1]], completed.get(key, 0), *running.get(key, (0, 0)))
        for key in {*completed, *running}
        if key[1] in steps
    }
