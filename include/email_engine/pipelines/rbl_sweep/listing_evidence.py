"""What a person who reads of a listing asks next: has it been there before, what is around it, where to answer."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from email_engine.blocklists.delisting import Part
from email_engine.fleet.model import IpRecord
from email_engine.pipelines.delisting.links import question_url, run_of
from email_engine.pipelines.trouble import open_questions_url
from email_engine.plural import amount
from email_engine.store.schema import blacklist_events, ips
from email_engine.store.stops import delistings, quarantines
from email_engine.store.stops.listing_dossier import listed_around, past_listings

DETAILED = 3
"""Of so many stopped IPs history and neighbours are told; where there are more, the dossiers tell."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Read in a session of the tenant. `details`: lines about stopped IPs. `first`: ids of IPs that were asked about for the first time, of
    `asked_first` in all. `lacking`: what IPs (ids) whose listing ended still lack before their release. `answer_at`: where to answer,
    "" where nobody is asked; `on_a_phone`: the list of questions, which is as wide as a phone."""

    details: tuple[str, ...] = ()
    first: frozenset[int] = frozenset()
    asked_first: int = 0
    lacking: Mapping[int, str] = field(default_factory=dict)
    answer_at: str = ""
    on_a_phone: str = ""


def read_evidence(
    conn: Connection,
    tenant: str,
    stopped: Collection[IpRecord],
    closed: Collection[int],
    swept_at: datetime,
    base_url: str,
) -> Evidence:
    """`stopped`: IPs of the tenant that this sweep stopped; `closed`: ids of IPs of which a listing ended."""
    first: frozenset[int] = frozenset(
        conn.execute(select(ips.c.id).where(ips.c.tenant == tenant, ips.c.first_swept_at == swept_at)).scalars()
    )  # fmt: skip
    details = tuple(line for ip in stopped for line in _about(conn, ip)) if len(stopped) <= DETAILED else ()
    awaited = delistings.awaited(conn, tenant, quarantines.standing(conn, tenant)) if closed else {}
    lacking = {ip_id: words for ip_id, words in awaited.items() if ip_id in closed}
    about = [ip.ip_id for ip in stopped] or sorted(lacking)
    part = Part.STANDING if stopped else Part.OVER
    answer_at = _answer_at(conn, about, part, base_url)
    return Evidence(details, first, len(first), lacking, answer_at, open_questions_url(base_url))


def _about(conn: Connection, ip: IpRecord) -> list[str]:
    standing = delistings.listings_of(conn, [ip.ip_id]).get(ip.ip_id, ())
    before = past_listings(conn, ip.ip_id, max(standing, default=0))
    past = [x for x in before if x.closed_on is not None]
    lines = []
    if past:
        last = past[0]
        cause = f", cause: {last.cause}" if last.cause else ""
        lines.append(
            f"{ip.address} was listed {amount(len(past), 'time')} before, last on {last.list_name} from {last.opened_on} to "
            f"{last.closed_on}{cause}."
        )
    else:
        lines.append(f"{ip.address} was on no list before, as far as is known.")
    around, listed = listed_around(conn, ip.address)
    if listed:
        shown = ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if listed[5:] else "")
        lines.append(f"Around it {len(listed)} of {amount(around, 'more IP')} of yours are listed: {shown}.")
    elif around:
        lines.append(f"Around it none of {amount(around, 'more IP')} of yours is listed.")
    return lines


def _answer_at(conn: Connection, ip_ids: Collection[int], part: Part, base_url: str) -> str:
    """The question itself where there is one, the list of them where there are more; what has a cause is asked no more."""
    if not ip_ids or not base_url:
        return ""
    every = [n for those in delistings.listings_of(conn, ip_ids).values() for n in those]
    ids = every if part is Part.STANDING else [n for n in every if not delistings.find(conn, n).cause]
    if len(ids) != 1:
        return open_questions_url(base_url) if ids else ""
    e = blacklist_events.c
    opened_at: datetime = conn.execute(select(e.opened_at).where(e.id == ids[0])).scalar_one()
    return question_url(run_of(ids[0], opened_at), part, base_url)
