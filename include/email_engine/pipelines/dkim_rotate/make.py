"""The private half of every key that signs, or is to sign, stands on the host that carries its domain."""

import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from email_engine.adapters.powermta_keys import BITS, HostKeys, KeyStands, new_key, open_keys
from email_engine.dkim.key import SigningKey
from email_engine.dkim.stages import COMING, KeyEvent, KeyStage
from email_engine.dnsauth.dkim import key_in_use, public_key_of
from email_engine.errors import EngineError, NotVerified
from email_engine.fleet.key_files import require_safe_key
from email_engine.fleet.model import Mode
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.run import Run
from email_engine.store import dkim_keys
from email_engine.store.dkim_keys import Sender
from email_engine.store.engine import Store

log = logging.getLogger(__name__)
STANDING = (*COMING, KeyStage.SIGNING)


@dataclass
class Made:
    """`known`: first keys that stood there already; `made`: keys made now; `carried`: files that a host got of another; `failed`: by
    domain, what went wrong; `missing`: first keys that are not there, of tenants whom nothing is done for."""

    known: int = 0
    made: int = 0
    carried: int = 0
    missing: int = 0
    failed: dict[str, EngineError] = field(default_factory=dict)

    def as_json(self, tenant: str) -> dict[str, Any]:
        return {
            "tenant": tenant, "known": self.known, "made": self.made, "carried": self.carried, "missing": self.missing,
            "failed": {domain: str(error) for domain, error in self.failed.items()},
        }  # fmt: skip


def make_keys(
    store: Store, clients: Clients, tenant: str, run: Run, only: Collection[str] | None = None
) -> Made:
    """First keys are made where the fleet file names a file that is not there, and known by their public half where it is; a key in
    stage `making` is made, a key whose domain moved to another host is carried there. One domain's trouble keeps no other from it.

    `only`: the domains that are meant; None: all of the tenant. The private half is in this process at most, and only where the host
    cannot make it. A run that was killed half-way is finished by the next: what stands is compared by its public numbers, and never
    overwritten. A dry run and a tenant in `observe` make nothing."""
    done = Made()
    with store.session(tenant=tenant) as conn:
        senders = [one for one in dkim_keys.senders(conn, tenant) if only is None or one.domain in only]
        keys = dkim_keys.load(conn, tenant=tenant)
    by_domain = {domain: tuple(of) for domain, of in groupby(keys, lambda key: key.domain)}
    waiting = [
        (sender, key) for sender in senders for key in _to_stand(sender, by_domain.get(sender.domain, ()))
    ]
    for _, of_host in groupby(waiting, lambda pair: pair[0].host):
        _on_host(_Work(store, clients, run, done), list(of_host))
    return done


def _to_stand(sender: Sender, keys: Iterable[SigningKey]) -> Iterator[SigningKey | None]:
    """Keys whose file is not known to be on the sender's host; None: its first one."""
    known = list(keys)
    if not any(key.stage is KeyStage.SIGNING for key in known):
        yield None
    for key in known:
        if key.stage in STANDING and (sender.host not in key.hosts or key.stage is KeyStage.MAKING):
            yield key


def _on_host(work: "_Work", wanted: list[tuple[Sender, SigningKey | None]]) -> None:
    try:
        with work.keys_of(wanted[0][0].connection) as host:
            for sender, key in wanted:
                try:
                    work.stand(host, sender, key)
                except EngineError as error:
                    work.failed(sender, error)
    except EngineError as error:
        for sender, _ in wanted:
            if sender.domain not in work.done.failed:
                work.failed(sender, error)


