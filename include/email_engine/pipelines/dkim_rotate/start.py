"""A rotation begins, is given up, or is taken back: what a person asks for."""

import logging
from typing import Any

from email_engine.adapters.powermta_keys import HostKeys, open_keys
from email_engine.dkim.key import SigningKey
from email_engine.dkim.policy import shipped_dkim_policy
from email_engine.dkim.rotation import Sight, due_at, new_selector
from email_engine.dkim.stages import COMING, KeyEvent, KeyStage
from email_engine.errors import EngineError, InputError
from email_engine.fleet.key_files import rotated_key_file
from email_engine.fleet.model import Mode
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.dkim_rotate.look import look
from email_engine.pipelines.dkim_rotate.make import make_keys
from email_engine.pipelines.run import Run
from email_engine.store import dkim_keys, versions
from email_engine.store.dkim_keys import Sender
from email_engine.store.engine import Store

log = logging.getLogger(__name__)
ADVANCE, START, START_DUE, BACK, CANCEL = "advance", "start", "start due", "back", "cancel"
ACTIONS = (ADVANCE, START, START_DUE, BACK, CANCEL)


def ask(store: Store, clients: Clients, tenant: str, run: Run) -> dict[str, Any]:
    """Params `action` (advance: nothing is asked) and `domain` (start, back and cancel need one; `start` of a whole tenant takes
    `start due`, or param `tenant` without a domain). Only domains of `tenant` are touched, and asking twice changes nothing twice.

    Returns `{"tenant", "action", "domains": [...], "skipped": {domain: why}}`.

    Raises InputError: a domain that is not the tenant's where the run names this tenant, or one for which it cannot be done."""
    action = str(run.params.get("action") or ADVANCE)
    domain = str(run.params.get("domain") or "").strip().lower()
    if action not in ACTIONS:
        raise InputError(
            "param action", action[:40], f"one of {', '.join(ACTIONS)}", "nothing was done; trigger again"
        )
    done: dict[str, Any] = {"tenant": tenant, "action": action, "domains": [], "skipped": {}}
    if action == ADVANCE:
        return done
    with store.session(tenant=tenant) as conn:
        senders = {sender.domain: sender for sender in dkim_keys.senders(conn, tenant)}
        keys = dkim_keys.load(conn, tenant=tenant)
    wanted = _wanted(action, domain, run, senders, keys)
    for name in wanted:
        with store.session(tenant=tenant) as conn:
            if dkim_keys.was_asked(conn, name, action, run.run_id):
                done["domains"].append(name)
                continue
        try:
            _one(store, clients, senders[name], [key for key in keys if key.domain == name], action, run)
        except EngineError as error:
            if domain:
                raise
            log.warning("%s: %s", name, error)
            done["skipped"][name] = str(error)
        else:
            done["domains"].append(name)
    return done


def _wanted(
    action: str, domain: str, run: Run, senders: dict[str, Sender], keys: tuple[SigningKey, ...]
) -> list[str]:
    if domain:
        return [domain] if domain in senders else []
    if action == START_DUE:
        policy = shipped_dkim_policy()
        busy = {key.domain for key in keys if key.stage in COMING}
        signing = [key for key in keys if key.stage is KeyStage.SIGNING and key.domain in senders]
        return [k.domain for k in signing if due_at(k, policy) <= run.as_of and k.domain not in busy]
    if run.params.get("tenant"):
        return sorted(senders)
    raise InputError(
        "form of this run", f"{action} without a domain or a tenant", "the domain, or the tenant for all of its domains",
        "nothing was done; fill one in and trigger again",
    )  # fmt: skip


def _one(
    store: Store, clients: Clients, sender: Sender, keys: list[SigningKey], action: str, run: Run
) -> None:
    if sender.mode is Mode.OBSERVE:
        raise _cannot(sender, "its tenant is in mode observe", "mode act")
    coming = [key for key in keys if key.stage in COMING]
    if action in (START, START_DUE):
        if coming:
            raise _cannot(
                sender, f"{coming[0].selector} is {coming[0].stage} already", "one rotation at a time"
            )
        _start(store, clients, sender, keys, run)
    elif action == CANCEL:
        if not coming:
            raise _cannot(sender, "no key is on its way", "a key in stage making, made or seen")
        if not run.dry_run:
            with store.session(tenant=sender.tenant) as conn:
                dkim_keys.move(conn, coming[0], KeyEvent.CANCEL, f"given up by {run.caused_by}", run.origin)
                dkim_keys.note_asked(conn, sender.tenant, sender.domain, action, run.caused_by, run.origin)
    else:
        _back(store, clients, sender, keys, run)


