"""A person answers what `delisting` asks, with a real scheduler, triggerer and API."""

from typing import Any

import pytest
from sqlalchemy import select

from email_engine.pipelines.delisting.choices import NAMED, TAKEN
from email_engine.store.schema import blacklist_events, delistings, ips
from tests.e2e.conftest import Everything, eventually, open_questions, respond

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

LISTED = "198.51.100.7"


def question(everything: Everything) -> dict[str, Any] | None:
    asked = open_questions(everything, "delisting")
    return next((one for one in asked if LISTED in one["body"] + one["subject"]), None)


def followed(everything: Everything) -> Any:
    query = (
        select(delistings)
        .join(blacklist_events, blacklist_events.c.id == delistings.c.listing_id)
        .join(ips, ips.c.id == blacklist_events.c.ip_id)
        .where(ips.c.address == LISTED, blacklist_events.c.closed_at.is_(None))
    )
    with everything.store.session(tenant="*") as conn:
        return conn.execute(query).one()


def test_an_empty_answer_is_asked_again_and_a_cause_is_kept(everything: Everything) -> None:
    everything.lab.knob("list_ip", ip=LISTED, zone="zen.lab.example", codes=["127.0.0.2"], reason="trap")
    everything.wait("rbl_sweep", everything.api.trigger("rbl_sweep", confirm_after=1), 300)
    asked = eventually("the question", lambda: question(everything), 120)
    assert "zen" in asked["body"].lower()
    assert respond(everything, asked, NAMED) == 200
    again = eventually("the question again", lambda: question(everything), 120)
    assert followed(everything).cause is None, "an answer without a cause names none"
    assert respond(everything, again, TAKEN, owner="Ada", ticket="OPS-7") == 200
    still = eventually("that it stays asked", lambda: question(everything), 120)
    assert respond(everything, still, NAMED, cause="a rented list; removed") == 200
    found = eventually("the cause", lambda: (row := followed(everything)).cause and row, 180)
    assert found.cause == "a rented list; removed"
    assert respond(everything, still, NAMED, cause="another") == 409
    everything.lab.knob("delist_ip", ip=LISTED, zone="zen.lab.example")
