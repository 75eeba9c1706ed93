"""The brake: queues paused and delivery servers disabled at once, read back, kept until released."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

from email_engine.errors import EngineError, NotVerified
from email_engine.fleet.model import Mode
from email_engine.pipelines.brakes.halves import (
    BOUND,
    CALLED_OFF,
    ENDED,
    Files,
    Half,
    Halves,
    all_of,
    each,
    enforce_powermta,
    look,
    push,
    surprise,
)
from email_engine.pipelines.brakes.left_without import left_now
from email_engine.pipelines.brakes.mailwizz_half import Mailer, enforce_mailwizz
from email_engine.pipelines.brakes.news import Outcome, tell
from email_engine.pipelines.brakes.providers import enforce_provider, kept_queues, let_go, list_host
from email_engine.pipelines.brakes.silence import prove_silence, resume_campaigns
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.host_moves import arrive
from email_engine.pipelines.run import Run
from email_engine.store import versions
from email_engine.store.engine import Store
from email_engine.store.stops import brake_ends, brakes, silences
from email_engine.store.stops.brakes import Brake

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Enforced:
    """`incomplete`: one error for all brakes of the host that do not hold, None where all do."""

    host: str
    held: int = 0
    released: int = 0
    failed: int = 0
    incomplete: EngineError | None = None

    def as_json(self) -> dict[str, Any]:
        return {"host": self.host, "held": self.held, "released": self.released, "failed": self.failed}


def enforce(store: Store, clients: Clients, host: str, run: Run) -> Enforced:
    """Makes one MTA host and the MailWizz servers of its IPs follow the brakes that stand in the database.

    Engaged brakes are put on, and put on again where a reload or a person took them off (then people are told);
    brakes whose release was asked are taken off; both halves are read back. The halves go on beside each other: one being away
    or slow never keeps the other from holding. What does not hold, or was not reached within BOUND, is named in an alert.
    Where all holds already it costs two commands a host. A release is a new fleet version, so that the cap follows also
    when the host was away and a later run completed it. Brakes of a tenant in `observe` are left as they are.

    An IP that left the fleet is held until its virtual MTA is gone from the host's configuration and its server is off;
    then its brake ends by itself; that of one of its providers ends at once. `emergency_stop` with release lets its queue drain before.

    Raises Unreachable: the engine's database is away; nothing was touched."""
    with store.session(tenant="*") as conn:
        standing = _governed(brakes.engaged(conn, mta_host=host, providers=True))
    if run.dry_run or not standing:
        log.info("%d brakes stand on %s", len(standing), host)
        if not run.dry_run:
            resume_campaigns(store, clients, host, run, datetime.now(UTC))
        return Enforced(host)
    end = time.monotonic() + BOUND
    late = partial(_is_late, end)
    with ThreadPoolExecutor(2) as both:
        powermta = both.submit(_powermta, host, standing, store, clients, late)
        mailwizz = both.submit(_mailwizz, host, standing, store, clients, run, late)
    by_mailwizz, without = mailwizz.result()
    done, loose = _record(host, store, standing, powermta.result(), by_mailwizz, run, without)
    _let_go_again(host, store, clients, loose)
    prove_silence(store, clients, host, run, datetime.now(UTC), late)
    resume_campaigns(store, clients, host, run, datetime.now(UTC))
    return done


def _is_late(end: float) -> bool:
    return time.monotonic() > end


def _governed(standing: tuple[Brake, ...]) -> tuple[Brake, ...]:

    left = [brake.vmta for brake in standing if brake.mode is Mode.OBSERVE]
    if left:
        log.info("left as they are, their tenant is in observe: %s", ", ".join(left))
    return tuple(brake for brake in standing if brake.mode is not Mode.OBSERVE)


