"""What the page of a question knows: mail that waits, what caused it, and where to read on."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from email_engine.health.queue_ages import QueueGroup
from email_engine.pipelines.pmta_config_approval.page import body
from email_engine.store import schema, versions
from email_engine.store.deployment import approvals
from email_engine.store.deployment.approvals import Approval, Question
from email_engine.store.engine import Store
from email_engine.store.hosts import health
from tests.fleet_rows import add_host

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
DIFF = "-<virtual-mta a-1>\n-</virtual-mta>\n-<virtual-mta a-2>\n"


@pytest.fixture
def asked(store: Store) -> Approval:
    with store.session("*") as conn:
        add_host(conn)
        version = versions.bump(conn, "fleet file: 2 remove", ("warmup_advance", "manual__1+00:00"))
        question = Question(
            "mta-1", version, "d1", "d0", ["2 virtual MTAs would disappear"], "2 go", DIFF, "ops: sold",
            dag_id="pmta_config_deploy", run_id="run-9",
        )  # fmt: skip
        return approvals.ask(conn, question, NOW)


def looked(store: Store, at: datetime, recipients: int | None, *groups: tuple[str, str, int]) -> None:
    with store.session("*") as conn:
        row = {
            "mta_host": "mta-1",
            "checked_at": at,
            "worst": "good",
            "reachable": recipients is not None,
            "checks": {},
        }
        conn.execute(insert(schema.mta_health).values(**row, recipients=recipients))
        if recipients is not None:
            health.save_queues(conn, "mta-1", at, [QueueGroup(v, p, 1, n, 0, 0) for v, p, n in groups])


def page(store: Store, asked: Approval) -> str:
    return body(store, asked, NOW + timedelta(hours=12), "http://engine/log", "http://engine")


def test_mail_is_summed_over_providers_and_a_blind_look_does_not_make_it_younger(
    store: Store, asked: Approval
) -> None:
    seen = NOW - timedelta(minutes=20)
    looked(store, seen, 57, ("a-1", "gmail", 40), ("a-1", "yahoo", 2), ("b-9", "gmail", 15))
    looked(store, NOW - timedelta(minutes=5), None)
    text = page(store, asked)
    assert "seen 2026-11-21 05:40 UTC" in text
    assert "- a-1: 42 recipients\n- a-2: 0 recipients" in text
    assert "b-9" not in text


def test_a_host_that_was_never_seen_has_unknown_mail(store: Store, asked: Approval) -> None:
    looked(store, NOW, None)
    assert "- not known" in page(store, asked)


def test_it_names_and_links_the_runs_that_led_to_it(store: Store, asked: Approval) -> None:
    text = page(store, asked)
    assert "Answer until 2026-11-21 18:00 UTC" in text
    assert "- asked for ops: sold: [pmta\\_config\\_deploy](" in text
    assert "/dags/pmta_config_deploy/runs/run-9)" in text
    assert "fleet version 1: fleet file: 2 remove: [warmup\\_advance](" in text
    assert "/dags/warmup_advance/runs/manual__1%2B00%3A00)" in text


def test_who_changed_the_fleet_file_is_told_as_far_as_it_is_known(
    store: Store, asked: Approval, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text("version: 1\n")
    monkeypatch.setenv("EMAIL_ENGINE_FLEET", str(path))
    assert "- fleet file: saved 20" in page(store, asked)
    monkeypatch.setenv("EMAIL_ENGINE_FLEET", str(tmp_path / "none.yaml"))
    assert "- fleet file:" not in page(store, asked)
