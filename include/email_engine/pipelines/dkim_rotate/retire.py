"""The key from before: its record stays until nobody can need it, then it is revoked, then its file goes."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from email_engine.adapters.powermta_keys import HostKeys, open_keys
from email_engine.dkim.key import SigningKey
from email_engine.dkim.policy import shipped_dkim_policy
from email_engine.dkim.rotation import HostKeysInUse, is_quiet, overlap_ends, queue_life
from email_engine.dkim.stages import KeyEvent, KeyStage
from email_engine.errors import EngineError, NotVerified
from email_engine.fleet.model import Mode, MtaHost
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.dkim_rotate.hosts import read_host
from email_engine.pipelines.run import Run
from email_engine.store import dkim_keys
from email_engine.store.deployment import deployments
from email_engine.store.dkim_keys import Sender
from email_engine.store.engine import ALL_TENANTS, Store
from email_engine.store.fleet.inventory import load_fleet

log = logging.getLogger(__name__)


class _Hosts:
    """Each host is read once; one that is away, or of which a part cannot be read, is told and proves nothing."""

    def __init__(self, store: Store, clients: Clients, senders: Iterable[Sender]) -> None:
        self._store, self._clients = store, clients
        self.senders = {sender.domain: sender for sender in senders}
        with store.session(tenant=ALL_TENANTS) as conn:
            self._fleet: Mapping[str, MtaHost] = {host.name: host for host in load_fleet(conn).mta_hosts}
        self._read: dict[str, HostKeysInUse] = {}
        self._busy: set[str] = set()
        self.troubles: dict[str, str] = {}

    def of(self, key: SigningKey) -> list[HostKeysInUse]:
        """Of every host that has its file or carries its domain, and is in the fleet still."""
        sender = self.senders.get(key.domain)
        names = {*key.hosts, *([sender.host] if sender else [])}
        return [self._host(name) for name in sorted(names) if name in self._fleet]

    def _host(self, name: str) -> HostKeysInUse:
        if name not in self._read:
            self._read[name] = self._look(name)
            if (unread := self._read[name].unread) and name not in self._busy:
                self.troubles[name] = "; ".join(unread)
                log.warning("%s: what it signs with is not surely known: %s", name, self.troubles[name])
        return self._read[name]

    def _look(self, name: str) -> HostKeysInUse:
        host = self._fleet[name]
        with self._store.session(tenant=ALL_TENANTS) as conn:
            last = deployments.last_verified(conn, name)
            cut_off = deployments.interrupted(conn, name)
        vmtas = [sender.vmta for sender in self.senders.values() if sender.host == name]
        deployed = last.digest if last and not cut_off else None
        if cut_off:
            self._busy.add(name)  # a deployment is under way: no trouble, and nothing is known before its end
        try:
            with self._clients.mta(host.connection) as mta:
                return read_host(mta, host, deployed, vmtas)
        except EngineError as error:
            return HostKeysInUse(name, unread=(str(error),))

    def connection(self, name: str) -> str | None:
        return self._fleet[name].connection if name in self._fleet else None


def retire(store: Store, clients: Clients, tenant: str, run: Run) -> dict[str, Any]:
    """The overlap of a key begins when no host signs with it any more, begins anew where one does again, and ends when it is over:
    then its record is to be revoked.

    Returns `{"tenant", "quiet", "revoking", "unknown"}` and `troubles`: by host, why nobody knows what it signs with."""
    hosts, keys, current = _leaving(store, clients, tenant, KeyStage.OVERLAP)
    policy = shipped_dkim_policy()
    done: dict[str, Any] = {
        "tenant": tenant,
        "quiet": 0,
        "revoking": 0,
        "unknown": 0,
        "troubles": hosts.troubles,
    }
    for key in keys:
        seen = hosts.of(key)
        quiet = is_quiet(key, current.get(key.domain), seen)
        done["quiet"] += quiet is True
        done["unknown"] += quiet is None
        if run.dry_run or quiet is None or not _acts(hosts, key):
            continue
        with store.session(tenant=tenant) as conn:
            if not quiet:
                dkim_keys.note(conn, key, quiet_since=None)
            elif key.quiet_since is None:
                dkim_keys.note(conn, key, quiet_since=run.as_of)
            elif (ends := overlap_ends(key.quiet_since, queue_life(seen), policy)) <= run.as_of:
                reason = f"no host signs with it since {key.quiet_since:%Y-%m-%d}; its overlap ended {ends:%Y-%m-%d}"
                dkim_keys.move(conn, key, KeyEvent.REVOKE, reason, run.origin)
                done["revoking"] += 1
    return done


def troubles(store: Store, clients: Clients, tenant: str) -> dict[str, str]:
    """By host, why nobody knows what it signs with, where a key of the tenant leaves."""
    with store.session(tenant=tenant) as conn:
        keys = dkim_keys.load(conn, tenant=tenant, stages=[KeyStage.OVERLAP, KeyStage.REVOKED])
        senders = dkim_keys.senders(conn, tenant)
    hosts = _Hosts(store, clients, senders)
    for key in keys:
        hosts.of(key)
    return hosts.troubles


def remove(
    store: Store, clients: Clients, tenant: str, run: Run
) -> tuple[dict[str, Any], dict[str, EngineError]]:
    """Files of revoked keys go, on every host that has one, once no configuration there names them.

    Returns `{"tenant", "removed": [...], "held": {record: why}}` and what went wrong by domain."""
    hosts, keys, _ = _leaving(store, clients, tenant, KeyStage.REVOKED)
    done: dict[str, Any] = {"tenant": tenant, "removed": [], "held": {}}
    failed: dict[str, EngineError] = {}
    for key in keys:
        if run.dry_run or not _acts(hosts, key):
            continue
        if why := _held(store, key, hosts.of(key)):
            log.warning("%s was left: %s", key.key_path, why)
            done["held"][key.record_name] = why
            continue
        try:
            for name in sorted({*key.hosts, *(host.host for host in hosts.of(key))}):
                connection = hosts.connection(name)
                if connection is None:
                    log.warning("%s left the fleet: %s may still lie there", name, key.key_path)
                    continue
                with clients.mta(connection) as mta, open_keys(mta) as files:
                    _take_away(files, key, name)
        except EngineError as error:
            log.warning("%s: %s", key.domain, error)
            failed[key.domain] = error
            continue
        with store.session(tenant=tenant) as conn:
            reason = f"{key.key_path} is gone on {', '.join(key.hosts) or 'every host'}"
            dkim_keys.move(conn, key, KeyEvent.REMOVE, reason, run.origin, hosts=[])
        done["removed"].append(key.record_name)
    return done, failed


def _leaving(
    store: Store, clients: Clients, tenant: str, stage: KeyStage
) -> tuple[_Hosts, tuple[SigningKey, ...], dict[str, SigningKey]]:
    with store.session(tenant=tenant) as conn:
        senders = dkim_keys.senders(conn, tenant)
        keys = dkim_keys.load(conn, tenant=tenant, stages=[stage])
        current = dkim_keys.signing(conn)
    return _Hosts(store, clients, senders), keys, current


def _acts(hosts: _Hosts, key: SigningKey) -> bool:
    sender = hosts.senders.get(key.domain)
    return sender is None or sender.mode is Mode.ACT


def _take_away(files: HostKeys, key: SigningKey, host: str) -> None:
    """Only this very key is removed; of one that was given up before it was made, only what the host made itself."""
    try:
        standing = files.public_key(key.key_path)
    except NotVerified:
        standing = ""
    ours = standing == key.public_key or (key.public_key is None and files.makes)
    if standing is not None and not ours:
        log.warning("%s on %s is not the key of %s: it was left", key.key_path, host, key.record_name)
        return
    files.remove(key.key_path)


def _held(store: Store, key: SigningKey, seen: Iterable[HostKeysInUse]) -> str:
    """Why its file must stay; "" where nothing needs it. A fleet file's path without `{domain}` gives several domains one first key."""
    for host in seen:
        if not host.surely_not(key):
            why = "; ".join(host.unread) or "its configuration names it"
            return f"{host.host} may still sign with it: {why}"
    with store.session(tenant=ALL_TENANTS) as conn:
        keys = dkim_keys.load(conn)
    others = [
        other.record_name
        for other in keys
        if other.id != key.id and other.key_path == key.key_path and other.stage is not KeyStage.REMOVED
    ]
    return f"it is the key of {', '.join(others[:5])} too" if others else ""
