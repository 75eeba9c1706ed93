"""What people are told of the brakes of one host: who stands still, who runs again, and one incident for each system that
keeps stops from being complete."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection

from email_engine.errors import EngineError, NotVerified
from email_engine.pipelines.brakes.halves import Half
from email_engine.pipelines.run import Run
from email_engine.pipelines.trouble import LONGEST, cause_and_title
from email_engine.plural import amount
from email_engine.store.engine import Store
from email_engine.store.stops import brakes
from email_engine.store.stops.brakes import BY_HAND, Brake
from email_engine.store.telling import alerts, incidents
from email_engine.store.telling.alerts import News
from email_engine.store.telling.incidents import Trouble

EVENT, TAKEN_OFF, WAIT, WITHOUT = "brake", "brake taken off", "stops wait", "without a server"
NAMED = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one look at one brake found. `over`: the IP left the fleet and nothing is there any more that could send; `was_held`: it
    was seen to hold before, by whomever."""

    brake: Brake
    halves: tuple[Half, Half]
    stands: bool
    over: bool
    was_held: bool

    @property
    def ends(self) -> bool:
        return self.over or (self.stands and self.brake.release_asked_at is not None)

    @property
    def newly_held(self) -> bool:
        return self.stands and not self.ends and not self.was_held


def tell(store: Store, host: str, outcomes: Sequence[Outcome], run: Run, without: Sequence[str] = ()) -> None:
    """Alerts and incidents in transactions of their own, after what they tell of is written down. `without`: who has no delivery
    server left, in sentences. Never raises."""
    alerts.announce(store, [*_news(host, outcomes, run), *_without(host, without, run)])
    try:
        with store.session(tenant="*") as conn:
            alerts.set_lock_timeout(conn)
            _tell_failures(conn, host, outcomes, run)
    except Exception as error:  # noqa: BLE001 - a stop must not fail because it could not be told
        seen = error.observed if isinstance(error, EngineError) else type(error).__name__
        alerts.log.error("what keeps stops on %s from being complete could not be noted: %s", host, seen)


def _news(host: str, outcomes: Sequence[Outcome], run: Run) -> Iterable[News]:
    by_hand = run.dag_id == BY_HAND
    parts = [o for o in outcomes if not o.brake.whole]
    outcomes = [o for o in outcomes if o.brake.whole]
    yield from _provider_news(host, parts, run)
    held = [o for o in outcomes if o.newly_held and not o.brake.removed]
    if held:
        title = f"{_subject(held)} {_stand(held)} still on {host}, read back in PowerMTA and MailWizz"
        yield _one(f"{host} held", _text(title, held), "info", run, quiet=not by_hand)
    left: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.newly_held and outcome.brake.removed:
            left[outcome.brake.reason].append(outcome)
    for reason, those in left.items():
        lines = [_text(f"{_subject(those)} {_stand(those)} still on {host}: {reason}", those)]
        lines += sorted({o.halves[0].told for o in those})[:NAMED]
        yield _one(f"{host} left", "\n".join(lines), "warning", run)
    released = [o for o in outcomes if o.ends and not o.over]
    if released:
        title = f"{_subject(released)} of {host} may send again"
        yield _one(f"{host} released", _text(title, released), "info", run, quiet=not by_hand)
    gone = [o for o in outcomes if o.over]
    if gone:
        title = f"{_subject(gone)} left the fleet and can send no more from {host}; the stop ended"
        yield _one(f"{host} gone", _text(title, gone), "info", run)
    loose = [o for o in outcomes if any(half.taken_off for half in o.halves)]
    if loose:
        title = f"A person or a restart had let {amount(len(loose), 'stopped IP')} of {host} go; they stand still again"
        text = _text(title, loose, always=True)
        yield News(TAKEN_OFF, host, run.run_id, "warning", text, None, run.dag_id, run.run_id)


def _without(host: str, without: Sequence[str], run: Run) -> Iterable[News]:
    if without:
        lines = [
            *without,
            f"Their servers are off, for a stop on {host}: nothing of them goes out until it is over.",
        ]
        lines.append(
            "Next: let them use another server in MailWizz, or wait; do not enable what the stop holds."
        )
        yield News(WITHOUT, host, run.run_id, "warning", "\n".join(lines), None, run.dag_id, run.run_id)


def _provider_news(host: str, parts: Sequence[Outcome], run: Run) -> Iterable[News]:
    """Why a provider is suspended is told by whoever decides it."""
    held = [o for o in parts if o.newly_held]
    if held:
        title = f"Mail waits on {host} for a suspended provider, read back in PowerMTA"
        lines = [_text(title, held, always=True), *sorted({o.halves[0].told for o in held})[:NAMED]]
        yield _one(f"{host} suspended", "\n".join(lines), "info", run, quiet=True)
    loose = [o for o in parts if o.halves[0].taken_off]
    if loose:
        title = f"Mail to a suspended provider had gone on from {host} (a person, a restart, or a new queue); it waits again"
        text = _text(title, loose, always=True)
        yield News(TAKEN_OFF, f"{host} providers", run.run_id, "warning", text, None, run.dag_id, run.run_id)
    probed = [o for o in parts if o.ends and not o.over]
    if probed:
        title = (
            f"No mail waits on {host} any more for a suspended provider, which gets a few messages a day now"
        )
        yield _one(f"{host} probed", _text(title, probed, always=True), "info", run, quiet=True)
    over = [o for o in parts if o.over]
    if over:
        title = f"Suspensions on {host} ended, for their IPs left the fleet"
        yield _one(f"{host} suspended no more", _text(title, over, always=True), "info", run, quiet=True)


