"""Each thing that a new operator gets wrong is named, with its next step; on a sound host nothing is."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from email_engine.adapters.mailwizz_database import MailwizzDatabase
from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.adapters.powermta import PowerMta
from email_engine.doctor import database
from email_engine.doctor.finding import DoctorFinding, State, run_all
from email_engine.fleet.model import MtaHost
from email_engine.store.engine import Store
from email_engine.store.migrate import upgrade
from email_engine_airflow.doctor import airflow_itself, mailwizz, powermta
from email_engine_airflow.doctor.stored import missing
from tests.integration.mailwizz_rows import filled
from tests.integration.ssh_host import SshHost
from tests.integration.test_powermta_adapter import endpoint

HOST = MtaHost("mta-1", "powermta_mta-1", version="5.0")
GOOD = "include /etc/pmta/email-engine.conf\n<source 192.0.2.9>\n  process-x-virtual-mta yes\n</source>\n"


def says(command: str) -> tuple[int, str, str]:
    if "--help" in command:
        return 0, "pmta test config", ""
    data = {
        "mta": {"product": {"name": "PowerMTA", "version": "5.0r5"}},
        "traffic": {"total": {"out": {"rcp": 7}}},
    }
    return 0, json.dumps({"status": "success", "message": "", "data": data}), ""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[SshHost]:
    (tmp_path / "etc/pmta").mkdir(parents=True)
    (tmp_path / "etc/pmta/config").write_text(GOOD)
    (tmp_path / "var/log/pmta/done").mkdir(parents=True)
    (tmp_path / "var/log/pmta/done/acct-1.csv").write_text("type\n")
    with SshHost(tmp_path) as running:
        running.answer = says
        yield running


def look(host: SshHost, what: str, fleet: MtaHost = HOST) -> DoctorFinding:
    with PowerMta(endpoint(host)) as mta:
        check = powermta.Named(what, lambda: powermta.LOOKS[what](mta, fleet, what))
        return run_all([check])[0]


@pytest.mark.parametrize("what", powermta.LOOKS)
def test_a_sound_host_is_ok(host: SshHost, what: str) -> None:
    found = look(host, what)
    assert (found.state, found.next_step) == (State.OK, ""), found


def test_nothing_is_reloaded_paused_or_left_behind(host: SshHost) -> None:
    before = sorted(host.root.rglob("*"))
    for what in powermta.LOOKS:
        look(host, what)
    assert sorted(host.root.rglob("*")) == before
    assert not [
        c for c in host.commands if any(word in c for word in ("reload", "pause", "disable", "resume"))
    ]


@pytest.mark.parametrize(
    ("config", "what", "seen", "step"),
    [("# include /etc/pmta/email-engine.conf\nprocess-x-virtual-mta yes\n", "include line", "does not include", "include /etc/pmta/email-engine.conf"),
     ("include /etc/pmta/other.conf\n", "include line", "does not include", "include /etc/pmta/email-engine.conf"),
     ("include /etc/pmta/email-engine.conf\n", "x-virtual-mta", "any IP", "process-x-virtual-mta yes"),
     ("include /etc/pmta/email-engine.conf\nprocess-x-virtual-mta no\n", "x-virtual-mta", "any IP", "process-x-virtual-mta yes")],
)  # fmt: skip
def test_a_line_that_is_missing_is_named(host: SshHost, config: str, what: str, seen: str, step: str) -> None:
    (host.root / "etc/pmta/config").write_text(config)
    found = look(host, what)
    assert found.state is State.WRONG
    assert seen in found.seen
    assert step in found.next_step


def test_wildcards_include_too_and_other_files_are_not_guessed(host: SshHost) -> None:
    (host.root / "etc/pmta/config").write_text(
        'Include "/etc/pmta/*.conf"\r\ninclude /etc/pmta/sources.txt\r\n'
    )
    assert look(host, "include line").state is State.OK
    assert look(host, "x-virtual-mta").state is State.NOT_SEEN


def test_another_version_a_missing_folder_and_a_refusal_are_wrong(host: SshHost) -> None:
    other = MtaHost(
        "mta-1", "c", version="4.5", config_file="/etc/nowhere/x.conf", accounting_dir="/var/none"
    )
    assert "fleet file says 4.5" in look(host, "version", other).seen
    assert "not there" in look(host, "folder and clock", other).seen
    assert "/var/none is not there" in look(host, "accounting", other).seen
    host.answer = lambda command: (1, "", "access denied")
    refused = look(host, "right to run pmta")
    assert refused.state is State.WRONG
    assert "access denied" in refused.seen


def test_an_empty_folder_after_mail_was_sent_is_wrong(host: SshHost) -> None:
    (host.root / "var/log/pmta/done/acct-1.csv").unlink()
    assert "empty though mail was sent" in look(host, "accounting").seen


@pytest.mark.parametrize(("hours", "told"), [(1, "3600 s ahead of"), (-1, "behind")])
def test_a_clock_that_is_off_is_told(
    host: SshHost, monkeypatch: pytest.MonkeyPatch, hours: int, told: str
) -> None:
    monkeypatch.setattr(PowerMta, "clock_offset", lambda self, beside: timedelta(hours=hours))
    found = look(host, "folder and clock")
    assert found.state is State.WRONG
    assert told in found.seen
    assert "timedatectl" in found.next_step


@pytest.fixture
def limited(postgres_url: str) -> Iterator[MailwizzDb]:
    """MailWizz's tables for a login that may read all and write only the quotas."""
    own = make_url(postgres_url).set(database="doctor_mailwizz")
    plain = make_url(postgres_url).set(drivername="postgresql")
    with psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True) as admin:
        admin.execute("CREATE DATABASE doctor_mailwizz")
        admin.execute("CREATE ROLE doctor_engine LOGIN PASSWORD 'x'")
    try:
        with (
            filled(own),
            psycopg.connect(
                own.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
            ) as admin,
        ):
            admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO doctor_engine")
            admin.execute("GRANT UPDATE (daily_quota, hourly_quota) ON mw_delivery_server TO doctor_engine")
            with MailwizzDb(MailwizzDatabase("mw", own.set(username="doctor_engine", password="x"))) as db:
                yield db
    finally:
        with psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True) as admin:
            admin.execute("DROP DATABASE doctor_mailwizz WITH (FORCE)")
            admin.execute("DROP ROLE doctor_engine")


