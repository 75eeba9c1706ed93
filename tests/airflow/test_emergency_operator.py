"""`PullTheBrake` against a real PostgreSQL: what a person's stop and release mean, now and when a run is cleared later."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from sqlalchemy import select, text, update

from email_engine.decision import Decision, Origin
from email_engine.errors import NotVerified, Unreachable
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.emergency_stop import pull_rest
from email_engine.store import dkim_keys, schema
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips, lock_ips
from email_engine.store.judgement import decisions
from email_engine.store.stops import brakes
from email_engine.store.telling import alerts
from email_engine_airflow.operators.emergency_stop import PullTheBrake, PullTheRest
from email_engine_airflow.run import current_run
from tests.airflow_connections import engine_connection
from tests.dkim_keys import spki
from tests.fleet_rows import add_host, add_ip, add_tenant

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def fleet(store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """aurora: one active IP, one in quarantine, one paused."""
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    with store.session("*") as conn:
        add_tenant(conn)
        add_host(conn)
        ids = [
            add_ip(conn, 1, state="active"),
            add_ip(conn, 2, state="quarantine"),
            add_ip(conn, 3, plan={"paused": True, "pause_until": NOON + timedelta(days=5)}),
        ]
        for ip in load_ips(conn, day=NOON.date())[1:]:
            brakes.engage(conn, ip, "bad rates", Origin("rbl_sweep", NOON, "rbl_sweep", "run-0"), None)
    return ids


def pull(
    run_id: str, hours: int = 0, *, release: bool = False, run_after: datetime | None = None, **params: Any
) -> list[str]:
    run = SimpleNamespace(
        dag_id="emergency_stop",
        run_id=run_id,
        run_after=run_after or NOON + timedelta(hours=hours),
        logical_date=None,
        triggering_user_name="ops",
    )
    form = {"scope": "tenant", "name": "aurora", "reason": "by hand", "release": release, "dry_run": False}
    return PullTheBrake(task_id="pull").execute({"dag_run": run, "params": form | params})


def standing(store: Store) -> dict[str, tuple[str | None, bool]]:
    """Virtual MTA to who holds it and whether its release was asked for."""
    with store.session("*") as conn:
        return {b.vmta: (b.dag_id, b.release_asked_at is not None) for b in brakes.engaged(conn)}


def test_a_release_lets_no_ip_go_that_is_parked_or_paused(store: Store) -> None:
    assert pull("stop") == ["mta-1"]
    assert {holder for holder, _ in standing(store).values()} == {"emergency_stop"}
    pull("release", 1, release=True)
    assert standing(store) == {
        "aurora-1": ("emergency_stop", True),
        "aurora-2": ("warmup_advance", False),
        "aurora-3": ("warmup_advance", False),
    }
    with store.session("*") as conn:
        told = (
            conn.execute(select(schema.alerts.c.text).order_by(schema.alerts.c.id.desc())).scalars().first()
        )
        actions = conn.execute(
            select(schema.decisions.c.action)
            .where(schema.decisions.c.run_key == "release")
            .order_by(schema.decisions.c.subject)
        )
        assert list(actions.scalars()) == ["release", "hand-back", "hand-back"]
    assert told == (
        "ops released 1 IP: aurora\nReason: by hand\n2 more stay held: they are parked or paused."
    )


@pytest.mark.parametrize(
    ("hosts", "goes"),
    [(["mta-1"], True), (["mta-0"], False), ([], True)],
    ids=["there", "elsewhere", "unknown"],
)
def test_a_release_lets_no_ip_go_whose_mail_would_go_unsigned(
    store: Store, hosts: list[str], goes: bool
) -> None:
    """It moved, and its key was not brought to the new host. Where keys lie that the engine did not make is not known: that holds nobody."""
    domain, origin = "news1.aurora-mail.example", Origin("ops", NOON, "dkim_rotate", "run-0")
    with store.session("*") as conn:
        dkim_keys.add(
            conn,
            "aurora",
            domain,
            "s1",
            "/k.pem",
            origin,
            public_key=spki(),
            bits=2048,
            hosts=hosts,
            made_at=NOON,
        )
    pull("stop")
    pull("release", 1, release=True)
    assert standing(store)["aurora-1"] == ("emergency_stop", goes)
    with store.session("*") as conn:
        told = (
            conn.execute(select(schema.alerts.c.text).order_by(schema.alerts.c.id.desc())).scalars().first()
            or ""
        )
    assert (
        "ops released 1 IP" in told,
        f"the DKIM key of {domain} is on mta-0 and not on mta-1" in told,
    ) == (goes, not goes)


def test_the_pipelines_release_what_was_handed_back(store: Store, fleet: list[int]) -> None:
    pull("stop")
    with store.session("*") as conn:
        assert not brakes.ask_release(conn, fleet[2], NOON)
    pull("release", 1, release=True)
    with store.session("*") as conn:
        assert brakes.ask_release(conn, fleet[2], NOON)


@pytest.mark.parametrize("cleared", ["stop", "release"])
def test_a_run_that_is_cleared_after_a_later_one_spoke_changes_nothing(store: Store, cleared: str) -> None:
    pull("stop", 0)
    if cleared == "stop":
        pull("later release", 2, release=True)
        with store.session("*") as conn:
            gone = schema.brakes.c.release_asked_at.is_not(None)
            conn.execute(update(schema.brakes).where(gone).values(released_at=NOON))
    else:
        pull("release", 1, release=True)
        pull("later stop", 2)
    before = standing(store)
    pull(cleared, int(cleared == "release"), release=cleared == "release")
    assert standing(store) == before


@pytest.mark.parametrize("minutes", [1, 60 * 24 * 30], ids=["a minute back", "a clock a month ahead"])
@pytest.mark.parametrize("by", ["emergency_stop", "warmup_advance"])
def test_a_stop_always_stops_whatever_was_decided_for_a_later_time(
    store: Store, minutes: int, by: str
) -> None:
    """Decisions bear a time that has not come: a clock was ahead, or this run is triggered with a `run_after` in the past."""
    if by == "emergency_stop":
        pull("ahead", 0, run_after=NOON + timedelta(minutes=minutes))
        pull("ahead too", 0, release=True, run_after=NOON + timedelta(minutes=minutes + 1))
    else:
        with store.session("*") as conn:
            for ip in load_ips(conn, day=NOON.date()):
                later = NOON + timedelta(minutes=minutes)
                decisions.record(
                    conn,
                    Decision("aurora", by, str(ip.address), str(later.date()), "stay", "", later, "digest"),
                    by, "run",
                )  # fmt: skip
    assert pull("now") == ["mta-1"]
    assert standing(store) == dict.fromkeys(("aurora-1", "aurora-2", "aurora-3"), ("emergency_stop", False))


def test_a_stop_waits_for_no_tenant_that_is_being_decided_about(store: Store) -> None:
    """The daily plan holds all IPs of the tenant for as long as it computes."""
    with store.session("aurora") as conn:
        lock_ips(conn, "aurora")
        stop = Thread(target=pull, args=("stop",))
        stop.start()
        stop.join(20)
        assert not stop.is_alive()
        assert standing(store)["aurora-1"] == ("emergency_stop", False)


def test_a_stop_waits_for_nobody_who_holds_alerts(store: Store) -> None:
    """What it has to tell comes after its brake, and gives up after a while."""
    with store.session("*") as conn:
        alerts.raise_alert(conn, "emergency_stop", "tenant aurora", "old", "warning", "old")
    with store.session("*") as conn:
        conn.execute(text("SELECT * FROM email_engine.alerts FOR UPDATE"))
        stop = Thread(target=pull, args=("stop",))
        stop.start()
        deadline = time.monotonic() + 20
        while standing(store).get("aurora-1") is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert stop.is_alive(), "the brake stands although nobody could be told yet"
    stop.join(20)
    with store.session("*") as conn:
        assert [a.state for a in alerts.standing(conn, "emergency_stop")] == ["stopped stop"]


def test_a_reason_of_a_megabyte_is_cut_and_stops_all_the_same(store: Store) -> None:
    assert pull("stop", reason="x" * 1_000_000) == ["mta-1"]
    with store.session("*") as conn:
        (alert,) = alerts.standing(conn, "emergency_stop")
    assert len(alert.text) < 1000


def test_the_news_of_a_stop_says_how_much_mail_waits(store: Store) -> None:
    with store.session("*") as conn:
        for provider, recipients in (("gmail", 900), ("yahoo", 100)):
            conn.execute(
                schema.mta_queues.insert().values(
                    mta_host="mta-1", vmta="aurora-1", provider=provider, checked_at=NOON, queues=1,
                    recipients=recipients, paused=0, backoff=0, looks=[],
                )
            )  # fmt: skip
    pull("stop")
    with store.session("*") as conn:
        (alert,) = alerts.standing(conn, "emergency_stop")
    assert alert.text.splitlines() == [
        "ops stopped 3 IPs: aurora", "Reason: by hand",
        "Waiting in its queues at 12:00 UTC: 1000 messages (gmail 900, yahoo 100).",
    ]  # fmt: skip


def test_running_the_same_stop_again_changes_nothing(store: Store) -> None:
    pull("stop")
    before = standing(store)
    pull("stop")
    assert standing(store) == before


@pytest.mark.parametrize("reason", [None, "", "   "])
def test_a_stop_without_a_reason_stops_and_says_so(store: Store, reason: str | None) -> None:
    assert pull("stop", reason=reason) == ["mta-1"]
    with store.session("*") as conn:
        said = conn.execute(select(schema.decisions.c.reason)).scalars().first()
    assert said == "ops: no reason given"


def test_a_giant_reason_stops_all_the_same_and_is_cut(store: Store) -> None:
    assert pull("stop", reason="z\n" * 500_000) == ["mta-1"]
    with store.session("*") as conn:
        rows = [
            schema.decisions.c.reason,
            schema.brakes.c.reason,
            schema.alerts.c.text,
            schema.fleet_versions.c.reason,
        ]
        longest = max(len(text) for row in rows for text in conn.execute(select(row)).scalars())
    assert longest < 400


@pytest.mark.parametrize(
    "long", [{"reason": "z" * 1_000_000}, {"name": "z" * 1_000_000}], ids=["reason", "name"]
)
def test_a_release_with_a_giant_text_is_refused_and_nothing_is_written(
    store: Store, long: dict[str, str]
) -> None:
    pull("stop")
    before = standing(store)
    with pytest.raises(AirflowFailException, match="has 1000000 characters") as caught:
        pull("release", 1, release=True, **long)
    assert len(str(caught.value)) < 500
    assert standing(store) == before


def test_a_stop_of_a_giant_name_is_answered_in_few_words(store: Store) -> None:
    with pytest.raises(AirflowFailException, match=r"param name: .*expected a tenant") as caught:
        pull("stop", name="z" * 1_000_000)
    assert len(str(caught.value)) < 500


@contextmanager
def held_by_another(store: Store, statement: str) -> Iterator[None]:
    """Another session holds what the statement locks, as a forgotten psql does."""
    with store._engine.connect() as other, other.begin():
        other.execute(text("SELECT set_config('email_engine.tenant', '*', true)"))
        other.execute(text(statement))
        yield


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM email_engine.ips WHERE vmta_name = 'aurora-1' FOR UPDATE",
        "SELECT id FROM email_engine.brakes FOR UPDATE",
    ],
    ids=["an IP's row", "rows of brakes"],
)
def test_rows_that_another_session_holds_keep_no_other_ip_from_being_stopped(
    store: Store, statement: str
) -> None:
    with store.session("*") as conn:
        add_ip(conn, 4, state="active")
    with held_by_another(store, statement):
        assert pull("stop") == ["mta-1"]
        by_hand = {vmta for vmta, (who, _) in standing(store).items() if who == "emergency_stop"}
        assert "aurora-4" in by_hand
        assert len(by_hand) < 4
        with store.session("*") as conn:
            (told,) = [a.text for a in alerts.pending(conn) if "ops stopped" in a.text]
        assert "Not yet stopped, for another session holds their rows" in told
        with pytest.raises(NotVerified, match=r"another session .* pg_terminate_backend"):
            rest("stop")
    with pytest.raises(NotVerified, match="PowerMTA host: away"):
        rest("stop")
    assert {who for who, _ in standing(store).values()} == {"emergency_stop"}
    assert rest("stop") == [], "there is nothing left to do"


def rest(run_id: str) -> list[str]:
    run = SimpleNamespace(
        dag_id="emergency_stop", run_id=run_id, run_after=NOON, logical_date=None, triggering_user_name="ops"
    )
    form = {"scope": "tenant", "name": "aurora", "reason": "by hand", "release": False, "dry_run": False}
    step = PullTheRest(task_id="rest")
    with step.store() as store:
        return pull_rest(store, NO_CLIENTS, current_run({"dag_run": run, "params": form}))


def nothing(*_: Any) -> Any:
    raise Unreachable("PowerMTA host", "away", "an answer", "wait")


NO_CLIENTS = Clients(nothing, nothing, nothing, nothing, nothing, nothing)
