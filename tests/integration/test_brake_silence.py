"""MailWizz's half of a brake is proven by silence: a worker that goes on is counted, told, and its campaigns are paused."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from email_engine.adapters import mailwizz_pausing as pausing
from email_engine.adapters.mailwizz_api import MailwizzApi
from email_engine.errors import AccessDenied, EngineError, NotVerified, Refused, Unreachable
from email_engine.pipelines.brakes.silence import prove_silence, resume_campaigns
from email_engine.pipelines.names import hosts_with_brakes
from email_engine.store import schema as s
from email_engine_airflow.clients import airflow_clients
from email_engine_airflow.run import current_run
from tests.whole_lab import Whole

MINUTE = timedelta(minutes=1)


@pytest.fixture
def stopped(whole: Whole) -> Iterator[Whole]:
    """aurora-1 stands still, and MailWizz was listened to once."""
    whole.mailwizz("UPDATE {campaign} SET status = 'sending'")
    whole.engage(1)
    assert whole.brake()["held"] == 1
    yield whole
    whole.mailwizz("UPDATE {campaign} SET status = 'sending'")


def look(whole: Whole, minutes: float) -> None:
    (silence,) = whole.rows(s.silences)
    run = current_run(whole.context("brake_watch"))
    now = silence.began_at + minutes * MINUTE
    prove_silence(whole.db, airflow_clients(), "mta-1", run, now, lambda: False)


def loud_until_paused(whole: Whole) -> None:
    """Its server hands over for ten minutes after it was switched off."""
    for minutes in (4, 8, 12):
        whole.hand_over(101, 2)
        look(whole, minutes)


def told(whole: Whole) -> list[tuple[str, str]]:
    return [(alert.severity, alert.text) for alert in whole.rows(s.alerts) if alert.event == "silence"]


def campaign(whole: Whole) -> str:
    ((status,),) = (row.values() for row in whole.mailwizz("SELECT DISTINCT status FROM {campaign}"))
    return str(status)


def test_two_minutes_without_a_message_and_another_look_prove_it(stopped: Whole) -> None:
    stopped.hand_over(101, 3)
    stopped.hand_over(102, 5)
    look(stopped, 2)
    look(stopped, 4)
    ((severity, text),) = told(stopped)
    assert severity == "info"
    assert "MailWizz is silent for 1 stopped IP of mta-1" in text
    assert "3 messages went out after the servers were switched off" in text
    look(stopped, 14)
    (silence,) = stopped.rows(s.silences)
    assert (silence.handed_over, silence.proven_at is not None) == (3, True)
    stopped.hand_over(101, 1)
    look(stopped, 20)
    assert len(told(stopped)) == 1, "what is proven is not asked for again"


def logged(whole: Whole, age: str) -> None:
    whole.mailwizz(
        "INSERT INTO {usage} (server_id, customer_id, delivery_for, date_added) "
        "VALUES (101, 1, 'campaign', now() - %(age)s::interval)",
        age=age,
    )


def test_messages_of_the_day_before_are_what_makes_silence_a_proof(whole: Whole) -> None:
    whole.mailwizz("DELETE FROM {usage} WHERE server_id = 101")
    logged(whole, "3 hours")
    whole.engage(1)
    whole.brake()
    look(whole, 2)
    assert "MailWizz is silent for 1 stopped IP of mta-1" in told(whole)[0][1]


@pytest.mark.parametrize("rows", [[], ["3 days"]], ids=["no row ever", "an old one alone"])
def test_of_a_server_that_the_log_does_not_know_nothing_is_proven(whole: Whole, rows: list[str]) -> None:
    """Without quotas, its sends not counted for the customer: a worker may hand over, and there is no row of it."""
    whole.mailwizz("DELETE FROM {usage} WHERE server_id = 101")
    for age in rows:
        logged(whole, age)
    whole.engage(1)
    whole.brake()
    for minutes in (2, 4, 14, 30):
        whole.hand_over(102, 5)
        look(whole, minutes)
    ((severity, text),) = told(whole)
    assert severity == "info"
    assert text.startswith("Whether MailWizz is silent for 1 stopped IP of mta-1 is not known")
    assert "server 101" in text
    assert whole.rows(s.silences)[0].proven_at is None
    whole.hand_over(101, 2)
    look(whole, 40)
    look(whole, 42)
    assert "hands over still" in told(whole)[1][1]
    assert "MailWizz is silent" in told(whole)[2][1]


def test_a_worker_that_goes_on_has_its_campaign_paused_until_the_stop_is_over(stopped: Whole) -> None:
    loud_until_paused(stopped)
    ((severity, text),) = told(stopped)
    assert severity == "critical"
    assert "hands over still" in text
    assert "6 messages handed to PowerMTA since" in text
    assert "Paused: " in text
    assert campaign(stopped) == "paused"
    stopped.ask_release(1)
    assert stopped.brake()["released"] == 1
    assert campaign(stopped) == "sending"
    (row,) = stopped.rows(s.paused_campaigns)
    assert row.outcome == "it goes on, for the stop is over"


def test_what_a_person_did_with_the_campaign_meanwhile_stays(stopped: Whole) -> None:
    for minutes in (4, 12):
        stopped.hand_over(101, 2)
        look(stopped, minutes)
    stopped.mailwizz("UPDATE {campaign} SET status = 'sent'")
    stopped.ask_release(1)
    stopped.brake()
    assert campaign(stopped) == "sent"
    assert stopped.rows(s.paused_campaigns)[0].outcome == "it was not paused any more, and was left as it is"


def test_a_campaign_that_somebody_had_paused_is_not_ours(stopped: Whole) -> None:
    stopped.mailwizz("UPDATE {campaign} SET status = 'paused'")
    for minutes in (4, 12):
        stopped.hand_over(101, 2)
        look(stopped, minutes)
    assert stopped.rows(s.paused_campaigns) == []
    assert "no campaign under way hands over to it" in told(stopped)[0][1]


def test_an_api_that_is_away_is_told_and_the_campaign_goes_on_later(
    stopped: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minutes in (4, 12):
        stopped.hand_over(101, 2)
        look(stopped, minutes)
    stopped.ask_release(1)
    with monkeypatch.context() as away:
        away.setenv(
            "AIRFLOW_CONN_MAILWIZZ_API_MW-AURORA",
            '{"conn_type": "mailwizz", "password": "k", "host": "http://127.0.0.1:9/api"}',
        )
        stopped.brake()
        assert campaign(stopped) == "paused"
    run: Any = current_run(stopped.context("brake_watch"))
    assert hosts_with_brakes(stopped.db, run) == ["mta-1"], "no brake stands there, and a campaign waits"
    resume_campaigns(stopped.db, airflow_clients(), "mta-1", run, stopped.now)
    assert campaign(stopped) == "sending"
    assert hosts_with_brakes(stopped.db, run) == []


def test_an_api_that_was_away_when_it_was_needed_is_tried_at_the_next_look(
    stopped: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        away.setenv(
            "AIRFLOW_CONN_MAILWIZZ_API_MW-AURORA",
            '{"conn_type": "mailwizz", "password": "k", "host": "http://127.0.0.1:9/api"}',
        )
        for minutes in (4, 12, 14):
            stopped.hand_over(101, 2)
            look(stopped, minutes)
    assert campaign(stopped) == "sending"
    ((severity, text),) = told(stopped)
    assert severity == "critical"
    assert "Not paused: " in text
    stopped.hand_over(101, 2)
    look(stopped, 16)
    assert campaign(stopped) == "paused"
    assert "Paused: " in told(stopped)[1][1]
    look(stopped, 17)
    assert len(told(stopped)) == 2
    stopped.ask_release(1)
    stopped.brake()
    assert campaign(stopped) == "sending"


def away_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_MAILWIZZ_API_MW-AURORA",
        '{"conn_type": "mailwizz", "password": "k", "host": "http://127.0.0.1:9/api"}',
    )


PUT_FAILS: Any = {
    "refused": AccessDenied("MailWizz", "403 to PUT", "a key", "check it"),
    "answered by another": Refused("MailWizz", "404 to PUT", "JSON", "look"),
}


@pytest.mark.parametrize(
    "trouble", ["API away", *PUT_FAILS, "goes on", "unanswered, and under way at the next look"]
)
def test_what_a_person_paused_since_the_engine_could_not_stays_paused(
    stopped: Whole, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    call = MailwizzApi.call

    def failing(api: MailwizzApi, method: str, path: str, *args: Any) -> Any:
        if method == "PUT" and trouble in PUT_FAILS:
            raise PUT_FAILS[trouble]
        if method == "PUT" and trouble.startswith("unanswered"):
            raise Unreachable("MailWizz", "no answer", "an answer", "look")
        return {} if method == "PUT" else call(api, method, path, *args)

    with monkeypatch.context() as broken:
        if trouble == "API away":
            away_api(broken)
        broken.setattr(MailwizzApi, "call", failing)
        for minutes in (4, 12, 14):
            stopped.hand_over(101, 2)
            look(stopped, minutes)
        if trouble.startswith("unanswered"):
            away_api(broken)
            stopped.hand_over(101, 2)
            look(stopped, 16)
    assert "pause its campaigns there" in told(stopped)[0][1]
    assert stopped.rows(s.paused_campaigns) == []
    stopped.mailwizz("UPDATE {campaign} SET status = 'paused'")
    stopped.ask_release(1)
    stopped.brake()
    assert campaign(stopped) == "paused"


def test_a_campaign_that_a_person_let_go_on_is_theirs_from_then_on(stopped: Whole) -> None:
    """They paused it again for a reason of their own: the end of the stop is none to go on."""
    loud_until_paused(stopped)
    assert campaign(stopped) == "paused"
    for minutes in (14, 16):
        stopped.mailwizz("UPDATE {campaign} SET status = 'sending'")
        stopped.hand_over(101, 2)
        look(stopped, minutes)
        assert campaign(stopped) == "sending", "nor is it paused against them"
    stopped.mailwizz("UPDATE {campaign} SET status = 'paused'")
    stopped.ask_release(1)
    stopped.brake()
    assert campaign(stopped) == "paused"


def test_a_campaign_that_goes_on_already_is_not_toggled_at_the_release(stopped: Whole) -> None:
    """MailWizz's call turns a pause on and off."""
    loud_until_paused(stopped)
    stopped.mailwizz("UPDATE {campaign} SET status = 'sending'")
    stopped.ask_release(1)
    stopped.brake()
    assert campaign(stopped) == "sending"


