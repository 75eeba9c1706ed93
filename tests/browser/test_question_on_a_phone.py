"""The question about a listing, answered on a phone: what cannot be taken cannot be sent."""

from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from email_engine.pipelines.delisting.choices import NAMED, OPTIONS, TAKEN
from email_engine.store.schema import blacklist_events, delistings, ips
from tests.browser.conftest import Opened
from tests.e2e.conftest import eventually, open_questions
from tests.stack_fixtures import Everything

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(600)]

ADDRESS = "198.51.100.6"


def followed(everything: Everything) -> Any:
    query = (
        select(delistings, blacklist_events.c.acknowledged_by)
        .join(blacklist_events, blacklist_events.c.id == delistings.c.listing_id)
        .join(ips, ips.c.id == blacklist_events.c.ip_id)
        .where(ips.c.address == ADDRESS, blacklist_events.c.closed_at.is_(None))
    )
    with everything.store.session(tenant="*") as conn:
        return conn.execute(query).one()


def test_all_answers_fit_a_phone_and_wait_for_words(everything: Everything, opened: Opened) -> None:
    everything.lab.knob("list_ip", ip=ADDRESS, zone="zen.lab.example", codes=["127.0.0.2"], reason="trap")
    everything.wait("rbl_sweep", everything.api.trigger("rbl_sweep", confirm_after=1), 300)
    asked = eventually(
        "the question",
        lambda: next((q for q in open_questions(everything, "delisting") if ADDRESS in q["subject"]), None),
        120,
    )
    page = opened(400)
    page.goto(f"{everything.settings.address}/required_actions")
    row = page.locator("tr", has_text=asked["subject"]).first
    row.get_by_role("button").first.click()
    form = page.get_by_role("dialog")
    buttons = {option: form.get_by_test_id(f"hitl-option-{option}") for option in OPTIONS}
    for option, button in buttons.items():
        expect(button).to_be_disabled()
        box = button.bounding_box()
        assert box is not None, option
        assert box["x"] >= 0, option
        assert box["x"] + box["width"] <= 400, option
    form.locator("[name=element_cause]").fill("a rented list; removed")
    expect(buttons[TAKEN]).to_be_enabled()
    buttons[NAMED].click()
    found = eventually("the cause", lambda: (row := followed(everything)).cause and row, 180)
    assert found.cause == "a rented list; removed"
    everything.lab.knob("delist_ip", ip=ADDRESS, zone="zen.lab.example")
