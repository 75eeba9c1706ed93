"""The steps of `dkim_rotate`, one tenant each: each moves what may move and leaves the rest for the next run."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from email_engine.dkim.policy import shipped_dkim_policy
from email_engine.dkim.stages import KeyStage
from email_engine.dkim.todo import todo_of, todo_text
from email_engine.errors import EngineError, InputError
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.dkim_rotate import retire as leaving
from email_engine.pipelines.dkim_rotate import sign as signing
from email_engine.pipelines.dkim_rotate import start
from email_engine.pipelines.dkim_rotate.look import record_looks
from email_engine.pipelines.dkim_rotate.make import make_keys
from email_engine.pipelines.run import Run
from email_engine.store import dkim_keys
from email_engine.store.engine import Store
from email_engine.store.telling import alerts

log = logging.getLogger(__name__)
EVENT = "dkim"
SHOWN = tuple(stage for stage in KeyStage if stage is not KeyStage.REMOVED)


def chosen_tenants(store: Store, run: Run) -> list[str]:
    """Those of params `tenant` and `domain`, else every tenant with sending domains.

    Raises InputError for a tenant or domain that the fleet does not have."""
    tenant, domain = (str(run.params.get(key) or "").strip() for key in ("tenant", "domain"))
    with store.session(tenant="*") as conn:
        senders = dkim_keys.senders(conn)
    found = sorted(
        {s.tenant for s in senders if tenant in ("", s.tenant) and domain.lower() in ("", s.domain)}
    )
    if not found and (tenant or domain):
        raise InputError(
            "form of this run", f"no sending domain {domain or 'at all'}{f' of {tenant}' if tenant else ''}",
            "a tenant and a domain of the fleet", "nothing was done; correct them and trigger again",
        )  # fmt: skip
    return found


def ask(store: Store, clients: Clients, tenant: str, run: Run) -> dict[str, Any]:
    return start.ask(store, clients, tenant, run)


def make(store: Store, clients: Clients, tenant: str, run: Run) -> dict[str, Any]:
    done = make_keys(store, clients, tenant, run)
    _raise(done.failed)
    return done.as_json(tenant)


def look(store: Store, clients: Clients, tenant: str, run: Run) -> dict[str, Any]:
    return {"tenant": tenant, **record_looks(store, clients, tenant, run)}


def sign(store: Store, clients: Clients, tenant: str, run: Run) -> dict[str, Any]:
    done, failed = signing.sign(store, clients, tenant, run)
    _raise(failed)
    return done


def retire(store: Store, clients: Clients, tenant: str, run: Run) -> dict[str, Any]:
    return leaving.retire(store, clients, tenant, run)


def remove(store: Store, clients: Clients, tenant: str, run: Run) -> dict[str, Any]:
    done, failed = leaving.remove(store, clients, tenant, run)
    _raise(failed)
    return done


def remind(store: Store, clients: Clients, tenant: str, run: Run) -> dict[str, Any]:
    """One alert a tenant says what is to be published, what holds a rotation up and whose key is due; again when that changes, and
    after `remind_days`.

    Hosts are asked once more what they sign with where a key is about to leave, since what nobody can read holds it up."""
    policy = shipped_dkim_policy()
    with store.session(tenant=tenant) as conn:
        senders = dkim_keys.senders(conn, tenant)
        keys = dkim_keys.load(conn, tenant=tenant, stages=SHOWN)
    held = leaving.troubles(store, clients, tenant)
    todo = todo_of(keys, [sender.domain for sender in senders], run.as_of, policy, held)
    done = {"tenant": tenant, "publish": len(todo.publish), "held": len(todo.held), "due": list(todo.due)}
    text = todo_text(tenant, todo)
    log.info("%s", text if not todo.empty else f"{tenant}: nothing to do about DKIM keys")
    if run.dry_run:
        return done
    with store.session(tenant="*") as conn:
        if todo.empty:
            alerts.clear(conn, EVENT, tenant)
        else:
            state = f"{sha256(text.encode()).hexdigest()[:12]} {run.as_of.date().toordinal() // policy.remind.days}"
            alerts.raise_alert(
                conn, EVENT, tenant, state, "warning" if todo.urgent else "info", text, tenant=tenant,
                dag_id=run.dag_id, run_id=run.run_id,
            )  # fmt: skip
    return done


def _raise(failed: Mapping[str, EngineError]) -> None:
    """The first of what went wrong: the others were done all the same, and each stands in the log."""
    for domain in sorted(failed):
        log.error("%s: %s", domain, failed[domain])
    if failed:
        raise failed[min(failed)]


Step = Callable[[Store, Clients, str, Run], dict[str, Any]]
STEPS: Mapping[str, Step] = {
    "ask": ask, "make": make, "look": look, "sign": sign, "retire": retire, "remove": remove, "remind": remind,
}  # fmt: skip


def step(name: str, store: Store, clients: Clients, tenant: str, run: Run) -> dict[str, Any]:
    """One of STEPS. What DNS and hosts show is of this hour, also where the run is of an earlier one: a record that is seen by a
    cleared task was not seen then, and no overlap began then."""
    return STEPS[name](store, clients, tenant, run.no_earlier_than(datetime.now(UTC)))
