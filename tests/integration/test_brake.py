"""The brake against a real SSH session, a real MailWizz database and a real PostgreSQL."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from sqlalchemy import update

from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.adapters.powermta import Hold, PowerMta
from email_engine.errors import EngineError
from email_engine.store import schema as s
from email_engine_airflow.operators.brakes import ApplyBrakes
from email_engine_airflow.operators.publish import PublishListings
from tests.whole_lab import Whole, connections

UNTOUCHED = (0, 0, "active")


def row(whole: Whole) -> Any:
    (found,) = whole.rows(s.brakes)
    return found


def told(whole: Whole, event: str = "brake") -> list[tuple[str, str, str]]:
    """Severity, state and text of the alerts, oldest first."""
    return [(a.severity, a.state, a.text) for a in whole.rows(s.alerts) if a.event == event]


def fails(whole: Whole) -> EngineError:
    with pytest.raises(EngineError) as caught:
        whole.brake()
    return caught.value


def test_both_halves_hold_and_are_read_back(whole: Whole) -> None:
    whole.mail(1, 10)
    whole.engage(1)
    assert whole.brake() == {"host": "mta-1", "held": 1, "released": 0, "failed": 0}
    assert whole.queues(1) == {"gmail.rollup": (10, True)}
    assert whole.disabled_sources() == ["198.51.100.1"]
    assert [whole.server(n)[2] for n in (1, 2, 3)] == ["disabled", "active", "active"]
    brake = row(whole)
    assert (brake.powermta_holds, brake.mailwizz_holds, brake.released_at) == (True, True, None)
    assert "1 of 1 queue paused (10 recipients), source 198.51.100.1 disabled" in brake.message
    assert "server 101 is disabled" in brake.message
    ((severity, _, text),) = told(whole)
    assert severity == "info", "who decided it tells why"
    assert text == "198.51.100.1 (aurora-1) stands still on mta-1, read back in PowerMTA and MailWizz"


@pytest.fixture
def headers(whole: Whole) -> Iterator[None]:
    """Of MailWizz's servers, as they were before the test."""
    kept = whole.mailwizz("SELECT server_id, meta_data FROM {server}")
    yield
    for server in kept:
        whole.mailwizz(
            "UPDATE {server} SET meta_data = %(meta_data)s WHERE server_id = %(server_id)s", **server
        )


@pytest.mark.usefixtures("headers")
@pytest.mark.parametrize("copied", [False, True])
def test_a_server_that_nobody_learned_is_found_by_its_header(whole: Whole, copied: bool) -> None:
    with whole.db.session(tenant="*") as conn:
        conn.execute(update(s.ips).where(s.ips.c.vmta_name == "aurora-1").values(mailwizz_server_id=None))
    if copied:
        whole.mailwizz(
            "UPDATE {server} SET meta_data = (SELECT meta_data FROM {server} WHERE server_id = 101) WHERE server_id = 102"
        )
    whole.engage(1)
    assert whole.brake()["held"] == 1
    assert [whole.server(n)[2] for n in (1, 2, 3)] == [
        "disabled",
        "disabled" if copied else "active",
        "active",
    ]
    assert "server 101 is disabled" in row(whole).message


@pytest.mark.usefixtures("headers")
def test_an_ip_without_a_server_is_braked_in_powermta(whole: Whole) -> None:
    with whole.db.session(tenant="*") as conn:
        conn.execute(update(s.ips).where(s.ips.c.vmta_name == "aurora-3").values(mailwizz_server_id=None))
    whole.mailwizz("UPDATE {server} SET meta_data = NULL WHERE server_id = 103")
    whole.engage(3)
    assert whole.brake()["held"] == 1
    assert "no server names virtual MTA aurora-3" in row(whole).message
    assert whole.disabled_sources() == ["198.51.100.3"]


@pytest.mark.usefixtures("headers")
def test_headers_that_nobody_can_read_are_no_proof_that_nothing_feeds_it(whole: Whole) -> None:
    with whole.db.session(tenant="*") as conn:
        conn.execute(update(s.ips).where(s.ips.c.vmta_name == "aurora-1").values(mailwizz_server_id=None))
    whole.mailwizz("UPDATE {server} SET meta_data = %(broken)s WHERE server_id = 101", broken=b"a:9:{oops")
    whole.engage(1)
    fails(whole)
    assert row(whole).mailwizz_holds is False
    assert "the headers of server 101 cannot be read" in row(whole).message
    assert whole.disabled_sources() == ["198.51.100.1"]


