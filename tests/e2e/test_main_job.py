"""The main job, exactly as the README tells it, with a real scheduler."""

import math
import re
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, select, text

from email_engine.accounting.policy import shipped_accounting_policy
from email_engine.store.schema import alerts, allowances, blacklist_events, brakes, decisions, ips, reputation
from stack import databases, up
from tests.e2e.conftest import Everything, eventually, now, open_questions

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

LISTED = "198.51.100.7"
LISTED_OBSERVED = "203.0.113.7"


def rows(everything: Everything, query: Any) -> list[Any]:
    with everything.store.session(tenant="*") as conn:
        return list(conn.execute(query))


def servers(everything: Everything, instance: str) -> dict[int, Any]:
    """MailWizz's own table, as an administrator would look at it."""
    url = databases.database_url(
        up.cluster_of(everything.settings), instance, everything.settings.secrets()[f"{instance}_db"]
    )
    engine = create_engine(url)
    with engine.connect() as conn:
        found = conn.execute(
            text("SELECT server_id, name, daily_quota, hourly_quota, status FROM mw_delivery_server")
        )
        servers = {row.server_id: row for row in found}
    engine.dispose()
    return servers


def vmtas(everything: Everything) -> dict[str, Any]:
    hosts = everything.lab.state()["powermta"]
    return {name: vmta for host in hosts.values() for name, vmta in host["vmtas"].items()}


def pool_members(everything: Everything, pool: str) -> set[str]:
    hosts = everything.lab.state()["powermta"]
    return {member for host in hosts.values() for member in host["pools"].get(pool, [])}


def latest_allowances(everything: Everything, tenant: str) -> dict[str, int]:
    found = rows(
        everything,
        select(ips.c.vmta_name, allowances.c.messages)
        .join_from(allowances, ips, ips.c.id == allowances.c.ip_id)
        .where(allowances.c.tenant == tenant, allowances.c.provider == "*")
        .order_by(allowances.c.day),
    )
    return dict(found)


def test_warmup_advance_is_followed_by_deploy_and_quota_sync_to_the_last_effect(
    everything: Everything,
) -> None:
    before = {instance: servers(everything, instance) for instance in ("mw-aurora", "mw-borealis")}
    started = now()

    run = everything.run("warmup_advance")
    assert run["state"] == "success", everything.tasks("warmup_advance", run["dag_run_id"])
    deploy = everything.run_after_asset("pmta_config_deploy", started)
    sync = everything.run_after_asset("mailwizz_quota_sync", started)
    assert (deploy["state"], sync["state"]) == ("success", "success")

    allowed = latest_allowances(everything, "aurora")
    assert len(allowed) == 47, "40 active and 7 warming IPs; the 3 standby ones are given nothing"
    assert all(allowed.values())
    allowed |= {f"aurora-{n}": 0 for n in (48, 49, 50)}
    running = vmtas(everything)
    for name, messages in allowed.items():
        assert running[name]["max_smtp_msg_rate"] == f"{max(1, math.ceil(messages * 1.2))}/d", name
    quotas = {row.name: row for row in servers(everything, "mw-aurora").values()}
    for name, messages in allowed.items():
        row = quotas[name]
        assert row.status in ("active", "in-use") if messages else row.status == "disabled", name
        assert row.daily_quota == messages if messages else row.daily_quota >= 1, name

    decided = rows(everything, select(decisions).where(decisions.c.pipeline == "warmup_advance"))
    mine = [d for d in decided if d.run_id == run["dag_run_id"] and d.dag_id == "warmup_advance"]
    assert {d.tenant for d in mine} == {"aurora", "borealis"}
    assert all(d.reason and d.inputs and d.policy_digest for d in mine)
    assert any("warmup" in str(message).lower() for message in telegram(everything))

    assert all(d.applied is (d.tenant == "aurora") for d in mine)
    assert latest_allowances(everything, "borealis") == {}
    assert not [name for name in running if name.startswith("borealis")]
    assert servers(everything, "mw-borealis") == before["mw-borealis"]


def telegram(everything: Everything) -> list[Any]:
    messages = everything.lab.get("/telegram/messages")
    return list(messages["messages"] if isinstance(messages, dict) else messages)


