"""A fleet made by hand in the lab comes aboard: one PowerMTA, two MailWizz, 30 days of accounting, and no line is edited."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from email_engine.cli import main
from email_engine.fleet.model import SendingIp
from email_engine.fleet.read import read_fleet
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips
from email_engine_airflow.operators.fleet_adopt import AdoptFleet
from lab.testing import RunningLab, example_world, running_lab
from tests.adopted_fleet import LAST, NOW, HandIp, configuration, write_accounting
from tests.airflow_connections import engine_connection
from tests.integration.deploy_bench import connection

BAD_DAY = date(2026, 11, 12)
AURORA = (
    HandIp("aurora-1", "198.51.100.1", sent=(2400,), pool="aurora-news", domain="one-aurora.example"),
    HandIp("aurora-2", "198.51.100.2", sent=(2400,), bounced={BAD_DAY: 240}, pool="aurora-news", domain="two-aurora.example"),
    HandIp("aurora-3", "198.51.100.3", sent=(50,) * 7 + (100,) * 7 + (250,) * 7 + (500,), pool="", domain="three-aurora.example"),
    HandIp("aurora-4", "198.51.100.4", sent=(0,), domain="four-aurora.example"),
)  # fmt: skip
BOREALIS = (
    HandIp("borealis-1", "203.0.113.1", "1200/d", sent=(950,), pool="borealis-mail", domain="one-borealis.example"),
    HandIp("borealis-2", "203.0.113.2", "1200/d", sent=(0, 0, 300, 0, 0, 0, 0) * 4, pool="", domain="two-borealis.example"),
)  # fmt: skip
SERVERS = {
    "aurora": [(101, "aurora-1", 0, "active"), (102, "aurora-2", 5000, "active"), (103, "aurora-3", 500, "active"),
               (109, "aurora-1", 0, "disabled"), (110, "aurora-9", 0, "active"), (111, "", 0, "active")],
    "borealis": [(201, "borealis-1", 1000, "active"), (202, "borealis-2", 0, "active")],
}  # fmt: skip
FORM = (
    "--hosts", "mta-1", "--mailwizz", "mw-aurora=aurora, mw-borealis=borealis", "--purpose", "newsletter",
    "--consent", "double opt-in", "--risk-class", "standard", "--as-of", "2026-11-30",
)  # fmt: skip


def server(number: int, vmta: str, daily: int, status: str) -> dict[str, Any]:
    return {
        "server_id": number, "name": f"server {number}", "hostname": "mta-1", "vmta": vmta, "daily_quota": daily, "status": status,
    }  # fmt: skip


@pytest.fixture(scope="module")
def database_url(postgres_url: str) -> Iterator[str]:
    plain = make_url(postgres_url).set(drivername="postgresql")
    with psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier("mailwizz_adopted")))
        yield plain.set(database="mailwizz_adopted").render_as_string(hide_password=False)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier("mailwizz_adopted")))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Iterator[RunningLab]:
    state = tmp_path_factory.mktemp("adopted")
    world = example_world(
        state, tenants=tuple(SERVERS), ips_per_host=4, database_url=database_url, daily_demand=0, start=NOW
    )
    for instance, servers in zip(world["mailwizz"], SERVERS.values(), strict=True):
        instance["servers"] = [server(*one) for one in servers]
        instance["campaigns"][0]["audience"] = 9_000
    with running_lab(world) as running:
        root = next(state.rglob("mta-1/etc/pmta/config")).parents[2]
        (root / "etc/pmta/config").write_text(configuration("mta-1", (*AURORA, *BOREALIS)))
        write_accounting(root / "var/log/pmta/done", (*AURORA, *BOREALIS), packed=range(20))
        yield running


@pytest.fixture
def sql_of(lab: RunningLab, database_url: str) -> Callable[..., None]:
    def run(statement: str, *values: object) -> None:
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute(statement, values)  # type: ignore[call-overload]

    return run


@pytest.fixture
def connected(lab: RunningLab, database_url: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    url = make_url(database_url)
    for tenant in SERVERS:
        fields = {
            "conn_type": "mailwizz_db", "host": url.query["host"], "login": url.username, "password": url.password,
            "schema": url.database, "extra": {"dialect": "postgresql", "table_prefix": f"{tenant[0]}mw_"},
        }  # fmt: skip
        monkeypatch.setenv(f"AIRFLOW_CONN_MAILWIZZ_DB_MW-{tenant.upper()}", json.dumps(fields))
    monkeypatch.setenv("AIRFLOW_CONN_POWERMTA_MTA-1", connection(lab))
    return monkeypatch


def adopt(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    main(["fleet", "adopt", *FORM, "--output", str(folder), "--json", *more])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def drafted(folder: Path) -> dict[str, SendingIp]:
    return {ip.vmta: ip for ip in read_fleet(folder / "fleet.draft.yaml", LAST).ips}


def test_it_comes_aboard_without_an_edit(
    connected: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = adopt(tmp_path, capsys)
    assert made["fill_in"] == {}
    assert main(["fleet", "check", str(tmp_path / "fleet.draft.yaml")]) == 0
    capsys.readouterr()
    ips = drafted(tmp_path)
    seen = {
        name: (ip.tenant, ip.mailwizz_server_id, str(ip.initial_state), ip.initial_phase)
        for name, ip in ips.items()
    }
    assert seen == {
        "aurora-1": ("aurora", 101, "active", 1),
        "aurora-2": ("aurora", 102, "active", 1),
        "aurora-3": ("aurora", 103, "warming", 4),
        "aurora-4": ("aurora", None, "standby", 1),
        "borealis-1": ("borealis", 201, "active", 1),
        "borealis-2": ("borealis", 202, "warming", 1),
    }
    fleet = read_fleet(tmp_path / "fleet.draft.yaml")
    assert {tenant.mode for tenant in fleet.tenants} == {"observe"}
    assert [host.version for host in fleet.mta_hosts] != ["5.0"]
    assert {ip.mailwizz for ip in ips.values()} == {"mw-aurora", "mw-borealis"}


def test_again_gives_the_same_and_keeps_what_a_person_wrote(
    connected: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = adopt(tmp_path, capsys)
    assert adopt(tmp_path, capsys) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fleet.draft.yaml", "report.md"]
    draft = tmp_path / "fleet.draft.yaml"
    draft.write_text(draft.read_text() + "# mine\n")
    adopt(tmp_path, capsys)
    assert (tmp_path / "fleet.draft.1.yaml").read_text().endswith("# mine\n")
    assert "# mine" not in draft.read_text()


def test_the_report_tells_servers_conflicts_and_what_would_have_been(
    connected: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = adopt(tmp_path, capsys)
    text = (tmp_path / "report.md").read_text()
    for said in (
        "virtual MTA aurora-1: server 101 is its own; 109 of mw-aurora (disabled) has the same header",
        "server 110 of mw-aurora: its header names aurora-9, which no configuration that was read has",
        "server 111 of mw-aurora: no header x-virtual-mta",
        "virtual MTA aurora-4: no delivery server of mw-aurora, mw-borealis has the header x-virtual-mta",
        "server 102 of mw-aurora (aurora-2): MailWizz hands over up to 5,000 a day (daily_quota 5,000), and PowerMTA sends 3,000",
        "server 101 (aurora-1) of mw-aurora: MailWizz hands over without any limit",
        "2026-11-12: pause. 240 bounces of 2400 messages",
        "0 of the newest 20 Message-Ids stand in MailWizz's delivery log or its archive",
    ):
        assert said in text, text
    by_vmta = {ip["vmta"]: ip for ip in made["ips"]}
    assert by_vmta["aurora-2"]["would_have"]["decisions"]["pause"] == 1
    assert by_vmta["aurora-1"]["would_have"]["decisions"] == {}
    (aurora, borealis) = made["campaigns"]
    # 2,500 + 2,500 + 500 a day from the 30th on; 1,000 + 50 a day
    assert (aurora["waiting"], aurora["first_day"], aurora["ends"]) == (9000, 5500, "2026-12-01")
    assert (borealis["waiting"], borealis["first_day"], borealis["ends"]) == (9000, 1050, "2026-12-08")


def test_message_ids_are_found_in_the_log_and_in_the_archive(
    connected: pytest.MonkeyPatch,
    sql_of: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    newest = [f"borealis-1-{LAST}-{n}@mail.example" for n in range(930, 950)]
    for number, message_id in enumerate(newest):
        log = "campaign_delivery_log" if number % 2 else "campaign_delivery_log_archive"
        sql_of(
            f"INSERT INTO bmw_{log} (campaign_id, subscriber_id, server_id, email_message_id, date_added) VALUES (1, 1, 201, %s, now())",
            message_id,
        )
    made = adopt(tmp_path, capsys)
    assert [one for one in made["findings"] if one["topic"] == "Message-Id"] == []
    sql_of("TRUNCATE bmw_campaign_delivery_log, bmw_campaign_delivery_log_archive")


def test_a_mailwizz_that_is_away_leaves_the_rest(
    connected: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = {"conn_type": "mailwizz_db", "host": "127.0.0.1", "port": 1, "login": "x", "password": "geheim", "schema": "x",
              "extra": {"dialect": "postgresql"}}  # fmt: skip
    connected.setenv("AIRFLOW_CONN_MAILWIZZ_DB_MW-BOREALIS", json.dumps(fields))
    made = adopt(tmp_path, capsys, "--tenant", "borealis")
    ips = {ip["vmta"]: ip for ip in made["ips"]}
    assert (ips["aurora-1"]["mailwizz_server_id"], ips["borealis-1"]["mailwizz_server_id"]) == (101, None)
    assert ips["borealis-1"]["state"] == "active"
    assert any(one["subject"] == "MailWizz mw-borealis" for one in made["findings"])
    assert "geheim" not in json.dumps(made)
    assert main(["fleet", "check", str(tmp_path / "fleet.draft.yaml")]) == 0


def test_a_host_that_is_away_leaves_the_other_one(
    connected: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = json.loads(os.environ["AIRFLOW_CONN_POWERMTA_MTA-1"]) | {"port": 1}
    connected.setenv("AIRFLOW_CONN_AWAY", json.dumps(away))
    made = adopt(tmp_path, capsys, "--hosts", "mta-1, mta-2=away")
    assert len(made["ips"]) == 6
    (one,) = [one for one in made["findings"] if one["subject"] == "host mta-2"]
    assert "its IPs are not in the draft until then" in one["next_step"]


def test_a_host_alone_that_is_away_is_an_error(
    connected: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = json.loads(os.environ["AIRFLOW_CONN_POWERMTA_MTA-1"]) | {"port": 1}
    connected.setenv("AIRFLOW_CONN_POWERMTA_MTA-1", json.dumps(away))
    assert main(["fleet", "adopt", *FORM, "--output", str(tmp_path)]) == 2
    assert list(tmp_path.iterdir()) == []


def test_includes_and_a_configuration_elsewhere_are_read_over_sftp(
    connected: pytest.MonkeyPatch, lab: RunningLab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = next(Path(lab.world["state"]).rglob("mta-1/etc/pmta/config")).parents[2]
    folder = root / "etc/pmta/vmtas"
    folder.mkdir(exist_ok=True)
    text = (root / "etc/pmta/config").read_text()
    start, end = text.index("<virtual-mta borealis-1>"), text.index("<virtual-mta borealis-2>")
    (folder / "one.conf").write_text(text[start:end])
    (root / "etc/pmta/other").write_text(
        text[:start] + text[end:] + "include vmtas/*.conf\ninclude /etc/pmta/absent\n"
    )
    made = adopt(tmp_path, capsys, "--config-file", "/etc/pmta/other")
    assert {ip["vmta"] for ip in made["ips"]} == {one.vmta for one in (*AURORA, *BOREALIS)}
    assert [gap["text"] for gap in made["not_understood"] if "include" in gap["text"]] == [
        "include /etc/pmta/absent"
    ]


def test_the_engine_takes_the_file_and_stays_in_observe(
    connected: pytest.MonkeyPatch,
    store: Store,
    engine_database_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    adopt(tmp_path, capsys)
    draft = str(tmp_path / "fleet.draft.yaml")
    assert main(["fleet", "apply", draft, "--database-url", engine_database_url]) == 0
    with store.session(tenant="*") as conn:
        records = {ip.vmta: ip for ip in load_ips(conn, day=NOW.date())}
    assert {ip.mode for ip in records.values()} == {"observe"}
    warm = records["aurora-1"]
    assert (warm.state, warm.warmed_to, warm.mailwizz_server_id) == ("active", 2500, 101)
    assert (records["aurora-3"].state, records["aurora-3"].phase) == ("warming", 4)
    capsys.readouterr()
    assert main(["fleet", "plan", draft, "--database-url", engine_database_url]) == 0


def test_the_dag_reads_the_same_over_its_connections(
    connected: pytest.MonkeyPatch, store: Store, engine_database_url: str, tmp_path: Path
) -> None:
    connected.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    connected.setenv("EMAIL_ENGINE_FLEET", str(tmp_path / "fleet.yaml"))
    run = SimpleNamespace(
        dag_id="fleet_adopt", run_id="one", run_after=NOW, logical_date=None, run_type="manual"
    )
    form = {"hosts": "mta-1", "mailwizz": "mw-aurora=aurora, mw-borealis=borealis", "dry_run": False}
    found = AdoptFleet(task_id="adopt").execute({"dag_run": run, "params": form})
    assert (found["hosts"], found["ips"], found["stopped"]) == (1, 6, 1)
    assert found["blanks"] == 6  # purpose, consent and risk class of two streams
    assert (tmp_path / "adoption" / "report.md").exists()
    assert not (tmp_path / "fleet.yaml").exists()