def _one(thing: str, text: str, severity: str, run: Run, quiet: bool | None = None) -> News:
    state = f"{run.run_id} {_digest([text])}"
    return News(EVENT, thing, state, severity, text, None, run.dag_id, run.run_id, quiet)


def _subject(outcomes: Sequence[Outcome]) -> str:
    return _names(outcomes) if len(outcomes) == 1 else amount(len(outcomes), "IP")


def _text(title: str, outcomes: Sequence[Outcome], *, always: bool = False) -> str:
    """The title, and the names where it does not hold them."""
    return title if len(outcomes) == 1 and not always else "\n".join([title, _names(outcomes)])


def _stand(outcomes: Sequence[Outcome]) -> str:
    return "stands" if len(outcomes) == 1 else "stand"


def _names(outcomes: Iterable[Outcome]) -> str:
    names = [o.brake.name for o in outcomes]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _tell_failures(conn: Connection, host: str, outcomes: Sequence[Outcome], run: Run) -> None:
    """One incident for each system, with the stops that wait for it; over when a look finds none."""
    waiting: dict[str, list[Outcome]] = defaultdict(list)
    why: dict[str, tuple[str, EngineError]] = {}
    answered: set[tuple[str, str]] = set()
    for outcome in outcomes:
        brake = outcome.brake
        for half, (kind, name) in zip(
            outcome.halves, (("host", host), ("MailWizz", brake.mailwizz)), strict=True
        ):
            if half.done:
                if half.asked:
                    answered.add((kind, name))
                continue
            error = half.error or NotVerified(
                f"brake of {brake.vmta}", half.told, "both halves as wanted", "it is tried again"
            )
            known = cause_and_title(error, kind, name) or (
                f"brake on {host}",
                f"Stops on {host} are not complete",
            )
            waiting[known[0]].append(outcome)
            why.setdefault(known[0], (known[1], error))
    for cause, those in waiting.items():
        _note(conn, host, cause, *why[cause], those, run)
    now = datetime.now(UTC)
    unfinished = {
        b.mailwizz for b in brakes.engaged(conn) if b.release_asked_at is None and not b.mailwizz_holds
    }
    for kind, name in answered:
        cause = f"{kind} {name}"
        # a host whose servers were off before proves nothing about writing them
        if cause not in waiting and not (kind == "MailWizz" and name in unfinished):
            incidents.over(conn, cause, now, f"{name if kind == 'host' else cause} can be used again")
    kept = (*waiting, *(f"MailWizz {name}" for name in unfinished))
    incidents.proved_over(conn, _origin(host), now, but=kept)
    for alert in alerts.standing(conn, WAIT):
        if alert.object.startswith(f"{host}: ") and alert.object.removeprefix(f"{host}: ") not in waiting:
            alerts.clear(conn, WAIT, alert.object)


def _origin(host: str) -> str:
    """Whichever pipeline looks at the brakes of a host: the next look proves."""
    return f"brakes of {host}"


def _note(
    conn: Connection,
    host: str,
    cause: str,
    title: str,
    error: EngineError,
    those: Sequence[Outcome],
    run: Run,
) -> None:
    stops = [o for o in those if o.brake.release_asked_at is None]
    releases = [o for o in those if o.brake.release_asked_at is not None]
    lines = [f"{amount(len(stops), 'stop')} on {host} not complete: {_names(stops)}"] if stops else []
    lines += (
        [f"{amount(len(releases), 'release')} on {host} not complete: {_names(releases)}"] if releases else []
    )
    lines.append("It is tried again every two minutes.")
    trouble = Trouble(
        cause, title, "critical", f"{error.subject}: {error.observed}"[:LONGEST], error.allowed[:LONGEST],
        error.next_step[:LONGEST], _origin(host), run.dag_id, run.run_id, "brake",
        details=tuple(lines),
    )  # fmt: skip
    opened = incidents.note(conn, trouble, datetime.now(UTC))
    state = _digest(sorted(str(o.brake.address) for o in those))
    ids: dict[str, Any] = {"dag_id": run.dag_id, "run_id": run.run_id}
    text = "\n".join([f"{title}: stops wait for it", *lines])
    row = alerts.raise_alert(conn, WAIT, f"{host}: {cause}", state, "critical", text, **ids)
    if opened and row is not None:
        # the incident itself names them
        alerts.mark_sent(conn, [row], datetime.now(UTC))


def _digest(parts: Iterable[str]) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()[:12]
