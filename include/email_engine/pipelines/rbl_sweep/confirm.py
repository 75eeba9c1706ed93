"""The second round of a sweep: what is new is asked again, and what both rounds showed is told."""

import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from sqlalchemy import Connection

from email_engine.blocklists.config import load_blocklists
from email_engine.blocklists.model import ListClass, Listed, ListStatus, Severity
from email_engine.blocklists.sweep import Pair, second_round
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.rbl_sweep.sweep import something
from email_engine.pipelines.run import Run
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import mark_swept
from email_engine.store.stops.list_questions import add_questions
from email_engine.store.telling import alerts

log = logging.getLogger(__name__)

UNKNOWN_ALERT_RATE = 0.5
"""A believed list that leaves this share of its questions unanswered is told about."""


def due_at(first: Mapping[str, Any]) -> datetime | None:
    """When `confirm` may ask; None: at once, for nothing is new."""
    return datetime.fromisoformat(first["due"]) if first["due"] else None


def confirm(store: Store, clients: Clients, first: Mapping[str, Any], run: Run) -> list[dict[str, Any]]:
    """Asks again about what `sweep` found to be new (`first`: what it returned), by another resolver where there is one. Only
    what is answered twice with the same codes counts. It may be asked as often as one likes: it changes nothing but what it
    tells and when IPs were swept last.

    Returns one dict for each tenant that something was found for: `tenant`, `listed` (confirmed listings), `clean` (open
    listings that were answered "not listed"), `unknown` (list to number of its IPs), `domains` (its own `listed` and `clean`)."""
    new = dict(_new(first))
    verdicts, reasons, questions = _ask_again(clients, new) if new else ({}, {}, {})
    confirmed = {pair for pair, verdict in verdicts.items() if isinstance(verdict, Listed)}
    tenants = [_settled(tenant, confirmed, reasons) for tenant in first["tenants"]]
    if new:
        log.info("asked again: %d, confirmed %d", len(new), len(confirmed))
    if not run.dry_run:
        listed = {
            row["ip_id"] for tenant in first["tenants"] for row in tenant["listed"]
            if "ask_again" in row and _pair(row) in confirmed
        }  # fmt: skip
        with store.session(tenant="*") as conn:
            add_questions(conn, datetime.now(UTC).date(), questions)
            mark_swept(conn, listed | set(first["swept"]), run.as_of)
            _tell(conn, first["lists"], [pair for pair in new if pair not in confirmed], run)
    return [tenant for tenant in tenants if something(tenant) or something(tenant["domains"])]


def _new(first: Mapping[str, Any]) -> Iterator[tuple[Pair, Listed]]:
    for tenant in first["tenants"]:
        for row in (*tenant["listed"], *tenant["domains"]["listed"]):
            if "ask_again" in row:
                yield (
                    _pair(row),
                    Listed(
                        tuple(row["codes"]),
                        tuple(row["sublists"]),
                        ListClass(row["class"]),
                        Severity(row["severity"]),
                        row["severe"],
                    ),
                )


def _pair(row: Mapping[str, Any]) -> Pair:
    return row["ask_again"] if "domain" in row else ip_address(row["ask_again"]), row["list"]


def _ask_again(
    clients: Clients, new: Mapping[Pair, Listed]
) -> tuple[Mapping[Pair, Any], Mapping[Pair, str], Mapping[str, int]]:
    lists = [x for x in load_blocklists()[0] if x.status is ListStatus.ACTIVE]
    return second_round(new, lists, clients.blocklist_keys(), clients.resolver().turned().resolve_many)


def _settled(tenant: Mapping[str, Any], confirmed: set[Pair], reasons: Mapping[Pair, str]) -> dict[str, Any]:
    """One tenant's findings without what was not confirmed: that is unknown."""
    listed, unknown = [], dict(tenant["unknown"])
    for row in tenant["listed"]:
        if "ask_again" not in row:
            listed.append(row)
        elif _pair(row) in confirmed:
            kept = {key: value for key, value in row.items() if key != "ask_again"}
            listed.append(kept | {"reason": reasons.get(_pair(row), "")})
        else:
            unknown[row["list"]] = unknown.get(row["list"], 0) + 1
    domains = [
        {key: value for key, value in row.items() if key != "ask_again"}
        | ({"reason": reasons.get(_pair(row), "")} if "ask_again" in row else {})
        for row in tenant["domains"]["listed"]
        if "ask_again" not in row or _pair(row) in confirmed
    ]
    return {
        "tenant": tenant["tenant"],
        "listed": listed,
        "clean": tenant["clean"],
        "unknown": unknown,
        "domains": {"listed": domains, "clean": tenant["domains"]["clean"]},
    }


def _tell(conn: Connection, lists: Mapping[str, Any], not_confirmed: list[Pair], run: Run) -> None:
    ids: dict[str, Any] = {"dag_id": run.dag_id, "run_id": run.run_id}
    held, faults = lists["held"], lists["faults"]
    for name, asked in lists["asked"].items():
        unknown = lists["unknown"].get(name, 0) + sum(1 for pair in not_confirmed if pair[1] == name)
        text, state = "", ""
        if name in held:
            state = "held"
            text = (
                f"Block list {name} newly lists {held[name]} of {asked} at once and is held\n"
                "Nothing is done. If it is true, run rbl_sweep by hand with a larger blast radius."
            )
        elif name in faults:
            state, text = (
                "refuses",
                f"Block list {name} stopped answering us during the sweep\nSeen: {faults[name]}",
            )
        elif name in lists.get("left_out", {}):
            state = "limited"
            text = (
                f"Block list {name} may be asked too little for this fleet: {lists['left_out'][name]} left out\n"
                "Each sweep goes on where the last one ended, so a listing is seen late. Ask its operator for more, and raise `limits`."
            )
        elif asked and unknown >= UNKNOWN_ALERT_RATE * asked:
            state = "unknown"
            text = f"Block list {name} left {unknown} of {asked} questions unknown; what it was asked about keeps its state."
        if text:
            severity = "critical" if state == "held" else "warning"
            alerts.raise_alert(conn, "list_sweep", name, state, severity, text, **ids)
        else:
            alerts.clear(conn, "list_sweep", name)