@pytest.mark.usefixtures("headers")
def test_a_learned_server_that_was_made_anew_is_found_by_its_header(whole: Whole) -> None:
    learned = {"mailwizz_server_id": 999, "server_learned": True}
    with whole.db.session(tenant="*") as conn:
        conn.execute(update(s.ips).where(s.ips.c.vmta_name == "aurora-1").values(learned))
    whole.engage(1)
    assert whole.brake()["held"] == 1
    assert whole.server(1)[2] == "disabled"


def test_mail_in_the_queue_stays_and_no_accounting_record_leaves_later(whole: Whole) -> None:
    for number in (1, 2):
        whole.mail(number, 300)
    whole.engage(1)
    whole.brake()
    at = whole.now
    whole.later(hours=3)
    last = whole.last_sent(1)
    assert last is None or last <= at
    assert whole.queues(1) == {"gmail.rollup": (300, True)}
    assert whole.last_sent(2) > at, "its neighbour must go on sending, or nothing was shown"


@pytest.mark.parametrize("covered", [True, False], ids=["pause covers it", "pause does not cover it"])
def test_a_queue_that_appears_later_is_held_too(whole: Whole, covered: bool) -> None:
    whole.lab.knob("pause_covers_new_queues", on=covered)
    whole.mail(1, 5)
    whole.engage(1)
    whole.brake()
    at = whole.now
    whole.mail(1, 40, domain="yahoo.com")
    whole.later()
    assert {queue: n for queue, (n, _) in whole.queues(1).items()} == {"gmail.rollup": 5, "yahoo.rollup": 40}
    last = whole.last_sent(1)
    assert last is None or last <= at
    whole.brake()
    assert all(paused for _, paused in whole.queues(1).values())
    assert row(whole).powermta_holds
    assert told(whole, "brake taken off") == [], "the source held all the time"


@pytest.mark.parametrize("again", ["deploy", "brake"])
def test_after_a_reload_that_forgets_pauses_it_is_held_again(whole: Whole, again: str) -> None:
    whole.mail(1, 50)
    whole.engage(1)
    whole.brake()
    at = whole.now
    whole.lab.knob("pause_survives_reload", on=False)
    whole.lab.knob("restart")
    assert whole.queues(1) == {"gmail.rollup": (50, False)}
    if again == "deploy":
        whole.allow(2000, 2)
    getattr(whole, again)()
    assert whole.queues(1) == {"gmail.rollup": (50, True)}
    whole.later()
    last = whole.last_sent(1)
    assert last is None or last <= at


def test_a_brake_that_a_person_took_off_is_put_on_again_and_told_each_time(whole: Whole) -> None:
    whole.mail(1, 50)
    whole.engage(1)
    whole.brake()
    for times in (1, 2):
        with whole.ssh() as mta:
            mta.let_go("198.51.100.1", "aurora-1")
        whole.set_server(1, "active")
        whole.brake()
        assert whole.queues(1) == {"gmail.rollup": (50, True)}
        assert whole.disabled_sources() == ["198.51.100.1"]
        assert whole.server(1)[2] == "disabled"
        news = told(whole, "brake taken off")
        assert len(news) == times
        assert news[-1][2].startswith("A person or a restart had let 1 stopped IP of mta-1 go")
        assert "198.51.100.1 (aurora-1)" in news[-1][2]
    assert len(told(whole)) == 1, "the brake itself is no news"


def test_powermta_away_mailwizz_holds_and_the_next_run_completes_it(whole: Whole) -> None:
    whole.mail(1, 5)
    whole.engage(1)
    whole.lab.knob("down")
    for _ in range(2):  # the second is Airflow's retry: nobody is told twice
        error = fails(whole)
        assert error.subject == "brake on mta-1"
        assert "1 of 1 not complete: aurora-1: PowerMTA host pmta@127.0.0.1" in error.observed
        assert "the connection was refused" in error.observed
        assert "Next: it is tried again by itself; if the host stays away, stop PowerMTA there" in str(error)
        brake = row(whole)
        assert (brake.powermta_holds, brake.mailwizz_holds) == (False, True)
        assert "connection was refused" in brake.message
        ((severity, _, text),) = told(whole, "incident")
        assert severity == "critical"
        assert text.startswith("mta-1 cannot be reached\nSeen: PowerMTA host pmta@127.0.0.1")
        assert "1 stop on mta-1 not complete: 198.51.100.1 (aurora-1)" in text
    assert whole.server(1)[2] == "disabled"
    whole.lab.knob("up")
    assert whole.brake()["held"] == 1
    brake = row(whole)
    assert (brake.powermta_holds, brake.mailwizz_holds) == (True, True)
    assert whole.queues(1) == {"gmail.rollup": (5, True)}
    assert [severity for severity, _, _ in told(whole)] == ["info"]
    assert [a.event for a in whole.rows(s.alerts) if a.cleared_at is None] == ["brake"]


