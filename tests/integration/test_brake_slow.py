"""A brake on a host that is slow, and looks that cross: what an older look held is not held for ever."""

import pytest

from email_engine.pipelines.brakes import enforce as module
from email_engine.store import schema as s
from email_engine.store.stops import brakes
from email_engine_airflow.clients import airflow_clients
from email_engine_airflow.run import current_run
from lab.testing import RunningLab
from tests.whole_lab import Whole


@pytest.fixture
def whole(just_deployed: Whole) -> Whole:
    for number in (1, 2, 3):
        just_deployed.mail(number, 50)
    return just_deployed


def look(whole: Whole) -> module.Enforced:
    run = current_run(whole.context("emergency_stop"))
    return module.enforce(whole.db, airflow_clients(), "mta-1", run)


def test_a_slow_powermta_keeps_mailwizz_from_nothing_and_is_told(
    whole: Whole, lab: RunningLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BOUND", 6.0)
    for number in (1, 2, 3):
        whole.engage(number)
    lab.knob("powermta.slow", seconds=7)
    try:
        done = look(whole)
    finally:
        lab.knob("powermta.slow", seconds=0)
    assert [whole.server(n)[2] for n in (1, 2, 3)] == ["disabled"] * 3
    assert [row.mailwizz_holds for row in whole.rows(s.brakes)] == [True] * 3
    assert done.incomplete is not None
    assert "so slow that not all was reached" in done.incomplete.observed
    (incident,) = whole.rows(s.incidents)
    assert incident.title == "Stops on mta-1 are not complete"
    monkeypatch.setattr(module, "BOUND", 60.0)
    assert look(whole).incomplete is None, "the next look goes on"
    assert [paused for n in (1, 2, 3) for _, paused in whole.queues(n).values()] == [True] * 3


def test_what_an_older_look_held_after_its_release_is_let_go_again(
    whole: Whole, lab: RunningLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop's look is slow; meanwhile a release is asked for, done, and told."""
    brake_id = whole.engage(1)
    still = module._still

    def release_in_between(*args: object) -> object:
        answer = still(*args)  # type: ignore[arg-type]
        monkeypatch.setattr(module, "_still", still)
        whole.ask_release(1)
        assert look(whole).released == 1
        return answer

    monkeypatch.setattr(module, "_still", release_in_between)
    look(whole)
    with whole.db.session(tenant="*") as conn:
        assert brakes.engaged(conn) == ()
    assert [row.id for row in whole.rows(s.brakes)] == [brake_id]
    assert [paused for _, paused in whole.queues(1).values()] == [False]


def test_a_brake_that_came_in_between_stands(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    whole.engage(1)
    still = module._still

    def release_and_stop_again(*args: object) -> object:
        answer = still(*args)  # type: ignore[arg-type]
        monkeypatch.setattr(module, "_still", still)
        whole.ask_release(1)
        look(whole)
        whole.engage(1, "stopped again")
        return answer

    monkeypatch.setattr(module, "_still", release_and_stop_again)
    look(whole)
    look(whole)
    assert [paused for _, paused in whole.queues(1).values()] == [True]


def test_a_server_that_somebody_else_switched_off_first_stands_as_wanted(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    from email_engine.adapters.mailwizz_db import MailwizzDb

    whole.engage(1)
    set_status = MailwizzDb.set_status

    def quicker(self: MailwizzDb, *args: object) -> object:
        monkeypatch.setattr(MailwizzDb, "set_status", set_status)
        set_status(self, *args)  # type: ignore[arg-type]
        return set_status(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(MailwizzDb, "set_status", quicker)
    assert look(whole).incomplete is None
    assert whole.rows(s.incidents) == []
    assert whole.server(1)[2] == "disabled"


def test_who_stands_still_is_told_by_one_look_alone(whole: Whole) -> None:
    """Two looks that began before either wrote anything down."""
    whole.engage(1)
    with whole.db.session(tenant="*") as conn:
        standing = brakes.engaged(conn)
    look(whole)
    run = current_run(whole.context("emergency_stop"))
    late = lambda: False  # noqa: E731
    clients = airflow_clients()
    powermta = module._powermta("mta-1", standing, whole.db, clients, late)
    mailwizz, _ = module._mailwizz("mta-1", standing, whole.db, clients, run, late)
    module._record("mta-1", whole.db, standing, powermta, mailwizz, run)
    told = [row.text for row in whole.rows(s.alerts) if "still on mta-1" in row.text]
    assert len(told) == 1
