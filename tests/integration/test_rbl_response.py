"""What a sweep does beyond the listed IP: message and evidence, failover or not, breaker, the weekly word."""

import contextlib
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from sqlalchemy import update

from email_engine.fleet.model import IpRecord, IpState
from email_engine.lifecycle.scope import Scope
from email_engine.pipelines.ip_transition import move
from email_engine.pipelines.run import Run
from email_engine.store import schema as s
from email_engine.store import versions
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips, mark_swept, set_allowance
from email_engine.store.stops import delistings
from email_engine.store.telling import alerts
from email_engine_airflow.operators import delisting as steps
from email_engine_airflow.operators.delisting import FollowUp
from email_engine_airflow.operators.rbl_sweep import ConfirmListings, DecideListings, ProbeLists, SweepLists
from lab.testing import RunningLab
from tests.dns_lab import AS_OF, connect, context, dns_lab
from tests.fleet_rows import add_delivery, add_host, add_ip, add_tenant
from tests.lifecycle_rows import well_known
from tests.listing_rows import add_listing, quarantine

ZEN = "zen.lab.example"
DAY, FOUR_HOURS = timedelta(days=1), timedelta(hours=4)


@pytest.fixture(scope="module")
def module_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with dns_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def lab(
    module_lab: RunningLab, engine_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningLab]:
    connect(monkeypatch, module_lab, engine_database_url)
    yield module_lab
    for address in module_lab.state()["dns"]["lists"][ZEN]["listed"]:
        module_lab.knob("delist_ip", ip=address, zone=ZEN)


class Fleet:
    """aurora acts: five active IPs that sent clean mail, one that stands by, clean and known. Swept before, unless said otherwise."""

    def __init__(self, store: Store, *, swept: bool = True) -> None:
        self.store = store
        self.started: dict[str, tuple[str, dict[str, Any]]] = {}
        with store.session("*") as conn:
            add_host(conn)
            add_tenant(conn)
            version = versions.bump(conn, "test")
            self.ids = [add_ip(conn, n, state="active") for n in range(1, 6)]
            self.standby = add_ip(conn, 9, state="standby")
            for ip_id in self.ids:
                set_allowance(conn, ip_id, "aurora", AS_OF.date() - DAY, 1000, version, None)
                add_delivery(conn, ip_id, AS_OF.replace(hour=0) - 2 * DAY, delivered=1000, bounced=5)
            well_known(conn, self.standby, AS_OF - timedelta(hours=1))
            if swept:
                mark_swept(conn, [*self.ids, self.standby], AS_OF - FOUR_HOURS)

    def start(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> bool:
        made = run_id not in self.started
        self.started[run_id] = (dag_id, conf)
        return made

    def starts(self) -> list[str]:
        return [conf["name"] for dag, conf in self.started.values() if dag == "ip_transition"]

    def told(self) -> dict[str, str]:
        with self.store.session("*") as conn:
            return {alert.event: alert.text for alert in alerts.pending(conn)}

    def ip(self, number: int) -> IpRecord:
        with self.store.session("*") as conn:
            return next(ip for ip in load_ips(conn, day=AS_OF.date()) if ip.vmta == f"aurora-{number}")


@pytest.fixture
def fleet(store: Store, lab: RunningLab, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    made = Fleet(store)
    monkeypatch.setattr(steps, "start_now", made.start)
    return made


def sweep(at: datetime = AS_OF) -> None:
    """A sweep as the DAG wires it, up to and with what follows it."""
    with_lists = {"lists": ["zen-lab"], "confirm_after": 0, "blast_radius_rate": 1}
    ctx = context("rbl_sweep", at, **with_lists)
    health = ProbeLists(task_id="probe").execute(ctx)
    first = json.loads(json.dumps(SweepLists(task_id="sweep", health=health).execute(ctx)))
    for found in ConfirmListings(task_id="confirm", first=first).execute(ctx):
        DecideListings(task_id="decide", findings=found).execute(ctx)
    follow_up(at)


def follow_up(at: datetime = AS_OF) -> None:
    with contextlib.suppress(AirflowSkipException):
        FollowUp(task_id="follow_up").execute(context("rbl_sweep", at))


def listed(lab: RunningLab, *numbers: int) -> None:
    for n in numbers:
        lab.knob("list_ip", ip=f"198.51.100.{n}", zone=ZEN, codes=["127.0.0.2"])


def test_one_isolated_listing_starts_a_standby_ip_at_its_own_phase(lab: RunningLab, fleet: Fleet) -> None:
    listed(lab, 1)
    sweep()
    assert fleet.starts() == ["198.51.100.9"]
    conf = next(conf for dag, conf in fleet.started.values() if dag == "ip_transition")
    assert (conf["event"], conf["scope"], conf["dry_run"]) == ("start", "ip", False)
    told = fleet.told()["failover"]
    assert "198.51.100.9 of standby starts for 198.51.100.1" in told
    assert "warms from phase 1" in told
    assert "shed, not moved" in told
    move(fleet.store, Run("ip_transition", "r", AS_OF, False, "rbl_sweep", conf))
    standby = fleet.ip(9)
    assert (standby.state, standby.phase, standby.allowance) == (IpState.WARMING, 1, 50)
    assert fleet.ip(2).allowance == 1000, "nobody else gets more"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("two", "the breaker of its pool is open"),
        ("lately", "not the only listing of its pool within 30 days"),
        ("complaints", "complaints about"),
        ("stopped", "rates stopped IPs of its pool"),
        ("nobody", "no standby IP of its pool may start"),
        ("dark", "it sent nothing lately"),
        ("first", "lists were asked about it for the first time"),
    ],
)
def test_in_every_other_case_a_person_decides_and_reads_why(
    lab: RunningLab, fleet: Fleet, how: str, said: str
) -> None:
    with fleet.store.session("*") as conn:
        if how == "lately":
            add_listing(conn, fleet.ids[3], AS_OF - 20 * DAY, closed=AS_OF - 19 * DAY)
        if how == "complaints":
            add_delivery(conn, fleet.ids[0], AS_OF.replace(hour=0) - DAY, delivered=1000, complained=60)
        if how == "stopped":
            conn.execute(update(s.warmup_plans).values(last_stop_at=AS_OF - DAY))
        if how == "nobody":
            conn.execute(s.dns_checks.delete())
        if how == "dark":
            conn.execute(s.delivery_days.delete())
        if how == "first":
            conn.execute(update(s.ips).values(first_swept_at=None, lists_checked_at=None))
    listed(lab, 1, *([2] if how == "two" else []))
    sweep()
    assert fleet.starts() == []
    assert said in fleet.told()["failover"]
    assert fleet.ip(9).state is IpState.STANDBY


