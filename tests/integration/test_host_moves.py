"""An IP moves to another MTA host: at no moment do both send with its address, and what keeps it from moving is told."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, select, update

from email_engine.errors import EngineError, GuardBreach
from email_engine.fleet.inventory import plan_inventory
from email_engine.fleet.model import IpState
from email_engine.pipelines.brake_watch import find_brakes
from email_engine.pipelines.fleet import stop_removed
from email_engine.pipelines.host_moves import host_is_off, stop_moving
from email_engine.pmta.config.inventory import read_inventory
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.fleet import inventory
from email_engine.store.stops import brakes
from email_engine_airflow.hooks.powermta import PowerMtaHook
from email_engine_airflow.operators.brakes import ApplyBrakes
from email_engine_airflow.operators.pmta_config_deploy import DeployHost, PlanDeploy
from email_engine_airflow.run import current_run
from lab.testing import RunningLab, example_world, running_lab
from tests.fleet_rows import add_host, add_ip
from tests.integration.deploy_bench import connection as powermta_connection
from tests.whole_lab import IPS, Whole, prepare

FILE = "/etc/pmta/email-engine.conf"
ADDRESS = "198.51.100.1"
HOSTS = ("mta-1", "mta-2")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[RunningLab]:
    """Two hosts, to both of which the first three addresses are routed; MailWizz of aurora."""
    import psycopg
    from psycopg import sql

    plain = make_url(postgres_url).set(drivername="postgresql")
    with psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True) as admin:
        admin.execute("CREATE DATABASE mailwizz_host_moves")
        url = plain.set(database="mailwizz_host_moves").render_as_string(hide_password=False)
        state = tmp_path_factory.mktemp("host_moves")
        world = example_world(state, hosts=2, ips_per_host=IPS, database_url=url, daily_demand=0)
        first, second = world["powermta"]
        world["routed"] = first["ips"]
        second["ips"] = [*first["ips"], *second["ips"]]
        with running_lab(world) as running:
            yield running
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier("mailwizz_host_moves")))


@pytest.fixture
def whole(
    lab: RunningLab, store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Whole]:
    """aurora-1 to -3 on mta-1 and aurora-4 on mta-2, active, both hosts deployed."""
    monkeypatch.setenv("EMAIL_ENGINE_CONFIG_HISTORY", str(tmp_path / "history"))
    monkeypatch.setenv("AIRFLOW_CONN_POWERMTA_MTA-2", powermta_connection(lab, 1))
    made = prepare(lab, store, engine_database_url, monkeypatch)
    with store.session(tenant="*") as conn:
        add_host(conn, "mta-2")
        add_ip(conn, 4, state="active", mta_host="mta-2")
    made.allow(1000, 1, 2, 3, 4)
    for host in HOSTS:
        deploy(made, host)
    yield made
    for host in HOSTS:
        lab.knob("up", host=host)


def deploy(whole: Whole, host: str, **params: Any) -> dict[str, Any]:
    context = whole.context("pmta_config_deploy", **params)
    plan = PlanDeploy(task_id="plan", mta_host=host).execute(context)
    return DeployHost(task_id="canary", plan=plan).execute(context)


def approved(whole: Whole, host: str) -> dict[str, Any]:
    return deploy(whole, host, accept_breach=True, reason="the diff was read")


def change(whole: Whole, host: str | None = None, number: int = 1, **changes: Any) -> None:
    """The fleet file is applied with another host (or more) of one IP."""
    if host is not None:
        changes["mta_host"] = host
    with whole.db.session(tenant="*") as conn:
        fleet = inventory.load_fleet(conn)
        ips = tuple(replace(ip, **changes) if ip.vmta == f"aurora-{number}" else ip for ip in fleet.ips)
        plan = plan_inventory(replace(fleet, ips=ips), fleet)
        inventory.apply_inventory(conn, plan, as_of=whole.now, dag_id="warmup_advance", run_id="run-0")
        stop_moving(conn, current_run(whole.context("warmup_advance")))


def brake(whole: Whole) -> list[str]:
    """What `brake_watch` does: every host with a brake is looked at."""
    hosts = find_brakes(whole.db, current_run(whole.context("brake_watch")), "hosts")
    for host in hosts:
        with suppress(EngineError):
            ApplyBrakes(task_id="brake", mta_host=host).execute(whole.context("brake_watch"))
    return hosts


def row(whole: Whole, number: int = 1) -> Any:
    return next(ip for ip in whole.rows(s.ips) if ip.vmta_name == f"aurora-{number}")


def senders(whole: Whole, vmta: str = "aurora-1", address: str = ADDRESS) -> set[str]:
    """On which hosts mail that is handed to the virtual MTA leaves from the address."""
    before = {host: last_sent(whole, host, address) for host in HOSTS}
    for host in HOSTS:
        with suppress(Exception):
            whole.lab.knob("put_mail_in_queue", host=host, vmta=vmta, domain="gmail.com", n=3)
    whole.lab.advance(whole.now + timedelta(minutes=10))
    return {host for host in HOSTS if last_sent(whole, host, address) != before[host]}


def last_sent(whole: Whole, host: str, address: str) -> datetime | None:
    found: datetime | None = whole.lab.state()["powermta"][host]["last_accounting"].get(address)
    return found


def defines(whole: Whole, host: str, vmta: str = "aurora-1") -> bool:
    with PowerMtaHook(f"powermta_{host}").get_conn() as mta:
        return read_inventory((mta.read(FILE) or b"").decode()).may_define(vmta)


def told(whole: Whole, event: str = "move") -> list[str]:
    return [alert.text for alert in whole.rows(s.alerts) if alert.event == event and alert.cleared_at is None]


def release(whole: Whole, number: int = 1) -> None:
    with whole.db.session(tenant="*") as conn:
        assert brakes.ask_release(conn, row(whole, number).id, whole.now, by_hand=True)


def test_at_no_moment_do_both_hosts_send_with_the_address(whole: Whole) -> None:
    assert senders(whole) == {"mta-1"}
    change(whole, "mta-2")
    deploy(whole, "mta-2")
    assert not defines(whole, "mta-2"), "the new host learns of it only when the old one is done"
    assert senders(whole) <= {"mta-1"}
    brake(whole)
    assert senders(whole) == set(), "the old host is braked before anything else is done"
    deploy(whole, "mta-2")
    assert senders(whole) == set()
    whole.lab.knob("restart", host="mta-1")
    deploy(whole, "mta-2")
    assert "mta-2" not in senders(whole), "a restart let the old host go: the new one still has nothing"
    brake(whole)
    assert senders(whole) == set()
    approved(whole, "mta-1")
    assert not defines(whole, "mta-1")
    assert row(whole).mta_host == "mta-1"
    brake(whole)
    assert (row(whole).mta_host, row(whole).moving_to) == ("mta-2", None)
    assert senders(whole) == set()
    deploy(whole, "mta-2")
    brake(whole)
    assert senders(whole) == set(), "a person lets it go when its delivery server hands in there"
    release(whole)
    brake(whole)
    assert senders(whole) == {"mta-2"}
    assert senders(whole, "aurora-4", "198.51.100.4") == {"mta-2"}


def test_its_history_stays_and_says_where_it_went(whole: Whole) -> None:
    before = row(whole)
    change(whole, "mta-2")
    brake(whole)
    approved(whole, "mta-1")
    brake(whole)
    after = row(whole)
    assert (after.id, after.status, after.status_since) == (before.id, before.status, before.status_since)
    events = [one for one in whole.rows(s.ip_state_history) if one.event == "moved"]
    assert [(one.ip_id, one.reason.partition(":")[0]) for one in events] == [
        (before.id, "moved from mta-1 to mta-2")
    ]
    (held,) = [one for one in whole.rows(s.brakes) if one.released_at is None]
    assert (
        held.reason
        == "it moved to mta-2; delivery server 101 of mw-aurora must hand in there before it is released"
    )


def test_every_step_run_twice_changes_nothing_twice(whole: Whole) -> None:
    for _ in range(2):
        change(whole, "mta-2")
        brake(whole)
    assert len(whole.rows(s.brakes)) == 1
    with whole.db.session(tenant="*") as conn:
        fleet = inventory.load_fleet(conn)
        assert plan_inventory(fleet, fleet).empty
        assert next(ip for ip in fleet.ips if ip.vmta == "aurora-1").mta_host == "mta-2"
    approved(whole, "mta-1")
    brake(whole)
    brake(whole)
    assert len([one for one in whole.rows(s.ip_state_history) if one.event == "moved"]) == 1


def test_a_dead_old_host_blocks_the_move_and_says_what_to_do(whole: Whole) -> None:
    whole.lab.knob("down", host="mta-1")
    change(whole, "mta-2")
    brake(whole)
    whole.later()
    brake(whole)
    deploy(whole, "mta-2")
    assert row(whole).mta_host == "mta-1"
    assert not defines(whole, "mta-2")
    (text,) = told(whole)
    assert text.startswith("1 IP cannot move away from mta-1: nobody could read there that they stand still")
    assert "email-engine fleet host-is-off mta-1" in text
    whole.lab.knob("up", host="mta-1")
    brake(whole)
    brake(whole)
    (text,) = told(whole)
    assert "stand still on mta-1 and wait to move" in text
    assert "pmta_config_approval" in text
    approved(whole, "mta-1")
    brake(whole)
    brake(whole)
    assert told(whole) == []
    assert row(whole).mta_host == "mta-2"


def test_a_person_says_that_the_dead_host_is_off_for_good(whole: Whole) -> None:
    whole.lab.knob("down", host="mta-1")
    change(whole, "mta-2")
    brake(whole)
    with whole.db.session(tenant="*") as conn:
        run = replace(current_run(whole.context("fleet")), actor="ops", params={"reason": "burnt down"})
        assert [one.address for one in host_is_off(conn, "mta-1", run)] == [ADDRESS]
        assert host_is_off(conn, "mta-1", run) == ()
    assert row(whole).mta_host == "mta-2"
    deploy(whole, "mta-2")
    brake(whole)
    assert "mta-2" not in senders(whole)
    release(whole)
    brake(whole)
    deploy(whole, "mta-2")
    assert "mta-2" in senders(whole)


def test_a_move_that_is_taken_back_lets_the_old_host_go_on(whole: Whole) -> None:
    change(whole, "mta-2")
    brake(whole)
    change(whole, "mta-1")
    brake(whole)
    assert row(whole).moving_to is None
    assert [one.released_at is not None for one in whole.rows(s.brakes)] == [True]
    assert senders(whole) == {"mta-1"}


def test_an_ip_that_was_listed_while_it_moved_stays_stopped_when_the_move_is_taken_back(whole: Whole) -> None:
    change(whole, "mta-2")
    brake(whole)
    whole.engage(1, "listed on zen")
    change(whole, "mta-1")
    brake(whole)
    (standing,) = whole.rows(s.brakes)
    assert (standing.reason, standing.release_asked_at, standing.released_at) == ("listed on zen", None, None)
    assert senders(whole) == set()


def test_a_listed_ip_moves_too_and_stays_stopped(whole: Whole) -> None:
    whole.engage(1, "listed on zen")
    with whole.db.session(tenant="*") as conn:
        conn.execute(update(s.ips).where(s.ips.c.vmta_name == "aurora-1").values(status="quarantine"))
    change(whole, "mta-2")
    brake(whole)
    approved(whole, "mta-1")
    brake(whole)
    deploy(whole, "mta-2")
    brake(whole)
    assert row(whole).mta_host == "mta-2"
    assert senders(whole) == set()


def test_a_release_while_it_moves_is_called_off(whole: Whole) -> None:
    change(whole, "mta-2")
    brake(whole)
    release(whole)
    brake(whole)
    brake(whole)
    assert "mta-2" not in senders(whole)
    approved(whole, "mta-1")
    brake(whole)
    assert senders(whole) == set()


def test_another_tenant_on_the_old_host_sends_on(whole: Whole) -> None:
    change(whole, "mta-2")
    brake(whole)
    approved(whole, "mta-1")
    brake(whole)
    assert senders(whole, "aurora-2", "198.51.100.2") == {"mta-1"}


def test_the_old_host_stays_in_the_file_until_its_ips_are_gone(whole: Whole) -> None:
    with whole.db.session(tenant="*") as conn:
        fleet = inventory.load_fleet(conn)
        hosts = tuple(host for host in fleet.mta_hosts if host.name != "mta-1")
        ips = tuple(replace(ip, mta_host="mta-2") for ip in fleet.ips)
        plan = plan_inventory(replace(fleet, mta_hosts=hosts, ips=ips), fleet)
        with pytest.raises(GuardBreach, match="3 IPs still move away from it"):
            inventory.apply_inventory(conn, plan, as_of=whole.now, dag_id=None, run_id=None)
        conn.rollback()
    assert row(whole).moving_to is None


def test_its_virtual_mta_is_not_renamed_on_the_way(whole: Whole) -> None:
    with pytest.raises(GuardBreach, match="one of both at once"):
        change(whole, "mta-2", vmta="aurora-77")


def test_where_the_engine_never_deployed_or_only_looks_on_it_moves_at_once(whole: Whole) -> None:
    with whole.db.session(tenant="*") as conn:
        conn.execute(update(s.tenants).values(mode="observe"))
    change(whole, "mta-2")
    assert (row(whole).mta_host, row(whole).moving_to) == ("mta-2", None)
    with whole.db.session(tenant="*") as conn:
        assert conn.execute(select(s.brakes.c.id)).all() == []


def test_who_leaves_the_file_and_comes_back_on_another_host_moves_there_too(whole: Whole) -> None:
    run = current_run(whole.context("warmup_advance"))
    ids = {"as_of": whole.now, "dag_id": "warmup_advance", "run_id": "run-0"}
    with whole.db.session(tenant="*") as conn:
        fleet = inventory.load_fleet(conn)
        (mine,) = [ip for ip in fleet.ips if ip.vmta == "aurora-1"]
        gone = replace(fleet, ips=tuple(ip for ip in fleet.ips if ip is not mine))
        inventory.apply_inventory(conn, plan_inventory(gone, fleet), **ids)
        stop_removed(conn, run)
    brake(whole)
    with whole.db.session(tenant="*") as conn:
        back = replace(gone, ips=(*gone.ips, replace(mine, mta_host="mta-2", initial_state=IpState.STANDBY)))
        inventory.apply_inventory(conn, plan_inventory(back, inventory.load_fleet(conn)), **ids)
        stop_moving(conn, run)
    brake(whole)
    deploy(whole, "mta-2")
    assert (row(whole).mta_host, row(whole).moving_to, row(whole).status) == ("mta-1", "mta-2", "standby")
    assert not defines(whole, "mta-2")
    assert senders(whole) == set()
    approved(whole, "mta-1")
    brake(whole)
    brake(whole)
    assert (row(whole).mta_host, row(whole).moving_to) == ("mta-2", None)
    deploy(whole, "mta-2")
    with whole.db.session(tenant="*") as conn:
        assert not brakes.ask_release(conn, row(whole).id, whole.now), (
            "a person lets go what moved, and nobody else"
        )
    assert senders(whole) == set()