def _start(store: Store, clients: Clients, sender: Sender, keys: list[SigningKey], run: Run) -> None:
    """The row comes only after the host showed that no file of that name is there: what stands there later is ours."""
    if not any(key.stage is KeyStage.SIGNING for key in keys):
        if run.dry_run:
            log.info("%s: the key that signs today is read first, then the next one is made", sender.domain)
            return
        keys = _read_first(store, clients, sender, run)
    taken = {key.selector for key in keys}
    with clients.mta(sender.connection) as mta, open_keys(mta) as host:
        if sender.selector not in taken:
            selector, path = sender.selector, _path_of_own(host, sender, keys)
        else:
            selector, path = _free(host, sender, taken, run)
    log.info("%s: the next selector is %s, its key %s on %s", sender.domain, selector, path, sender.host)
    if not run.dry_run:
        with store.session(tenant=sender.tenant) as conn:
            dkim_keys.add(conn, sender.tenant, sender.domain, selector, path, run.origin)
            dkim_keys.note_asked(
                conn, sender.tenant, sender.domain, str(run.params.get("action")), run.caused_by, run.origin
            )


def _read_first(store: Store, clients: Clients, sender: Sender, run: Run) -> list[SigningKey]:
    """On a new installation nobody has looked yet at what signs today."""
    done = make_keys(store, clients, sender.tenant, run, [sender.domain])
    if sender.domain in done.failed:
        raise done.failed[sender.domain]
    with store.session(tenant=sender.tenant) as conn:
        return list(dkim_keys.load(conn, tenant=sender.tenant, domain=sender.domain))


def _path_of_own(host: HostKeys, sender: Sender, keys: list[SigningKey]) -> str:
    """The fleet file names a selector that was never used: it is the next one. Its key may be there already, made by a person."""
    first = sender.first_key_file
    if all(key.key_path != first for key in keys) and host.public_key(first) is not None:
        return first
    path = rotated_key_file(sender.pattern, sender.domain, sender.selector)
    if host.public_key(path) is not None:
        raise _cannot(
            sender, f"{path} is there already", "no file of that name, or the one that the fleet file names"
        )
    return path


def _free(host: HostKeys, sender: Sender, taken: set[str], run: Run) -> tuple[str, str]:
    """A selector that was never used and whose file is not there."""
    while True:
        selector = new_selector(run.as_of, taken)
        path = rotated_key_file(sender.pattern, sender.domain, selector)
        if host.public_key(path) is None:
            return selector, path
        taken = taken | {selector}


def _back(store: Store, clients: Clients, sender: Sender, keys: list[SigningKey], run: Run) -> None:
    """Only to a key with which mail verifies: its record is seen, and its very file stands on the domain's host."""
    current = [key for key in keys if key.stage is KeyStage.SIGNING]
    before = [key for key in keys if key.stage is KeyStage.OVERLAP]
    if not before or not current:
        raise _cannot(sender, "no key from before has its record still", "a key in stage overlap")
    last = max(before, key=lambda key: (key.since, key.id))
    sight = look(clients, [last])[last.id].sight if last.public_key else Sight.UNKNOWN
    if sight is not Sight.THERE:
        raise _cannot(
            sender,
            f"DNS does not show {last.record_name} as it was: {sight}",
            "its record, publicly to be seen",
        )
    with clients.mta(sender.connection) as mta, open_keys(mta) as host:
        if host.public_key(last.key_path) != last.public_key:
            raise _cannot(
                sender,
                f"{last.key_path} is not that key on {sender.host}",
                "its file there; a run of dkim_rotate brings it",
            )
    if not run.dry_run:
        swap(store, sender.tenant, current[0], last, f"{run.caused_by} goes back to {last.selector}", run)


def swap(store: Store, tenant: str, current: SigningKey, following: SigningKey, reason: str, run: Run) -> int:
    """From now on configurations are rendered with `following`; the new fleet version."""
    with store.session(tenant="*") as conn:
        dkim_keys.move(conn, current, KeyEvent.YIELD, reason, run.origin, quiet_since=None)
        dkim_keys.move(conn, following, KeyEvent.SIGN, reason, run.origin, quiet_since=None)
        if run.params.get("action") == BACK:
            dkim_keys.note_asked(conn, tenant, current.domain, BACK, run.caused_by, run.origin)
        said = f"DKIM of {current.domain}: {current.selector} to {following.selector}"
        return versions.bump(conn, said, (run.dag_id, run.run_id))


def _cannot(sender: Sender, observed: str, allowed: str) -> InputError:
    return InputError(
        f"DKIM of {sender.domain}", observed, allowed, "nothing was done; see `email-engine dkim status`"
    )