def _powermta(
    host: str, standing: tuple[Brake, ...], store: Store, clients: Clients, late: Callable[[], bool]
) -> Halves:
    leaving = [b for b in standing if b.removed and b.host_removed and b.lets_go]
    told = f"PowerMTA: {host} left the fleet too"
    done = {b.brake_id: Half(True, told, gone=b.release_asked_at is None, asked=False) for b in leaving}
    rest = [b for b in standing if b.brake_id not in done]
    if not rest:
        return done

    def asked(brake: Brake) -> bool:
        with store.session(tenant="*") as conn:
            return brake_ends.release_still_asked(conn, brake.brake_id)

    left = f" ({host} left the fleet)" if rest[0].host_removed else ""
    try:
        with clients.mta(rest[0].connection) as mta:
            before = look(mta, [b for b in rest if b.whole])
            rest, ended = _still(store, host, rest)
            done |= {b.brake_id: ENDED for b in ended}
            whole, parts = [b for b in rest if b.whole], [b for b in rest if not b.whole]
            known = push(mta, before, whole, late)
            turn = partial(enforce_powermta, mta, before, known, Files(), asked, kept_queues(parts))
            done |= each(whole, "PowerMTA", turn, late)
            if parts:
                turn = partial(enforce_provider, mta, list_host(mta), rest, asked)
                done |= each(parts, "PowerMTA", turn, late)
            return done
    except EngineError as error:
        return all_of(rest, f"PowerMTA{left}", error) | done
    except Exception as error:
        # one half's surprise keeps the other from nothing
        log.exception("PowerMTA on %s", host)
        return all_of(rest, f"PowerMTA{left}", surprise(f"brake on {host}", error)) | done


def _still(store: Store, host: str, seen: list[Brake]) -> tuple[list[Brake], list[Brake]]:
    """Those that stand as they did when they were read, and the others: looking at a slow host takes its time."""
    with store.session(tenant="*") as conn:
        found = brakes.engaged(conn, mta_host=host, providers=True)
    now = {b.brake_id: b.release_asked_at is None for b in found}
    same = [b for b in seen if now.get(b.brake_id) is (b.release_asked_at is None)]
    return same, [b for b in seen if b not in same]


def _mailwizz(
    host: str, standing: tuple[Brake, ...], store: Store, clients: Clients, run: Run, late: Callable[[], bool]
) -> tuple[Halves, list[str]]:
    """Also who is left without a delivery server, a sentence a MailWizz."""
    without: list[str] = []
    leaving = [b for b in standing if not b.whole or (b.removed and b.release_asked_at is not None)]
    told = "MailWizz {}: its server stays as it is"
    done = {
        b.brake_id: Half(True, told.format(b.mailwizz), gone=b.removed and not b.whole, asked=False)
        for b in leaving
    }
    rest = [b for b in standing if b.brake_id not in done]
    for name in sorted({b.mailwizz for b in rest}):
        where, mine = f"MailWizz {name}", [b for b in rest if b.mailwizz == name]
        try:
            with clients.mailwizz_db(mine[0].mailwizz_connection) as database:
                mailer = Mailer(database, cache(database.servers))
                done |= each(mine, where, partial(enforce_mailwizz, mailer, store, run), late)
                off = {server for b in mine for server in done[b.brake_id].switched_off}
                words = None if late() else left_now(database, name, off)
                without += [words] if words else []
        except EngineError as error:
            done |= all_of(mine, where, error)
        except Exception as error:
            log.exception("%s", where)
            done |= all_of(mine, where, surprise(f"brake on {host}", error))
    return done, without