def test_clearing_what_follows_starts_nothing_twice_and_tells_nothing_twice(
    lab: RunningLab, fleet: Fleet
) -> None:
    listed(lab, 1)
    sweep()
    before = dict(fleet.started), fleet.told()
    follow_up()
    assert (fleet.started, fleet.told()) == before


def test_the_message_has_history_neighbours_end_and_the_link_to_the_question(
    lab: RunningLab, fleet: Fleet
) -> None:
    with fleet.store.session("*") as conn:
        old = add_listing(
            conn, fleet.ids[0], AS_OF - 90 * DAY, closed=AS_OF - 80 * DAY, list="bl", zone="bl.lab.example"
        )
        delistings.follow(conn, old, None, None)
        delistings.answer(conn, old, "ops", AS_OF, cause="list of May")
    listed(lab, 1)
    sweep()
    told = fleet.told()["listings"]
    assert "listed 1 time before, last on bl from 2026-08-03 to 2026-08-13, cause: list of May" in told
    assert "Around it none of 5 more IPs of yours is listed" in told
    assert "Quarantine lasts until 2026-11-08 at least" in told
    (run_id,) = [run for run, (dag, _) in fleet.started.items() if dag == "delisting"]
    assert f"Name the cause here: http://localhost:8080/dags/delisting/runs/{run_id}/tasks/ask/" in told
    assert "On a phone: http://localhost:8080/required_actions (tap the sign beside the state)" in told


def test_the_breaker_stops_the_stream_until_a_person_resumes_it(lab: RunningLab, fleet: Fleet) -> None:
    listed(lab, 1, 2)
    sweep()
    told = fleet.told()["breaker"]
    assert "3 more IPs of the pool stand still until a person resumes them" in told
    assert "scope stream, name aurora/newsletter" in told
    assert "/required_actions" in fleet.told()["listings"], "two questions: the list of them"
    assert [fleet.ip(n).state for n in (1, 2, 3, 4, 5)] == ["quarantine"] * 2 + ["active"] * 3
    assert [fleet.ip(n).allowance for n in (3, 4, 5)] == [0, 0, 0]
    with fleet.store.session("*") as conn:
        for ip_id in fleet.ids:
            well_known(conn, ip_id, AS_OF)
    form = {
        "scope": Scope.STREAM.value,
        "name": "aurora/newsletter",
        "event": "resume",
        "reason": "cause found",
    }
    move(fleet.store, Run("ip_transition", "r", AS_OF + timedelta(minutes=5), False, "ops", form))
    assert all(fleet.ip(n).pause is None for n in (3, 4, 5))


