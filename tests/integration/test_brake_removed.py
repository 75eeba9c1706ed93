"""An IP that leaves the fleet file while it sends: its mail stops at once, and its brake ends when nothing can send."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update

from email_engine.fleet.inventory import plan_inventory
from email_engine.pipelines.fleet import stop_removed
from email_engine.pmta.config.inventory import read_inventory
from email_engine.store import schema as s
from email_engine.store.fleet import inventory
from email_engine.store.stops import brakes
from email_engine_airflow.operators.brakes import ApplyBrakes
from email_engine_airflow.operators.emergency_stop import PullTheBrake
from email_engine_airflow.run import current_run
from tests.fleet_rows import add_ip
from tests.whole_lab import Whole, connections

FILE = "/etc/pmta/email-engine.conf"
KNOBS = ("pause_survives_reload", "disabled_source_survives_reload")
HELD, ENDED = {"held": 1, "released": 0, "failed": 0}, {"held": 0, "released": 1, "failed": 0}


def leave(whole: Whole, *numbers: int) -> int:
    """The fleet file is applied without these IPs; returns how many brakes that made."""
    gone = {f"198.51.100.{number}" for number in numbers}
    with whole.db.session(tenant="*") as conn:
        fleet = inventory.load_fleet(conn)
        wanted = replace(fleet, ips=tuple(ip for ip in fleet.ips if str(ip.address) not in gone))
        plan = plan_inventory(wanted, fleet)
        inventory.apply_inventory(conn, plan, as_of=whole.now, dag_id="warmup_advance", run_id="run-0")
    return stop(whole)


def stop(whole: Whole) -> int:
    run = current_run(whole.context("warmup_advance"))
    with whole.db.session(tenant="*") as conn:
        return len(stop_removed(conn, run))


def brake(whole: Whole, **more: Any) -> dict[str, Any]:
    found = ApplyBrakes(task_id="brake", mta_host="mta-1", **more).execute(whole.context("mta_health"))
    return {name: found[name] for name in HELD}


def without(text: str, vmta: str) -> str:
    """The host's file without one virtual MTA and its place in the pool."""
    lines, inside = [], False
    for line in text.splitlines(keepends=True):
        inside = inside or line.strip() == f"<virtual-mta {vmta}>"
        if not inside and line.strip() != f"virtual-mta {vmta}":
            lines.append(line)
        inside = inside and line.strip() != "</virtual-mta>"
    return "".join(lines)


def install(whole: Whole, change: Any, reload: bool = True) -> None:
    with whole.ssh() as mta:
        text = change((mta.read(FILE) or b"").decode())
        mta.replace(FILE, text.encode())
        if reload:
            mta.reload()


def told(whole: Whole) -> list[tuple[str, str, str]]:
    return [(a.severity, a.state, a.text) for a in whole.rows(s.alerts) if a.event == "brake"]


def quiet_since(whole: Whole, at: Any) -> bool:
    last = whole.last_sent(1)
    return last is None or last <= at


def test_its_mail_stops_at_once_and_is_told_how_much_waits(whole: Whole) -> None:
    for number in (1, 2):
        whole.mail(number, 300)
    assert leave(whole, 1) == 1
    assert brake(whole) == HELD
    at = whole.now
    assert whole.queues(1) == {"gmail.rollup": (300, True)}
    assert whole.server(1)[2] == "disabled"
    whole.later(hours=2)
    assert quiet_since(whole, at)
    assert whole.last_sent(2) > at
    ((severity, _, text),) = told(whole)
    assert severity == "warning"
    assert text.startswith("198.51.100.1 (aurora-1) stands still on mta-1: it left the fleet file\n")
    assert "(300 recipients)" in text
    (decision,) = [d for d in whole.rows(s.decisions) if d.pipeline == "fleet"]
    assert (decision.subject, decision.action) == ("198.51.100.1", "stop")


def test_seen_twice_it_is_stopped_once(whole: Whole) -> None:
    assert leave(whole, 1) == 1
    assert stop(whole) == 0
    brake(whole)
    assert stop(whole) == 0
    assert len(whole.rows(s.brakes)) == 1


@pytest.mark.parametrize("state", ["standby", "quarantine", "resting"])
def test_a_parked_ip_that_leaves_is_no_news(whole: Whole, state: str) -> None:
    with whole.db.session(tenant="*") as conn:
        conn.execute(update(s.ips).where(s.ips.c.vmta_name == "aurora-1").values(status=state))
    assert leave(whole, 1) == 0


