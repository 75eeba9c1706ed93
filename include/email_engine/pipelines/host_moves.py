"""IPs that move to another MTA host: braked at the old one at once, and at home at the new one when the old one sends from them no more."""

from collections import defaultdict
from datetime import timedelta

from sqlalchemy import Connection

from email_engine.decision import Decision
from email_engine.errors import InputError
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store import versions
from email_engine.store.fleet import host_moves
from email_engine.store.fleet.host_moves import Moving
from email_engine.store.judgement import decisions
from email_engine.store.stops import brake_ends, brakes
from email_engine.store.stops.brakes import Brake
from email_engine.store.telling import alerts

EVENT = "move"
PATIENCE = timedelta(minutes=15)
"""So long a move may take before people are told what it waits for."""
NAMED = 10


def stop_moving(conn: Connection, run: Run) -> tuple[Moving, ...]:
    """A decision and a brake for every IP that moves and has no brake; `ApplyBrakes` acts on it. A move that was taken back lets go."""
    started = tuple(one for one in host_moves.moving(conn) if not _held(conn, one))
    for one in started:
        reason = f"it moves from {one.mta_host} to {one.moving_to}"
        decision = decisions.record(
            conn,
            Decision(
                tenant=one.tenant, pipeline="fleet", subject=one.address, run_key=f"{run.as_of.isoformat()} {one.moving_to}",
                kind="move", action="stop", reason=reason, as_of=run.as_of, policy_digest="fleet file",
                inputs={"vmta": one.vmta, "from": one.mta_host, "to": one.moving_to},
            ),
            run.dag_id, run.run_id,
        )  # fmt: skip
        brakes.engage(conn, one, reason, run.origin, decision)
    for brake in brakes.engaged(conn):
        if brake.moving_to is None and brake.reason == f"it moves from {brake.mta_host} to {_goal(brake)}":
            brakes.ask_release(conn, brake.ip_id, run.as_of)
    return started


def _goal(brake: Brake) -> str:
    return brake.reason.rpartition(" to ")[2]


def _held(conn: Connection, one: Moving) -> bool:
    return any(
        b.ip_id == one.ip_id and b.release_asked_at is None
        for b in brakes.engaged(conn, mta_host=one.mta_host)
    )


def arrive(conn: Connection, brake: Brake, run: Run, why: str) -> str | None:
    """The IP is at its new host: a new fleet version, and its brake stands on there until a person lets go. None if it cannot be yet."""
    goal = brake.moving_to
    if goal is None or not host_moves.arrive(
        conn, brake.ip_id, f"moved from {brake.mta_host} to {goal}: {why}", run.origin
    ):
        return None
    versions.bump(conn, f"{brake.address} moved from {brake.mta_host} to {goal}", (run.dag_id, run.run_id))
    server = (
        "its delivery server"
        if brake.mailwizz_server_id is None
        else f"delivery server {brake.mailwizz_server_id}"
    )
    reason = f"it moved to {goal}; {server} of {brake.mailwizz} must hand in there before it is released"
    brake_ends.moved(conn, brake.brake_id, reason)
    return reason


def host_is_off(conn: Connection, host: str, run: Run) -> tuple[Moving, ...]:
    """A person says that `host` can send no more and never will again: what moves away from it is at its new host from now on, still
    braked. Those that arrived; raises InputError without a reason."""
    if not run.reason:
        raise InputError(f"host {host}", "no reason", "a reason that others can read", "give --reason")
    held = {brake.ip_id: brake for brake in brakes.engaged(conn)}
    why = f"{run.actor} says that {host} is off for good: {run.reason}"
    return tuple(
        one
        for one in host_moves.moving(conn, host)
        if one.ip_id in held and arrive(conn, held[one.ip_id], run, why)
    )


def tell_waiting(conn: Connection, run: Run) -> None:
    """What moves wait for longer than PATIENCE, once for each host and cause; cleared when nothing waits there."""
    waiting: dict[str, list[tuple[Moving, bool]]] = defaultdict(list)
    held = {b.ip_id: b.powermta_holds for b in brakes.engaged(conn)}
    for one in host_moves.moving(conn):
        if run.as_of - one.moving_since >= PATIENCE:
            waiting[one.mta_host].append((one, held.get(one.ip_id, False)))
    for alert in alerts.standing(conn, EVENT):
        if alert.object not in waiting:
            alerts.clear(conn, EVENT, alert.object)
    for host, those in waiting.items():
        loose = [one for one, holds in those if not holds]
        text = _not_braked(host, loose) if loose else _still_there(host, [one for one, _ in those])
        state = "not braked" if loose else "still configured"
        severity = "critical" if loose else "warning"
        alerts.raise_alert(conn, EVENT, host, state, severity, text, dag_id=run.dag_id, run_id=run.run_id)


def _not_braked(host: str, those: list[Moving]) -> str:
    return "\n".join([
        f"{amount(len(those), 'IP')} cannot move away from {host}: nobody could read there that they stand still",
        _names(those),
        "They are not sent from their new host before that, so that never two hosts send with one address.",
        f"Next: bring {host} back. If it is off for good, make sure that it cannot send (power off, or its port 25 blocked), then "
        f"`email-engine fleet host-is-off {host} --reason ...`.",
    ])  # fmt: skip


def _still_there(host: str, those: list[Moving]) -> str:
    return "\n".join([
        f"{amount(len(those), 'IP')} stand still on {host} and wait to move: its configuration still has their virtual MTAs",
        _names(those),
        "Next: answer the question of pmta_config_approval for this host (it shows the mail that still waits there), or put the old host "
        "back into fleet.yaml to let them go on.",
    ])  # fmt: skip


def _names(those: list[Moving]) -> str:
    more = f" and {len(those) - NAMED} more" if len(those) > NAMED else ""
    return ", ".join(f"{one.address} ({one.vmta}) to {one.moving_to}" for one in those[:NAMED]) + more
