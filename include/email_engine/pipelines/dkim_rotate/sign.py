"""The key whose record is seen becomes the one that signs."""

import logging
from itertools import groupby
from typing import Any

from email_engine.adapters.powermta_keys import open_keys
from email_engine.dkim.key import SigningKey
from email_engine.dkim.policy import shipped_dkim_policy
from email_engine.dkim.rotation import may_sign
from email_engine.dkim.stages import KeyStage
from email_engine.errors import EngineError, NotVerified
from email_engine.fleet.model import Mode
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.dkim_rotate.look import look
from email_engine.pipelines.dkim_rotate.start import swap
from email_engine.pipelines.run import Run
from email_engine.store import dkim_keys
from email_engine.store.dkim_keys import Sender
from email_engine.store.engine import Store

log = logging.getLogger(__name__)


def sign(
    store: Store, clients: Clients, tenant: str, run: Run
) -> tuple[dict[str, Any], dict[str, EngineError]]:
    """DNS is asked once more, and the file on the domain's host is read once more; only then the key signs, from the next deployment on.

    Returns `{"tenant", "signing": {domain: selector}, "waiting": n}` and what went wrong by domain."""
    with store.session(tenant=tenant) as conn:
        senders = {sender.domain: sender for sender in dkim_keys.senders(conn, tenant)}
        keys = dkim_keys.load(conn, tenant=tenant, stages=[KeyStage.SEEN])
        current = dkim_keys.signing(conn)
    seen, policy = look(clients, keys), shipped_dkim_policy()
    ready = [
        (senders[key.domain], key)
        for key in keys
        if key.id in seen
        and key.domain in senders
        and key.domain in current
        and may_sign(key, seen[key.id], run.as_of, policy)
    ]
    done: dict[str, Any] = {"tenant": tenant, "signing": {}, "waiting": len(keys) - len(ready)}
    failed: dict[str, EngineError] = {}
    for _, of_host in groupby(sorted(ready, key=lambda pair: pair[0].host), lambda pair: pair[0].host):
        pairs = list(of_host)
        for sender, key, trouble in _stand(clients, pairs):
            if trouble is not None:
                log.warning("%s: %s", key.domain, trouble)
                failed[key.domain] = trouble
            elif sender.mode is Mode.ACT and not run.dry_run:
                reason = f"{key.record_name} is seen since {key.seen_at:%Y-%m-%d %H:%M} UTC, and its file stands on {sender.host}"
                swap(store, tenant, current[key.domain], key, reason, run)
                done["signing"][key.domain] = key.selector
    return done, failed


def _stand(
    clients: Clients, pairs: list[tuple[Sender, SigningKey]]
) -> list[tuple[Sender, SigningKey, EngineError | None]]:
    """Does the file of each key stand on its host, with this very key?"""
    found: list[tuple[Sender, SigningKey, EngineError | None]] = []
    try:
        with clients.mta(pairs[0][0].connection) as mta, open_keys(mta) as host:
            for sender, key in pairs:
                found.append((sender, key, _trouble(host.public_key(key.key_path), sender, key)))
    except EngineError as error:
        found += [(sender, key, error) for sender, key in pairs[len(found) :]]
    return found


def _trouble(public_key: str | None, sender: Sender, key: SigningKey) -> EngineError | None:
    if public_key == key.public_key:
        return None
    seen = "is not there" if public_key is None else "holds another key"
    return NotVerified(
        f"MTA host {sender.host}", f"{key.key_path} {seen}", f"the key of {key.record_name}",
        "nothing signs with it; cancel this rotation and start another",
    )  # fmt: skip
