"""A host behind NAT, from its operator's configuration to a judgement: import, fleet, render, deploy, mail, accounting, stop."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from email_engine.fleet.inventory import plan_inventory
from email_engine.fleet.model import Fleet
from email_engine.fleet.parse import parse_fleet
from email_engine.pipelines.fleet import stop_removed
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.fleet.inventory import apply_inventory, load_fleet, load_removed
from email_engine_airflow.operators.accounting_ingest import IngestHost
from email_engine_airflow.operators.brakes import ApplyBrakes
from email_engine_airflow.operators.dns_validate import CheckDns
from email_engine_airflow.operators.mta_health import CheckHost
from email_engine_airflow.operators.rbl_sweep import ConfirmListings, DecideListings, ProbeLists, SweepLists
from email_engine_airflow.operators.reputation_guard import GuardReputation
from email_engine_airflow.run import current_run
from tests.core.adoption.drafts import adopted, filled
from tests.whole_lab import Whole, connections, whole_lab

NAT = {f"10.0.0.{n}": f"198.51.100.{n}" for n in (1, 2, 3)}
OLD = (
    "".join(
        f"<virtual-mta aurora-{n}>\n  smtp-source-host 10.0.0.{n} mail{n}.aurora-mail.example\n"
        f"  domain-key s1,news{n}.aurora-mail.example,/etc/pmta/{n}.pem\n  max-smtp-msg-rate 1200/d\n</virtual-mta>\n"
        for n in (1, 2, 3)
    )
    + "<virtual-mta-pool aurora-newsletter>\n  virtual-mta aurora-1\n  virtual-mta aurora-2\n  virtual-mta aurora-3\n</virtual-mta-pool>\n"
)


def imported() -> Fleet:
    """The operator's file as a fleet, its public addresses written in by a person."""
    draft = adopted(OLD, tenant="aurora")
    assert draft.gaps == ()
    text = (
        filled(draft.fleet)
        .replace("mode: observe", "mode: act")
        .replace("address: 45.0.0.", "address: 198.51.100.")
    )
    fleet = parse_fleet(text, "fleet.yaml")
    ips = tuple(replace(ip, mailwizz_server_id=100 + int(ip.vmta[-1])) for ip in fleet.ips)
    return replace(fleet, ips=ips)


def bring(whole: Whole, fleet: Fleet) -> None:
    with whole.db.session(tenant="*") as conn:
        plan = plan_inventory(fleet, load_fleet(conn), load_removed(conn))
        apply_inventory(conn, plan, as_of=whole.now, dag_id="warmup_advance", run_id="run-0")


@pytest.fixture
def whole(
    tmp_path: Path,
    store: Store,
    engine_database_url: str,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Whole]:
    """The imported fleet in the engine's database, and its configuration on a host that has only private addresses."""
    with whole_lab(tmp_path, postgres_url, NAT) as lab:
        for name, value in connections(lab, engine_database_url).items():
            monkeypatch.setenv(name, value)
        whole = Whole(lab, store)
        whole.mailwizz("UPDATE {server} SET daily_quota = 0, hourly_quota = 0, status = 'active'")
        bring(whole, imported())
        whole.allow(1000, 1, 2, 3)
        whole.deploy()
        yield whole


def ingest(whole: Whole) -> dict[str, Any]:
    return IngestHost(task_id="ingest", mta_host="mta-1").execute(whole.context("accounting_ingest"))


def brake(whole: Whole) -> tuple[int, int, int]:
    found = ApplyBrakes(task_id="brake", mta_host="mta-1").execute(whole.context("mta_health"))
    return found["held"], found["released"], found["failed"]


def counted(whole: Whole) -> dict[str, tuple[int, int]]:
    """Settled messages and complaints by public address."""
    day = s.delivery_days.c
    query = select(s.ips.c.address, func.sum(day.delivered + day.bounced), func.sum(day.complained)).join(
        s.ips, s.ips.c.id == day.ip_id
    )
    with whole.db.session(tenant="*") as conn:
        return {str(a): (n, c) for a, n, c in conn.execute(query.group_by(s.ips.c.address))}


def test_mail_leaves_by_the_private_address_and_counts_for_the_public_one(whole: Whole) -> None:
    assert whole.host["vmtas"]["aurora-1"]["sources"] == ["10.0.0.1"]
    whole.lab.knob("traffic", ip="198.51.100.2", complaint_rate=1.0)
    for number in (1, 2):
        whole.mail(number, 40, domain="yahoo.com")
    whole.later(hours=30)
    assert set(whole.host["last_accounting"]) == {"10.0.0.1", "10.0.0.2"}
    ingest(whole)
    found = counted(whole)
    assert found.keys() == {"198.51.100.1", "198.51.100.2"}
    assert found["198.51.100.1"][0] == 40
    assert found["198.51.100.1"][1] < 3
    assert found["198.51.100.2"][1] > 30