def test_in_observe_nothing_is_braked(whole: Whole) -> None:
    with whole.db.session(tenant="*") as conn:
        conn.execute(update(s.tenants).values(mode="observe"))
    assert leave(whole, 1) == 0


def test_it_is_held_as_long_as_the_host_runs_its_virtual_mta(whole: Whole) -> None:
    whole.mail(1, 200)
    leave(whole, 1)
    brake(whole)
    for knob in KNOBS:
        whole.lab.knob(knob, on=False)
    whole.lab.knob("restart")
    assert brake(whole) == HELD
    at = whole.now
    install(whole, lambda text: without(text, "aurora-1"), reload=False)
    assert brake(whole) == HELD, "the file is gone, the running configuration still has it"
    whole.later()
    assert quiet_since(whole, at)


def test_its_brake_ends_when_the_virtual_mta_is_gone_and_the_server_is_off(whole: Whole) -> None:
    leave(whole, 1)
    brake(whole)
    install(whole, lambda text: without(text, "aurora-1"))
    assert brake(whole) == ENDED
    (row,) = whole.rows(s.brakes)
    assert row.released_at is not None
    assert whole.disabled_sources() == []
    assert whole.server(1)[2] == "disabled"
    severity, _, text = told(whole)[-1]
    assert severity == "info"
    assert text.startswith(
        "198.51.100.1 (aurora-1) left the fleet and can send no more from mta-1; the stop ended"
    )
    assert stop(whole) == 0, "it is not stopped again"
    assert brake(whole) == {"held": 0, "released": 0, "failed": 0}


