"""The whole lab in one process: mail from MailWizz through PowerMTA into accounting files, and every door open."""

import base64
import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import paramiko
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from lab.testing import API_KEY, START, LabRefused, RunningLab, example_world, running_lab

DAY = timedelta(days=1)
CONFIG = """<acct-file /var/log/pmta/acct.csv>
  records d,b,t
  move-interval 15m
  move-to /var/log/pmta/done
</acct-file>
"""
VMTA = """<virtual-mta aurora-{n}>
  smtp-source-host 198.51.100.{n} mail{n}.aurora-mail.example
</virtual-mta>
"""
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def database_url(postgres_url: str) -> Iterator[str]:
    """A fresh database for MailWizz."""
    server = make_url(postgres_url).set(drivername="postgresql")
    name = sql.Identifier(f"lab_whole_{next(_numbers)}")
    with psycopg.connect(server.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield server.set(database=name.as_string().strip('"')).render_as_string(hide_password=False)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def configure(state: Path, host: str, numbers: range) -> None:
    file = state / host / "etc" / "pmta" / "email-engine.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(CONFIG + "".join(VMTA.format(n=n) for n in numbers))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Iterator[RunningLab]:
    state = tmp_path_factory.mktemp("lab")
    world = example_world(state, hosts=2, ips_per_host=2, database_url=database_url, daily_demand=400)
    configure(state, "mta-1", range(1, 3))
    configure(state, "mta-2", range(3, 5))
    with running_lab(world) as running:
        running.advance(START + DAY)
        yield running


def ssh(lab: RunningLab, host: str, command: str) -> str:
    """What a command prints, over a session with the pinned host key."""
    port = lab.ready["powermta"][host]
    keys = Path(lab.world["state"]) / "keys"
    kind, key = (keys / f"{host}.pub").read_text().split()[:2]
    with paramiko.SSHClient() as client:
        pinned = paramiko.Ed25519Key(data=base64.b64decode(key))
        client.get_host_keys().add(f"[127.0.0.1]:{port}", kind, pinned)
        client.connect(
            "127.0.0.1",
            port,
            "pmta",
            key_filename=str(lab.client_key_file),
            allow_agent=False,
            look_for_keys=False,
        )
        return client.exec_command(command)[1].read().decode()


def test_a_day_of_campaign_mail_leaves_from_every_ip_of_every_host(lab: RunningLab) -> None:
    records = {}
    for host in ("mta-1", "mta-2"):
        records |= lab.get(f"/powermta/{host}/accounting")
    assert set(records) == {f"198.51.100.{n}" for n in range(1, 5)}
    assert sum(entry["types"].get("d", 0) for entry in records.values()) > 300


def test_accounting_can_be_asked_for_one_ip_and_from_a_moment_on(lab: RunningLab) -> None:
    whole = lab.get("/powermta/mta-1/accounting", ip="198.51.100.1")
    late = lab.get("/powermta/mta-1/accounting", ip="198.51.100.1", since=(START + DAY / 2).isoformat())
    assert list(whole) == list(late) == ["198.51.100.1"]
    assert 0 < late["198.51.100.1"]["records"] < whole["198.51.100.1"]["records"]
    assert late["198.51.100.1"]["last"] == whole["198.51.100.1"]["last"]


def test_a_paused_queue_shows_and_stops_its_ip(lab: RunningLab) -> None:
    assert ssh(lab, "mta-1", "pmta pause queue '*/aurora-2'")
    before = lab.now()
    lab.advance(before + timedelta(hours=6))
    state = lab.state()["powermta"]["mta-1"]
    assert "*/aurora-2" in str(state["pauses"])
    assert "198.51.100.2" not in lab.get("/powermta/mta-1/accounting", since=before.isoformat())
    assert ssh(lab, "mta-1", "pmta resume queue '*/aurora-2'")


def test_what_a_host_runs_is_told_with_its_digest(lab: RunningLab) -> None:
    running = lab.get("/powermta/mta-2/running")
    assert running["service"] == "running"
    assert len(running["digest"]) == 64
    assert list(running["vmtas"]) == ["aurora-3", "aurora-4"]


def test_mailwizz_answers_and_counts_what_it_sent(lab: RunningLab) -> None:
    url = f"http://127.0.0.1:{lab.ready['mailwizz']['mw-aurora']}/api/delivery-servers"
    assert httpx.get(url, headers={"X-Api-Key": API_KEY}, trust_env=False).status_code == 200
    servers = lab.state()["mailwizz"]["mw-aurora"]["servers"]
    assert [server["server_id"] for server in servers] == [101, 102, 103, 104]


def test_a_telegram_message_arrives(lab: RunningLab) -> None:
    telegram = lab.world["telegram"]
    url = f"http://127.0.0.1:{lab.ready['telegram']}/bot{telegram['token']}/sendMessage"
    sent = httpx.post(url, json={"chat_id": telegram["chat_id"], "text": "hello"}, trust_env=False)
    assert sent.json()["ok"] is True
    assert [message["text"] for message in lab.get("/telegram/messages")] == ["hello"]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("fail_reload", {"host": "mta-2", "times": 0}),
        ("traffic", {"host": "mta-1", "ip": "198.51.100.1", "complaint_rate": 0.01}),
        ("set_demand", {"campaign": "camp-aurora-news", "daily_demand": 500}),
        ("calm", {}),
        ("powermta.slow", {"host": "mta-1", "seconds": 0}),
        ("daily_window", {"host": "mta-1", "kind": "fixed-utc"}),
    ],
)
def test_the_knobs_of_every_part_can_be_turned(
    lab: RunningLab, name: str, arguments: dict[str, object]
) -> None:
    lab.knob(name, **arguments)


def test_a_knob_that_a_part_refuses_says_why(lab: RunningLab) -> None:
    with pytest.raises(LabRefused, match="no campaign 'nobody'"):
        lab.knob("set_demand", campaign="nobody", daily_demand=1)


def test_the_page_shows_the_knobs_of_every_part(lab: RunningLab) -> None:
    page = httpx.get(lab.control, trust_env=False).text
    for name in ("list_ip", "put_mail_in_queue", "set_demand", "flood"):
        assert f"<h2>{name}</h2>" in page


def test_yesterday_s_accounting_exists_after_a_replay_and_real_time_goes_on(
    tmp_path: Path, database_url: str
) -> None:
    world = example_world(tmp_path, start=None, database_url=database_url, daily_demand=5000)
    world["mailwizz"][0]["table_prefix"] = "replay_"
    world["clock"]["replay_days"] = 1
    configure(tmp_path, "mta-1", range(1, 3))
    with running_lab(world) as lab:
        assert lab.get("/clock")["mode"] == "real"
        yesterday = datetime.now(UTC).replace(hour=0, minute=0, second=0) - DAY
        assert set(lab.get("/powermta/mta-1/accounting", since=yesterday.isoformat())) == {
            "198.51.100.1",
            "198.51.100.2",
        }
        lab.knob("put_mail_in_queue", vmta="aurora-1", domain="gmail.com", n=3)
        before, deadline = lab.state()["powermta"]["mta-1"]["messages"]["attempted"], time.monotonic() + 10
        while lab.state()["powermta"]["mta-1"]["messages"]["attempted"] < before + 3:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert lab.state()["last_error"] is None
        assert "Traceback" not in lab.log
