"""Tables `silences` and `paused_campaigns`: what MailWizz did after a brake, and what had to be paused beside the server."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from email_engine.mailer.silence import Silence
from email_engine.store.schema import brakes, ips, mailwizz_instances, paused_campaigns, silences
from email_engine.store.stops.brakes import Brake

_P = paused_campaigns.c
LET_GO_ON = "a person let it go on meanwhile"


@dataclass(frozen=True, slots=True)
class PausedCampaign:
    """`campaign`: its uid. `api_connection`: of its MailWizz."""

    id: int
    tenant: str
    brake_id: int
    mailwizz: str
    api_connection: str
    campaign: str
    name: str
    mta_host: str


def load(conn: Connection, brake_ids: Iterable[int]) -> dict[int, list[Silence]]:
    """By brake id, those of its servers."""
    mine = silences.c.brake_id.in_(list(brake_ids))
    found: dict[int, list[Silence]] = defaultdict(list)
    for row in conn.execute(select(silences).where(mine).order_by(silences.c.server_id)).mappings():
        found[row["brake_id"]].append(Silence(**row))
    return dict(found)


def save(conn: Connection, silence: Silence) -> None:
    values = asdict(silence)
    conn.execute(
        insert(silences)
        .values(**values)
        .on_conflict_do_update(index_elements=["brake_id", "server_id"], set_=values)
    )


def forget(conn: Connection, brake_id: int) -> None:
    """A server of its runs again, ran meanwhile, or is not known to be off: what was heard says nothing any more."""
    conn.execute(delete(silences).where(silences.c.brake_id == brake_id))


def may_pause(conn: Connection, brake: Brake, campaign: str, now: datetime) -> bool:
    """Of a campaign that is seen under way: False where this brake paused it already, and somebody let it go on. From then on it is
    theirs: were it paused later, a person did that, and no stop resumes it. A try whose end was not known took no effect."""
    mine = (_P.brake_id == brake.brake_id, _P.campaign == campaign)
    conn.execute(delete(paused_campaigns).where(*mine, _P.resumed_at.is_(None), ~_P.verified))
    theirs = (_P.mailwizz == brake.mailwizz, _P.campaign == campaign, _P.resumed_at.is_(None), _P.verified)
    conn.execute(update(paused_campaigns).where(*theirs).values(resumed_at=now, outcome=LET_GO_ON))
    return conn.execute(select(_P.id).where(*mine)).first() is None


def note_pause(conn: Connection, brake: Brake, campaign: str, name: str, at: datetime) -> int:
    """Right before it is asked for: what was never asked for is never resumed."""
    row = {
        "tenant": brake.tenant, "brake_id": brake.brake_id, "mailwizz": brake.mailwizz, "campaign": campaign,
        "name": name, "paused_at": at,
    }  # fmt: skip
    return int(conn.execute(insert(paused_campaigns).values(**row).returning(_P.id)).scalar_one())


def verified(conn: Connection, row_id: int) -> None:
    conn.execute(update(paused_campaigns).where(_P.id == row_id).values(verified=True))


def not_paused(conn: Connection, row_id: int) -> None:
    """It was no pause of ours after all."""
    conn.execute(delete(paused_campaigns).where(_P.id == row_id))


def to_resume(conn: Connection, mta_host: str | None = None) -> tuple[PausedCampaign, ...]:
    """Campaigns whose brake (of this host, or any) is over, and which no other brake keeps paused."""
    other = paused_campaigns.alias("other")
    held = brakes.alias("held")
    kept = (
        select(other.c.id)
        .join(held, held.c.id == other.c.brake_id)
        .where(
            other.c.mailwizz == _P.mailwizz, other.c.campaign == _P.campaign, other.c.resumed_at.is_(None),
            held.c.released_at.is_(None),
        )
        .exists()
    )  # fmt: skip
    query = (
        select(
            _P.id, _P.tenant, _P.brake_id, _P.mailwizz, mailwizz_instances.c.api_connection, _P.campaign, _P.name,
            ips.c.mta_host,
        )
        .join_from(paused_campaigns, mailwizz_instances, mailwizz_instances.c.name == _P.mailwizz)
        .join(brakes, brakes.c.id == _P.brake_id)
        .join(ips, ips.c.id == brakes.c.ip_id)
        .where(_P.resumed_at.is_(None), ~kept)
        .order_by(_P.id)
    )  # fmt: skip
    if mta_host is not None:
        query = query.where(ips.c.mta_host == mta_host)
    rows: Any = conn.execute(query).mappings()
    return tuple(PausedCampaign(**row) for row in rows)


def api_connection(conn: Connection, mailwizz: str) -> str:
    """Of a MailWizz, also of one that left the fleet."""
    c = mailwizz_instances.c
    return str(conn.execute(select(c.api_connection).where(c.name == mailwizz)).scalar_one())


def resumed(conn: Connection, row_id: int, at: datetime, outcome: str) -> None:
    conn.execute(update(paused_campaigns).where(_P.id == row_id).values(resumed_at=at, outcome=outcome))