def test_what_receivers_refuse_is_judged_and_stopped_at_the_private_address(whole: Whole) -> None:
    whole.lab.knob("traffic", ip="198.51.100.2", block_rate=0.9, hard_bounce_rate=0, deferral_rate=0)
    for number in (1, 2, 3):
        whole.mail(number, 400)
    whole.later(hours=2)
    ingest(whole)
    GuardReputation(task_id="guard", tenant="aurora").execute(whole.context("reputation_guard"))
    decided = {
        row.subject: row.action for row in whole.rows(s.decisions) if row.pipeline == "reputation_guard"
    }
    assert decided.keys() == {"198.51.100.2"}
    assert decided["198.51.100.2"] in ("pause", "quarantine", "stop_for_today")
    whole.engage(2)
    assert brake(whole) == (2, 0, 0), "the IP as a whole, and the provider that refuses it"
    assert set(whole.disabled_sources()) == {"10.0.0.2"}
    last = whole.host["last_accounting"]["10.0.0.2"]
    whole.mail(2, 50)
    whole.later()
    assert whole.host["last_accounting"]["10.0.0.2"] == last
    whole.ask_release(2)
    assert brake(whole) == (1, 1, 0), "its provider stays suspended"
    assert set(whole.disabled_sources()) == {"10.0.0.2"}


def stop(whole: Whole) -> int:
    with whole.db.session(tenant="*") as conn:
        return len(stop_removed(conn, current_run(whole.context("warmup_advance"))))


def test_an_ip_that_leaves_the_fleet_is_held_at_its_private_address(whole: Whole) -> None:
    whole.mail(1, 100)
    fleet = imported()
    bring(whole, replace(fleet, ips=tuple(ip for ip in fleet.ips if ip.vmta != "aurora-1")))
    assert stop(whole) == 1
    assert brake(whole) == (1, 0, 0)
    assert whole.disabled_sources() == ["10.0.0.1"]
    whole.later()
    assert "10.0.0.1" not in whole.host["last_accounting"]
    assert CheckHost(task_id="check", mta_host="mta-1").execute(whole.context("mta_health"))["put_back"] == []


def test_where_the_nat_gets_another_public_address_the_virtual_mta_goes_on(whole: Whole) -> None:
    whole.mail(1, 100)
    fleet = imported()
    other = [
        replace(ip, address=ip_address("198.51.100.9")) if ip.vmta == "aurora-1" else ip for ip in fleet.ips
    ]
    bring(whole, replace(fleet, ips=tuple(other)))
    with whole.db.session(tenant="*") as conn:
        conn.execute(update(s.ips).where(s.ips.c.address == "198.51.100.9").values(status="active"))
    assert stop(whole) == 1
    assert brake(whole) == (0, 1, 0)
    assert whole.disabled_sources() == []
    assert whole.queues(1) == {"gmail.rollup": (100, False)}
    assert whole.server(1)[2] == "active"
    whole.later(hours=2)
    ingest(whole)
    assert counted(whole)["198.51.100.9"][0] > 50


@pytest.mark.parametrize("braked", [False, True], ids=["it stands by", "it is held"])
def test_the_next_public_address_that_must_stand_still_is_let_go_by_nobody(
    whole: Whole, braked: bool
) -> None:
    whole.mail(1, 100)
    fleet = imported()
    other = [
        replace(ip, address=ip_address("198.51.100.9")) if ip.vmta == "aurora-1" else ip for ip in fleet.ips
    ]
    bring(whole, replace(fleet, ips=tuple(other)))
    with whole.db.session(tenant="*") as conn:
        status = "active" if braked else "standby"
        conn.execute(update(s.ips).where(s.ips.c.address == "198.51.100.9").values(status=status))
    if braked:
        whole.engage(1)
    assert stop(whole) == 1
    brake(whole)
    assert whole.disabled_sources() == ["10.0.0.1"]
    whole.later()
    assert "10.0.0.1" not in whole.host["last_accounting"]
    brake(whole)
    assert whole.disabled_sources() == ["10.0.0.1"]


def test_block_lists_and_dns_are_asked_about_the_public_address(whole: Whole) -> None:
    whole.lab.knob("list_ip", ip="198.51.100.2", zone="zen.lab.example")
    whole.lab.knob("list_ip", ip="10.0.0.3", zone="zen.lab.example")
    asked = {"lists": ["zen-lab", "bl-lab"], "confirm_after": 0}
    health = ProbeLists(task_id="probe").execute(whole.context("rbl_sweep", **asked))
    swept = SweepLists(task_id="sweep", health=health).execute(whole.context("rbl_sweep", **asked))
    for found in ConfirmListings(task_id="confirm", first=swept).execute(whole.context("rbl_sweep", **asked)):
        DecideListings(task_id="decide", findings=found).execute(whole.context("rbl_sweep", **asked))
    decided = {(row.subject, row.action) for row in whole.rows(s.decisions)}
    assert decided == {("198.51.100.2", "open listing"), ("198.51.100.2", "quarantine")}
    whole.brake()
    assert whole.disabled_sources() == ["10.0.0.2"]
    CheckDns(task_id="check", tenant="aurora").execute(whole.context("dns_validate"))
    with whole.db.session(tenant="*") as conn:
        assert set(conn.execute(select(s.domains.c.ptr_valid)).scalars()) == {True}
        first = conn.execute(
            select(s.domains.c.spf_valid).where(s.domains.c.name.startswith("news1"))
        ).scalar_one()
    assert first is True