def test_a_breaker_of_a_tenant_in_observe_stops_nobody(lab: RunningLab, fleet: Fleet) -> None:
    with fleet.store.session("*") as conn:
        conn.execute(update(s.tenants).values(mode="observe"))
    listed(lab, 1, 2)
    sweep()
    assert [fleet.ip(n).allowance for n in range(1, 6)] == [1000] * 5
    assert "would stop with 3 more IPs (tenant in observe)" in fleet.told()["breaker"]
    assert "Name the cause" not in fleet.told()["listings"]
    assert "failover" not in fleet.told()


def test_the_first_sweep_of_many_is_one_summary_and_stops_all_the_same(lab: RunningLab, fleet: Fleet) -> None:
    with fleet.store.session("*") as conn:
        conn.execute(update(s.ips).values(first_swept_at=None, lists_checked_at=None))
    listed(lab, 1, 2, 3, 4, 5)
    sweep()
    told = fleet.told()["listings"].splitlines()
    assert told[0] == "aurora: the first sweep of 6 IPs finds 5 on block lists, 5 stopped"
    assert told[1] == "zen-lab lists 5 IPs: 198.51.100.1, 198.51.100.2, 198.51.100.3 and 2 more"
    assert [fleet.ip(n).state for n in range(1, 6)] == ["quarantine"] * 5
    assert len([run for run, (dag, _) in fleet.started.items() if dag == "delisting"]) == 5


def test_a_listing_that_ended_says_what_its_ip_still_waits_for(lab: RunningLab, fleet: Fleet) -> None:
    listed(lab, 1)
    sweep()
    with fleet.store.session("*") as conn:
        conn.execute(update(s.alerts).values(sent_at=AS_OF))
    lab.knob("delist_ip", ip="198.51.100.1", zone=ZEN)
    sweep(AS_OF + FOUR_HOURS)
    assert fleet.told() == {}, "clean once is no news"
    sweep(AS_OF + 2 * FOUR_HOURS)
    told = fleet.told()["listings"]
    assert "it stays in quarantine: no cause of its listing on zen-lab is named" in told
    assert "/tasks/ask_afterwards/required_actions" in told


MONDAY = datetime.fromisoformat("2026-11-30T00:00:00+00:00")


def test_once_a_week_people_read_what_waits_for_them(lab: RunningLab, fleet: Fleet) -> None:
    with fleet.store.session("*") as conn:
        taken = add_listing(conn, fleet.ids[0], MONDAY - 20 * DAY)
        delistings.acknowledge(conn, [taken], "nadia", "OPS-7", MONDAY - DAY)
        held = add_listing(conn, fleet.ids[1], MONDAY - 20 * DAY)
        delistings.acknowledge(conn, [held], "nadia", "OPS-8", MONDAY + 9 * DAY)
        add_listing(conn, fleet.ids[2], MONDAY - 9 * DAY)
        add_listing(conn, fleet.ids[3], MONDAY - DAY)
    follow_up(MONDAY)
    told = fleet.told()["listing_nag"]
    assert told.splitlines()[:3] == [
        "aurora: 2 listings wait for a person",
        "198.51.100.1 on zen-lab: nadia took care of it until 2026-11-29, OPS-7, and it stands",
        "198.51.100.3 on zen-lab: stands since 2026-11-21, and nobody named a cause",
    ]
    with fleet.store.session("*") as conn:
        conn.execute(update(s.alerts).values(sent_at=AS_OF))
    follow_up(MONDAY + 6 * DAY)
    assert "listing_nag" not in fleet.told(), "once a week"
    follow_up(MONDAY + 7 * DAY)
    assert "4 listings wait" not in fleet.told()["listing_nag"]
    assert "3 listings wait" in fleet.told()["listing_nag"]


@pytest.mark.parametrize(
    ("days", "answer", "said"),
    [
        (8, {}, "waits in quarantine for its cause alone"),
        (1, {}, None),
        (8, {"cause": "old list"}, None),
        (2, {"gives_up": True}, "ops gave it up, and it is in quarantine still"),
        (0.5, {"gives_up": True}, None),
    ],
    ids=["over for long", "just over", "named", "not carried out", "just given up"],
)
def test_what_is_over_or_answered_is_named_only_where_something_is_left_undone(
    lab: RunningLab, fleet: Fleet, days: float, answer: dict[str, Any], said: str | None
) -> None:
    with fleet.store.session("*") as conn:
        quarantine(conn, fleet.ids[0], MONDAY - 20 * DAY)
        listing = add_listing(conn, fleet.ids[0], MONDAY - 20 * DAY, closed=MONDAY - days * DAY)
        delistings.follow(conn, listing, "delisting", "one")
        if answer:
            delistings.answer(conn, listing, "ops", MONDAY - days * DAY, **answer)
    follow_up(MONDAY)
    told = fleet.told().get("listing_nag")
    assert (told is None) is (said is None)
    if told is not None:
        assert told.startswith("aurora: 1 listing waits for a person\n")
        assert str(said) in told
