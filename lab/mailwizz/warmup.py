"""MailWizz's own warm-up plans (2.1.10+): the hourly command that moves quotas by volume, blind to bounces."""

from dataclasses import dataclass
from datetime import datetime

from .database import Database, Row

LONGEST = {"hourly": 720, "daily": 30, "monthly": 1}


@dataclass(frozen=True, slots=True)
class PlanSpec:
    """`sending_limit` messages in `sendings_count` steps. `total`: the steps add up to the limit; `targeted`: the last
    step is the limit. Exponential steps grow by `increment_ratio` per cent."""

    sending_limit: int
    sendings_count: int
    quota_type: str = "daily"
    strategy: str = "linear"
    limit_type: str = "targeted"
    increment_ratio: int = 50


def steps(spec: PlanSpec) -> list[int]:
    """The quota of each step. Raises ValueError for a plan that MailWizz would not save."""
    if not 1 <= spec.sendings_count <= LONGEST.get(spec.quota_type, 0):
        raise ValueError(f"{spec.quota_type} plan of {spec.sendings_count} steps; allowed: {LONGEST}")
    ratio = 1 + spec.increment_ratio / 100 if spec.strategy == "exponential" else 1.0
    weights = [ratio**n for n in range(spec.sendings_count)]
    if spec.limit_type == "total":
        return [max(1, round(spec.sending_limit * weight / sum(weights))) for weight in weights]
    if spec.strategy == "linear":
        return [
            max(1, round(spec.sending_limit * (n + 1) / spec.sendings_count))
            for n in range(spec.sendings_count)
        ]
    return [max(1, round(spec.sending_limit * weight / weights[-1])) for weight in weights]


def make_plan(database: Database, spec: PlanSpec, now: datetime, status: str = "active") -> int:
    """The plan_id of a new plan with its schedule. `now`: naive UTC."""
    quotas = steps(spec)
    with database.transaction():
        plan_id = database.number(
            """INSERT INTO {delivery_server_warmup_plan} (name, sending_limit, sendings_count, sending_quota_type,
            sending_increment_ratio, sending_strategy, sending_limit_type, status, date_added, last_updated)
            VALUES ('Lab plan', %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING plan_id""",
            spec.sending_limit,
            spec.sendings_count,
            spec.quota_type,
            spec.increment_ratio,
            spec.strategy,
            spec.limit_type,
            status,
            now,
            now,
        )
        earlier = [0, *quotas]
        database.many(
            "INSERT INTO {delivery_server_warmup_plan_schedule} (plan_id, quota, increment, date_added)"
            " VALUES (%s, %s, %s, %s)",
            [(plan_id, quota, quota - before, now) for before, quota in zip(earlier, quotas, strict=False)],
        )
    return plan_id


def handle_warmups(database: Database, now: datetime) -> None:
    """The command delivery-servers-warmup-handler. It changes quotas by plain SQL, so the quota cache lags behind."""
    servers = database.rows(
        """SELECT s.server_id, p.plan_id, p.sending_quota_type FROM {delivery_server} s
        JOIN {delivery_server_warmup_plan} p ON p.plan_id = s.warmup_plan_id AND p.status = 'active'
        WHERE s.status IN ('active', 'in-use') ORDER BY s.server_id"""
    )
    for server in servers:
        with database.transaction():
            _advance(database, server, now)


def _advance(database: Database, server: Row, now: datetime) -> None:
    running = database.row(
        "SELECT * FROM {delivery_server_warmup_plan_schedule_log} WHERE server_id = %s AND plan_id = %s"
        " AND status = 'processing'",
        server["server_id"],
        server["plan_id"],
    )
    if running is not None:
        used = database.number(
            "SELECT count(*) FROM {delivery_server_usage_log} WHERE server_id = %s AND date_added >= %s"
            " AND date_added < date_trunc('hour', %s::timestamp)",
            server["server_id"],
            running["started_at"],
            now,
        )
        done = used >= running["allowed_quota"]
        database.run(
            "UPDATE {delivery_server_warmup_plan_schedule_log} SET used_quota = %s, status = %s, last_updated = %s"
            " WHERE server_id = %s AND schedule_id = %s",
            used,
            "completed" if done else "processing",
            now,
            server["server_id"],
            running["schedule_id"],
        )
        if not done:
            return
    step = database.row(
        """SELECT schedule_id, quota FROM {delivery_server_warmup_plan_schedule} WHERE plan_id = %s AND schedule_id NOT IN
        (SELECT schedule_id FROM {delivery_server_warmup_plan_schedule_log} WHERE server_id = %s)
        ORDER BY schedule_id LIMIT 1""",
        server["plan_id"],
        server["server_id"],
    )
    if step is None:
        if running is not None:
            _write_quotas(database, server["server_id"], 0, 0, 0, now)
        return
    database.run(
        """INSERT INTO {delivery_server_warmup_plan_schedule_log} (server_id, schedule_id, plan_id, allowed_quota,
        started_at, date_added) VALUES (%s, %s, %s, %s, %s, %s)""",
        server["server_id"],
        step["schedule_id"],
        server["plan_id"],
        step["quota"],
        now,
        now,
    )
    quota, kind = step["quota"], server["sending_quota_type"]
    daily = round(quota / 30) if kind == "monthly" else quota if kind == "daily" else 0
    hourly = quota if kind == "hourly" else round(daily / 24)
    _write_quotas(database, server["server_id"], hourly, daily, quota if kind == "monthly" else 0, now)


def _write_quotas(
    database: Database, server_id: int, hourly: int, daily: int, monthly: int, now: datetime
) -> None:
    database.run(
        "UPDATE {delivery_server} SET hourly_quota = %s, daily_quota = %s, monthly_quota = %s, pause_after_send = 0,"
        " last_updated = %s WHERE server_id = %s",
        hourly,
        daily,
        monthly,
        now,
        server_id,
    )
