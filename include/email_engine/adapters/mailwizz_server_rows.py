"""A row of MailWizz's delivery servers as the engine sees it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from email_engine.adapters import mailwizz_tables as tables
from email_engine.adapters.mailwizz_limits import server_limits
from email_engine.mailer.headers import virtual_mtas
from email_engine.mailer.limits import PlanProgress
from email_engine.mailer.model import DeliveryServer, Setting, Warmup


def server_of(
    row: dict[str, Any],
    known: tables.Tables,
    complete: frozenset[tuple[int, int]],
    progress: Mapping[tuple[int, int], PlanProgress],
) -> DeliveryServer:
    """`complete`, `progress`: of warm-up plans, by server and plan. What this login may not read is not known, and no plan is excluded."""
    plan, touched = row.get("warmup_plan_id"), row.get("last_updated")
    server_id = int(row["server_id"])
    if plan is None:
        warmup = Warmup.RUNNING if "warmup_plan_id" in known.unread else Warmup.NONE
    else:
        warmup = Warmup.COMPLETE if (server_id, plan) in complete else Warmup.RUNNING
    return DeliveryServer(
        server_id=server_id,
        name=str(row.get("name") or ""),
        type=str(row.get("type") or "").strip(),
        hostname=str(row.get("hostname") or ""),
        setting=Setting(int(row["daily_quota"]), int(row["hourly_quota"]), str(row["status"]).strip()),
        vmtas=None if "meta_data" in known.unread else virtual_mtas(row.get("meta_data")),
        warmup=warmup,
        touched_at=touched.replace(tzinfo=UTC) if isinstance(touched, datetime) else None,
        limits=server_limits(row, known, progress.get((server_id, plan or 0))),
    )
