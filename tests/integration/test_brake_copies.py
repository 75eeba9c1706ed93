"""A second delivery server that names the virtual MTA of a stopped IP (MailWizz's *Copy* keeps the headers) stands still too, and is
listened to like the IP's own."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.errors import EngineError, Unreachable
from email_engine.pipelines.brakes.silence import prove_silence
from email_engine.store import schema as s
from email_engine_airflow.clients import airflow_clients
from email_engine_airflow.run import current_run
from tests.fleet_rows import add_host, add_ip
from tests.integration.test_brake_removed import leave
from tests.whole_lab import Whole

COPY = 901
OWN, OTHERS = 101, 102
MINUTE = timedelta(minutes=1)


@pytest.fixture
def copied(whole: Whole) -> Iterator[Whole]:
    """Somebody copied the server of aurora-1; both run, and both handed something over lately."""
    columns = ", ".join(
        row["column_name"]
        for row in whole.mailwizz(
            "SELECT column_name FROM information_schema.columns WHERE table_name LIKE '%%delivery_server' AND table_name NOT LIKE '%%campaign%%' "
            "AND column_name <> 'server_id' ORDER BY column_name"
        )
    )
    whole.mailwizz(
        f"INSERT INTO {{server}} (server_id, {columns}) SELECT {COPY}, {columns} FROM {{server}} WHERE server_id = {OWN}"
    )
    for server in (OWN, COPY):
        whole.hand_over(server)
    whole.mailwizz("UPDATE {campaign} SET status = 'sending'")
    yield whole
    for table in ("usage", "delivery", "server"):
        whole.mailwizz(f"DELETE FROM {{{table}}} WHERE server_id = {COPY}")
    whole.mailwizz("UPDATE {campaign} SET status = 'sending'")


def statuses(whole: Whole) -> dict[int, str]:
    rows = whole.mailwizz("SELECT server_id, status FROM {server}")
    return {row["server_id"]: row["status"] for row in rows}


def look(whole: Whole, minutes: float) -> None:
    now = min(row.began_at for row in whole.rows(s.silences)) + minutes * MINUTE
    run = current_run(whole.context("brake_watch"))
    prove_silence(whole.db, airflow_clients(), "mta-1", run, now, lambda: False)


def told(whole: Whole) -> list[tuple[str, str]]:
    return [(alert.severity, alert.text) for alert in whole.rows(s.alerts) if alert.event == "silence"]


def message(whole: Whole) -> str:
    (brake,) = whole.rows(s.brakes)
    return str(brake.message)


def test_a_copy_stands_still_with_the_ip_and_only_the_own_server_comes_back(copied: Whole) -> None:
    copied.engage(1)
    assert copied.brake()["held"] == 1
    assert statuses(copied) == {OWN: "disabled", COPY: "disabled", OTHERS: "active", 103: "active"}
    assert f"server {COPY} is disabled, which names virtual MTA aurora-1 too" in message(copied)
    copied.ask_release(1)
    copied.brake()
    copied.sync()
    assert statuses(copied) == {OWN: "active", COPY: "disabled", OTHERS: "active", 103: "active"}


def test_a_copy_that_is_made_during_a_stop_is_found(copied: Whole) -> None:
    copied.mailwizz(f"UPDATE {{server}} SET status = 'inactive' WHERE server_id = {COPY}")
    copied.engage(1)
    copied.brake()
    copied.mailwizz(f"UPDATE {{server}} SET status = 'active' WHERE server_id = {COPY}")
    copied.brake()
    assert statuses(copied)[COPY] == "disabled"
    (text,) = [alert.text for alert in copied.rows(s.alerts) if alert.event == "brake taken off"]
    assert "they stand still again" in text


def test_a_server_of_another_ip_with_the_wrong_header_feeds_it_too(copied: Whole) -> None:
    """By fleet.yaml it is aurora-2's; its mail leaves through aurora-1 all the same. The sync writes nothing to it."""
    kept = copied.mailwizz(f"SELECT meta_data FROM {{server}} WHERE server_id = {OTHERS}")[0]["meta_data"]
    copied.mailwizz(
        f"UPDATE {{server}} SET meta_data = (SELECT meta_data FROM {{server}} WHERE server_id = {OWN}) WHERE server_id = {OTHERS}"
    )
    try:
        copied.engage(1)
        assert copied.brake()["held"] == 1
        copied.sync()
        assert statuses(copied)[OTHERS] == "disabled"
    finally:
        copied.mailwizz(f"UPDATE {{server}} SET meta_data = %(kept)s WHERE server_id = {OTHERS}", kept=kept)


def test_silence_is_told_when_both_are_silent_with_what_both_handed_over(copied: Whole) -> None:
    copied.engage(1)
    copied.brake()
    copied.hand_over(OWN, 2)
    copied.hand_over(COPY, 3)
    look(copied, 1)
    for minutes in (3, 5):
        copied.hand_over(COPY, 1)
        look(copied, minutes)
    assert told(copied) == [], "the copy hands over still"
    look(copied, 8)
    ((severity, text),) = told(copied)
    assert severity == "info"
    assert "MailWizz is silent for 1 stopped IP of mta-1" in text
    assert "7 messages went out after the servers were switched off" in text
    assert f"5 messages handed to PowerMTA by server {COPY} since" in text
    look(copied, 19)
    assert [row.proven_at is not None for row in copied.rows(s.silences)] == [True, True]