def test_a_busy_neighbour_does_not_hide_what_goes_through_a_loud_server(stopped: Whole) -> None:
    for minutes in (4, 8):
        stopped.hand_over(101, 2)
        look(stopped, minutes)
    stopped.hand_over(101, 2)
    stopped.mailwizz(
        "INSERT INTO {delivery} (campaign_id, subscriber_id, server_id, date_added) "
        "SELECT min(campaign_id), 1, 102, now() FROM {campaign}, generate_series(1, 5001)"
    )
    look(stopped, 12)
    assert campaign(stopped) == "paused"


@pytest.mark.parametrize("answers", ["PUT", "GET"])
def test_what_the_engine_may_have_paused_goes_on_though_no_answer_came(
    stopped: Whole, monkeypatch: pytest.MonkeyPatch, answers: str
) -> None:
    """The toggle took effect; its answer, or what was to be read after it, got lost."""
    call, answer, sent = MailwizzApi.call, MailwizzApi.answer, []

    def losing(api: MailwizzApi, method: str, path: str, *args: Any) -> Any:
        body = call(api, method, path, *args)
        sent.append(path)
        if answers == "PUT":
            raise Unreachable("MailWizz", "no answer", "an answer", "look")
        return body

    def refusing(api: MailwizzApi, method: str, *args: Any, **named: Any) -> Any:
        if sent and answers == "GET":
            raise Refused("MailWizz", "404", "JSON", "look")
        return answer(api, method, *args, **named)

    with monkeypatch.context() as broken:
        broken.setattr(MailwizzApi, "call", losing)
        broken.setattr(MailwizzApi, "answer", refusing)
        for minutes in (4, 12):
            stopped.hand_over(101, 2)
            look(stopped, minutes)
    assert campaign(stopped) == "paused"
    assert "Not paused: " in told(stopped)[0][1]
    stopped.ask_release(1)
    stopped.brake()
    assert campaign(stopped) == "sending"