def test_it_does_not_end_while_mailwizz_is_away(
    whole: Whole, tmp_path: Path, engine_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "AIRFLOW_CONN_MAILWIZZ_DB_MW-AURORA"
    good = connections(whole.lab, engine_database_url)[name]
    monkeypatch.setenv(name, json.dumps(json.loads(good) | {"host": str(tmp_path)}))
    leave(whole, 1)
    install(whole, lambda text: without(text, "aurora-1"))
    assert brake(whole, fails=False) == {"held": 0, "released": 0, "failed": 1}
    (incident,) = [a.text for a in whole.rows(s.alerts) if a.event == "incident"]
    assert incident.startswith("MailWizz mw-aurora cannot be reached")
    monkeypatch.setenv(name, good)
    assert brake(whole) == ENDED


def test_it_does_not_end_while_powermta_is_away(whole: Whole) -> None:
    leave(whole, 1)
    install(whole, lambda text: without(text, "aurora-1"))
    whole.lab.knob("down")
    assert brake(whole, fails=False)["failed"] == 1
    assert whole.server(1)[2] == "disabled"
    whole.lab.knob("up")
    whole.lab.knob("command_missing")
    assert brake(whole, fails=False)["failed"] == 1, "no answer is not `gone`"
    whole.lab.knob("command_missing", on=False)
    assert brake(whole) == ENDED


def test_a_server_that_was_deleted_in_mailwizz_is_off(whole: Whole) -> None:
    leave(whole, 1)
    whole.mailwizz("UPDATE {server} SET server_id = 901 WHERE server_id = 101")
    try:
        assert brake(whole) == HELD
        install(whole, lambda text: without(text, "aurora-1"))
        assert brake(whole) == ENDED
    finally:
        whole.mailwizz("UPDATE {server} SET server_id = 101 WHERE server_id = 901")


def successor(whole: Whole) -> None:
    """198.51.100.9 takes virtual MTA and delivery server of 198.51.100.1 over."""
    with whole.db.session(tenant="*") as conn:
        add_ip(conn, 9, state="active")
        taken = {"vmta_name": "aurora-1", "mailwizz_server_id": 101}
        conn.execute(update(s.ips).where(s.ips.c.vmta_name == "aurora-9").values(**taken))


def test_where_another_ip_takes_the_virtual_mta_over_only_the_old_address_stops(whole: Whole) -> None:
    whole.mail(1, 100)
    leave(whole, 1)
    successor(whole)
    assert brake(whole) == HELD
    at = whole.now
    assert whole.queues(1) == {"gmail.rollup": (100, False)}, "the queue is the other's now"
    assert whole.disabled_sources() == ["198.51.100.1"]
    assert whole.server(1)[2] == "active"
    whole.later()
    assert quiet_since(whole, at)
    install(
        whole, lambda text: text.replace("smtp-source-host 198.51.100.1 ", "smtp-source-host 198.51.100.9 ")
    )
    assert brake(whole) == ENDED
    assert whole.disabled_sources() == []
    assert not any(paused for _, paused in whole.queues(1).values())


def test_an_ip_that_was_braked_before_it_left_hands_a_free_queue_to_its_heir(whole: Whole) -> None:
    whole.mail(1, 100)
    whole.engage(1)
    whole.brake()
    assert leave(whole, 1) == 0, "it is braked already"
    successor(whole)
    install(
        whole, lambda text: text.replace("smtp-source-host 198.51.100.1 ", "smtp-source-host 198.51.100.9 ")
    )
    assert brake(whole) == ENDED
    assert whole.queues(1) == {"gmail.rollup": (100, False)}


def release(whole: Whole) -> list[str]:
    context = whole.context(
        "emergency_stop", scope="ip", name="198.51.100.1", reason="drain it", release=True, dry_run=False
    )
    context["dag_run"] = SimpleNamespace(**vars(context["dag_run"]), triggering_user_name="ops")
    return PullTheBrake(task_id="pull").execute(context)


def test_a_person_may_let_its_queue_drain(whole: Whole) -> None:
    whole.mail(1, 100)
    leave(whole, 1)
    brake(whole)
    at = whole.now
    assert release(whole) == ["mta-1"]
    assert stop(whole) == 0, "a person has spoken"
    assert brake(whole) == ENDED
    whole.later()
    assert not quiet_since(whole, at)
    assert whole.queues(1) == {}
    assert whole.server(1)[2] == "disabled"
    assert (stop(whole), brake(whole)["held"]) == (0, 0)


def test_a_host_that_left_the_fleet_with_it_is_still_braked_until_a_person_gives_it_up(whole: Whole) -> None:
    whole.mail(1, 100)
    leave(whole, 1, 2, 3)
    with whole.db.session(tenant="*") as conn:
        conn.execute(update(s.mta_hosts).values(removed=True))
    assert brake(whole)["held"] == 3
    assert whole.queues(1) == {"gmail.rollup": (100, True)}
    whole.lab.knob("down")
    brake(whole, fails=False)
    release(whole)
    assert brake(whole, fails=False)["released"] == 1
    with whole.db.session(tenant="*") as conn:
        assert {b.vmta for b in brakes.engaged(conn)} == {"aurora-2", "aurora-3"}


def test_an_ip_that_comes_back_is_an_ordinary_one_again(whole: Whole) -> None:
    with whole.db.session(tenant="*") as conn:
        before = inventory.load_fleet(conn)
    leave(whole, 1)
    brake(whole)
    with whole.db.session(tenant="*") as conn:
        plan = plan_inventory(before, inventory.load_fleet(conn), inventory.load_removed(conn))
        inventory.apply_inventory(conn, plan, as_of=whole.now, dag_id="warmup_advance", run_id="run-2")
    assert stop(whole) == 0
    assert brake(whole) == HELD, "it stands by, and its brake is the pipelines' to release"
    whole.ask_release(1)
    assert brake(whole) == ENDED
    leave(whole, 1)
    assert len(whole.rows(s.brakes)) == 1, "it stood by when it left for the second time"


def test_the_helper_of_this_file_takes_the_whole_block_out(whole: Whole) -> None:
    with whole.ssh() as mta:
        text = (mta.read(FILE) or b"").decode()
    left = read_inventory(without(text, "aurora-1"))
    assert sorted(left.vmtas) == ["aurora-2", "aurora-3"]
    assert left.pools == {"aurora-newsletter": ("aurora-2", "aurora-3")}


@pytest.mark.parametrize(
    ("scope", "name"),
    [("tenant", "aurora"), ("ip", "198.51.100.1"), ("stream", "aurora/newsletter"), ("all", None)],
)
def test_a_stop_by_hand_holds_it_again_after_it_was_let_drain(
    whole: Whole, scope: str, name: str | None
) -> None:
    whole.mail(1, 300)
    leave(whole, 1)
    brake(whole)
    form = {"scope": scope, "name": name, "reason": "complaints", "release": True}
    PullTheBrake(task_id="pull").execute(
        whole.context("emergency_stop", "drain", **form | {"scope": "ip", "name": "198.51.100.1"})
    )
    brake(whole)
    assert whole.disabled_sources() == []
    hosts = PullTheBrake(task_id="pull").execute(
        whole.context("emergency_stop", "stop", **form | {"release": False})
    )
    assert hosts == ["mta-1"]
    brake(whole)
    assert "198.51.100.1" in whole.disabled_sources()
    assert all(paused for _, paused in whole.queues(1).values())
