"""`mta_health` on a real lab: SSH, SFTP, MailWizz's database, PostgreSQL."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from email_engine.adapters.powermta import PowerMta
from email_engine.store import schema as s
from email_engine.store.deployment.deployments import host_lock
from email_engine.store.hosts.trouble import host_trouble
from email_engine_airflow.operators.accounting_ingest import IngestHost
from email_engine_airflow.operators.brake_watch import FindBrakes
from email_engine_airflow.operators.brakes import ApplyBrakes
from email_engine_airflow.operators.mta_health import CheckHost
from tests.whole_lab import Whole, connections

FILE = "/etc/pmta/email-engine.conf"
QUARTER = timedelta(minutes=15)
KNOBS = ("pause_survives_reload", "disabled_source_survives_reload")


@pytest.fixture
def whole(whole: Whole) -> Iterator[Whole]:
    yield whole
    whole.lab.knob("disk_free", percent=None)
    whole.lab.knob("version", version="5.0r5")
    whole.lab.knob("unreachable", provider="gmail", on=False)


def check(whole: Whole, **params: Any) -> dict[str, Any]:
    found: dict[str, Any] = CheckHost(task_id="check", mta_host="mta-1").execute(
        whole.context("mta_health", **params)
    )
    return found


def run(whole: Whole) -> dict[str, Any]:
    """One run of the DAG's tasks that matter here: brakes first, then the look."""
    for host in FindBrakes(task_id="stops").execute(whole.context("mta_health")):
        ApplyBrakes(task_id="brake", mta_host=host, fails=False).execute(whole.context("mta_health"))
    return check(whole)


def told(whole: Whole, event: str = "mta_health") -> list[tuple[str, str]]:
    """Severity and text of the alerts, oldest first."""
    return [(a.severity, a.text) for a in whole.rows(s.alerts) if a.event == event]


def standing(whole: Whole) -> list[str]:
    rows = [a for a in whole.rows(s.alerts) if a.event == "mta_health" and a.cleared_at is None]
    return [a.object for a in rows if a.state != "well"]


def edit(whole: Whole, old: str, new: str) -> None:
    with whole.ssh() as mta:
        text = (mta.read(FILE) or b"").decode()
        assert old in text
        mta.replace(FILE, text.replace(old, new).encode())
        mta.reload()


def test_a_host_that_is_well_is_good_all_over_and_nobody_is_told(whole: Whole) -> None:
    found = check(whole)
    assert set(found["checks"].values()) == {"good"}, found
    assert found["worst"] == "good"
    assert told(whole) == []
    (row,) = whole.rows(s.mta_hosts)
    assert row.health_checked_at == whole.now
    assert row.health["checks"]["version"]["told"] == "PowerMTA 5.0r5"
    with whole.ssh() as mta:
        assert not [f.name for f in mta.listdir("/etc/pmta") if "clock" in f.name]


