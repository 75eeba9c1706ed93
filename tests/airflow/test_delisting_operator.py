"""The steps of `delisting` as Airflow runs them: a question, its answers, its end, and the days on which it goes wrong."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRuntimeError,
    AirflowSkipException,
    ErrorType,
    TaskDeferred,
)
from airflow.sdk.execution_time.comms import ErrorResponse
from sqlalchemy import select, update

from email_engine.blocklists.delisting import Answer, Delisting, Recheck, Status
from email_engine.pipelines.delisting.choices import GIVEN_UP, NAMED, REPLACED, TAKEN
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.stops import delistings
from email_engine.store.telling import alerts
from email_engine_airflow.operators import delisting as steps
from email_engine_airflow.operators.delisting import (
    AskCause,
    FinishDelisting,
    FollowUp,
    GiveUpIp,
    OpenDelisting,
)
from tests.airflow_connections import engine_connection
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.lifecycle_rows import well_known
from tests.listing_rows import add_listing, close_listing, leave_fleet, quarantine

AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)
DAY = timedelta(days=1)
ME = {"responded_by_user": {"id": "1", "name": "ops"}}


class World:
    """Two tenants of which aurora acts: its first IP is listed and in quarantine, its ninth stands by."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.started: dict[tuple[str, str], dict[str, Any]] = {}
        self.shown: list[dict[str, Any]] = []
        with store.session("*") as conn:
            add_host(conn)
            add_tenant(conn)
            add_tenant(conn, "borealis", "observe")
            self.ip = add_ip(conn, 1, state="active")
            self.standby = add_ip(conn, 9, state="standby")
            self.foreign = add_ip(conn, 1, "borealis", state="active", network="203.0.113")
            quarantine(conn, self.ip, AS_OF)
            self.listing = add_listing(conn, self.ip, AS_OF)
            self.observed = add_listing(conn, self.foreign, AS_OF, "borealis")

    def start(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> bool:
        if (dag_id, run_id) in self.started:
            return False
        self.started[dag_id, run_id] = conf
        return True

    def row(self, listing: int | None = None) -> Delisting:
        with self.store.session("*") as conn:
            return delistings.find(conn, listing or self.listing)

    def told(self, event: str = "") -> list[str]:
        with self.store.session("*") as conn:
            return [a.text for a in alerts.pending(conn) if event in ("", a.event)]

    def close(self, listing: int | None = None) -> None:
        with self.store.session("*") as conn:
            close_listing(conn, listing or self.listing, AS_OF + DAY)

    def clear(self, listing: int | None = None) -> None:
        """A sweep closed it and a re-check found it ended."""
        self.close(listing)
        with self.store.session("*") as conn:
            read = delistings.find(conn, listing or self.listing)
            delistings.note_check(
                conn, read, Answer.NOT_LISTED, Recheck(Status.CLEARED, None, None), AS_OF + DAY
            )


@pytest.fixture
def world(store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    made = World(store)
    monkeypatch.setattr(steps, "start_now", made.start)
    monkeypatch.setattr(steps, "upsert_hitl_detail", lambda **fields: made.shown.append(fields))
    return made


def ctx(run_id: str = "listing_1", as_of: datetime = AS_OF, **conf: Any) -> dict[str, Any]:
    run = SimpleNamespace(
        dag_id="delisting", run_id=run_id, run_after=as_of, logical_date=None, triggering_user_name="ops"
    )
    return {"dag_run": run, "params": {"dry_run": False} | conf, "ti": SimpleNamespace(id=uuid4())}


def opened(world: World, listing: int | None = None, run_id: str = "listing_1", **conf: Any) -> Any:
    context = ctx(run_id, listing=listing or world.listing, **conf)
    return json.loads(json.dumps(OpenDelisting(task_id="dossier").execute(context)))


def asking(found: Any, part: str = "standing") -> AskCause:
    return AskCause(task_id="ask", opened=found, part=part)


def ask(found: Any, part: str = "standing", run_id: str = "listing_1", **conf: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as waiting:
        asking(found, part).execute(ctx(run_id, **conf))
    return waiting.value


def answer(found: Any, chosen: str, part: str = "standing", **given: Any) -> Any:
    event = {"chosen_options": [chosen], "params_input": given} | ME
    return asking(found, part).execute_complete(ctx(), event)


def test_a_question_shows_the_dossier_and_waits_without_a_worker(world: World) -> None:
    found = opened(world)
    waiting = ask(found)
    assert waiting.trigger.serialize()[1]["listing_id"] == world.listing
    (shown,) = world.shown
    assert shown["subject"] == "198.51.100.1 on zen-lab: what is the cause?"
    assert "its cause is named" in shown["body"]
    fields = json.loads(json.dumps(shown["params"]))
    assert set(fields) == {"cause", "owner", "ticket", "until"}
    assert fields["cause"]["schema"]["type"] == "string", "Airflow's page asks for it"
    with world.store.session("*") as conn:
        kept = conn.execute(select(s.delistings.c.dossier)).scalar_one()
    assert kept["address"] == "198.51.100.1"
    assert world.row().question == "pending"


def test_a_named_cause_is_written_with_its_decision_and_a_second_answer_changes_nothing(world: World) -> None:
    found = opened(world)
    ask(found)
    assert "ops named the cause" in answer(found, NAMED, cause="list bought in May, removed")
    assert "ops named the cause" in answer(found, NAMED, cause="no, it was the weather")
    answer(found, GIVEN_UP, cause="a second thought")
    row = world.row()
    assert (row.cause, row.answered_by, row.gives_up) == ("list bought in May, removed", "ops", False)
    with world.store.session("*") as conn:
        (decision,) = conn.execute(select(s.decisions).where(s.decisions.c.pipeline == "delisting")).all()
    assert (decision.action, decision.subject) == ("cause named", "198.51.100.1")
    assert decision.inputs["listing"] == world.listing


@pytest.mark.parametrize(
    ("chosen", "given", "said"),
    [
        (NAMED, {}, "cause is empty"),
        (NAMED, {"cause": "?"}, "fewer than 3 letters"),
        (NAMED, {"cause": None}, "cause is empty"),
        (GIVEN_UP, {}, "why the IP is given up for good"),
        (REPLACED, {"cause": " "}, "why the IP is given up for good"),
        (TAKEN, {"until": "soon"}, "no date such as"),
        (TAKEN, {"until": "2001-01-01"}, "not within the next 90 days"),
        (TAKEN, {"ticket": "x" * 500}, "ticket is longer"),
    ],
)
def test_an_answer_that_lacks_something_is_told_and_asked_for_again(
    world: World, chosen: str, given: dict[str, Any], said: str
) -> None:
    """Airflow's API takes any text, and a task that failed on it could not be answered again."""
    found = opened(world)
    ask(found)
    with pytest.raises(TaskDeferred):
        answer(found, chosen, **given)
    (told,) = world.told("delisting_answer")
    assert said in told
    assert "/required_actions" in told
    assert (world.row().cause, world.row().question, len(world.shown)) == (None, "pending", 2)


def test_whoever_takes_care_of_it_is_kept_with_ticket_and_date_and_the_question_stays(world: World) -> None:
    found = opened(world)
    ask(found)
    until = datetime.now(UTC).date() + 10 * DAY
    with pytest.raises(TaskDeferred):
        answer(found, TAKEN, ticket="OPS-7", until=until.isoformat())
    row = world.row()
    assert (row.acknowledged_by, row.acknowledged_ticket, row.question) == ("ops", "OPS-7", "pending")
    assert row.acknowledged_until is not None
    assert row.acknowledged_until.date() == until
    assert answer(found, NAMED, cause="old list")
    assert world.row().cause == "old list"


def test_only_a_parked_ip_can_be_given_up(world: World) -> None:
    with world.store.session("*") as conn:
        conn.execute(update(s.ips).where(s.ips.c.id == world.ip).values(status="active"))
    found = opened(world)
    ask(found)
    with pytest.raises(TaskDeferred):
        answer(found, GIVEN_UP, cause="not worth it")
    assert "only a parked IP can be given up" in world.told("delisting_answer")[0]
    assert not world.row().gives_up


def give_up(found: Any) -> Any:
    return GiveUpIp(task_id="give_up", opened=found).execute(ctx())


def test_a_given_up_ip_is_abandoned_by_ip_transition_and_only_that(world: World) -> None:
    found = opened(world)
    with pytest.raises(AirflowSkipException):
        give_up(found)
    ask(found)
    answer(found, GIVEN_UP, cause="not worth it")
    assert give_up(found) == {"started": 1, "existed": 0}
    assert give_up(found) == {"started": 0, "existed": 1}, "cleared: nothing moves twice"
    ((dag_id, _),) = world.started
    (conf,) = world.started.values()
    assert dag_id == "ip_transition"
    assert (conf["event"], conf["name"], conf["dry_run"]) == ("abandon", "198.51.100.1", False)


@pytest.mark.parametrize("ready", [True, False])
def test_a_replacement_is_a_clean_standby_ip_of_the_pool_or_people_are_told_that_there_is_none(
    world: World, ready: bool
) -> None:
    if ready:
        with world.store.session("*") as conn:
            well_known(conn, world.standby, AS_OF - timedelta(hours=1))
    found = opened(world)
    ask(found)
    answer(found, REPLACED, cause="not worth it")
    give_up(found)
    events = {conf["event"]: conf["name"] for conf in world.started.values()}
    assert events == {"abandon": "198.51.100.1"} | ({"start": "198.51.100.9"} if ready else {})
    assert ("no standby IP of its pool may start" in "".join(world.told())) is not ready


def fire(world: World, found: Any, part: str = "standing", run_id: str = "listing_1") -> str:
    """What the trigger's event leads to."""
    with pytest.raises(AirflowSkipException) as ended:
        asking(found, part).execute_complete(ctx(run_id), {"ended": True})
    return str(ended.value)


def test_a_question_is_superseded_when_the_listing_ends_and_the_other_one_asked(world: World) -> None:
    found = opened(world)
    ask(found)
    world.close()
    for _ in range(2):
        assert fire(world, found) == "the listing of 198.51.100.1 on zen-lab is over"
    assert world.row().question == "superseded"
    assert "changes nothing" not in str(answer(found, NAMED, cause="too late")), "and it is no error"
    assert world.row().cause is None
    ask(found, "over")
    assert "off zen-lab: what was the cause?" in world.shown[-1]["subject"]
    answer(found, NAMED, "over", cause="a trap in the list of May")
    assert world.row().cause == "a trap in the list of May"


def test_a_question_that_has_a_sense_still_goes_on_whatever_the_trigger_saw(world: World) -> None:
    found = opened(world)
    ask(found)
    with pytest.raises(TaskDeferred):
        asking(found).execute_complete(ctx(), {"ended": True})
    assert world.row().question == "pending"


def test_a_run_that_cannot_be_started_keeps_no_other_from_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(dag_id: str, run_id: str, conf: dict[str, Any]) -> bool:
        if conf["listing"] == world.listing:
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.GENERIC_ERROR))
        return world.start(dag_id, run_id, conf)

    monkeypatch.setattr(steps, "start_now", broken)
    with pytest.raises(AirflowRuntimeError):
        start()
    assert [conf["listing"] for conf in world.started.values()] == [world.observed]


def test_a_minor_listing_that_ended_is_not_asked_about(world: World) -> None:
    with world.store.session("*") as conn:
        e = s.blacklist_events
        conn.execute(update(e).where(e.c.id == world.listing).values(severity="medium"))
    world.close()
    found = opened(world)
    for part in ("standing", "over"):
        with pytest.raises(AirflowSkipException):
            asking(found, part).execute(ctx())
    assert world.shown == []


@pytest.mark.parametrize("how", ["left the fleet", "was abandoned"])
def test_an_ip_that_is_gone_meanwhile_ends_its_question(world: World, how: str) -> None:
    found = opened(world)
    ask(found)
    with world.store.session("*") as conn:
        if how == "left the fleet":
            leave_fleet(conn, world.ip)
        else:
            conn.execute(update(s.ips).where(s.ips.c.id == world.ip).values(status="abandoned"))
    assert how in fire(world, found)
    assert how in answer(found, NAMED, cause="too late")
    assert world.row().cause is None


def test_nobody_is_asked_for_a_tenant_in_observe_and_its_dossier_is_kept(world: World) -> None:
    found = opened(world, world.observed)
    for part in ("standing", "over"):
        with pytest.raises(AirflowSkipException, match="in observe"):
            asking(found, part).execute(ctx())
    assert world.shown == []
    with world.store.session("borealis") as conn:
        (kept,) = conn.execute(select(s.delistings.c.dossier)).scalars()
    assert kept["tenant"] == "borealis"
    assert "198.51.100" not in json.dumps(kept), "no word about the other tenant's IPs"


def test_a_newer_run_takes_over_and_the_older_one_steps_back(world: World) -> None:
    found = opened(world)
    ask(found)
    opened(world, run_id="manual__1")
    assert "run manual__1 follows" in fire(world, found)
    assert "run manual__1 follows" in answer(found, NAMED, cause="for the other")
    assert (world.row().cause, world.row().question) == (None, "pending"), "the newer one asks"


def test_clearing_the_whole_run_changes_nothing_twice(world: World) -> None:
    for _ in range(2):
        found = opened(world)
        ask(found)
    answer(found, NAMED, cause="old list")
    opened(world)
    with pytest.raises(AirflowSkipException, match="ops named the cause: old list"):
        asking(found).execute(ctx())
    with world.store.session("*") as conn:
        assert len(conn.execute(select(s.delistings.c.id)).all()) == 1
    assert world.row().question == "answered"


def test_a_dry_run_shows_and_writes_nothing(world: World) -> None:
    found = opened(world, dry_run=True)
    with pytest.raises(AirflowSkipException, match="dry run"):
        asking(found).execute(ctx(dry_run=True))
    with world.store.session("*") as conn:
        assert conn.execute(select(s.delistings.c.id)).all() == []
    with pytest.raises(AirflowSkipException):
        FollowUp(task_id="follow_up").execute(ctx(dry_run=True))


def start() -> dict[str, int]:
    done: dict[str, int] = FollowUp(task_id="follow_up").execute(ctx("sweep"))
    return done


def test_three_hundred_listings_are_three_hundred_runs_and_no_message_of_their_own(world: World) -> None:
    with world.store.session("*") as conn:
        for n in range(11, 111):
            ip_id = add_ip(conn, n, state="quarantine")
            for zone in ("a", "b", "c"):
                add_listing(conn, ip_id, AS_OF, list=zone, zone=zone)
    assert start() == {"started": 302, "existed": 0}
    assert start() == {"started": 0, "existed": 302}, "they wait in the queue, and the next sweep knows it"
    assert {dag_id for dag_id, _ in world.started} == {"delisting"}
    for (_, run_id), conf in list(world.started.items())[:20]:
        found = opened(world, conf["listing"], run_id)
        if conf["listing"] != world.observed:
            ask(found, run_id=run_id)
    assert world.told() == []


def test_a_listing_that_opens_again_gets_a_run_and_a_question_of_its_own(world: World) -> None:
    start()
    found = opened(world)
    ask(found)
    answer(found, NAMED, cause="old list")
    world.clear()
    with world.store.session("*") as conn:
        again = add_listing(conn, world.ip, AS_OF + 2 * DAY)
    assert start()["started"] == 1
    assert f"listing_{again}_20261122T080000" in {run_id for _, run_id in world.started}
    ask(opened(world, again, "listing_2"), run_id="listing_2")
    assert world.row(again).cause is None
    assert world.row().cause == "old list"


def finish(found: Any, run_id: str = "listing_1") -> str:
    said: str = FinishDelisting(task_id="finish", opened=found).execute(ctx(run_id))
    return said


def test_the_end_is_told_once_and_says_what_becomes_of_the_ip(world: World) -> None:
    found = opened(world)
    assert "followed up still" in finish(found)
    assert world.told() == []
    ask(found)
    answer(found, NAMED, cause="old list")
    world.clear()
    for _ in range(2):
        said = finish(found)
    assert said == (
        "198.51.100.1 on zen-lab: off the list, cause named by ops (old list); from 2026-11-27 on it rests 30 days"
    )
    assert world.told() == [said]


def form(world: World, run_id: str = "manual__1", **fields: Any) -> Any:
    fields = {"action": "follow", "scope": "ip", "name": "198.51.100.1"} | fields
    return OpenDelisting(task_id="dossier").execute(ctx(run_id, **fields))


def test_one_form_names_the_cause_of_every_listing_of_a_tenant(world: World) -> None:
    with world.store.session("*") as conn:
        other = add_listing(conn, add_ip(conn, 2, state="quarantine"), AS_OF)
    found = opened(world)
    ask(found)
    with pytest.raises(AirflowSkipException):
        form(world, action="name_cause", scope="tenant", name="aurora", cause="list of May")
    assert {world.row(n).cause for n in (world.listing, other)} == {"list of May"}
    assert "ops named the cause: list of May" in fire(world, found), (
        "whoever waits is told that it is settled"
    )
    assert len(world.told("delisting_form")) == 1
    assert world.row(other).run_id is None
    start()
    assert ("delisting", f"listing_{other}_20261120T080000") in world.started, "its list is still asked again"


def test_the_form_acknowledges_with_owner_ticket_and_date(world: World) -> None:
    until = (datetime.now(UTC) + 9 * DAY).date().isoformat()
    with pytest.raises(AirflowSkipException):
        form(world, action="acknowledge", owner="nadia", ticket="T-1", until=until)
    row = world.row()
    assert (row.acknowledged_by, row.acknowledged_ticket) == ("nadia", "T-1")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"action": "release"}, "follow, name_cause, acknowledge"),
        ({"action": "name_cause"}, "cause is empty"),
        ({"name": "198.51.100.9"}, "no listing that matters"),
        ({"list": "psbl"}, "no listing on 'psbl'"),
        ({"name": "192.0.2.77"}, "192.0.2.77"),
        ({"scope": "tenant", "name": "borealis"}, "mode observe"),
        ({"action": "acknowledge", "until": "2001-01-01"}, "not within"),
    ],
)
def test_a_wrong_form_is_refused_with_the_next_step_and_nothing_is_written(
    world: World, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(AirflowFailException, match="Next: ") as refused:
        form(world, **fields)
    assert said in str(refused.value)
    with world.store.session("*") as conn:
        assert conn.execute(select(s.delistings.c.id)).all() == []


def test_a_person_follows_a_listing_anew(world: World) -> None:
    assert form(world, list="zen-lab")["listing"] == world.listing
    with world.store.session("*") as conn:
        add_listing(conn, world.ip, AS_OF, list="bl", zone="bl.example")
    with pytest.raises(AirflowFailException, match="one IP and one list"):
        form(world)


@pytest.mark.parametrize("listing", [0, -1, True, "7", 2**40])
def test_an_id_that_can_be_none_is_refused(world: World, listing: Any) -> None:
    with pytest.raises(AirflowFailException, match="key listing"):
        OpenDelisting(task_id="dossier").execute(ctx(listing=listing))
