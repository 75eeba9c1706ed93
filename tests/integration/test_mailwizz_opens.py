"""Opens and clicks reach the warm-up's statistics: once, whatever is run again, killed or away; and stop nothing."""

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import insert, make_url, select, update

from email_engine.errors import InputError
from email_engine.paths import CONFIG
from email_engine.pipelines.mailwizz_opens import count
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.judgement import opens
from email_engine.store.judgement.observations import observe
from email_engine.warmup.observation import Opens
from email_engine.warmup.policy_file import load_policy, parse_policy
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.integration.mailwizz_readers_suite import APPLE, NOON, clicked, mail, opened
from tests.integration.mailwizz_schemas import NEWEST, OLD, Installations
from tests.mailwizz_world import AS_OF, World, installed, this_run

DAY = date(2026, 11, 29)
AT = NOON - timedelta(days=1)


@pytest.fixture(scope="module")
def installations(postgres_url: str) -> Iterator[tuple[Installations, str]]:
    with installed(postgres_url) as made:
        yield made


@pytest.fixture
def world(installations: tuple[Installations, str], store: Store) -> World:
    """IPs 1 and 2 of aurora with servers 101 and 102, and one of borealis; statistics of the last two days."""
    with store.session(tenant="*") as conn:
        add_host(conn)
        add_tenant(conn)
        add_tenant(conn, "borealis")
        ids = [add_ip(conn, 1), add_ip(conn, 2), add_ip(conn, 1, tenant="borealis", network="203.0.113")]
        for ip_id, tenant in zip(ids, ("aurora", "aurora", "borealis"), strict=True):
            for day in (DAY, DAY - timedelta(days=1)):
                conn.execute(
                    insert(s.warmup_daily_stats).values(
                        tenant=tenant, ip_id=ip_id, day=day, phase=1, allowance=50, sent=50, delivered=40, bounced=0, deferred=0,
                        complained=0,
                    )
                )  # fmt: skip
    made, url = installations
    return World(store, made.of(NEWEST), url)


def counted(world: World, as_of: datetime = AS_OF, **params: object) -> dict[str, object]:
    return count(world.store, world.clients(), "mw-aurora", this_run("mailwizz_opens", as_of, **params))


def stats(world: World, tenant: str = "aurora") -> list[tuple[object, ...]]:
    d = s.warmup_daily_stats.c
    with world.store.session(tenant=tenant) as conn:
        query = select(d.day, d.opened, d.machine_opened, d.clicked, d.machine_clicked).order_by(
            d.ip_id, d.day
        )
        return [tuple(row) for row in conn.execute(query)]


def some_opens(world: World) -> None:
    world.mailwizz.add("campaign_url", url_id=1, campaign_id=7)
    for person in range(1, 6):
        mail(world.mailwizz, person, at=AT)
        opened(world.mailwizz, person, at=AT + timedelta(hours=1), **({"agent": APPLE} if person > 3 else {}))
    clicked(world.mailwizz, 1)


