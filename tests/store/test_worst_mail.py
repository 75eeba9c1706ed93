"""Which campaign and reply weigh most: by IP, day, provider and meaning, from what accounting kept."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from email_engine.store import schema as s
from email_engine.store.accounting.worst_mail import worst_mail
from email_engine.store.engine import Store
from email_engine.warmup.observation import WorstMail
from email_engine.warmup.sentences import Evidence
from tests.fleet_rows import add_host, add_ip, add_tenant

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOBODY, REFUSED, LINK = "5.1.1 user unknown", "5.7.1 refused (s3140)", "5.7.1 bad link"


@pytest.fixture
def ids(store: Store) -> list[int]:
    """Two IPs of aurora, one of borealis; what receivers say and what it means."""
    with store.session("*") as conn:
        add_host(conn)
        add_tenant(conn)
        add_tenant(conn, "borealis")
        for text, meaning, outcome in (
            (NOBODY, "address", "bounce"), (REFUSED, "reputation", "bounce"), (LINK, "content", "bounce"),
            ("4.7.0 slow down, news.borealis-mail.example", "rate", "deferral"),
        ):  # fmt: skip
            for provider in ("microsoft", "gmail"):
                conn.execute(
                    insert(s.reply_texts).values(
                        provider=provider, outcome=outcome, text=text, meaning=meaning, count=9, example=text,
                        first_seen_at=NOON, last_seen_at=NOON,
                    )
                )  # fmt: skip
        return [add_ip(conn, 1), add_ip(conn, 2), add_ip(conn, 3, "borealis")]


def event(store: Store, ip_id: int, times: int = 1, tenant: str = "aurora", **columns: Any) -> None:
    row = {
        "kind": "bounce", "provider": "microsoft", "at": NOON, "counted_at": NOON, "counted_by": "record", "category": "x",
        "status": "5", "message_id": "", "campaign": "spring", "reply": NOBODY,
    }  # fmt: skip
    row |= columns
    with store.session("*") as conn:
        file = {"mta_host": "mta-1", "name": "a", "size": 1, "modified": 1, "records": 1, "rejected": 0}
        digest = f"{ip_id} {columns} {times}"
        file_id = conn.execute(
            insert(s.accounting_files)
            .values(status="taken", digest=digest, **file)
            .returning(s.accounting_files.c.id)
        ).scalar_one()
        for _ in range(times):
            conn.execute(insert(s.delivery_events).values(ip_id=ip_id, tenant=tenant, file_id=file_id, **row))


def worst(store: Store, ip_id: int, gate: str, *providers: str, days: tuple[date, ...] = (DAY,)) -> Any:
    with store.session("aurora") as conn:
        return worst_mail(conn, ip_id, Evidence(gate, days, providers))


def test_the_greatest_campaign_and_reply_of_the_day_are_named(store: Store, ids: list[int]) -> None:
    event(store, ids[0], 3)
    event(store, ids[0], 2, campaign="autumn", reply=LINK)
    event(store, ids[1], 9, campaign="of another IP")
    event(
        store, ids[0], 9, campaign="the day before",
        counted_at=NOON - timedelta(days=1), at=NOON - timedelta(days=1),
    )  # fmt: skip
    assert worst(store, ids[0], "bounces") == WorstMail("bounces", "spring", 3, NOBODY, 3)


def test_blocks_are_what_replies_meant_as_reputation(store: Store, ids: list[int]) -> None:
    event(store, ids[0], 5)
    event(store, ids[0], 2, campaign="loud", reply=REFUSED)
    event(store, ids[0], 4, campaign="elsewhere", reply=REFUSED, provider="gmail")
    assert worst(store, ids[0], "blocks", "microsoft") == WorstMail("blocks", "loud", 2, REFUSED, 2)
    assert worst(store, ids[0], "blocks") == WorstMail("blocks", "elsewhere", 4, REFUSED, 6)
    assert worst(store, ids[0], "bounces") == WorstMail("bounces", "spring", 5, NOBODY, 5)


def test_complaints_have_a_campaign_and_no_reply(store: Store, ids: list[int]) -> None:
    event(store, ids[0], 2, kind="complaint", campaign="hated", reply="")
    event(store, ids[0], 7)
    assert worst(store, ids[0], "complaints") == WorstMail("complaints", "hated", 2)


def test_a_complaint_counts_on_the_day_of_its_mail(store: Store, ids: list[int]) -> None:
    event(store, ids[0], kind="complaint", campaign="hated", reply="", at=NOON + timedelta(days=3))
    assert worst(store, ids[0], "complaints") == WorstMail("complaints", "hated", 1)
    assert worst(store, ids[0], "complaints", days=(DAY + timedelta(days=3),)) is None


def test_deferrals_have_what_the_provider_says_to_the_fleet_and_no_campaign(
    store: Store, ids: list[int]
) -> None:
    found = worst(store, ids[0], "deferrals", "microsoft")
    assert found == WorstMail("deferrals", reply="4.7.0 slow down, (host)")


def test_what_is_stored_with_a_decision_may_be_shown(store: Store, ids: list[int]) -> None:
    event(store, ids[0], campaign="for ann@example.com token=hunter2 \u202e" + "x" * 400)
    found = worst(store, ids[0], "bounces")
    assert found.campaign.startswith("for (address) token=(secret) xxx")
    assert len(found.campaign) == 40


@pytest.mark.parametrize("columns", [{}, {"campaign": "", "reply": ""}], ids=["no event", "an old event"])
def test_what_is_not_known_is_nothing(store: Store, ids: list[int], columns: dict[str, str]) -> None:
    if columns:
        event(store, ids[0], 3, **columns)
    assert worst(store, ids[0], "bounces") is None
    assert worst(store, ids[0], "blocks") is None
    assert worst(store, ids[0], "bounces", days=()) is None


def test_an_old_event_without_a_reply_still_names_its_campaign(store: Store, ids: list[int]) -> None:
    event(store, ids[0], 3, reply="")
    assert worst(store, ids[0], "bounces") == WorstMail("bounces", "spring", 3)


def test_another_tenants_mail_is_not_seen(store: Store, ids: list[int]) -> None:
    event(store, ids[2], 3, tenant="borealis")
    assert worst(store, ids[2], "bounces") is None
