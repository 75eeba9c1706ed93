"""A stop names the campaigns and customers that it leaves without a delivery server: in a dry run before, else when it stands."""

import pytest

from email_engine.pipelines.brakes.left_without import foresee
from email_engine.store import schema as s
from email_engine_airflow.clients import airflow_clients
from email_engine_airflow.run import current_run
from tests.whole_lab import Whole

IPS = (1, 2, 3)


def told(whole: Whole) -> list[str]:
    return [alert.text for alert in whole.rows(s.alerts) if alert.event == "without a server"]


def foreseen(whole: Whole, **form: str) -> list[str]:
    context = whole.context("emergency_stop", dry_run=True, reason="try", release=False, **form)
    return foresee(whole.db, airflow_clients(), current_run(context))


def test_the_last_server_is_told_and_the_ones_before_are_not(whole: Whole) -> None:
    whole.mailwizz("UPDATE {campaign} SET status = 'sending'")
    for number in IPS[:-1]:
        whole.engage(number)
        assert whole.brake()["held"] == number
    assert told(whole) == []
    whole.engage(IPS[-1])
    whole.brake()
    (text,) = told(whole)
    assert "No delivery server of mw-aurora is left for 1 campaign under way: " in text
    assert "; and for customer 1" in text
    assert "customers" not in text
    whole.brake()
    assert len(told(whole)) == 1, "servers that are off already take nothing away"


def test_a_dry_run_names_them_and_changes_nothing(whole: Whole) -> None:
    whole.mailwizz("UPDATE {campaign} SET status = 'sending'")
    (line,) = foreseen(whole, scope="tenant", name="aurora")
    assert "1 campaign under way" in line
    assert foreseen(whole, scope="ip", name="198.51.100.1") == []
    assert whole.server(1)[2] in ("active", "in-use")


def test_a_mailwizz_that_is_away_is_named_and_keeps_no_stop_from_standing(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: object) -> None:
        from email_engine.errors import Unreachable

        raise Unreachable("MailWizz mw-aurora", "no answer", "an answer", "see that it runs")

    monkeypatch.setattr("email_engine.adapters.mailwizz_db.MailwizzDb.senders", away)
    (line,) = foreseen(whole, scope="all", name="")
    assert line.startswith(
        "Whom it leaves without a delivery server of mw-aurora is not known: MailWizz mw-aurora"
    )
    for number in IPS:
        whole.engage(number)
    assert whole.brake()["held"] == len(IPS)
    assert told(whole) == []
