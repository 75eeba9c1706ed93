"""DNS is asked about the records of keys that wait for it."""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from email_engine.adapters.dns_authority import ask_owners
from email_engine.dkim.key import SigningKey
from email_engine.dkim.rotation import Look, Sight, after_look, look_at
from email_engine.dkim.stages import KeyEvent, KeyStage
from email_engine.dns_answers import Question
from email_engine.fleet.model import Mode
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.run import Run
from email_engine.store import dkim_keys
from email_engine.store.engine import Store

log = logging.getLogger(__name__)
WAITING = (KeyStage.MADE, KeyStage.SEEN, KeyStage.REVOKING)


def look(clients: Clients, keys: Sequence[SigningKey]) -> dict[int, Look]:
    """What the resolver, and the zone's own servers where they can be reached, show of each key, by its id."""
    known = [key for key in keys if key.public_key]
    if not known:
        return {}
    resolver = clients.resolver()
    answers = resolver.resolve_many(Question(key.record_name, "TXT") for key in known)
    owners = ask_owners(resolver, [key.record_name for key in known])
    found = {}
    for key in known:
        seen = look_at(
            answers[Question(key.record_name, "TXT")], owners[key.record_name], key.public_key or ""
        )
        log.info("%s (%s): %s", key.record_name, key.stage, ", ".join(seen.asked))
        found[key.id] = seen
    return found


def record_looks(store: Store, clients: Clients, tenant: str, run: Run) -> dict[str, int]:
    """Keys whose record was seen, vanished or was revoked move on; an answer that did not come moves none.

    Returns how many were looked at, and how many moved by each event."""
    with store.session(tenant=tenant) as conn:
        acts = _acts(dkim_keys.senders(conn, tenant))
        keys = dkim_keys.load(conn, tenant=tenant, stages=WAITING)
    seen = look(clients, keys)
    done = {"looked": len(seen), "unknown": sum(one.sight is Sight.UNKNOWN for one in seen.values())}
    for key in keys:
        event = after_look(key, seen[key.id]) if key.id in seen else None
        if event is None or run.dry_run or not acts:
            continue
        columns: dict[str, Any] = {}
        if event in (KeyEvent.SHOW, KeyEvent.VANISH):
            columns["seen_at"] = run.as_of if event is KeyEvent.SHOW else None
        reason = f"{key.record_name}: {seen[key.id].sight}, asked {len(seen[key.id].asked)} servers"
        with store.session(tenant=tenant) as conn:
            dkim_keys.move(conn, key, event, reason, run.origin, **columns)
        done[event.value] = done.get(event.value, 0) + 1
    return done


def _acts(senders: Iterable[dkim_keys.Sender]) -> bool:
    return all(sender.mode is Mode.ACT for sender in senders)
