"""MailWizz's half of a brake: the IP's delivery server, and whatever else names its virtual MTA, disabled and read back."""

from collections.abc import Callable
from typing import NamedTuple

from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.errors import EngineError, NotVerified, Unreachable
from email_engine.mailer.learning import servers_naming
from email_engine.mailer.model import DISABLED, DeliveryServer, Setting
from email_engine.pipelines.brakes.halves import Half
from email_engine.pipelines.run import Run
from email_engine.store import quota_syncs, versions
from email_engine.store.engine import Store
from email_engine.store.quota_syncs import Begun, SyncResult
from email_engine.store.stops import brakes
from email_engine.store.stops.brakes import Brake


class Mailer(NamedTuple):
    """One MailWizz during one look at a host; `servers` is read once."""

    database: MailwizzDb
    servers: Callable[[], tuple[DeliveryServer, ...]]


def enforce_mailwizz(mailer: Mailer, store: Store, run: Run, brake: Brake) -> Half:
    """A release leaves the server to the quota sync, which sets the new quota first and enables only what the engine
    itself disabled: so what did not run anyway is not recorded as the engine's doing. A second server that names the same virtual MTA
    (MailWizz's *Copy* makes one) is disabled too, and nobody enables it again: the sync writes to the IP's own alone."""

    if brake.mailwizz_server_id is None:
        return _by_header(mailer, store, run, brake)
    server, where = brake.mailwizz_server_id, f"MailWizz {brake.mailwizz}"
    if brake.removed:
        if brake.server_successor is not None:
            told = f"{where}: server {server} belongs to {brake.server_successor} now"
            return Half(True, told, gone=True, asked=False)
        if not _there(mailer, server):
            return Half(True, f"{where}: server {server} is not there any more", gone=True)
    if brake.release_asked_at is not None:
        return Half(True, f"{where}: server {server} is left to the quota sync", asked=False)
    if brake.server_learned and not _there(mailer, server):
        return _by_header(mailer, store, run, brake)
    own = _disable(mailer.database, store, run, brake, server)
    try:
        return _with_copies(mailer, store, run, brake, own)
    except EngineError as error:
        told = f"{own.told}; whether another server names virtual MTA {brake.vmta} is not known: {error}"
        return own._replace(done=False, told=told, error=error)


def _with_copies(mailer: Mailer, store: Store, run: Run, brake: Brake, own: Half) -> Half:
    """Where another IP of the fleet has a virtual MTA of that name on this MailWizz, on whichever host, the other servers may be its."""
    where, server = f"MailWizz {brake.mailwizz}", brake.mailwizz_server_id
    naming = servers_naming(brake.vmta, mailer.servers())
    copies = [one.server_id for one in naming if one.server_id != server and one.setting.runs]
    if not copies:
        return own
    with store.session(tenant="*") as conn:
        if brakes.vmta_of_others(conn, brake):
            return own
    halves = [_disable(mailer.database, store, run, brake, copy) for copy in copies]
    also = f", which names virtual MTA {brake.vmta} too (a copy?) and stays off when the stop is over"
    return _together(where, [own, *(half._replace(told=half.told + also) for half in halves)], own.gone)


def _there(mailer: Mailer, server: int) -> bool:
    return server in {one.server_id for one in mailer.servers()}


def _together(where: str, halves: list[Half], gone: bool) -> Half:
    """All of them were done."""
    told = "; ".join(half.told.removeprefix(f"{where}: ") for half in halves)
    off = tuple(server for half in halves for server in half.switched_off)
    return Half(True, f"{where}: {told}", any(half.taken_off for half in halves), gone, switched_off=off)


def _by_header(mailer: Mailer, store: Store, run: Run, brake: Brake) -> Half:
    """The brake of an IP whose server nobody learned yet: whatever names its virtual MTA stands still."""
    where, gone = f"MailWizz {brake.mailwizz}", brake.removed
    heir = (brake.server_successor or brake.successor) if brake.removed else None
    if heir is not None:
        told = f"{where}: what names virtual MTA {brake.vmta} belongs to {heir} now"
        return Half(True, told, gone=True, asked=False)
    servers = mailer.servers()
    named = servers_naming(brake.vmta, servers)
    unread = [one.server_id for one in servers if one.vmtas is None and one.setting.runs]
    if not named and unread:
        listed = ", ".join(map(str, unread))
        told = f"{where}: the headers of server {listed} cannot be read, so it may feed {brake.vmta}; switch it off or repair them"
        return Half(False, told)
    if not named:
        return Half(True, f"{where}: no server names virtual MTA {brake.vmta}", gone=gone)
    if brake.release_asked_at is not None:
        return Half(
            True, f"{where}: what names virtual MTA {brake.vmta} is left to the quota sync", asked=False
        )
    return _together(
        where, [_disable(mailer.database, store, run, brake, one.server_id) for one in named], gone
    )


def _disable(database: MailwizzDb, store: Store, run: Run, brake: Brake, server: int) -> Half:
    where = f"MailWizz {brake.mailwizz}"
    old = database.server(server).setting
    if not old.runs:
        return Half(True, f"{where}: server {server} is {old.status}", gone=brake.removed)
    new = Setting(old.daily_quota, old.hourly_quota, DISABLED)
    reason = f"{quota_syncs.OF_BRAKE}{brake.reason}"
    with store.session(tenant="*") as conn:
        begun = Begun(
            ip_id=brake.ip_id, tenant=brake.tenant, mailwizz=brake.mailwizz, server_id=server, day=run.as_of.date(),
            fleet_version=versions.current(conn), old=old, new=new, reason=reason, dag_id=run.dag_id, run_id=run.run_id,
        )  # fmt: skip
        sync = quota_syncs.begin(conn, begun)
    result, failure = SyncResult.APPLIED, None
    try:
        if not database.disable(server).changed:
            result, reason = SyncResult.REFUSED, "somebody else had switched it off meanwhile"
    except EngineError as error:
        failure, reason = error, str(error)
        result = (
            SyncResult.NOT_VERIFIED if isinstance(error, NotVerified | Unreachable) else SyncResult.REFUSED
        )
    with store.session(tenant="*") as conn:
        quota_syncs.finish(conn, sync, result, reason)
    if failure is not None:
        raise failure
    told = f"{where}: server {server} is disabled"
    return Half(True, told, brake.mailwizz_holds, brake.removed, switched_off=(server,))