def _record(
    host: str,
    store: Store,
    standing: tuple[Brake, ...],
    powermta: Halves,
    mailwizz: Halves,
    run: Run,
    without: Sequence[str] = (),
) -> tuple[Enforced, list[Brake]]:
    """Also gives the brakes that ended meanwhile although this look made PowerMTA hold them."""
    now = datetime.now(UTC)
    ids, news = (run.dag_id, run.run_id), 0
    outcomes: list[Outcome] = []
    failed: dict[str, list[str]] = {}
    loose: list[Brake] = []
    for brake in standing:
        releasing = brake.release_asked_at is not None
        halves = powermta[brake.brake_id], mailwizz[brake.brake_id]
        if halves[0] is ENDED:
            log.info("%s: %s", brake.vmta, ENDED.told)
            continue
        stands = all(half.done for half in halves)
        holds = [half.done is not releasing for half in halves]
        held = holds[0] and not releasing
        told = "; ".join(half.told for half in halves)
        log.info("%s of %s: %s", "release" if releasing else "brake", brake.name, told)
        with store.session(tenant="*") as conn:
            noted = brakes.confirm(conn, brake.brake_id, holds[0], holds[1], told, now)
            if noted is None:
                # another run ended it meanwhile
                loose += [brake] if held and not brake.removed else []
                if brake.whole:
                    news = news or versions.bump(conn, f"a brake ended on {host}", ids)
                continue
            if halves[1].taken_off:
                silences.forget(conn, brake.brake_id)
            if held and noted.release_asked and not brake.removed:
                loose.append(brake)
            if brake.moving_to is not None and halves[0].gone and not noted.release_asked:
                news = (arrive(conn, brake, run, halves[0].told) and versions.current(conn)) or news
            over = all(half.gone for half in halves) and brake_ends.ended(conn, brake.brake_id, now)
            if stands and releasing:
                if brake_ends.released(conn, brake.brake_id, now):
                    if brake.whole:
                        news = news or versions.bump(conn, f"brakes released on {host}", ids)
                else:
                    stands, halves = False, (CALLED_OFF, CALLED_OFF)
        outcomes.append(Outcome(brake, halves, stands, over, noted.was_held))
        for half in halves:
            if not half.done:
                name = brake.vmta if brake.whole else f"{brake.vmta} to {brake.provider}"
                failed.setdefault(half.told, []).append(name)
    tell(store, host, outcomes, run, without)
    missing = _incomplete(host, failed, len(standing), all(outcome.halves[0].done for outcome in outcomes))
    done = [outcome for outcome in outcomes if outcome.stands]
    let_go = sum(1 for outcome in done if outcome.ends)
    count = len({v for those in failed.values() for v in those})
    return Enforced(host, len(done) - let_go, let_go, count, missing), loose


def _let_go_again(host: str, store: Store, clients: Clients, loose: list[Brake]) -> None:
    """A release ended these brakes while an older look still held them: nothing else would let them go. A brake that came in
    between stands."""
    if not loose:
        return
    try:
        with clients.mta(loose[0].connection) as mta:
            for brake in loose:
                others = _still_wanted(store, host)
                if any(_same(brake, b) for b in others):
                    continue
                if not brake.whole:
                    let_go(mta, list_host(mta), others, brake)
                    continue
                address = str(brake.local_address)
                mta.let_go(address, brake.vmta, kept_queues(others).get(brake.vmta, ()))
                if any(_same(brake, b) for b in _still_wanted(store, host)):
                    mta.hold(address, brake.vmta)
    except EngineError as error:
        log.warning("held although its brake ended, until a deployment lets go: %s; %s", host, error)


def _still_wanted(store: Store, host: str) -> list[Brake]:
    with store.session(tenant="*") as conn:
        found = brakes.engaged(conn, mta_host=host, providers=True)
    return [b for b in found if b.release_asked_at is None]


def _same(one: Brake, other: Brake) -> bool:
    return (one.ip_id, one.provider) == (other.ip_id, other.provider)


def _incomplete(
    host: str, failed: dict[str, list[str]], standing: int, powermta_stands: bool
) -> NotVerified | None:
    """One error for all that failed; what many brakes have in common is said once. `powermta_stands`: only MailWizz's half is missing."""

    if not failed:
        return None
    vmtas = {vmta for those in failed.values() for vmta in those}
    causes = " | ".join(f"{', '.join(those)}: {told}" for told, those in failed.items())
    missing = NotVerified(
        f"brake on {host}",
        f"{len(vmtas)} of {standing} not complete: {causes}",
        "queue paused, source disabled and delivery server disabled (released: the opposite), all read back",
        "it is tried again by itself; "
        + (
            "PowerMTA's half stands as asked, so what is missing is in MailWizz alone"
            if powermta_stands
            else "if the host stays away, stop PowerMTA there or block port 25"
        ),
    )
    missing.told = True
    return missing