@pytest.mark.parametrize(
    "error",
    [AccessDenied("x", "403", "a key", "z"), Unreachable("x", "500", "y", "z"), NotVerified("x", "sending", "y", "z"),
     Refused("x", "404", "y", "z")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_one_campaign_that_cannot_be_paused_keeps_no_other_running(
    stopped: Whole, monkeypatch: pytest.MonkeyPatch, error: EngineError
) -> None:
    copied = (
        "INSERT INTO {campaign} (campaign_id, campaign_uid, customer_id, list_id, name, from_email, status, date_added) "
        "SELECT %(id)s, %(uid)s, customer_id, list_id, %(uid)s, from_email, 'sending', date_added FROM {campaign} ORDER BY campaign_id LIMIT 1"
    )
    for number, uid in ((901, "a-first"), (902, "zz-last")):
        stopped.mailwizz(copied, id=number, uid=uid)
        stopped.mailwizz(
            "INSERT INTO {delivery} (campaign_id, subscriber_id, server_id, date_added) VALUES (%(id)s, 1, 101, now())",
            id=number,
        )
    seen = pausing.status_of

    def one_is_odd(api: MailwizzApi, uid: str) -> str:
        if uid == "a-first":
            raise error
        return seen(api, uid)

    monkeypatch.setattr(pausing, "status_of", one_is_odd)
    try:
        for minutes in (4, 12):
            stopped.hand_over(101, 2)
            look(stopped, minutes)
        found = stopped.mailwizz("SELECT campaign_uid, status FROM {campaign}")
    finally:
        stopped.mailwizz("DELETE FROM {delivery} WHERE campaign_id > 900")
        stopped.mailwizz("DELETE FROM {campaign} WHERE campaign_id > 900")
    assert {row["campaign_uid"] for row in found if row["status"] == "sending"} == {"a-first"}
    text = told(stopped)[0][1]
    assert f"Not paused: a-first (a-first): {error.observed}" in text
    assert "zz-last (zz-last)" in text


def test_a_usage_log_that_cannot_be_read_keeps_nothing_from_standing_still(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("email_engine.adapters.mailwizz_traffic._usage_log", lambda database: _nowhere())
    whole.engage(1)
    assert whole.brake()["held"] == 1
    assert whole.server(1)[2] == "disabled"
    assert (whole.rows(s.silences), told(whole)) == ([], [])


def _nowhere() -> Any:
    from sqlalchemy import column, table

    return table("mw_no_such_log", column("log_id"), column("server_id"), column("date_added"))
