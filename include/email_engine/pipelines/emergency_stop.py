"""The brake in a person's hand: engaged or released for an IP, a stream, a tenant, or all."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, text

from email_engine.decision import Decision
from email_engine.dkim.key import SigningKey
from email_engine.errors import NotVerified
from email_engine.fleet.model import PARKED_STATES, IpRecord
from email_engine.forms import require_short
from email_engine.lifecycle.scope import Scope, choose, read_scope
from email_engine.pipelines.brakes.enforce import enforce
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store import dkim_keys, versions
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips
from email_engine.store.judgement import decisions
from email_engine.store.stops import brake_ends, brakes
from email_engine.store.stops.brakes import Brake, engaged
from email_engine.store.stops.removed_ips import RemovedIp, removed_ips
from email_engine.store.stops.stop_evidence import waiting_words
from email_engine.store.telling.alerts import News, announce, set_lock_timeout

PIPELINE = "emergency_stop"
NO_REASON = "no reason given"
OWNER = "warmup_advance"
"""Who lets an IP go when its time is over."""


log = logging.getLogger(__name__)


def pull(store: Store, run: Run, *, rest: bool = False) -> list[str]:
    """Writes what the form asks, in one transaction: a decision and a brake (or its release) for every IP meant, and a
    new fleet version. A brake of this pipeline is released by this pipeline alone; a release lets no IP go that is parked
    or paused: its brake is handed back to the pipelines. An IP that left the fleet file can be let go by its address: its
    queue drains, its MailWizz server stays off. A run that was cleared changes nothing where a later one decided, told by the
    order in which they were recorded: clocks may have been wrong. Returns the MTA hosts to act on.

    It waits for nobody: an IP whose rows another session holds is left out and named; `rest` asks for those alone.

    Raises InputError: the form names nothing that exists, or a tenant in `observe`; nothing was written."""
    if run.params.get("release"):  # a stop never waits for a better form: its reason is cut
        require_short(run.params)
    with store.session(tenant="*") as conn:
        bound_waits(conn)
        leaving = _leaving(conn, run)
        if leaving:
            log.info("%s left the fleet file; its queue may drain", leaving[0].address)
            news = None if run.dry_run else _let_drain(conn, leaving, run)
            hosts = [] if run.dry_run else [brake.mta_host for brake in leaving]
        else:
            records = load_ips(conn, day=run.as_of.date())
            gone = _gone(conn, run)
            named = gone and run.params.get("scope") == "ip"
            chosen = (
                () if named else choose(records, read_scope(run.params.get("scope")), run.params.get("name"))
            )
            chosen, gone, locked = _at_once(conn, run, chosen, gone, rest)
            meant = [*(str(ip.address) for ip in chosen), *(str(ip.address) for ip in gone)]
            log.info("%d IPs: %s", len(meant), ", ".join(meant))
            news = None if run.dry_run else _write(conn, chosen, run, gone, locked)
            places = [*(ip.mta_host for ip in chosen), *(ip.mta_host for ip in gone)]
            hosts = [] if run.dry_run else places
    if news is not None:
        stopped = () if leaving or run.params.get("release") else chosen
        announce(store, [_with_waiting(store, news, stopped)])
    return sorted(set(hosts))


def bound_waits(conn: Connection) -> None:
    """Of this transaction: a lock that is still somebody's after ten seconds is an error, and the task tries again."""
    conn.execute(text("SET LOCAL lock_timeout = '10s'"))


def pull_rest(store: Store, clients: Clients, run: Run) -> list[str]:
    """Those that `pull` left out because another session held their rows, enforced too. Returns their hosts.

    Raises NotVerified while some are still left: tried again, it goes on."""
    if run.dry_run or not left_over(store, run):
        return []
    hosts = pull(store, run, rest=True)
    incomplete = [
        done.incomplete for host in hosts if (done := enforce(store, clients, host, run)).incomplete
    ]
    left = left_over(store, run)
    if left:
        raise NotVerified(
            f"stop of {amount(len(left), 'IP')}",
            f"another session of the engine's database holds the rows of {', '.join(left[:10])}",
            "rows that nobody holds for long",
            "the task tries again; end that session (pg_stat_activity shows it, pg_terminate_backend ends it)",
        )
    for error in incomplete:
        if error is not None:
            raise error
    return hosts


