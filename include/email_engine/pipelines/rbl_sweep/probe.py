"""Which block lists can be believed now."""

import logging
from collections.abc import Sequence
from secrets import token_hex
from typing import Any

from sqlalchemy import Connection

from email_engine.blocklists.config import load_blocklists
from email_engine.blocklists.model import BlockList, Health, ListStatus
from email_engine.blocklists.sweep import probe_blocklists
from email_engine.errors import InputError
from email_engine.forms import require_short
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store.engine import Store
from email_engine.store.telling import alerts

log = logging.getLogger(__name__)


def probe(store: Store, clients: Clients, run: Run) -> dict[str, Any]:
    """Probes every list in force, or those that param `lists` names.

    Returns `{"healthy": [names], "ipv6": [those of them whose IPv6 test points passed], "unhealthy": {name: reason}}`; tells people when a list's health changes."""
    require_short(run.params)
    lists = _chosen(load_blocklists()[0], run.params.get("lists"))
    healths = probe_blocklists(
        lists, clients.blocklist_keys(), clients.resolver().resolve_many, token_hex(12)
    )
    _show(lists, healths)
    if not run.dry_run:
        with store.session(tenant="*") as conn:
            _tell(conn, healths, run)
    return {
        "healthy": [h.list_name for h in healths if h.healthy],
        "ipv6": [h.list_name for h in healths if h.healthy and h.ipv6],
        "unhealthy": {h.list_name: h.reason for h in healths if not h.healthy},
    }


def _show(lists: Sequence[BlockList], healths: Sequence[Health]) -> None:
    probed = {health.list_name for health in healths}
    for x in lists:
        if x.status is ListStatus.RETIRED:
            log.info("%s is retired: %s", x.name, x.message)
        elif x.name not in probed:
            log.warning("%s is not asked: it needs the key %r in the DNS connection", x.name, x.key)
    for health in healths:
        log.info("%s: %s", health.list_name, "healthy" if health.healthy else health.reason)


def _chosen(lists: Sequence[BlockList], names: Any) -> list[BlockList]:
    wanted = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names or ())
    unknown = sorted(set(wanted) - {x.name for x in lists})
    if unknown:
        raise InputError(
            "param lists",
            ", ".join(unknown),
            f"names out of {', '.join(x.name for x in lists)}",
            "correct the param, or leave it empty for all",
        )
    return [x for x in lists if not wanted or x.name in wanted]


def _tell(conn: Connection, healths: Sequence[Health], run: Run) -> None:
    """One alert for all lists that are not believed, news when these are others than before."""
    sick = sorted((h for h in healths if not h.healthy), key=lambda h: h.list_name)
    if not sick:
        alerts.clear(conn, "list_health", "all")
        return
    whole = len(sick) == len(healths)
    title = (
        "No block list can be believed, so no IP is judged; look at the resolver first" if whole
        else f"{amount(len(sick), 'block list')} of {len(healths)} not believed; what they say changes nothing"
    )  # fmt: skip
    text = "\n".join([title, *(f"{h.list_name}: {h.reason}" for h in sick)])
    state = ("none: " if whole else "") + ",".join(h.list_name for h in sick)
    severity = "critical" if whole else "warning"
    alerts.raise_alert(
        conn, "list_health", "all", state[:500], severity, text, dag_id=run.dag_id, run_id=run.run_id
    )
