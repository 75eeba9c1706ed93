"""From an accounting file to what people read: a stop names days, numbers, provider, campaign and reply, and what to do now."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from email_engine.accounting.policy import shipped_accounting_policy
from email_engine.adapters.telegram_text import LIMIT, pack, render_alert, units
from email_engine.commands import explain
from email_engine.fleet.providers import shipped_providers
from email_engine.store import schema, versions
from email_engine.store.accounting.delivery import AccountingFile, Reading, take_file
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.warmup.sentences import LONGEST
from email_engine_airflow.operators.reputation_guard import GuardReputation
from email_engine_airflow.operators.warmup_advance import DecideWarmup
from tests.airflow_connections import engine_connection
from tests.fleet_rows import add_host, add_ip, add_tenant

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
HEADER = "type,timeLogged,rcpt,bounceCat,dsnStatus,dsnDiag,dlvSourceIp,vmta,header_x-job"
NOBODY = "smtp;550 5.1.1 <ann@gmail.com> user unknown; see https://support.example.com/x?id=1234567"
REFUSED = "smtp;550 5.7.1 Unfortunately messages from [198.51.100.1] weren't sent. part of their network is on our block list (S3140)"
GARBAGE = [
    "spring <b>sale</b> & more", '"two\nlines"', "x" * 2_000, "\u202e\u05de\u05d1\u05e6\u05e2 for you", "mail ann@gmail.com token=abcdef",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _connection(engine_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))


@pytest.fixture
def fleet(store: Store) -> Store:
    """aurora: two active IPs with 1,000 a day."""
    with store.session("*") as conn:
        add_tenant(conn, daily_quota=30_000)
        add_host(conn)
        version = versions.bump(conn, "test")
        for number in (1, 2):
            ip_id = add_ip(conn, number, state="active")
            ips.set_allowance(conn, ip_id, "aurora", NOON.date(), 1_000, version, None)
    return store


def rows(
    kind: str, times: int, host: str, reply: str = "", job: str = "autumn", number: int = 1
) -> list[str]:
    status = reply.partition(" ")[2].partition(" ")[0]
    return [
        f'{kind},2026-11-10 10:{n % 60:02}:00+0000,a{n}@{host},,{status},"{reply}",198.51.100.{number},aurora-{number},{job}'
        for n in range(times)
    ]


def take(store: Store, *lines: str) -> None:
    data = "\r\n".join([HEADER, *lines, ""]).encode()
    with store.session("*") as conn, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "acct.csv"
        path.write_bytes(data)
        reading = Reading(shipped_providers(), shipped_accounting_policy(), None)
        closed = int((NOON + timedelta(hours=13)).timestamp())
        file = AccountingFile("mta-1", "acct.csv", len(data), closed)
        assert take_file(conn, file, path, reading, dag_id="d", run_id="r").status == "taken"


def guarded(store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
    """The first decision and the first alert."""
    dag_run = SimpleNamespace(dag_id="reputation_guard", run_id="asset__1", run_after=NOON, logical_date=None)
    context = {"dag_run": dag_run, "params": {"dry_run": False}, "outlet_events": {}}
    GuardReputation(task_id="guard", tenant="aurora").execute(context)
    with store.session("*") as conn:
        tables = (schema.decisions, schema.alerts)
        first, told = (conn.execute(select(t).order_by(t.c.id).limit(1)).mappings().one() for t in tables)
        return dict(first), dict(told)


def test_a_stop_names_all_that_is_known(fleet: Store, engine_database_url: str, capsys: Any) -> None:
    take(
        fleet,
        *rows("d", 120, "gmail.com"), *rows("d", 60, "yahoo.com"), *rows("d", 190, "gmail.com", number=2),
        *rows("b", 30, "gmail.com", NOBODY, "spring"), *rows("b", 12, "yahoo.com", NOBODY),
    )  # fmt: skip
    decision, alert = guarded(fleet)
    happens = (
        "42 bounces of 222 messages on 2026-11-10 prove a rate above 5.0%, so it pauses until 2026-11-18."
    )
    weighs = (
        "Weighs most: gmail (30 of 150 messages), campaign 'spring' (30 bounces), "
        "reply '5.1.1 smtp;550 5.1.1 <#> user unknown; see (link)' (42 times)."
    )
    step = "Next: compare its recipients with those of the other IPs of its stream, and remove those that bounced."
    assert decision["reason"] == f"{happens} {weighs} {step}"
    assert alert["text"].splitlines() == [
        "198.51.100.1 of aurora/newsletter is paused",
        happens,
        weighs,
        step,
    ]
    args = SimpleNamespace(ip="198.51.100.1", date="2026-11-10", database_url=engine_database_url, json=False)
    assert explain.run(args) == 0
    assert "comes out the same" in capsys.readouterr().out


def test_a_provider_that_refuses_is_named_with_its_own_reply(fleet: Store) -> None:
    take(
        fleet,
        *rows("d", 300, "gmail.com"), *rows("d", 60, "outlook.com"), *rows("b", 2, "gmail.com", NOBODY, "spring"),
        *rows("b", 40, "outlook.com", REFUSED),
    )  # fmt: skip
    reason = guarded(fleet)[0]["reason"]
    assert reason.startswith(
        "Microsoft refused 40 of 100 messages on 2026-11-10 for reputation, so it is suspended there"
    )
    assert "campaign 'autumn' (40 blocks)" in reason
    assert "weren\u2019t sent" in reason
    assert "198.51.100.1" not in reason
    assert "Next: read what microsoft answers" in reason


@pytest.mark.parametrize(
    "job", GARBAGE, ids=["html", "two lines", "2 kB", "right to left", "address and secret"]
)
def test_what_a_campaign_is_called_spoils_no_message(fleet: Store, job: str) -> None:
    take(fleet, *rows("d", 150, "gmail.com"), *rows("b", 50, "gmail.com", NOBODY, job))
    decision, alert = guarded(fleet)
    assert "campaign '" in decision["reason"]
    assert len(decision["reason"]) <= LONGEST
    for text in (decision["reason"], alert["text"]):
        assert not any(hidden in text for hidden in ("\u202e", "ann@", "abcdef", "\r", "x" * 100))
    assert len(alert["text"].splitlines()) == 4
    (message,) = pack([], [render_alert(1, alert["severity"], alert["text"], "aurora", None)])
    assert units(message.html) <= LIMIT
    assert "<b>sale" not in message.html
    assert "\nNext: stop the campaign, " in message.html


def test_a_message_about_many_ips_says_each_next_step_once_and_within_what_a_chat_shows(fleet: Store) -> None:
    with fleet.session("*") as conn:
        version = versions.bump(conn, "more")
        for number in range(3, 21):
            ip_id = add_ip(conn, number, state="active")
            ips.set_allowance(conn, ip_id, "aurora", NOON.date(), 1_000, version, None)
    bad = [row for n in range(1, 21) for row in rows("b", 40, "gmail.com", NOBODY, "bought list", number=n)]
    take(fleet, *[row for n in range(1, 21) for row in rows("d", 360, "gmail.com", number=n)], *bad)
    midnight = datetime(2026, 11, 11, tzinfo=UTC)
    dag_run = SimpleNamespace(
        dag_id="warmup_advance", run_id="scheduled__1", run_after=midnight, logical_date=midnight
    )
    DecideWarmup(task_id="decide", tenant="aurora").execute(
        {"dag_run": dag_run, "params": {"dry_run": False, "day": None}, "outlet_events": {}}
    )
    with fleet.session("*") as conn:
        a, d = schema.alerts.c, schema.decisions.c
        text = conn.execute(select(a.text).where(a.event == "warmup_hold")).scalar_one()
        reasons = list(conn.execute(select(d.reason)).scalars())
    assert len(reasons) == 20
    assert all("40 bounces of 400 messages on 2026-11-10" in reason for reason in reasons)
    assert all("campaign 'bought list' (40 bounces)" in reason for reason in reasons)
    lines = text.splitlines()
    assert lines[0] == "aurora: list problem, 20 IPs"
    assert [line for line in lines if line.startswith("Next: ")] == [
        "Next: stop the campaign, remove the recipients that bounced, and ask where the recipient list came from."
    ]
    assert [line for line in lines if line.startswith("... and ")]
    assert text.count("bought list") == 1
    block = render_alert(1, "critical", text, "aurora", None)
    assert any(line.startswith("Next: ") for line in block.lines)
    assert not any("cut;" in line for line in block.lines)