def left_over(store: Store, run: Run) -> list[str]:
    """Addresses that the run means and has not decided about: their rows were another session's."""
    with store.session(tenant="*") as conn:
        records = load_ips(conn, day=run.as_of.date())
        gone = _gone(conn, run)
        if _leaving(conn, run) or (gone and run.params.get("scope") == "ip"):
            chosen: tuple[IpRecord, ...] = ()
        else:
            chosen = choose(records, read_scope(run.params.get("scope")), run.params.get("name"))
        known = decisions.subjects(conn, PIPELINE, run.run_id) | decisions.overtaken(
            conn, PIPELINE, run.run_id
        )
    meant = [*(str(ip.address) for ip in chosen), *(str(ip.address) for ip in gone)]
    return [address for address in meant if address not in known]


def _at_once(
    conn: Connection, run: Run, chosen: Sequence[IpRecord], gone: Sequence[RemovedIp], rest: bool
) -> tuple[tuple[IpRecord, ...], tuple[RemovedIp, ...], list[str]]:
    """Whom a brake can be written for without waiting, and the addresses of the others."""
    known = decisions.subjects(conn, PIPELINE, run.run_id) if rest else frozenset()
    chosen = [ip for ip in chosen if str(ip.address) not in known]
    gone = [ip for ip in gone if str(ip.address) not in known]
    every: list[IpRecord | RemovedIp] = [*chosen, *gone]
    free = brakes.free(conn, [ip.ip_id for ip in every])
    locked = [str(ip.address) for ip in every if ip.ip_id not in free]
    if locked:
        log.warning("left for the moment, another session holds their rows: %s", ", ".join(locked))
    return (
        tuple(ip for ip in chosen if ip.ip_id in free),
        tuple(ip for ip in gone if ip.ip_id in free),
        locked,
    )


def _write(
    conn: Connection,
    chosen: tuple[IpRecord, ...],
    run: Run,
    gone: Sequence[RemovedIp] = (),
    locked: Sequence[str] = (),
) -> News | None:
    release = bool(run.params.get("release"))
    reason = run.reason or NO_REASON
    outdated = decisions.overtaken(conn, PIPELINE, run.run_id)
    meant = [ip for ip in chosen if str(ip.address) not in outdated]
    if len(meant) < len(chosen):
        log.warning(
            "%s left alone: this run was cleared, and a later one decided about them",
            amount(len(chosen) - len(meant), "IP"),
        )
    gone = [ip for ip in gone if str(ip.address) not in outdated]
    if not meant and not gone:
        return None
    for left in gone:
        decision = decisions.record(
            conn,
            Decision(
                tenant=left.tenant, pipeline=PIPELINE, subject=str(left.address), run_key=run.run_id, action="stop",
                reason=f"{run.actor}: {reason}", as_of=run.as_of, policy_digest="by hand",
                inputs={"state": "left the fleet file"},
            ),
            run.dag_id, run.run_id,
        )  # fmt: skip
        brakes.engage(conn, left, reason, run.origin, decision)
    keys = dkim_keys.signing(conn) if release else {}
    kept, keyless = 0, list[str]()
    for ip in meant:
        stays = _stays(ip) if release else None
        unsigned = _unsigned(ip, keys.get(ip.domain)) if release else None
        decision = decisions.record(
            conn,
            Decision(
                tenant=ip.tenant, pipeline=PIPELINE, subject=str(ip.address), run_key=run.run_id,
                action="stop" if not release else "hand-back" if stays else "keep" if unsigned else "release",
                reason=f"{run.actor}: {reason}" + (f"; it stays held, because {stays or unsigned}" if stays or unsigned else ""),
                as_of=run.as_of, policy_digest="by hand",
                inputs={"state": str(ip.state), "allowance": ip.allowance},
            ),
            run.dag_id, run.run_id,
        )  # fmt: skip
        if stays:
            kept += 1
            brake_ends.hand_back(conn, ip.ip_id, OWNER, stays)
        elif unsigned:
            keyless.append(unsigned)
        elif release:
            brakes.ask_release(conn, ip.ip_id, run.as_of, by_hand=True)
        else:
            brakes.engage(conn, ip, reason, run.origin, decision)
    versions.bump(conn, f"emergency {'release' if release else 'stop'}: {reason}", (run.dag_id, run.run_id))
    verb = "released" if release else "stopped"
    whole = run.params.get("scope") == "all"
    whom = "the whole fleet" if whole else str(run.params.get("name"))
    lines = [
        f"{run.actor} {verb} {amount(len(meant) + len(gone) - kept - len(keyless), 'IP')}: {whom}",
        f"Reason: {reason}",
    ]
    lines += [f"{amount(len(gone), 'IP')} of them left the fleet file."] if gone else []
    lines += [f"{kept} more stay held: they are parked or paused."] if kept else []
    if keyless:
        more = f" and {len(keyless) - 3} more" if len(keyless) > 3 else ""
        lines.append(
            f"{len(keyless)} stay held, for their mail would go unsigned: {'; '.join(keyless[:3])}{more}."
        )
        lines.append(
            "Next: `dkim_rotate` brings the keys there (or rotates the domain, where no host has its key any more); then release again."
        )
    if locked:
        shown = ", ".join(locked[:10]) + (f" and {len(locked) - 10} more" if len(locked) > 10 else "")
        lines.append(
            f"Not yet {verb}, for another session holds their rows in the database; tried again: {shown}"
        )
    return News(
        PIPELINE, f"{run.params['scope']} {run.params.get('name') or ''}".strip(), f"{verb} {run.run_id}",
        "warning" if release else "critical", "\n".join(lines), dag_id=run.dag_id, run_id=run.run_id,
    )  # fmt: skip