def test_a_missing_grant_is_named_by_its_columns(limited: MailwizzDb) -> None:
    before = limited.servers()
    found = mailwizz.grants(limited, "grants")
    assert found.state is State.WRONG
    assert "no UPDATE on status, last_updated of mw_delivery_server" in found.seen
    assert "GRANT UPDATE (status, last_updated)" in found.next_step
    assert limited.servers() == before


def test_a_column_that_may_not_be_read_is_named(limited: MailwizzDb, postgres_url: str) -> None:
    admin = make_url(postgres_url).set(drivername="postgresql", database="doctor_mailwizz")
    with psycopg.connect(admin.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute("REVOKE SELECT ON mw_delivery_server FROM doctor_engine")
        connection.execute(
            "GRANT SELECT (server_id, daily_quota, hourly_quota, status) ON mw_delivery_server TO doctor_engine"
        )
    found = mailwizz.grants(limited, "grants")
    assert found.state is State.WRONG
    assert "no SELECT on name, type, hostname, meta_data, warmup_plan_id" in found.seen
    assert "email-engine mailwizz grants" in found.next_step


@pytest.fixture
def half(postgres_url: str) -> Iterator[Store]:
    plain = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE doctor_half"))
    url = make_url(postgres_url).set(database="doctor_half").render_as_string(hide_password=False)
    store = Store(url)
    yield store
    store.dispose()
    with psycopg.connect(plain, autocommit=True) as admin:
        admin.execute("DROP DATABASE doctor_half WITH (FORCE)")


def test_an_empty_and_a_half_migrated_database_are_named(half: Store) -> None:
    assert database.migrated(half).seen == "there are none"
    upgrade(half._url, "0010")
    found = database.migrated(half)
    assert found.state is State.WRONG
    assert "at revision 0010" in found.seen
    assert "email-engine migrate" in found.next_step
    assert database.bound(half).state is State.WRONG, "the tests' administrator is a superuser"
    upgrade(half._url)
    assert database.migrated(half).state is State.OK


@pytest.mark.usefixtures("airflow_database")
def test_a_missing_pool_and_a_run_of_the_future_are_named() -> None:
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session

    found = airflow_itself.pool()
    if found.state is not State.OK:
        assert "Airflow never starts" in found.seen
        assert "airflow pools set powermta" in found.next_step
        with create_session() as session:
            session.add(Pool(pool="powermta", slots=4, description="", include_deferred=False))
        assert airflow_itself.pool().state is State.OK
    now = datetime.now(UTC)
    assert airflow_itself._next("0 0 * * *", now) - now <= timedelta(days=1)
    assert airflow_itself._next("*/15 * * * *", now) - now <= timedelta(minutes=15)


def test_a_connection_that_is_missing_is_named_with_what_there_is() -> None:
    found = missing("mta-1", "powermta_mta-1", "powermta", ("powermta_mta1", "telegram_alerts_default"))
    assert found.seen == "there is no connection powermta_mta-1; there are powermta_mta1"
    assert "type powermta" in found.next_step
