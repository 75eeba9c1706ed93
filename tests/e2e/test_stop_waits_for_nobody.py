"""Telling never stands before stopping: a stop of 50 IPs ends while Telegram answers nobody, whatever its reason is like."""

import time
from typing import Any

import pytest
from sqlalchemy import select

from email_engine.pipelines.outbox import DOUBTFUL
from email_engine.store.schema import alerts as alert_rows
from email_engine.store.schema import brakes, ips
from email_engine.store.telling import alerts
from tests.e2e.conftest import Everything, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

TENANT = "aurora"
ROUNDS = 3


def held(everything: Everything) -> int:
    """IPs of the tenant whose queues and servers were seen to stand still."""
    query = (
        select(brakes.c.id)
        .join(ips, ips.c.id == brakes.c.ip_id)
        .where(ips.c.tenant == TENANT, brakes.c.released_at.is_(None), brakes.c.release_asked_at.is_(None))
        .where(brakes.c.powermta_holds, brakes.c.mailwizz_holds)
    )
    with everything.store.session(tenant="*") as conn:
        return len(conn.execute(query).all())


def stop(everything: Everything, reason: str) -> None:
    """From the trigger until every IP of the tenant stands still in both systems."""
    with everything.store.session(tenant="*") as conn:
        mine = len(
            conn.execute(select(ips.c.id).where(ips.c.tenant == TENANT, ips.c.removed.is_(False))).all()
        )
    began = time.monotonic()
    everything.api.trigger("emergency_stop", scope="tenant", name=TENANT, reason=reason)
    while held(everything) < mine:
        assert time.monotonic() - began < 150, f"{held(everything)} of {mine} stand still"
        time.sleep(0.05)


def release(everything: Everything) -> None:
    """Lets go what the stop held; whoever may not send for other reasons stays held by the pipelines."""
    run = everything.run(
        "emergency_stop", scope="tenant", name=TENANT, reason="the test goes on", release=True
    )
    assert run["state"] == "success", everything.tasks("emergency_stop", run["dag_run_id"])


def raise_alerts(everything: Everything, name: str, size: int) -> None:
    with everything.store.session(tenant="*") as conn:
        for n in range(5):
            alerts.raise_alert(conn, "flood", f"{name} {n}", "open", "critical", f"{name} {n}\n" + "x" * size)


def in_flight(everything: Everything) -> bool:
    """A sender waits for Telegram's answer to one of the giant alerts: begun, neither answered nor given up."""
    sent = alert_rows.c
    query = select(sent.id).where(
        sent.event == "flood", sent.sends > 0, sent.sent_at.is_(None), sent.failure.is_(None)
    )
    with everything.store.session(tenant="*") as conn:
        return bool(conn.execute(query).all())


def make_telegram_bad(everything: Everything, name: str) -> None:
    """It answers nobody for longer than a sender waits; one is at it with giant alerts."""
    everything.lab.knob("telegram.hang", seconds=60, calls=50)
    raise_alerts(everything, name, 1_000_000)
    everything.api.trigger("brake_watch")
    eventually("a sender", lambda: in_flight(everything))


def test_a_stop_is_done_while_a_sender_still_waits_for_telegram(everything: Everything) -> None:
    """One call's patience is the measure, so that a slow machine may try again and nothing is compared by the clock."""
    done_before_the_answer = False
    for number in range(ROUNDS):
        make_telegram_bad(everything, f"giant {number}")
        try:
            stop(everything, "x" * 300)
            done_before_the_answer = in_flight(everything)
        finally:
            everything.lab.knob("telegram.calm")
        release(everything)
        if done_before_the_answer:
            break
    assert done_before_the_answer, "the stop ended only after the sender"


def test_everything_that_waited_is_told_afterwards_once_and_short(everything: Everything) -> None:
    everything.run("brake_watch")
    deadline = time.monotonic() + 120
    left: list[Any] = []
    while time.monotonic() < deadline:
        with everything.store.session(tenant="*") as conn:
            waiting = select(alert_rows.c.object, alert_rows.c.sends, alert_rows.c.failure)
            pending = (alert_rows.c.event == "flood", alert_rows.c.sent_at.is_(None))
            left = list(conn.execute(waiting.where(*pending, alert_rows.c.sends < DOUBTFUL)))
        if not left:
            break
        everything.run("brake_watch")
    assert not left
    told = [str(message["text"]) for message in everything.lab.get("/telegram/messages")]
    assert sum("giant 0 0" in text for text in told) in (1, 2)
    assert all(len(text) <= 4096 for text in told)