def test_it_costs_a_handful_of_commands(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, real = [], PowerMta.pmta

    def counted(mta: PowerMta, *args: str) -> Any:
        asked.append(args)
        return real(mta, *args)

    monkeypatch.setattr(PowerMta, "pmta", counted)
    check(whole)
    assert len(asked) <= 4, asked


def test_a_dry_run_writes_nothing_and_leaves_the_clock_out(whole: Whole) -> None:
    edit(whole, "1200/d", "1300/d")
    before = whole.snapshot(s.alerts, s.mta_hosts, s.brakes)
    levels = check(whole, dry_run=True)["checks"]
    assert (levels["file"], levels["clock"], levels["write"]) == ("warning", "unknown", "unknown")
    assert whole.snapshot(s.alerts, s.mta_hosts, s.brakes) == before


def sent(whole: Whole) -> None:
    with whole.db.session(tenant="*") as conn:
        conn.execute(s.alerts.update().values(sent_at=whole.now))


def test_a_host_that_is_away_is_told_once_and_once_when_it_is_back(whole: Whole) -> None:
    whole.lab.knob("down")
    for _ in range(2):
        found = check(whole)
        assert found["worst"] == "critical"
        assert {level for name, level in found["checks"].items() if name != "reachable"} == {"unknown"}
    ((severity, text),) = told(whole, "incident")
    assert severity == "critical"
    assert text.startswith("mta-1 cannot be reached\nSeen: it does not let us in: ")
    assert "refused" in text
    sent(whole)
    whole.lab.knob("up")
    for _ in range(2):
        check(whole)
    ((severity, text),) = told(whole, "incident")[1:]
    assert severity == "info"
    assert text.startswith("mta-1 can be used again\nIt lasted ")
    assert text.endswith("seen 2 times.")
    assert told(whole) == []
    assert standing(whole) == []


def test_while_it_is_away_what_was_wrong_stays_told(whole: Whole) -> None:
    edit(whole, "1200/d", "1300/d")
    check(whole)
    whole.lab.knob("down")
    check(whole)
    assert standing(whole) == ["mta-1 file"]
    assert len(told(whole, "incident")) == 1


def test_powermta_that_is_stopped_is_seen_beside_what_the_files_say(whole: Whole) -> None:
    edit_text = "broken-directive yes\n"
    with whole.ssh() as mta:
        text = mta.read(FILE) or b""
        mta.replace(FILE, text + edit_text.encode())
    whole.lab.knob("restart")
    found = check(whole)["checks"]
    assert (found["powermta"], found["file"], found["disk"]) == ("critical", "warning", "good")
    assert (found["version"], found["queues"], found["holds"]) == ("unknown", "unknown", "unknown")
    with whole.ssh() as mta:
        mta.replace(FILE, text)
    whole.lab.knob("restart")
    check(whole)
    assert standing(whole) == []


def test_a_file_that_somebody_edited_is_shown_without_secrets_and_left_alone(
    whole: Whole, caplog: pytest.LogCaptureFixture
) -> None:
    edit(whole, "max-smtp-msg-rate 1200/d", "max-smtp-msg-rate 9999/d")
    with whole.ssh() as mta:
        text = (mta.read(FILE) or b"") + b"# password hunter2\n"
        mta.replace(FILE, text)
    for _ in range(2):
        assert check(whole)["checks"]["file"] == "warning"
    ((severity, said),) = told(whole)
    assert severity == "warning"
    assert "somebody edited the engine's file; it is left as it is" in said
    log = caplog.text
    assert "+  max-smtp-msg-rate 9999/d" in log
    assert "+# password (hidden)" in log
    assert "hunter2" not in log + said
    with whole.ssh() as mta:
        assert mta.read(FILE) == text
        mta.replace(FILE, text.replace(b"9999", b"8888"))
    check(whole)
    assert len(told(whole)) == 2, "another edit is other news"


def test_a_full_disk_is_told_with_the_place(whole: Whole) -> None:
    whole.lab.knob("disk_free", percent=8)
    assert check(whole)["checks"]["disk"] == "warning"
    assert "/etc/pmta is 92 % used" in told(whole)[-1][1]
    whole.lab.knob("disk_full")
    found = check(whole)["checks"]
    assert (found["disk"], found["write"], found["clock"]) == ("critical", "warning", "unknown")
    whole.lab.knob("disk_full", on=False)
    whole.lab.knob("disk_free", percent=50)
    check(whole)
    assert standing(whole) == []


def test_a_look_is_a_row_with_all_that_was_seen(whole: Whole) -> None:
    whole.mail(2, 40)
    whole.later()
    whole.mail(1, 300)
    whole.mail(1, 7, domain="company.example")
    check(whole)
    (row,) = whole.rows(s.mta_health)
    (done,) = whole.rows(s.deployments)
    assert (row.mta_host, row.checked_at, row.worst, row.reachable) == ("mta-1", whole.now, "good", True)
    assert (row.version, row.config_digest, row.deployed_digest) == ("5.0r5", done.digest, done.digest)
    assert row.reloaded_at == max(done.finished_at, row.started_at)
    assert row.started_at < whole.now
    assert 0 < row.disk_used_rate < 0.8
    assert abs(row.clock_offset_seconds) < 3
    assert row.accounting_file.startswith("email-engine-")
    assert row.accounting_file_at <= whole.now
    assert (row.recipients, row.running, row.backoff, row.oldest_since) == (307, 307, 0, None)
    assert row.checks["file"] == "good"
    queues = {(q.vmta, q.provider): q.recipients for q in whole.rows(s.mta_queues)}
    assert queues == {("aurora-1", "gmail"): 300, ("aurora-1", "other"): 7}


def test_a_run_that_is_cleared_writes_its_row_once(whole: Whole) -> None:
    check(whole)
    check(whole)
    assert len(whole.rows(s.mta_health)) == 1


def test_what_was_seen_is_kept_for_a_month(whole: Whole) -> None:
    check(whole)
    with whole.db.session(tenant="*") as conn:
        (seen,) = conn.execute(select(s.mta_health)).mappings()
        row = {name: value for name, value in seen.items() if name != "id"}
        for days in (29, 31):
            conn.execute(
                insert(s.mta_health).values(**row | {"checked_at": whole.now - timedelta(days=days)})
            )
    check(whole)
    ages = sorted((whole.now - row.checked_at).days for row in whole.rows(s.mta_health))
    assert ages == [0, 29]


def test_a_host_that_is_away_leaves_its_last_queues_in_the_table(whole: Whole) -> None:
    whole.mail(1, 30)
    check(whole)
    at = whole.now
    whole.lab.advance(whole.now + QUARTER)
    whole.lab.knob("down")
    check(whole)
    assert [row.reachable for row in whole.rows(s.mta_health)] == [True, False]
    assert [(q.recipients, q.checked_at) for q in whole.rows(s.mta_queues)] == [(30, at)]


def quarters(whole: Whole, n: int, mail: int = 0) -> list[str]:
    """So many looks, a quarter of an hour apart, with accounting taken before each; levels of the ages of queues."""
    levels = []
    for _ in range(n):
        if mail:
            whole.mail(2, mail)
        whole.lab.advance(whole.now + QUARTER)
        IngestHost(task_id="ingest", mta_host="mta-1").execute(whole.context("accounting_ingest"))
        levels.append(check(whole)["checks"]["age"])
    return levels


def test_a_queue_older_than_an_hour_is_told_once_with_its_provider(whole: Whole) -> None:
    whole.later(2)
    whole.lab.knob("unreachable", provider="gmail")
    whole.mail(1, 25)
    levels = quarters(whole, 8, mail=30)
    assert levels[:4] == ["good"] * 4
    assert levels[-2:] == ["warning"] * 2
    ((severity, text),) = [one for one in told(whole) if "mail waits" in one[1]]
    assert severity == "warning"
    assert text.startswith("mta-1: mail waits for more than 60 min in ")
    assert "aurora-1 to gmail (25 recipients, since " in text
    (row,) = [q for q in whole.rows(s.mta_queues) if q.vmta == "aurora-1"]
    assert whole.now - row.waiting_since > timedelta(hours=1)
    assert whole.rows(s.mta_health)[-1].oldest_since == row.waiting_since
    whole.lab.knob("unreachable", provider="gmail", on=False)
    assert quarters(whole, 8)[-1] == "good"
    assert [text for _, text in told(whole)][-1].startswith(
        "mta-1: age is well again: no running queue is known"
    )


def test_a_queue_that_is_never_empty_and_goes_on_is_not_old(whole: Whole) -> None:
    whole.later(2)
    whole.mail(2, 20)
    for _ in range(7):
        check(whole)
        assert set(quarters(whole, 1)) == {"good"}
        whole.mail(2, 20)
        assert whole.queues(2)
        check(whole)
    assert not [text for _, text in told(whole) if "mail waits" in text]


def test_mail_that_is_held_may_be_old(whole: Whole) -> None:
    whole.mail(1, 25)
    whole.engage(1)
    whole.brake()
    assert set(quarters(whole, 7)) == {"good"}
    (row,) = whole.rows(s.mta_queues)
    assert (row.recipients, row.paused) == (25, 25)
    assert whole.now - row.waiting_since > timedelta(hours=1)


def test_accounting_of_unknown_senders_is_told_once_and_distrusted(whole: Whole) -> None:
    with whole.db.session(tenant="*") as conn:
        other = {"address": "198.51.100.77", "vmta_name": "aurora-77"}
        conn.execute(update(s.ips).where(s.ips.c.vmta_name == "aurora-3").values(**other))
    whole.mail(3, 30)
    quarters(whole, 3)
    ((severity, text),) = [one for one in told(whole) if "not in the fleet" in one[1]]
    assert severity == "warning"
    assert text.startswith(
        "mta-1: 30 accounting records of the last day of senders that are not in the fleet"
    )
    with whole.db.session(tenant="aurora") as conn:
        assert "30 records of the last day" in host_trouble(conn, whole.now)["mta-1"]


def test_what_distrusts_a_hosts_signals_is_read_from_its_looks(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PowerMta, "clock_offset", lambda *_: timedelta(minutes=-20))
    check(whole)
    with whole.db.session(tenant="aurora") as conn:
        assert host_trouble(conn, whole.now) == {
            "mta-1": "the clock of mta-1 is 1200 s behind, so its accounting counts on wrong days"
        }
    monkeypatch.undo()


def test_another_release_is_told(whole: Whole) -> None:
    whole.lab.knob("version", version="5.5")
    assert check(whole)["checks"]["version"] == "warning"
    assert told(whole) == [
        (
            "warning",
            "mta-1: PowerMTA 5.5 runs, fleet.yaml says 5.0r5: correct it, other releases know other directives",
        )
    ]


def test_accounting_that_stopped_is_told_while_mail_leaves(whole: Whole) -> None:
    whole.mail(2, 50)
    whole.later()
    check(whole)
    with whole.ssh() as mta:
        text = (mta.read(FILE) or b"").decode()
        while "<acct-file" in text:
            begin, end = text.index("<acct-file"), text.index("</acct-file>") + len("</acct-file>")
            text = text[:begin] + text[end:]
        mta.replace(FILE, text.encode())
        mta.reload()
    check(whole)
    levels = []
    for _ in range(4):
        whole.mail(2, 20)
        whole.lab.advance(whole.now + timedelta(minutes=15))
        levels.append(check(whole)["checks"]["accounting"])
    assert levels[0] == "good"
    assert levels[-1] == "warning"
    assert standing(whole) == ["mta-1 file", "mta-1 accounting"]
    with whole.db.session(tenant="aurora") as conn:
        assert list(host_trouble(conn, whole.now)) == ["mta-1"]


def park(whole: Whole, number: int) -> None:
    with whole.db.session(tenant="*") as conn:
        conn.execute(update(s.ips).where(s.ips.c.vmta_name == f"aurora-{number}").values(status="standby"))


def forget(whole: Whole) -> None:
    """A restart after which PowerMTA knows of no pause and no disabled source."""
    for knob in KNOBS:
        whole.lab.knob(knob, on=False)
    whole.lab.knob("restart")


def test_a_parked_ip_is_held_again_and_told_each_time(whole: Whole) -> None:
    park(whole, 1)
    whole.mail(1, 30)
    whole.deploy()
    assert check(whole)["put_back"] == []
    for times in (1, 2):
        forget(whole)
        assert check(whole)["put_back"] == ["aurora-1"]
        at = whole.now
        whole.later()
        last = whole.last_sent(1)
        assert last is None or last <= at
        assert len(told(whole)) == times
        assert check(whole)["checks"]["holds"] == "good"
    assert standing(whole) == []


def test_what_was_let_go_meanwhile_is_let_go_here_too(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    park(whole, 1)
    real = PowerMta.disable_source

    def freed_meanwhile(mta: PowerMta, address: str, vmta: str) -> None:
        with whole.db.session(tenant="*") as conn:
            conn.execute(update(s.ips).values(status="active"))
        real(mta, address, vmta)

    with monkeypatch.context() as patch:
        patch.setattr(PowerMta, "disable_source", freed_meanwhile)
        assert check(whole)["put_back"] == []
    assert whole.disabled_sources() == []


def test_a_deployment_under_way_is_not_disturbed(whole: Whole) -> None:
    park(whole, 1)
    with host_lock(whole.db, "mta-1"):
        found = check(whole)
    assert (found["put_back"], found["checks"]["holds"]) == ([], "unknown")
    assert whole.disabled_sources() == []


def test_what_a_person_stopped_is_shown_and_left(whole: Whole) -> None:
    with whole.ssh() as mta:
        mta.disable_source("198.51.100.2", "aurora-2")
    assert check(whole)["checks"]["by-hand"] == "info"
    assert told(whole) == [
        ("info", "mta-1: stopped by hand, not by the engine, and left so: aurora-2 (source disabled)")
    ]
    assert whole.disabled_sources() == ["198.51.100.2"]
    with whole.ssh() as mta:
        mta.enable_source("198.51.100.2", "aurora-2")
    check(whole)
    assert standing(whole) == []


def test_in_observe_nothing_is_held_again_and_nothing_is_written_there(
    whole: Whole,
) -> None:
    park(whole, 1)
    with whole.db.session(tenant="*") as conn:
        conn.execute(update(s.tenants).values(mode="observe"))
    whole.lab.knob("permission_denied")
    found = check(whole)
    whole.lab.knob("permission_denied", on=False)
    assert found["put_back"] == []
    assert (found["checks"]["clock"], found["checks"]["write"]) == ("unknown", "unknown")
    assert whole.disabled_sources() == []


def test_a_host_that_comes_back_is_braked_within_one_run(whole: Whole) -> None:
    whole.mail(1, 300)
    whole.engage(1)
    whole.lab.knob("down")
    for _ in range(3):
        run(whole)
        whole.lab.advance(whole.now + timedelta(minutes=15))
    (brake,) = whole.rows(s.brakes)
    assert (brake.powermta_holds, brake.mailwizz_holds) == (False, True)
    assert whole.server(1)[2] == "disabled"
    ((severity, text),) = told(whole, "incident")
    assert severity == "critical"
    assert text.startswith("mta-1 cannot be reached")
    assert "1 stop on mta-1 not complete: 198.51.100.1 (aurora-1)" in text
    assert told(whole, "mta_health") == [], "one cause is told once, whoever meets it"
    whole.lab.knob("up")
    whole.lab.knob("restart")
    run(whole)
    at = whole.now
    (brake,) = whole.rows(s.brakes)
    assert (brake.powermta_holds, brake.mailwizz_holds) == (True, True)
    assert [severity for severity, _ in told(whole, "brake")] == ["info"]
    whole.mail(1, 50, domain="back.example")
    whole.later(2)
    last = whole.last_sent(1)
    assert last is None or last <= at


def test_mailwizz_that_comes_back_is_braked_within_one_run(
    whole: Whole, tmp_path: Path, engine_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "AIRFLOW_CONN_MAILWIZZ_DB_MW-AURORA"
    good = connections(whole.lab, engine_database_url)[name]
    monkeypatch.setenv(name, json.dumps(json.loads(good) | {"host": str(tmp_path)}))
    whole.engage(1)
    for _ in range(2):
        run(whole)
    ((severity, text),) = told(whole, "incident")
    assert severity == "critical"
    assert text.startswith("MailWizz mw-aurora cannot be reached")
    monkeypatch.setenv(name, good)
    run(whole)
    assert whole.server(1)[2] == "disabled"
    assert [severity for severity, _ in told(whole, "brake")] == ["info"]


def test_a_release_that_was_asked_while_the_host_was_away_is_completed(whole: Whole) -> None:
    whole.engage(1)
    run(whole)
    whole.ask_release(1)
    whole.lab.knob("down")
    run(whole)
    whole.lab.knob("up")
    run(whole)
    assert whole.disabled_sources() == []
    assert whole.rows(s.brakes)[0].released_at is not None