@pytest.mark.parametrize("fault", ["database away", "no such connection"])
def test_mailwizz_away_powermta_holds_and_the_next_run_completes_it(
    whole: Whole, fault: str, tmp_path: Path, engine_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "AIRFLOW_CONN_MAILWIZZ_DB_MW-AURORA"
    good = connections(whole.lab, engine_database_url)[name]
    if fault == "database away":
        monkeypatch.setenv(name, json.dumps(json.loads(good) | {"host": str(tmp_path)}))
    else:
        monkeypatch.delenv(name)
    whole.mail(1, 5)
    whole.engage(1)
    error = fails(whole)
    assert "aurora-1: MailWizz mw-aurora: " in error.observed
    assert "mailwizz_db_mw-aurora" in error.observed
    assert "PowerMTA's half stands as asked, so what is missing is in MailWizz alone" in error.next_step
    assert "block port 25" not in error.next_step
    brake = row(whole)
    assert (brake.powermta_holds, brake.mailwizz_holds) == (True, False)
    assert whole.queues(1) == {"gmail.rollup": (5, True)}
    assert whole.server(1) == UNTOUCHED
    assert whole.rows(s.quota_syncs) == []
    ((severity, _, text),) = told(whole, "incident")
    cause = (
        "MailWizz mw-aurora cannot be reached"
        if fault == "database away"
        else "Connection mailwizz_db_mw-aurora"
    )
    assert severity == "critical"
    assert text.startswith(cause)
    monkeypatch.setenv(name, good)
    assert whole.brake()["held"] == 1
    assert whole.server(1)[2] == "disabled"
    assert len(told(whole)) == 1
    assert [a.event for a in whole.rows(s.alerts) if a.cleared_at is None] == ["brake"]


def test_a_host_that_hangs_is_waited_for_once_and_named_once(
    whole: Whole, engine_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "AIRFLOW_CONN_POWERMTA_MTA-1"
    document = json.loads(connections(whole.lab, engine_database_url)[name])
    document["extra"]["command_timeout"] = 1
    monkeypatch.setenv(name, json.dumps(document))
    for number in (1, 2, 3):
        whole.engage(number)
    whole.lab.knob("hang_command", seconds=3, command="pause")
    error = fails(whole)
    hung = time.monotonic()
    assert "3 of 3 not complete: aurora-1, aurora-2, aurora-3: PowerMTA" in error.observed
    assert error.observed.count("did not end within 1 s") == 1
    assert [whole.server(n)[2] for n in (1, 2, 3)] == ["disabled"] * 3
    whole.lab.knob("hang_command", seconds=0)
    assert whole.brake()["held"] == 3
    # A command that hung is carried out all the same, and not in the middle of the next test.
    time.sleep(max(0.0, hung + 3 - time.monotonic()))


def test_a_server_that_is_missing_in_mailwizz_keeps_no_other_ip_from_standing_still(whole: Whole) -> None:
    whole.mailwizz("UPDATE {server} SET server_id = 901 WHERE server_id = 101")
    try:
        for number in (1, 2):
            whole.engage(number)
        error = fails(whole)
    finally:
        whole.mailwizz("UPDATE {server} SET server_id = 101 WHERE server_id = 901")
    assert "1 of 2 not complete: aurora-1: MailWizz mw-aurora: delivery server 101" in error.observed
    assert sorted(whole.disabled_sources()) == ["198.51.100.1", "198.51.100.2"]
    assert whole.server(2)[2] == "disabled"
    assert whole.brake()["held"] == 2


def test_release_lets_powermta_go_and_leaves_the_server_to_the_quota_sync(whole: Whole) -> None:
    whole.mail(1, 20)
    whole.engage(1)
    whole.brake()
    whole.sync()
    assert whole.server(1) == (1, 1, "disabled")
    whole.ask_release(1)
    assert whole.brake() == {"host": "mta-1", "held": 0, "released": 1, "failed": 0}
    assert not any(paused for _, paused in whole.queues(1).values())
    assert whole.disabled_sources() == []
    assert whole.server(1) == (1, 1, "disabled")
    brake = row(whole)
    assert brake.released_at is not None
    assert (brake.powermta_holds, brake.mailwizz_holds) == (False, False)
    assert told(whole)[-1][2].startswith("198.51.100.1 (aurora-1) of mta-1 may send again")
    at = whole.now
    whole.later()
    assert whole.last_sent(1) > at
    whole.allow(700, 1)
    whole.sync()
    assert whole.server(1) == (700, 70, "active")
    assert whole.brake()["held"] == 0


def test_a_release_while_powermta_is_away_is_completed_by_the_next_run(whole: Whole) -> None:
    whole.engage(1)
    whole.brake()
    whole.ask_release(1)
    whole.lab.knob("down")
    fails(whole)
    assert "1 release on mta-1 not complete: 198.51.100.1 (aurora-1)" in told(whole, "incident")[-1][2]
    brake = row(whole)
    assert (brake.powermta_holds, brake.released_at) == (True, None)
    whole.sync()
    assert whole.server(1)[2] == "disabled", "MailWizz must not fill a queue that still stands"
    whole.lab.knob("up")
    assert whole.brake()["released"] == 1


def test_what_a_person_had_disabled_before_the_brake_stays_disabled_after_it(whole: Whole) -> None:
    whole.sync()
    whole.set_server(1, "disabled")
    for number in (1, 2):
        whole.engage(number)
    whole.brake()
    whole.sync()
    for number in (1, 2):
        whole.ask_release(number)
    whole.brake()
    whole.sync()
    assert whole.server(1) == (1000, 100, "disabled")
    assert whole.server(2) == (1000, 100, "active")
    findings = [a.text for a in whole.rows(s.alerts) if a.event == "quota-findings" and a.cleared_at is None]
    assert len(findings) == 1
    assert "server 101 (198.51.100.1): disabled, and not by the engine" in findings[0]


@pytest.mark.parametrize("status", ["inactive", "hidden", "pending-delete"])
def test_a_server_in_a_state_of_mailwizz_own_is_no_doing_of_the_engine(whole: Whole, status: str) -> None:
    whole.set_server(1, status)
    whole.engage(1)
    assert whole.brake()["held"] == 1
    assert whole.server(1) == (0, 0, status)
    assert whole.rows(s.quota_syncs) == []


def test_a_dry_run_touches_nothing(whole: Whole) -> None:
    whole.mail(1, 5)
    whole.engage(1)
    before = whole.snapshot(s.brakes, s.alerts, s.quota_syncs)
    assert whole.brake(dry_run=True) == {"host": "mta-1", "held": 0, "released": 0, "failed": 0}
    assert whole.snapshot(s.brakes, s.alerts, s.quota_syncs) == before
    assert whole.queues(1) == {"gmail.rollup": (5, False)}
    assert whole.disabled_sources() == []
    assert whole.server(1) == UNTOUCHED


def test_all_are_told_to_stand_still_before_any_is_read_back(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, real = [], PowerMta.pmta

    def noted(mta: PowerMta, *args: str) -> Any:
        asked.append(next(word for word in args if not word.startswith("--")))
        return real(mta, *args)

    monkeypatch.setattr(PowerMta, "pmta", noted)
    for number in (1, 2, 3):
        whole.engage(number)
    assert whole.brake()["held"] == 3
    assert asked == ["show", "show", *["pause", "disable"] * 3, "show", "show"]


def test_running_twice_changes_nothing_twice(whole: Whole) -> None:
    whole.mail(1, 5)
    whole.engage(1)
    whole.brake()
    tables = (s.alerts, s.quota_syncs, s.decisions, s.fleet_versions)
    before, (seen,), held = whole.snapshot(*tables), whole.rows(s.brakes), whole.host["disabled_sources"]
    assert whole.brake() == {"host": "mta-1", "held": 1, "released": 0, "failed": 0}
    assert whole.snapshot(*tables) == before
    assert whole.host["disabled_sources"] == held
    after = row(whole)._asdict()
    assert after.pop("checked_at") > seen.checked_at
    assert after == {name: value for name, value in seen._asdict().items() if name != "checked_at"}


def test_a_tenant_that_went_to_observe_keeps_its_brakes_as_they_are(whole: Whole) -> None:
    whole.mail(1, 5)
    whole.engage(1)
    whole.brake()
    with whole.db.session(tenant="*") as conn:
        conn.execute(update(s.tenants).values(mode="observe"))
    with whole.ssh() as mta:
        mta.let_go("198.51.100.1", "aurora-1")
    whole.set_server(1, "active")
    before = whole.snapshot(s.brakes, s.alerts, s.quota_syncs)
    assert whole.brake() == {"host": "mta-1", "held": 0, "released": 0, "failed": 0}
    assert whole.snapshot(s.brakes, s.alerts, s.quota_syncs) == before
    assert whole.queues(1) == {"gmail.rollup": (5, False)}
    assert whole.server(1)[2] == "active"


def test_a_stop_during_a_release_is_not_forgotten(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run brakes the IP again after this one has read the release, and before it has let go."""
    whole.mail(1, 5)
    whole.engage(1)
    whole.brake()
    whole.ask_release(1)
    let_go = PowerMta.let_go

    def braked_meanwhile(mta: PowerMta, address: str, vmta: str, keep: Any) -> Hold:
        whole.engage(1, "listed again")
        return let_go(mta, address, vmta, keep)

    with monkeypatch.context() as patch:
        patch.setattr(PowerMta, "let_go", braked_meanwhile)
        assert "braked again" in str(fails(whole))
    assert row(whole).released_at is None
    assert whole.brake()["held"] == 1
    assert whole.queues(1) == {"gmail.rollup": (5, True)}


def test_a_release_that_a_later_sweep_completes_brings_the_cap_back(whole: Whole) -> None:
    whole.engage(1)
    whole.brake()
    whole.deploy()
    assert cap(whole, 1) == "1/d"
    whole.ask_release(1)
    whole.lab.knob("down")
    fails(whole)
    whole.lab.knob("up")
    publish = PublishListings(task_id="publish")
    with pytest.raises(AirflowSkipException):
        publish.execute(whole.context("rbl_sweep", "sweep-1"))
    ApplyBrakes(task_id="brake", mta_host="mta-1").execute(whole.context("rbl_sweep", "sweep-1"))
    publish.execute(whole.context("rbl_sweep", "sweep-1"))
    whole.deploy()
    assert cap(whole, 1) == "1200/d"


def cap(whole: Whole, number: int) -> str:
    found: str = whole.lab.get("/powermta/mta-1/running")["vmtas"][f"aurora-{number}"]["max_smtp_msg_rate"]
    return found


def test_a_stop_that_comes_while_it_is_let_go_ends_with_the_ip_standing_still(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watch with an old look at the brake meets a person's stop that was held and read back meanwhile."""
    whole.mail(1, 20)
    whole.engage(1)
    whole.brake()
    whole.ask_release(1)
    real = PowerMta.let_go

    def let_go(mta: PowerMta, address: str, vmta: str, keep: Any) -> Any:
        whole.engage(1, "stopped again")
        return real(mta, address, vmta, keep)

    monkeypatch.setattr(PowerMta, "let_go", let_go)
    with pytest.raises(EngineError, match="braked again"):
        whole.brake()
    monkeypatch.undo()
    assert whole.disabled_sources() == ["198.51.100.1"]
    assert all(paused for _, paused in whole.queues(1).values())


def test_one_brakes_surprise_keeps_no_other_from_standing_still(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = MailwizzDb.server

    def server(database: MailwizzDb, number: int) -> Any:
        if number == 101:
            raise ValueError("secret")
        return real(database, number)

    monkeypatch.setattr(MailwizzDb, "server", server)
    for number in (1, 2):
        whole.engage(number)
    error = fails(whole)
    assert (
        "1 of 2 not complete: aurora-1: MailWizz mw-aurora: brake of aurora-1: ValueError" in error.observed
    )
    assert "secret" not in str(error)
    assert whole.server(2)[2] == "disabled"
    assert sorted(whole.disabled_sources()) == ["198.51.100.1", "198.51.100.2"]
