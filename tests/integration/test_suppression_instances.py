"""A tenant with several MailWizz: what bounced or was complained about through one suppresses in each that knows the address, once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from email_engine.adapters.mailwizz_people import MailwizzPeople
from email_engine.errors import Unreachable
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.suppression import copies, counted
from lab.testing import RunningLab, running_lab
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.suppression_bench import FULL, NOON, SECOND, Bench, counts, hurry, instance, killed_at

LATER = NOON + timedelta(hours=1)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[RunningLab]:
    state: Path = tmp_path_factory.mktemp("instances")
    shared = [
        instance(name, postgres_url, table_prefix=f"several_{name[3:]}_")
        for name in ("mw-aurora", "mw-shop", "mw-borealis")
    ]
    with running_lab({"state": str(state), "clock": {"mode": "real"}, "mailwizz": shared}) as running:
        yield running


@dataclass
class Three:
    """The first of aurora's, through which mail is sent; its second; and another tenant's."""

    first: Bench
    shop: Bench
    foreign: Bench

    def sync_both(self, run_id: str = "run-1", **params: Any) -> list[dict[str, Any]]:
        return [self.first.sync(run_id, LATER, **params), self.shop.sync(run_id, LATER, **params)]


@pytest.fixture
def three(lab: RunningLab, store: Store, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Three:
    hurry(monkeypatch)
    for name in ("mw-aurora", "mw-shop"):
        lab.knob("mailwizz.offline", mailwizz=name, on=False)
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        add_tenant(conn, "borealis")
        add_host(conn)
        add_ip(conn, 1)
        conn.execute(
            insert(s.mailwizz_instances).values(
                name="mw-shop", tenant="aurora", api_connection="shop_api", db_connection="shop_db"
            )
        )
    names = ("mw-aurora", "mw-shop", "mw-borealis")
    made = Three(*(Bench(lab, store, postgres_url, name, prefix=f"several_{name[3:]}_") for name in names))
    for bench in (made.first, made.shop, made.foreign):
        bench.clean()
    return made


def of_shop(**given: int) -> dict[str, Any]:
    return counts(**given) | {"instance": "mw-shop"}


def test_a_hard_bounce_suppresses_in_each_instance_of_the_tenant_and_in_no_other(three: Three) -> None:
    for bench in (three.shop, three.foreign):
        bench.subscriber("u@gmail.com")
    three.shop.subscriber("u@gmail.com", campaign=SECOND)
    three.first.ingest(three.first.bounce("u@gmail.com", three.first.mailed("u@gmail.com")))
    assert three.sync_both() == [counts(hard=1, posted=1, stored=1), of_shop(posted=1, stored=1)]
    assert three.first.statuses("u@gmail.com") == ["blacklisted"]
    assert three.shop.statuses("u@gmail.com") == ["blacklisted", "blacklisted"]
    assert three.foreign.statuses("u@gmail.com") == ["confirmed"]
    assert three.sync_both("run-2") == [counts(), of_shop()]
    assert three.first.rows("mailwizz", "state", "sealed") == [
        ("mw-aurora", "stored", None), ("mw-shop", "stored", None),
    ]  # fmt: skip


def test_a_complaint_unsubscribes_there_too_and_takes_nobody_off_a_blacklist(three: Three) -> None:
    three.shop.subscriber("u@yahoo.com")
    three.shop.subscriber("u@yahoo.com", "blacklisted", SECOND)
    three.first.ingest(three.first.complaint("u@yahoo.com", three.first.mailed("u@yahoo.com")))
    assert three.sync_both() == [counts(complaint=1, posted=1, stored=1), of_shop(posted=1, stored=1)]
    assert three.shop.statuses("u@yahoo.com") == ["unsubscribed", "blacklisted"]
    assert three.shop.sql("SELECT * FROM {campaign_track_unsubscribe}") == []


def test_who_is_out_there_already_or_not_known_is_counted_so(three: Three) -> None:
    three.shop.subscriber("out@gmail.com", "unsubscribed")
    names = ["out@gmail.com", "only-here@gmail.com"]
    three.first.ingest(*(three.first.bounce(each, three.first.mailed(each)) for each in names))
    assert three.sync_both()[1] == of_shop(posted=2, already=1, not_ours=1)
    assert ("not_ours", "this MailWizz does not know the address") in three.shop.rows("state", "trouble")


def test_soft_bounces_are_told_there_when_their_row_is_full(three: Three) -> None:
    three.shop.subscriber("u@gmail.com")
    three.first.subscriber("u@gmail.com")
    for number in range(3):
        assert three.shop.statuses("u@gmail.com") == ["confirmed"]
        at = NOON + timedelta(days=number)
        three.first.ingest(three.first.bounce("u@gmail.com", three.first.sent("u@gmail.com"), FULL, at))
        three.first.sync(f"run-{number}", at)
        three.shop.sync(f"run-{number}", at)
    assert three.shop.statuses("u@gmail.com") == ["blacklisted"]
    assert [row for row in three.first.rows("mailwizz", "state") if row[0] == "mw-shop"] == [
        ("mw-shop", "stored")
    ]


def test_an_outage_that_is_excused_is_told_nowhere(three: Three) -> None:
    names = [f"u{n}@gmail.com" for n in range(25)]
    for name in names:
        three.shop.subscriber(name)
    three.first.ingest(*(three.first.bounce(name, three.first.mailed(name)) for name in names))
    assert three.sync_both() == [counts(hard=0, held=25), of_shop()]
    later = NOON + timedelta(hours=8)
    assert three.first.sync("run-2", later) == counts(excused=25)
    assert three.shop.sync("run-2", later) == of_shop()
    assert {tuple(three.shop.statuses(name)) for name in names} == {("confirmed",)}


def test_the_second_instance_away_delays_only_itself(three: Three, lab: RunningLab) -> None:
    three.shop.subscriber("u@gmail.com")
    three.first.ingest(three.first.bounce("u@gmail.com", three.first.mailed("u@gmail.com")))
    lab.knob("mailwizz.offline", mailwizz="mw-shop", on=True)
    assert three.first.sync() == counts(hard=1, posted=1, stored=1)
    with pytest.raises(Unreachable):
        three.shop.sync()
    lab.knob("mailwizz.offline", mailwizz="mw-shop", on=False)
    assert three.shop.sync("run-2") == of_shop(posted=1, stored=1)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("owner", "name", "in_shop"),
    [
        (copies, "insert", False), (counted, "note_intents", True), (MailwizzPeople, "put_status", True), (counted, "count", True),
    ],
    ids=["copy", "intent", "status", "count"],
)  # fmt: skip
def test_killed_anywhere_each_is_counted_once_in_each(
    three: Three, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, in_shop: bool, after: bool
) -> None:
    names = [f"u{n}@gmail.com" for n in range(2)]
    for each in names:
        three.shop.subscriber(each)
    three.first.ingest(*(three.first.bounce(each, three.first.mailed(each)) for each in names))
    if in_shop:
        three.first.sync()
    with killed_at(monkeypatch, owner, name, after=after), pytest.raises(KeyboardInterrupt):
        (three.shop if in_shop else three.first).sync()
    three.sync_both("run-2")
    assert sorted(three.first.rows("mailwizz", "state")) == [
        ("mw-aurora", "stored"), ("mw-aurora", "stored"), ("mw-shop", "stored"), ("mw-shop", "stored"),
    ]  # fmt: skip
    for bench in (three.first, three.shop):
        assert {tuple(bench.statuses(each)) for each in names} == {("blacklisted",)}
    assert three.sync_both("run-3") == [counts(), of_shop()]


def test_without_a_key_and_in_a_dry_run_nothing_is_copied(three: Three) -> None:
    three.first.ingest(three.first.bounce("u@gmail.com", three.first.mailed("u@gmail.com")), key=None)
    three.first.ingest(three.first.bounce("v@gmail.com", three.first.mailed("v@gmail.com")))
    three.first.sync(dry_run=True)
    assert len(three.first.rows()) == 2
    three.first.sync()
    assert len(three.first.rows()) == 3


def test_in_observe_they_wait_and_go_with_the_address_when_they_are_too_old(three: Three) -> None:
    three.first.mode("observe")
    three.first.ingest(three.first.bounce("u@gmail.com", three.first.mailed("u@gmail.com")))
    assert three.sync_both() == [counts(hard=1, open=1), of_shop(open=1)]
    three.shop.sync("run-2", NOON + timedelta(days=2000))
    three.first.sync("run-2", NOON + timedelta(days=2000))
    assert three.first.rows("state", "sealed") == [("expired", None)] * 2