@dataclass(frozen=True, slots=True)
class _Work:
    store: Store
    clients: Clients
    run: Run
    done: Made

    @contextmanager
    def keys_of(self, connection: str) -> Iterator[HostKeys]:
        with self.clients.mta(connection) as mta, open_keys(mta) as keys:
            yield keys

    def failed(self, sender: Sender, error: EngineError) -> None:
        log.warning("%s: %s", sender.domain, error)
        self.done.failed[sender.domain] = error

    def stand(self, host: HostKeys, sender: Sender, key: SigningKey | None) -> None:
        if key is None:
            self._first(host, sender)
        elif self.run.dry_run or sender.mode is Mode.OBSERVE:
            log.info("%s of %s is to stand on %s", key.key_path, sender.domain, sender.host)
        elif key.stage is KeyStage.MAKING:
            self._new(host, sender, key)
        else:
            self._carry(host, sender, key)

    def _first(self, host: HostKeys, sender: Sender) -> None:
        path = sender.first_key_file
        require_safe_key(sender.domain, sender.selector, path)
        public = host.public_key(path)
        if public is None:
            if self.run.dry_run or sender.mode is Mode.OBSERVE:
                log.info("%s: %s is not on %s; it would be made", sender.domain, path, sender.host)
                self.done.missing += 1
                return
            public = self._made_first(host, path)
        else:
            self.done.known += 1
        if self.run.dry_run:
            return
        with self.store.session(tenant=sender.tenant) as conn:
            known = {
                (key.selector, key.public_key)
                for key in dkim_keys.load(conn, tenant=sender.tenant, domain=sender.domain)
            }
            if (sender.selector, public) in known:
                return  # another run has just noted it
            dkim_keys.add(
                conn, sender.tenant, sender.domain, sender.selector, path, self.run.origin,
                public_key=public, bits=key_in_use(public).bits, hosts=[sender.host], made_at=self.run.as_of,
            )  # fmt: skip
        log.info("%s signs with %s, %s on %s", sender.domain, sender.selector, path, sender.host)

    def _made_first(self, host: HostKeys, path: str) -> str:
        """A file that appeared meanwhile is another run's, of the same form or of the daily rotation: it is the key then."""
        try:
            made = host.make(path)
        except KeyStands:
            standing = host.public_key(path)
            if standing is None:
                raise
            self.done.known += 1
            return standing
        self.done.made += 1
        return made

    def _new(self, host: HostKeys, sender: Sender, key: SigningKey) -> None:
        require_safe_key(key.domain, key.selector, key.key_path)
        standing = host.public_key(key.key_path)
        own = (
            key.selector == sender.selector
        )  # a person named this key in the fleet file, and may have made it
        if standing is None or not (own or host.makes or standing == key.public_key):
            standing = host.make(key.key_path) if host.makes else self._made_here(host, sender, key)
            self.done.made += 1
        bits = key_in_use(standing).bits
        if bits < BITS:
            raise NotVerified(
                f"MTA host {sender.host}", f"{key.key_path} is a key of {bits} bits", f"RSA, {BITS} bits or more",
                "nothing was signed with it; move it away, then a new one is made",
            )  # fmt: skip
        facts = {"public_key": standing, "bits": bits, "hosts": [sender.host]}
        reason = f"its file {key.key_path} stands on {sender.host}, read back by its public numbers"
        with self.store.session(tenant=sender.tenant) as conn:
            dkim_keys.move(
                conn, key, KeyEvent.STAND, reason, self.run.origin, made_at=self.run.as_of, **facts
            )

    def _made_here(self, host: HostKeys, sender: Sender, key: SigningKey) -> str:
        """Its public half is written down before the private one is carried: so what stands there after a kill is known as ours."""
        pem = new_key()
        with self.store.session(tenant=sender.tenant) as conn:
            dkim_keys.note(conn, key, public_key=public_key_of(pem))
        return host.install(key.key_path, pem)

    def _carry(self, host: HostKeys, sender: Sender, key: SigningKey) -> None:
        """Its domain moved to another host: that one gets the same key, of one that has it."""
        standing = host.public_key(key.key_path)
        if standing is None:
            standing = host.install(key.key_path, self._private(sender, key))
            self.done.carried += 1
        if standing != key.public_key:
            raise NotVerified(
                f"MTA host {sender.host}", f"{key.key_path} is another key than that of {key.record_name}",
                "the same key on every host of the domain", "nothing was changed; move that file away, or rotate the domain",
            )  # fmt: skip
        with self.store.session(tenant=sender.tenant) as conn:
            dkim_keys.note(conn, key, hosts=sorted({*key.hosts, sender.host}))

    def _private(self, sender: Sender, key: SigningKey) -> bytes:
        with self.store.session(tenant=sender.tenant) as conn:
            connections = dkim_keys.connections(conn)
        trouble: EngineError | None = None
        for name in key.hosts:
            try:
                with self.keys_of(connections[name]) as other:
                    return other.private_key(key.key_path)
            except EngineError as error:
                trouble = error
        raise trouble or NotVerified(
            f"DKIM key {key.record_name}", "no host is known to have its file", "one", "rotate the domain"
        )
