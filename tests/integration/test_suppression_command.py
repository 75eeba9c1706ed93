"""`email-engine suppression` with the lab's MailWizz: the list with its addresses, findings, and a sync without Airflow."""

import csv
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import make_url

from email_engine.adapters.mailwizz_people import MailwizzPeople
from email_engine.cli import main
from email_engine.store.engine import Store
from lab.testing import API_KEY, RunningLab, running_lab
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.suppression_bench import Bench, hurry, instance

Command = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[RunningLab]:
    world = {
        "state": str(Path(tmp_path_factory.mktemp("suppression"))),
        "clock": {"mode": "real"},
        "mailwizz": [instance("mw-aurora", postgres_url, table_prefix="command_")],
    }
    with running_lab(world) as running:
        yield running


@pytest.fixture
def bench(lab: RunningLab, store: Store, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Bench:
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        add_host(conn)
        add_ip(conn, 1)
    made = Bench(lab, store, postgres_url, prefix="command_")
    made.clean()
    hurry(monkeypatch)
    host = f"http://127.0.0.1:{lab.ready['mailwizz']['mw-aurora']}/api"
    fields = {"conn_type": "mailwizz", "host": host, "password": API_KEY}
    monkeypatch.setenv("AIRFLOW_CONN_MAILWIZZ_API_MW-AURORA", json.dumps(fields))
    url = make_url(postgres_url)
    database = {
        "conn_type": "mailwizz_db", "host": url.query["host"], "login": url.username, "password": url.password,
        "schema": url.database, "extra": {"dialect": "postgresql", "table_prefix": "command_"},
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_MAILWIZZ_DB_MW-AURORA", json.dumps(database))
    return made


@pytest.fixture
def command(
    bench: Bench,
    engine_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    monkeypatch.setenv("EMAIL_ENGINE_DATABASE_URL", engine_database_url)

    def call(*words: str) -> tuple[int, str]:
        code = main(["suppression", *words])
        return code, capsys.readouterr().out

    return call


def test_a_sync_by_hand_and_the_list_with_addresses_that_mailwizz_has(bench: Bench, command: Command) -> None:
    now = datetime.now(UTC)
    bench.ingest(
        bench.bounce("gone@gmail.com", bench.mailed("gone@gmail.com"), at=now),
        bench.complaint("angry@yahoo.com", bench.mailed("angry@yahoo.com"), at=now),
        bench.bounce("shop@gmail.com", "receipt@shop.example", at=now, job=""),
    )
    code, said = command("sync", "mw-aurora", "--json")
    assert (code, json.loads(said)["posted"], json.loads(said)["not_ours"]) == (0, 3, 1)
    code, said = command("export", "aurora")
    rows = list(csv.DictReader(io.StringIO(said)))
    assert code == 0
    assert sorted((row["address"], row["reason"], row["status"]) for row in rows) == [
        ("angry@yahoo.com", "complaint", "unsubscribed"),
        ("gone@gmail.com", "hard", "blacklisted"),
    ]
    assert json.loads(command("export", "aurora", "--json")[1])["tenant"] == "aurora"


def test_who_is_gone_or_takes_mail_again_is_told_by_status_and_exit_code(
    bench: Bench, command: Command
) -> None:
    now = datetime.now(UTC)
    names = ["a@gmail.com", "b@gmail.com"]
    bench.ingest(*(bench.bounce(name, bench.mailed(name), at=now) for name in names))
    command("sync", "mw-aurora")
    bench.sql("DELETE FROM {list_subscriber} WHERE email = 'a@gmail.com'")
    bench.sql("UPDATE {list_subscriber} SET status = 'confirmed' WHERE email = 'b@gmail.com'")
    code, said = command("export", "aurora")
    rows = list(csv.DictReader(io.StringIO(said)))
    assert code == 1
    assert sorted((row["address"], row["status"]) for row in rows) == [("", ""), ("b@gmail.com", "confirmed")]


def test_findings_name_the_subscriber_and_never_the_address(
    bench: Bench, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("findings", "mw-aurora") == (0, "no finding is open: MailWizz took all that it was told\n")
    for name in ("post_bounce", "put_status"):
        monkeypatch.setattr(MailwizzPeople, name, lambda *_: None)
    monkeypatch.setattr(MailwizzPeople, "tell_webhook", lambda *_: False)
    bench.ingest(bench.bounce("u@gmail.com", bench.mailed("u@gmail.com"), at=datetime.now(UTC)))
    assert command("sync", "mw-aurora")[0] == 1
    code, said = command("findings", "mw-aurora")
    assert code == 1
    assert "confirmed in list" in said
    assert "u@gmail.com" not in said


def test_whom_mailwizz_blacklisted_for_a_block_comes_as_a_file_with_the_steps(
    bench: Bench, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("blocked", "mw-aurora") == (0, "email,added,reason\n")
    for email, reason in (
        ("innocent@gmail.com", "550 5.7.1 blocked using FBLW15"),
        ("gone@gmail.com", "550 5.1.1 user unknown"),
        ("asked@gmail.com", "asked for it by phone"),
    ):
        bench.sql(
            "INSERT INTO {email_blacklist} (email, reason, date_added) VALUES (%s, %s, now())", email, reason
        )
    code = main(["suppression", "blocked", "mw-aurora"])
    said = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert (code, [row["email"] for row in rows]) == (1, ["innocent@gmail.com"])
    assert said.err.startswith("1 people on the blacklist")
    assert len(bench.sql("SELECT * FROM {email_blacklist}")) == 3


def test_a_process_that_is_killed_after_mailwizz_took_it_leaves_it_to_the_next_to_count(
    bench: Bench, command: Command, lab: RunningLab
) -> None:
    bench.ingest(bench.bounce("u@gmail.com", bench.mailed("u@gmail.com"), at=datetime.now(UTC)))
    lab.knob("mailwizz.slow", seconds=0.5)
    words = [sys.executable, "-m", "email_engine.cli", "suppression", "sync", "mw-aurora"]
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while not bench.sql("SELECT * FROM {campaign_bounce_log}"):
            assert time.monotonic() < end
            assert child.poll() is None
            time.sleep(0.02)
    finally:
        child.kill()
        child.wait()
        lab.knob("mailwizz.slow", seconds=0)
    assert bench.rows("state") == [("posted",)]
    code, said = command("sync", "mw-aurora", "--json")
    assert (code, json.loads(said)["stored"]) == (0, 1)
    assert len(bench.sql("SELECT * FROM {campaign_bounce_log}")) == 1
    assert bench.rows("state", "sealed") == [("stored", None)]


def test_an_unknown_tenant_is_a_mistake_of_usage(bench: Bench, command: Command) -> None:
    assert command("export", "nobody") == (2, "")
