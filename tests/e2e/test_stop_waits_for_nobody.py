"""Telling never stands before stopping: a stop of 50 IPs takes its time whatever Telegram does and whatever reasons are like."""

import time
from typing import Any

import pytest
from sqlalchemy import select

from email_engine.store.schema import alerts as alert_rows
from email_engine.store.schema import brakes, ips
from email_engine.store.telling import alerts
from tests.e2e.conftest import Everything

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

TENANT = "aurora"
MOST = 1.5
ROUNDS = 4


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


def stop(everything: Everything, reason: str) -> float:
    """Seconds from the trigger until every IP of the tenant stands still in both systems."""
    with everything.store.session(tenant="*") as conn:
        mine = len(
            conn.execute(select(ips.c.id).where(ips.c.tenant == TENANT, ips.c.removed.is_(False))).all()
        )
    began = time.monotonic()
    everything.api.trigger("emergency_stop", scope="tenant", name=TENANT, reason=reason)
    while held(everything) < mine:
        assert time.monotonic() - began < 150, f"{held(everything)} of {mine} stand still"
        time.sleep(0.05)
    return time.monotonic() - began


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


def make_telegram_bad(everything: Everything) -> None:
    """A 429 of 70 s, then answers that take 9 s, and giant alerts that wait; a sender is at it while the stop comes."""
    everything.lab.knob("telegram.flood", retry_after=70, calls=1)
    everything.lab.knob("telegram.hang", seconds=9, calls=50)
    raise_alerts(everything, "giant", 1_000_000)
    everything.api.trigger("dns_validate")
    everything.api.trigger("mta_health")


def make_telegram_good(everything: Everything) -> None:
    everything.lab.knob("telegram.calm")


def test_a_slow_telegram_and_giant_reasons_do_not_slow_a_stop(everything: Everything) -> None:
    """Quiet and loaded rounds take turns in one run, so that both meet the same noise of the machine."""
    quiet: list[float] = []
    loaded: list[float] = []
    for _ in range(ROUNDS):
        quiet.append(stop(everything, "by a test"))
        release(everything)
        make_telegram_bad(everything)
        try:
            loaded.append(stop(everything, "x" * 300))
        finally:
            make_telegram_good(everything)
        release(everything)
        if min(loaded) <= MOST * min(quiet):
            break
    print(f"quiet {sorted(quiet)}, with a bad Telegram {sorted(loaded)}")
    assert min(loaded) <= MOST * min(quiet), (quiet, loaded)


def test_everything_that_waited_is_told_afterwards_once_and_short(everything: Everything) -> None:
    everything.run("brake_watch")
    deadline = time.monotonic() + 120
    left: list[Any] = []
    while time.monotonic() < deadline:
        with everything.store.session(tenant="*") as conn:
            waiting = select(alert_rows.c.object, alert_rows.c.sends, alert_rows.c.failure)
            left = list(
                conn.execute(waiting.where(alert_rows.c.event == "flood", alert_rows.c.sent_at.is_(None)))
            )
        if not left:
            break
        everything.run("brake_watch")
    assert not left
    told = [str(message["text"]) for message in everything.lab.get("/telegram/messages")]
    assert sum("giant 0" in text for text in told) in (1, 2)
    assert all(len(text) <= 4096 for text in told)
