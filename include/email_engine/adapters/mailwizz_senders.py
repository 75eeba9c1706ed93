"""Who uses MailWizz's delivery servers, out of its tables; what cannot be read is None, and nothing is said of it."""

from collections.abc import Sequence
from datetime import time, timedelta
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, or_, select
from sqlalchemy.types import NullType

from email_engine.adapters.mailwizz_tables import visible_columns
from email_engine.mailer.headers import parse_php
from email_engine.mailer.limits import DAY_MINUTES
from email_engine.mailer.senders import DAYS, Customer, CustomerQuota, LiveCampaign, Senders

READ: dict[str, tuple[str, ...]] = {
    "customer": ("customer_id", "group_id", "status", "hourly_quota"),
    "customer_group_option": ("group_id", "code", "value", "is_serialized"),
    "delivery_server_to_customer_group": ("server_id", "group_id"),
    "campaign": ("campaign_id", "customer_id", "name", "status", "send_between_start", "send_between_end"),
    "campaign_to_delivery_server": ("campaign_id", "server_id"),
}
"""Columns by table, without the prefix."""
OPTIONAL = frozenset({"hourly_quota", "is_serialized", "name", "send_between_start", "send_between_end"})
LIVE = ("sending", "processing", "pending-sending")
SENDING = "sending."
OPTION_PREFIX = "system.customer_"
"""What some versions write before an option's code."""


def read_senders(conn: Connection, prefix: str) -> Senders:
    """Customers with the quotas of their groups, the servers of each group, campaigns that send now or are about to."""
    customers, options = _readable(conn, prefix, "customer"), _readable(conn, prefix, "customer_group_option")
    groups, campaigns = (
        _readable(conn, prefix, name) for name in ("delivery_server_to_customer_group", "campaign")
    )
    allowed = _readable(conn, prefix, "campaign_to_delivery_server")
    return Senders(
        customers=None if customers is None else _customers(conn, customers, options),
        group_servers=None if groups is None else _pairs(conn, groups, "group_id"),
        campaigns=None if campaigns is None or allowed is None else _campaigns(conn, campaigns, allowed),
    )


def _readable(conn: Connection, prefix: str, suffix: str) -> Table | None:
    there = visible_columns(conn, f"{prefix}{suffix}")
    if not set(READ[suffix]) - OPTIONAL <= there:
        return None
    columns = (Column(name, NullType()) for name in READ[suffix] if name in there)
    return Table(f"{prefix}{suffix}", MetaData(), *columns)


def _rows(conn: Connection, table: Table, *where: Any) -> Sequence[Any]:
    return conn.execute(select(table).where(*where)).mappings().all()


def _pairs(conn: Connection, table: Table, key: str) -> dict[int, frozenset[int]]:
    found: dict[int, set[int]] = {}
    for row in _rows(conn, table):
        found.setdefault(int(row[key]), set()).add(int(row["server_id"]))
    return {number: frozenset(servers) for number, servers in found.items()}


def _customers(conn: Connection, customers: Table, options: Table | None) -> dict[int, Customer]:
    by_group: dict[int, dict[str, str]] = {}
    if options is not None:
        code = options.c.code
        wanted = or_(code.like(f"{SENDING}%"), code.like(f"{OPTION_PREFIX}{SENDING}%"))
        for row in _rows(conn, options, wanted):
            name = str(row["code"]).removeprefix(OPTION_PREFIX)
            by_group.setdefault(int(row["group_id"]), {})[name] = _option(
                row["value"], row.get("is_serialized")
            )
    return {int(row["customer_id"]): _customer(row, by_group) for row in _rows(conn, customers)}


def _customer(row: Any, by_group: dict[int, dict[str, str]]) -> Customer:
    quotas = _quotas(by_group.get(row["group_id"] or 0, {}), int(row.get("hourly_quota") or 0))
    return Customer(
        int(row["customer_id"]),
        str(row["status"]).strip() == "active",
        row["group_id"],
        min(quotas, key=lambda quota: quota.per_day, default=None),
        tuple(quotas),
    )


def _option(value: Any, serialized: Any) -> str:
    text = bytes(value) if isinstance(value, bytes | bytearray | memoryview) else str(value or "").encode()
    if serialized and str(serialized) != "0":
        try:
            return str(parse_php(text))
        except ValueError:
            return ""
    return text.decode("utf-8", "replace").strip()


def _quotas(options: dict[str, str], hourly_quota: int) -> list[CustomerQuota]:
    """The group's quota of a time span (-1 unlimited), its hourly one and the customer's own (0 unlimited)."""
    found = []
    quota, length = _whole(options.get("sending.quota")), _whole(options.get("sending.quota_time_value"))
    unit = options.get("sending.quota_time_unit", "")
    if quota is not None and quota >= 0 and length and length > 0 and unit in DAYS:
        span = f"{unit}" if length == 1 else f"{length} {unit}s"
        days = length * DAYS[unit]
        found.append(CustomerQuota(int(quota / days), f"sending.quota {quota:,} a {span}", quota, days))
    for name, hourly in (
        ("sending.hourly_quota", _whole(options.get("sending.hourly_quota"))),
        ("hourly_quota", hourly_quota),
    ):
        if hourly and hourly > 0:
            found.append(CustomerQuota(hourly * 24, f"{name} {hourly:,}", hourly, DAYS["hour"]))
    return found


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.lstrip("-").isdigit() else None


def _campaigns(conn: Connection, campaigns: Table, allowed: Table) -> tuple[LiveCampaign, ...]:
    live = _rows(conn, campaigns, campaigns.c.status.in_(LIVE))
    servers: dict[int, set[int]] = {}
    if live:
        for row in _rows(conn, allowed, allowed.c.campaign_id.in_([row["campaign_id"] for row in live])):
            servers.setdefault(int(row["campaign_id"]), set()).add(int(row["server_id"]))
    return tuple(
        LiveCampaign(
            int(row["campaign_id"]),
            int(row["customer_id"]),
            frozenset(servers.get(row["campaign_id"], ())),
            _time(row.get("send_between_start")),
            _time(row.get("send_between_end")),
            str(row.get("name") or ""),
        )
        for row in live
    )


def _time(value: Any) -> time | None:
    """MySQL's driver gives a TIME as a timedelta."""
    if isinstance(value, timedelta):
        minutes = int(value.total_seconds()) // 60 % DAY_MINUTES
        return time(minutes // 60, minutes % 60)
    return value if isinstance(value, time) else None