def test_they_reach_the_day_of_their_mail_and_machines_stand_apart(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    some_opens(world)
    assert counted(world) == {
        "instance": "mw-aurora", "opened": 3, "machine_opened": 2, "clicked": 1, "machine_clicked": 0, "rows": 6, "unplaced": 0,
        "written": 4,
    }  # fmt: skip
    before = DAY - timedelta(days=1)
    assert stats(world) == [(before, 0, 0, 0, 0), (DAY, 3, 2, 1, 0), (before, 0, 0, 0, 0), (DAY, 0, 0, 0, 0)]
    assert "opened by 3 people, by machines alone for 2" in caplog.text
    assert stats(world, "borealis") == [(before, None, None, None, None), (DAY, None, None, None, None)]


def test_running_again_changes_nothing_and_later_opens_are_added(world: World) -> None:
    some_opens(world)
    counted(world)
    first = stats(world)
    counted(world)
    assert stats(world) == first
    opened(world.mailwizz, 5, at=AT + timedelta(days=2))
    counted(world, AS_OF + timedelta(days=2))
    assert stats(world)[1] == (DAY, 4, 1, 1, 0)


def test_a_kill_before_the_commit_leaves_the_days_as_they_were(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_opens(world)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(opens, "_keep_rates", dies)
        with pytest.raises(KeyboardInterrupt):
            counted(world)
    assert {row[1] for row in stats(world)} == {None}
    counted(world)
    assert stats(world)[1] == (DAY, 3, 2, 1, 0)


def test_a_log_that_mailwizz_forgot_takes_nothing_back(world: World) -> None:
    some_opens(world)
    counted(world)
    with world.mailwizz.engine.begin() as conn:
        conn.execute(world.mailwizz.table("campaign_delivery_log").delete())
    mail(world.mailwizz, 1, at=AT)
    counted(world)
    assert stats(world)[1] == (DAY, 3, 2, 1, 0)


def test_what_is_not_known_stays_null(world: World) -> None:
    assert "noted no open" in str(counted(world)["unknown"])
    some_opens(world)
    with world.mailwizz.engine.begin() as conn:
        conn.exec_driver_sql("ALTER TABLE mw_campaign_track_open RENAME COLUMN user_agent TO agent")
    try:
        assert "lacks user_agent" in str(counted(world)["unknown"])
    finally:
        with world.mailwizz.engine.begin() as conn:
            conn.exec_driver_sql("ALTER TABLE mw_campaign_track_open RENAME COLUMN agent TO user_agent")
    assert {row[1] for row in stats(world)} == {None}


def test_a_database_that_is_away_fails_nothing(world: World) -> None:
    world.url = (
        make_url(world.url).set(host="127.0.0.1", port=1, query={}).render_as_string(hide_password=False)
    )
    found = counted(world)
    assert set(found) == {"instance", "unknown"}
    assert {row[1] for row in stats(world)} == {None}


def test_a_dry_run_counts_and_writes_nothing(world: World) -> None:
    some_opens(world)
    found = counted(world, dry_run=True)
    assert (found["opened"], found["written"]) == (3, 0)
    assert {row[1] for row in stats(world)} == {None}


def test_an_old_mailwizz_is_read_alike(world: World, installations: tuple[Installations, str]) -> None:
    world.mailwizz = installations[0].of(OLD)
    some_opens(world)
    assert counted(world)["opened"] == 3


def test_days_that_the_warm_up_did_not_close_have_no_row(world: World) -> None:
    mail(world.mailwizz, 1, at=AT - timedelta(days=3))
    opened(world.mailwizz, 1, at=AT)
    counted(world)
    assert len(stats(world)) == 4


def test_an_instance_that_is_not_in_the_fleet_is_refused(world: World) -> None:
    with pytest.raises(InputError, match="MailWizz mw-other: not in the fleet"):
        count(world.store, world.clients(), "mw-other", this_run("mailwizz_opens"))


def test_the_plan_gets_its_rate_and_the_policy_its_opens_only_when_it_is_on(world: World) -> None:
    some_opens(world)
    counted(world)
    with world.store.session(tenant="aurora") as conn:
        rates = conn.execute(select(s.warmup_plans.c.open_rate_7d).order_by(s.warmup_plans.c.ip_id)).scalars()
        assert list(rates) == [3 / 80, 0.0]
    on = (CONFIG / "policy.yaml").read_text().replace("open_rate: { hold: false", "open_rate: { hold: true")

    def known(policy_text: str) -> list[Opens | None]:
        policy = parse_policy(policy_text, "policy.yaml") if policy_text else load_policy()
        with world.store.session(tenant="aurora") as conn:
            seen = observe(conn, "aurora", DAY + timedelta(days=1), DAY + timedelta(days=2), policy)
        return [one.opens for one in seen]

    assert known("") == [None, None]
    assert known(on) == [Opens(40, 0, 0), Opens(40, 0, 0)], "the last day's mail had no day to be opened yet"
    counted(world, datetime(2026, 12, 1, 3, tzinfo=UTC))
    assert known(on) == [Opens(80, 3, 2), Opens(80, 0, 0)]
    with world.store.session(tenant="*") as conn:
        conn.execute(update(s.warmup_daily_stats).values(opened=None))
    assert known(on) == [None, None]