def test_a_listed_ip_stops_at_once_and_leaves_its_pool(everything: Everything) -> None:
    assert "aurora-7" in pool_members(everything, "aurora-newsletter")
    for address in (LISTED, LISTED_OBSERVED):
        everything.lab.knob("list_ip", ip=address, zone="zen.lab.example", codes=["127.0.0.2"], reason="trap")
    everything.lab.knob("put_mail_in_queue", host="mta-1", vmta="aurora-7", domain="gmail.com", n=2000)
    observed_before = servers(everything, "mw-borealis")
    started = now()

    run = everything.run("rbl_sweep", confirm_after=1)
    assert run["state"] == "success", everything.tasks("rbl_sweep", run["dag_run_id"])

    queues = [
        q for q in everything.lab.state()["powermta"]["mta-1"]["queues"] if q["name"].endswith("/aurora-7")
    ]
    assert queues
    assert all(q["paused"] for q in queues)
    assert servers(everything, "mw-aurora")[107].status == "disabled"
    decision = rows(
        everything,
        select(decisions).where(decisions.c.pipeline == "rbl_sweep", decisions.c.subject == LISTED),
    )[-1]
    assert (decision.run_id, decision.applied) == (run["dag_run_id"], True)
    brake = rows(
        everything, select(brakes).join(ips, ips.c.id == brakes.c.ip_id).where(ips.c.address == LISTED)
    )[-1]
    assert (brake.powermta_holds, brake.mailwizz_holds) == (True, True)

    deploy = everything.run_after_asset("pmta_config_deploy", started)
    assert deploy["state"] == "success"
    assert "aurora-7" not in pool_members(everything, "aurora-newsletter")
    assert "aurora-7" in vmtas(everything)

    observed = rows(
        everything,
        select(decisions).where(decisions.c.pipeline == "rbl_sweep", decisions.c.subject == LISTED_OBSERVED),
    )
    assert "quarantine" in {d.kind for d in observed} | {d.action for d in observed}
    assert not any(d.applied for d in observed)
    assert rows(everything, select(ips.c.status).where(ips.c.address == LISTED_OBSERVED))[0][0] == "active"
    assert servers(everything, "mw-borealis") == observed_before
    assert rows(everything, select(blacklist_events).where(blacklist_events.c.tenant == "borealis"))

    time.sleep(max(0.0, 75 - (now() - decision.recorded_at).total_seconds()))
    last = last_sent(everything, LISTED)
    others = [last_sent(everything, f"198.51.100.{n}") for n in range(1, 7)]
    limit = decision.recorded_at + timedelta(seconds=60)
    assert last is None or last <= limit
    assert any(moment and moment > decision.recorded_at for moment in others), (
        "nobody sends: the check shows nothing"
    )
    queued = [
        q
        for q in everything.lab.state()["powermta"]["mta-1"]["queues"]
        if q["name"] == "gmail.rollup/aurora-7"
    ]
    assert queued[0]["recipients"] > 0, "mail must still wait in the queue, or nothing was held"


def test_mail_that_turns_bad_is_stopped_as_soon_as_accounting_tells(everything: Everything) -> None:
    """Nobody triggers the guard: new accounting does."""
    address, vmta = "198.51.100.9", "aurora-9"
    everything.lab.knob("traffic", host="mta-1", ip=address, hard_bounce_rate=0.6)
    everything.lab.knob("put_mail_in_queue", host="mta-1", vmta=vmta, domain="gmail.com", n=200)
    deadline = time.monotonic() + 90
    while last_sent(everything, address) is None and time.monotonic() < deadline:
        time.sleep(1)
    time.sleep(5)
    everything.lab.knob("rotate_accounting", host="mta-1")
    time.sleep(shipped_accounting_policy().quiet_seconds + 1)  # until then the file may still grow
    started = now()

    taken = everything.run("accounting_ingest")
    assert taken["state"] == "success", everything.tasks("accounting_ingest", taken["dag_run_id"])
    guard = everything.run_after_asset("reputation_guard", started)
    assert guard["state"] == "success", everything.tasks("reputation_guard", guard["dag_run_id"])

    decision = rows(
        everything,
        select(decisions).where(decisions.c.pipeline == "reputation_guard", decisions.c.subject == address),
    )[-1]
    assert (decision.action, decision.applied) == ("pause", True)
    assert "prove a rate above 5.0%" in decision.reason
    queues = [
        q for q in everything.lab.state()["powermta"]["mta-1"]["queues"] if q["name"].endswith(f"/{vmta}")
    ]
    assert all(q["paused"] for q in queues)
    assert servers(everything, "mw-aurora")[109].status == "disabled"
    known = rows(
        everything,
        select(reputation).join(ips, ips.c.id == reputation.c.ip_id).where(ips.c.address == address),
    )
    assert {row.provider for row in known} >= {"*", "gmail"}
    assert any(address in str(message) and "pause" in str(message) for message in telegram(everything))


