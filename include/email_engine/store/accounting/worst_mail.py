"""Which campaign and which reply weigh most of the bad mail of an IP: what a decision because of counts names."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select

from email_engine.accounting.summarize import EventKind
from email_engine.quoted import harmless
from email_engine.reputation.gates import BLOCKS, BOUNCES, COMPLAINTS, DEFERRALS
from email_engine.store.schema import delivery_events, reply_texts
from email_engine.warmup.observation import WorstMail
from email_engine.warmup.plan import IpDecision
from email_engine.warmup.sentences import CAMPAIGN, REPLY, Evidence

MOST_IPS = 200
"""Of so many IPs at once the worst mail is looked up, those that stop first: where more are bad, no single campaign explains them."""
REPUTATION = "reputation"


def with_worst_mail(conn: Connection, ip_decisions: Sequence[IpDecision]) -> tuple[IpDecision, ...]:
    """The decisions, unchanged but for what their sentences name."""
    by_counts = [one for one in ip_decisions if one.proposal.evidence]
    chosen = sorted(by_counts, key=lambda one: not one.stops)[:MOST_IPS]
    looked_up = {id(one) for one in chosen}
    return tuple(_with(conn, one) if id(one) in looked_up else one for one in ip_decisions)


def _with(conn: Connection, ip_decision: IpDecision) -> IpDecision:
    seen = ip_decision.observation
    found = (worst_mail(conn, seen.ip.ip_id, each) for each in ip_decision.proposal.evidence)
    worst = tuple(mail for mail in found if mail is not None)
    return replace(ip_decision, observation=replace(seen, worst=worst)) if worst else ip_decision


def worst_mail(conn: Connection, ip_id: int, evidence: Evidence) -> WorstMail | None:
    """On the UTC days of the evidence, at its providers; None where nothing is known."""
    if not evidence.days:
        return None
    if evidence.gate == DEFERRALS:
        reply = _deferral_text(conn, evidence)
        return WorstMail(DEFERRALS, reply=harmless(reply, REPLY, hosts=False)) if reply else None
    e = delivery_events.c
    campaign, campaign_bad = _most(conn, ip_id, evidence, e.campaign)
    reply, reply_bad = ("", 0) if evidence.gate == COMPLAINTS else _most(conn, ip_id, evidence, e.reply)
    if not campaign and not reply:
        return None
    campaign, reply = harmless(campaign, CAMPAIGN), harmless(reply, REPLY)
    return WorstMail(evidence.gate, campaign, campaign_bad, reply, reply_bad)


def most_named(
    conn: Connection, ip_id: int, first: date, limit: int
) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]:
    """Of the bad mail of an IP since the UTC day `first`: the campaigns and the replies named most, each with its number, fit to be
    shown. Bounces told later by a message are counted nowhere."""
    e, count = delivery_events.c, func.count()

    def most(column: ColumnElement[str], longest: int, *kinds: EventKind) -> tuple[tuple[str, int], ...]:
        query = (
            select(column, count)
            .where(e.ip_id == ip_id, e.at >= datetime.combine(first, time(), UTC), column != "")
            .where(e.kind.in_([kind.value for kind in kinds]))
            .group_by(column)
            .order_by(count.desc(), column)
            .limit(limit)
        )
        shown = ((harmless(str(row[0]), longest), int(row[1])) for row in conn.execute(query))
        return tuple((text, number) for text, number in shown if text)

    return (
        most(e.campaign, CAMPAIGN, EventKind.BOUNCE, EventKind.COMPLAINT),
        most(e.reply, REPLY, EventKind.BOUNCE),
    )


def _most(conn: Connection, ip_id: int, evidence: Evidence, column: ColumnElement[str]) -> tuple[str, int]:
    """The value with most of the events, and how many; `("", 0)` without any."""
    e, r = delivery_events.c, reply_texts.c
    said = and_(r.provider == e.provider, r.outcome == "bounce", r.text == e.reply)
    count = func.count()
    query = (
        select(column, count)
        .select_from(delivery_events.outerjoin(reply_texts, said))
        .where(e.ip_id == ip_id, column != "", *_which(evidence, e, r))
        .group_by(column)
        .order_by(count.desc(), column)
        .limit(1)
    )
    row = conn.execute(query).one_or_none()
    return (str(row[0]), int(row[1])) if row is not None else ("", 0)


def _which(evidence: Evidence, e: Any, r: Any) -> list[ColumnElement[bool]]:
    """Events that the gate counts. Bounces told later by a message (`remote_bounce`) are counted nowhere."""
    kind = EventKind.COMPLAINT if evidence.gate == COMPLAINTS else EventKind.BOUNCE
    found = [
        e.kind == kind.value,
        e.at >= datetime.combine(min(evidence.days), time(), UTC),
        func.date(func.timezone("UTC", e.counted_at)).in_(evidence.days),
    ]
    if evidence.providers:
        found.append(e.provider.in_(evidence.providers))
    if evidence.gate == BLOCKS:
        found.append(r.meaning == REPUTATION)
    if evidence.gate == BOUNCES:
        found.append(r.meaning.is_distinct_from(REPUTATION))
    return found


def _deferral_text(conn: Connection, evidence: Evidence) -> str:
    """What the provider says most often when it presses. Deferrals are not kept by IP: this is what it said to the whole fleet."""
    r = reply_texts.c
    query = (
        select(r.text)
        .where(r.outcome == "deferral", r.meaning.in_((REPUTATION, "rate")))
        .where(r.last_seen_at >= datetime.combine(min(evidence.days), time(), UTC))
        .order_by(r.count.desc(), r.id)
        .limit(1)
    )
    if evidence.providers:
        query = query.where(r.provider.in_(evidence.providers))
    return conn.execute(query).scalar_one_or_none() or ""
