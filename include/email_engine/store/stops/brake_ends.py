"""The end of a brake: let go when both sides run again, over with an IP that left, or another's from now on."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from email_engine.store.schema import brakes, ips
from email_engine.store.stops.brakes import BY_HAND, WHOLE


def release_still_asked(conn: Connection, brake_id: int) -> bool:
    """Is its release wanted at this moment? A stop that came since calls it off."""
    c = brakes.c
    wanted = select(c.id).where(c.id == brake_id, c.released_at.is_(None), c.release_asked_at.is_not(None))
    return conn.execute(wanted).first() is not None


def released(conn: Connection, brake_id: int, at: datetime) -> bool:
    """Both sides run again; from now on the brake is history. False if the release was called off meanwhile: then the
    brake stands, and what was let go must be held again."""
    done = (
        update(brakes)
        .where(
            brakes.c.id == brake_id, brakes.c.released_at.is_(None), brakes.c.release_asked_at.is_not(None)
        )
        .values(released_at=at, powermta_holds=False, mailwizz_holds=False)
    )
    return conn.execute(done.returning(brakes.c.id)).first() is not None


def ended(conn: Connection, brake_id: int, at: datetime) -> bool:
    """The brake of an IP that left the fleet ends: nothing is there any more that could send. False if it ended already or
    the IP is back."""
    gone = select(ips.c.id).where(ips.c.id == brakes.c.ip_id, ips.c.removed).exists()
    done = (
        update(brakes)
        .where(brakes.c.id == brake_id, brakes.c.released_at.is_(None), gone)
        .values(released_at=at, powermta_holds=False, mailwizz_holds=False)
    )
    return conn.execute(done.returning(brakes.c.id)).first() is not None


def moved(conn: Connection, brake_id: int, reason: str) -> None:
    """The IP is at another host now: what was read at the old one says nothing there, and a person lets go: no pipeline may."""
    fresh = {
        "powermta_holds": False, "mailwizz_holds": False, "release_asked_at": None, "reason": reason, "dag_id": BY_HAND,
    }  # fmt: skip
    conn.execute(
        update(brakes).where(brakes.c.id == brake_id, brakes.c.released_at.is_(None)).values(**fresh)
    )


def hand_back(conn: Connection, ip_id: int, to: str, reason: str) -> bool:
    """A person's brake becomes that of the pipeline `to`, which lets go when the IP may send again; false if it has none.

    A release that a person had asked for is called off."""
    mine = (
        (brakes.c.ip_id == ip_id)
        & (brakes.c.provider == WHOLE)
        & brakes.c.released_at.is_(None)
        & (brakes.c.dag_id == BY_HAND)
    )
    given = update(brakes).where(mine).values(dag_id=to, actor=to, reason=reason, release_asked_at=None)
    return conn.execute(given.returning(brakes.c.id)).first() is not None