def last_sent(everything: Everything, address: str) -> datetime | None:
    told = everything.lab.state()["powermta"]["mta-1"]["last_accounting"].get(address)
    return datetime.fromisoformat(told) if told else None


def test_an_ip_that_is_taken_away_is_a_persons_question(everything: Everything) -> None:
    """Step 5. What the file says again withdraws the question, and so does the next run."""
    path = everything.settings.fleet_file
    good = path.read_text()
    taken = good.replace("count: 50", "count: 49", 1).replace("standby: 48-50", "standby: 48-49", 1)
    assert taken != good
    path.write_text(taken)
    try:
        started = now()
        assert everything.run("warmup_advance")["state"] == "success"
        deploy = everything.run_after_asset("pmta_config_deploy", started)
        assert deploy["state"] == "success"
        (question,) = eventually("a question", lambda: open_questions(everything))
        assert "198.51.100.50" in question["body"]
        assert "aurora-50" in vmtas(everything)
        eventually("its message", lambda: [m for m in telegram(everything) if "aurora-50" in str(m)])
        the_readmes_steps_are_few_messages_in_words(everything)
    finally:
        path.write_text(good)
        started = now()
        assert everything.run("warmup_advance")["state"] == "success"
    everything.run_after_asset("pmta_config_deploy", started)
    eventually("the question's end", lambda: not open_questions(everything))
    assert "aurora-50" in vmtas(everything)


def the_readmes_steps_are_few_messages_in_words(everything: Everything) -> None:
    messages = [str(message["text"]) for message in telegram(everything)]
    assert 4 <= len(messages) <= 5, "\n---\n".join(messages)
    whole = "\n".join(messages)
    for word in ("task_failure", "mta_health", "list_health", "quota-drift", "warmup_hold", "DAG run failed"):
        assert word not in whole, "an event's name is no title"
    for message in messages:
        sentences = [line for line in message.splitlines() if len(line) > 60 and "href" not in line]
        # two tenants have a listed IP: each reads how long that lasts, and where to ask
        once = [line for line in sentences if not line.startswith(("Quarantine lasts", "ZEN of the lab: "))]
        assert len(once) == len(set(once)), "no sentence twice"
    assert "198.51.100.7" in whole
    assert "Quarantine lasts until 20" in whole, "a listing says how long"


def test_a_broken_fleet_file_is_one_clear_error_and_the_next_run_heals(everything: Everything) -> None:
    path = everything.settings.fleet_file
    good = path.read_text()
    path.write_text(good.replace("risk_class: standard", "risk_class: stndard", 1))
    try:
        run = everything.api.trigger("warmup_advance")
        deadline = time.monotonic() + 90
        log = ""
        while "stndard" not in log and time.monotonic() < deadline:
            time.sleep(1)
            try:
                log = everything.log("warmup_advance", run, "fleet")
            except Exception:  # noqa: BLE001 - the task has not begun yet
                log = ""
        assert "stndard" in log
        assert "fleet.yaml:" in log
        assert everything.wait("warmup_advance", run, 60)["state"] == "failed", "a mistake is not tried again"
    finally:
        path.write_text(good)
    assert everything.run("warmup_advance")["state"] == "success"


def test_a_failed_pipeline_reaches_telegram_with_a_link_to_the_log(everything: Everything) -> None:
    """One cause is one message: of this run, or of whichever pipeline met the host in the same minute."""
    everything.lab.knob("down", host="mta-2")
    try:
        run = everything.wait("accounting_ingest", everything.api.trigger("accounting_ingest"), 300)
    finally:
        everything.lab.knob("up", host="mta-2")
    assert run["state"] == "failed"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        told = [
            str(m)
            for m in telegram(everything)
            if "mta-2 cannot be reached" in str(m) and re.search(r"/dags/\w+/runs/[^ ]+/tasks/", str(m))
        ]
        if told:
            break
        time.sleep(1)
    assert told, telegram(everything)[-3:]
    assert everything.run("accounting_ingest")["state"] == "success"
    assert rows(everything, select(alerts.c.id).where(alerts.c.sent_at.is_not(None)))