def _with_waiting(store: Store, news: News, stopped: Sequence[IpRecord]) -> News:
    """What waits in their queues belongs to the news, but the brake waits for nothing of it."""

    if not stopped:
        return news
    try:
        with store.session(tenant="*") as conn:
            set_lock_timeout(conn)
            waiting = waiting_words(conn, [ip.ip_id for ip in stopped])
    except Exception as error:  # noqa: BLE001 - the brake stands already
        log.warning("how much mail waits is not known: %s", type(error).__name__)
        return news
    return replace(news, text=f"{news.text}\n{waiting}") if waiting else news


def _stays(ip: IpRecord) -> str | None:
    """Why the IP may not send although nobody brakes it by hand any more; None if nothing else holds it."""

    if ip.state in PARKED_STATES:
        return f"it is in {ip.state}"
    if ip.pause is not None:
        return f"it is paused {ip.pause.ends}"
    return None


def _unsigned(ip: IpRecord, key: SigningKey | None) -> str | None:
    """Why mail of an IP would go unsigned: its key is known to lie on other hosts alone. None where it may be signed."""
    if key is None or not key.hosts or ip.mta_host in key.hosts:
        return None
    return f"the DKIM key of {ip.domain} is on {', '.join(sorted(key.hosts))} and not on {ip.mta_host}"


def _leaving(conn: Connection, run: Run) -> list[Brake]:
    """The brake that the form releases, if it is that of an IP that left the fleet file."""

    if not run.params.get("release") or run.params["scope"] != Scope.IP:
        return []
    wanted = str(run.params.get("name") or "").strip().lower()
    return [b for b in engaged(conn) if b.removed and str(b.address) == wanted]


def _gone(conn: Connection, run: Run) -> tuple[RemovedIp, ...]:
    """IPs that left the fleet file and are meant by this stop: let go by hand, they may still send."""

    if run.params.get("release"):
        return ()
    scope, name = run.params.get("scope"), str(run.params.get("name") or "").strip().lower()
    known = {
        "ip": lambda ip: str(ip.address), "stream": lambda ip: f"{ip.tenant}/{ip.stream}", "tenant": lambda ip: ip.tenant,
    }  # fmt: skip
    return tuple(
        ip for ip in removed_ips(conn, also_stopped=True) if scope == "all" or known[str(scope)](ip) == name
    )


def _let_drain(conn: Connection, leaving: list[Brake], run: Run) -> News:

    reason = run.reason or NO_REASON
    for brake in leaving:
        decisions.record(
            conn,
            Decision(
                tenant=brake.tenant, pipeline=PIPELINE, subject=str(brake.address), run_key=run.run_id,
                action="release", reason=f"{run.actor}: {reason}", as_of=run.as_of, policy_digest="by hand",
                inputs={"state": "left the fleet file"},
            ),
            run.dag_id, run.run_id,
        )  # fmt: skip
        brakes.ask_release(conn, brake.ip_id, run.as_of, by_hand=True)
    return News(
        PIPELINE, f"ip {leaving[0].address}", f"released {run.run_id}", "warning",
        f"{run.actor} lets {leaving[0].address} drain, which left the fleet file\nReason: {reason}",
        dag_id=run.dag_id, run_id=run.run_id,
    )  # fmt: skip