def test_a_copy_that_goes_on_has_its_campaign_paused(copied: Whole) -> None:
    copied.engage(1)
    copied.brake()
    for minutes in (4, 8, 12):
        copied.hand_over(COPY, 2)
        look(copied, minutes)
    ((severity, text),) = told(copied)
    assert severity == "critical"
    assert f"198.51.100.1 (aurora-1), whose virtual MTA server {COPY} names too, which is off since" in text
    assert "Paused: " in text
    copied.ask_release(1)
    copied.brake()
    assert {row["status"] for row in copied.mailwizz("SELECT status FROM {campaign}")} == {"sending"}


def test_a_server_that_ran_again_meanwhile_is_listened_to_anew(copied: Whole) -> None:
    copied.engage(1)
    copied.brake()
    for minutes in (3, 14):
        look(copied, minutes)
    assert all(row.proven_at for row in copied.rows(s.silences))
    copied.set_server(1, "active")
    copied.brake()
    assert statuses(copied)[OWN] == "disabled"
    assert not any(row.proven_at for row in copied.rows(s.silences))


def test_an_ip_without_a_server_listens_to_what_names_its_virtual_mta(copied: Whole) -> None:
    with copied.db.session(tenant="*") as conn:
        conn.execute(update(s.ips).where(s.ips.c.vmta_name == "aurora-1").values(mailwizz_server_id=None))
    copied.engage(1)
    copied.brake()
    assert [row.server_id for row in copied.rows(s.silences)] == [OWN, COPY]
    look(copied, 3)
    assert "MailWizz is silent for 1 stopped IP of mta-1" in told(copied)[0][1]


def taken_over(whole: Whole, server: int, host: str = "mta-1") -> None:
    """aurora-1 left the fleet, and a new IP has its virtual MTA, with a server of its own or the old one."""
    leave(whole, 1)
    with whole.db.session(tenant="*") as conn:
        if host != "mta-1":
            add_host(conn, host)
        ip = add_ip(conn, 9, state="active", mta_host=host)
        conn.execute(
            update(s.ips).where(s.ips.c.id == ip).values(vmta_name="aurora-1", mailwizz_server_id=server)
        )


@pytest.mark.parametrize("server", [OWN, COPY], ids=["the old server", "a server of its own"])
def test_what_an_heir_hands_over_is_nobodys_noise(copied: Whole, server: int) -> None:
    taken_over(copied, server)
    copied.brake()
    for _ in range(3):
        copied.hand_over(server, 2)
        run = current_run(copied.context("brake_watch"))
        prove_silence(
            copied.db, airflow_clients(), "mta-1", run, copied.now + timedelta(days=30), lambda: False
        )
    assert {row["status"] for row in copied.mailwizz("SELECT status FROM {campaign}")} == {"sending"}
    assert told(copied) == []


def test_the_server_of_an_heir_on_another_host_runs_on(copied: Whole) -> None:
    taken_over(copied, COPY, "mta-2")
    for _ in range(2):
        copied.brake()
        assert statuses(copied)[COPY] == "active"
    assert [a for a in copied.rows(s.alerts) if a.event == "brake taken off"] == []


def test_an_old_copy_that_was_off_before_is_not_listened_to(copied: Whole) -> None:
    copied.mailwizz(f"DELETE FROM {{usage}} WHERE server_id = {COPY}")
    copied.mailwizz(f"UPDATE {{server}} SET status = 'inactive' WHERE server_id = {COPY}")
    copied.engage(1)
    copied.brake()
    for minutes in (3, 14):
        look(copied, minutes)
    assert [(row.server_id, row.proven_at is not None) for row in copied.rows(s.silences)] == [(OWN, True)]


def test_a_copy_that_the_log_does_not_know_is_named_and_nothing_is_called_silent(copied: Whole) -> None:
    copied.mailwizz(f"DELETE FROM {{usage}} WHERE server_id = {COPY}")
    copied.engage(1)
    copied.brake()
    for minutes in (3, 14):
        look(copied, minutes)
    ((_, text),) = told(copied)
    assert text.startswith("Whether MailWizz is silent")
    assert f"server {COPY}" in text


def test_a_stop_says_what_it_switched_off_although_copies_could_not_be_read(
    copied: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise Unreachable("mw-aurora", "no answer", "an answer", "look")

    copied.engage(1)
    with monkeypatch.context() as broken:
        broken.setattr(MailwizzDb, "servers", away)
        with pytest.raises(EngineError):
            copied.brake()
        assert statuses(copied)[OWN] == "disabled"
        assert "server 101 is disabled; whether another server names" in message(copied)
    assert copied.brake()["held"] == 1
    assert statuses(copied)[COPY] == "disabled"


def test_a_stop_that_was_killed_between_two_servers_is_completed_by_the_next_look(
    copied: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker dies when the own server is off and before its copy is; nothing of that look was written down but the write itself."""
    disable, asked = MailwizzDb.disable, []

    def killed(database: MailwizzDb, server: int) -> object:
        asked.append(server)
        if server == COPY:
            raise SystemExit(9)
        return disable(database, server)

    copied.engage(1)
    with monkeypatch.context() as dying:
        dying.setattr(MailwizzDb, "disable", killed)
        with pytest.raises(SystemExit):
            copied.brake()
    assert (asked, statuses(copied)[OWN], statuses(copied)[COPY]) == ([OWN, COPY], "disabled", "active")
    assert copied.brake()["held"] == 1
    assert statuses(copied)[COPY] == "disabled"
    assert [row.server_id for row in copied.rows(s.silences)] == [OWN, COPY]
    copied.ask_release(1)
    copied.brake()
    copied.sync()
    assert statuses(copied)[OWN] == "active"
