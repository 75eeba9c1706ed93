"""A person moves IPs through their life: started, paused, resumed, quarantined, released, retired, abandoned."""

import logging

from sqlalchemy import Connection

from email_engine.decision import Origin
from email_engine.errors import InputError
from email_engine.fleet.model import IpRecord
from email_engine.forms import require_short
from email_engine.lifecycle.scope import choose, read_scope
from email_engine.pipelines.replacements import replace_moved
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips, lock_ips
from email_engine.store.judgement import decisions, observations, policies, transitions
from email_engine.store.judgement.transitions import Asking
from email_engine.store.telling.alerts import News, announce
from email_engine.warmup.policy import Policy
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.snapshot import policy_document
from email_engine.warmup.transition_request import Request, read_request
from email_engine.warmup.transitions_by_hand import Answer, answer

PIPELINE = "ip_transition"


log = logging.getLogger(__name__)


def move(store: Store, run: Run) -> list[str]:
    """Does what the form asks, in one transaction: decision, event and state, plan, allowance, brake (or its release) of
    every IP meant, and a new fleet version. What one guard refuses, nobody gets: then nothing is written and the error
    names every refusal. Of a stream or a tenant, IPs whose state does not know the event are left as they are.

    When an IP is retired or given up, standby IPs of its pool that may start are named; with param `replace` they start here, at their own
    phase 1. A run that is cleared does not move an IP twice, nor one about which a later run spoke. Returns the MTA hosts to act on.

    Raises InputError: the form is wrong, or something is refused; nothing was written."""
    policy = load_policy()
    require_short(run.params)
    with store.session(tenant="*") as conn:
        hosts, news = _move(conn, run, policy)
    announce(store, news)
    return [] if run.dry_run else hosts


def _move(conn: Connection, run: Run, policy: Policy) -> tuple[list[str], list[News]]:

    scope, name = read_scope(run.params.get("scope")), run.params.get("name")
    tenants = {ip.tenant for ip in choose(load_ips(conn, day=run.as_of.date()), scope, name)}
    for tenant in sorted(tenants):
        lock_ips(conn, tenant)
    now = run.no_earlier_than(decisions.newest(conn))
    request = read_request(run.params, now.as_of.date())
    chosen = choose(load_ips(conn, day=now.as_of.date()), scope, name)
    spoken = decisions.overtaken(conn, PIPELINE, run.run_id)
    before = [ip for ip in chosen if transitions.done(conn, run.run_id, ip)]
    open_ = [ip for ip in chosen if ip not in before and str(ip.address) not in spoken]
    if len(open_) < len(chosen):
        log.warning("%d IPs are left alone: moved already", len(chosen) - len(open_))
    answers = [_answer(conn, tenant, open_, request, policy, now) for tenant in sorted(tenants)]
    _require(answers, open_, request, before)
    for line in _lines(answers):
        log.info("%s%s", "dry run, nothing is written: " if run.dry_run else "", line)
    moves = [move for answer in answers for move in answer.moves]
    news: list[News] = []
    if moves and not run.dry_run:
        asking = transitions.Asking(
            request, Origin(run.actor, now.as_of, run.dag_id, run.run_id), policy.digest
        )
        policies.remember(conn, policy.digest, policy_document(policy))
        transitions.record(conn, moves, asking)
        start = bool(run.params.get("replace"))
        heirs, said = replace_moved(conn, moves, asking, policy, now, start=start)
        for line in said:
            log.info("%s", line)
        news = [_news(answers, asking, f"{scope} {name or ''}".strip(), said)]
        moves += heirs
    hosts = {move.observation.ip.mta_host for move in moves} | {ip.mta_host for ip in before}
    return sorted(hosts), news


def _answer(
    conn: Connection, tenant: str, chosen: list[IpRecord], request: Request, policy: Policy, run: Run
) -> Answer:

    today = run.as_of.date()
    seen = observations.observe(conn, tenant, today, today, policy, run.as_of)
    meant = {ip.ip_id for ip in chosen}
    return answer(seen, meant, request, policy, observations.quotas(conn, tenant), run.as_of)


def _require(answers: list[Answer], chosen: list[IpRecord], request: Request, before: list[IpRecord]) -> None:
    """Raises InputError with every refusal, or when the event moves nothing at all."""

    refused = [error for answer in answers for error in answer.refused]
    if len(refused) == 1:
        raise refused[0]
    if refused:
        raise InputError(
            f"{request.event} of {len(chosen)} IPs",
            f"{len(refused)} are refused:\n" + "\n".join(f"- {error}" for error in refused) + "\n",
            "every IP that is meant may be moved, or none is",
            "trigger again for those that may be moved; nothing was changed",
        )
    if chosen and not before and not any(answer.moves for answer in answers):
        states = ", ".join(sorted({ip.state.value for ip in chosen}))
        raise InputError(
            f"{request.event} of {len(chosen)} IPs", f"they are all in {states}",
            "at least one in a state that knows the event", "see docs/lifecycle.md",
        )  # fmt: skip


def _lines(answers: list[Answer]) -> list[str]:
    moved = [
        f"{m.observation.ip.address}: {m.observation.ip.state} -> {m.transition.to}: {m.reason}"
        for answer in answers
        for m in answer.moves
    ]
    left = [
        f"{one.ip.address} is in {one.ip.state} and stays as it is"
        for answer in answers
        for one in answer.untouched
    ]
    return moved + left


def _news(answers: list[Answer], asking: Asking, whom: str, replaced: list[str]) -> News:

    moves = [move for answer in answers for move in answer.moves]
    lines = _lines(answers)
    more = [f"... and {len(lines) - 20} more"] if len(lines) > 20 else []
    said = f"{asking.origin.actor}: {asking.request.event} of {amount(len(moves), 'IP')} ({whom})"
    tenants = {move.observation.ip.tenant for move in moves}
    return News(
        PIPELINE, whom, str(asking.origin.run_id), "warning" if any(move.stops for move in moves) else "info",
        "\n".join([said, *lines[:20], *more, *replaced[:20]]), tenants.pop() if len(tenants) == 1 else None, asking.origin.dag_id, asking.origin.run_id,
        quiet=False,
    )  # fmt: skip
