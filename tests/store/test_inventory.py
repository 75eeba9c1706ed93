"""The fleet file comes into a real PostgreSQL, row-level security included."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update
from sqlalchemy.exc import IntegrityError

from email_engine.errors import GuardBreach
from email_engine.fleet.inventory import InventoryPlan, plan_inventory
from email_engine.fleet.model import Fleet
from email_engine.fleet.parse import parse_fleet
from email_engine.store import schema as s
from email_engine.store import versions
from email_engine.store.deployment import deployments
from email_engine.store.engine import Store
from email_engine.store.fleet.inventory import apply_inventory, load_fleet, load_removed
from email_engine.store.fleet.ips import load_ips

EXAMPLE = (Path(__file__).resolve().parents[2] / "include/config/fleet.yaml").read_text()
AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
LATER = datetime(2026, 11, 9, tzinfo=UTC)
BOREALIS = "\n  - name: borealis\n"
HEIR = """
          - address: 198.51.100.77
            hostname: mail50.aurora-mail.example
            domain: update50.aurora-mail.example
            vmta: aurora-50
            host: mta-2
            mailwizz_server_id: 150
            dkim: { selector: s1, key_path: /etc/pmta/dkim/x.pem }
"""


def fleet(text: str = EXAMPLE) -> Fleet:
    return parse_fleet(text, "fleet.yaml")


def plan(conn: Connection, wanted: Fleet) -> InventoryPlan:
    return plan_inventory(wanted, load_fleet(conn), load_removed(conn))


def bring(store: Store, wanted: Fleet, *, as_of: datetime = AS_OF, force: bool = False) -> bool:
    with store.session(tenant="*") as conn:
        return apply_inventory(
            conn, plan(conn, wanted), as_of=as_of, dag_id="fleet_onboard", run_id="r1", force=force
        )


def test_the_example_fleet_comes_into_an_empty_database_whole(store: Store) -> None:
    assert bring(store, fleet()) is True
    with store.session(tenant="*") as conn:
        records = load_ips(conn, day=AS_OF.date())
        assert len(records) == 100
        assert Counter((r.tenant, r.state) for r in records) == {
            (tenant, state): count
            for tenant in ("aurora", "borealis")
            for state, count in (("active", 40), ("warming", 7), ("standby", 3))
        }
        first = records[0]
        assert (first.vmta, first.mta_host, first.mailwizz_server_id) == ("aurora-1", "mta-1", 101)
        assert (first.daily_target, first.schedule, first.phase) == (10_000, "six_week", 1)
        assert versions.current(conn) == 1
        events = conn.execute(select(s.ip_state_history.c.event, s.ip_state_history.c.actor)).all()
        assert set(events) == {("added", "fleet_onboard")}
        plans = conn.execute(
            select(
                s.warmup_plans.c.current_daily_quota, s.warmup_plans.c.phase_started_on, s.ips.c.status
            ).join(s.ips, s.ips.c.id == s.warmup_plans.c.ip_id)
        ).all()
        assert {tuple(p) for p in plans} == {
            (10_000, None, "active"), (0, AS_OF.date(), "warming"), (0, None, "standby"),
        }  # fmt: skip


def test_applying_again_changes_nothing_and_makes_no_version(store: Store) -> None:
    bring(store, fleet())
    assert bring(store, fleet()) is False
    with store.session(tenant="*") as conn:
        assert plan(conn, fleet()).empty
        assert versions.current(conn) == 1


def test_what_the_database_holds_reads_back_as_the_same_fleet(store: Store) -> None:
    bring(store, fleet())
    with store.session(tenant="*") as conn:
        assert set(load_fleet(conn).ips) == set(fleet().ips)
        assert set(load_fleet(conn).streams) == set(fleet().streams)


def test_what_a_new_ip_is_vouched_for_stays_as_it_came_when_its_target_is_raised(store: Store) -> None:
    said = EXAMPLE.replace("count: 50", "count: 50\n            warmed_on: 2026-05-01", 1)
    bring(store, fleet(said))
    bring(store, fleet(said.replace("daily_target: 10000", "daily_target: 20000", 1)), as_of=LATER)
    with store.session(tenant="*") as conn:
        found = load_ips(conn, day=LATER.date())
    told = {(ip.tenant, str(ip.state), ip.warmed_to) for ip in found}
    assert told == {
        ("aurora", "active", 10_000), ("aurora", "warming", 0), ("aurora", "standby", 0),
        ("borealis", "active", 0), ("borealis", "warming", 0), ("borealis", "standby", 0),
    }  # fmt: skip
    assert {ip.daily_target for ip in found if ip.tenant == "aurora"} == {20_000}


def test_addresses_and_bases_come_in_change_and_go(store: Store) -> None:
    base = (
        "    base: { postmaster: ops@example.com, listeners: ['10.0.0.5:25'], http_port: 0, "
        "complaint_addresses: [fbl@f.example] }\n"
    )
    wanted = fleet(EXAMPLE.replace("    # On a host with", base + "    # On a host with", 1))
    bring(store, wanted)
    with store.session(tenant="*") as conn:
        found = load_fleet(conn)
        assert set(found.mta_hosts) == {replace(host, room_for=None) for host in wanted.mta_hosts}
        assert set(found.mailwizz_instances) == set(wanted.mailwizz_instances)
        assert plan(conn, wanted).empty
        records = load_ips(conn, day=AS_OF.date(), tenant="aurora")
        assert {record.mailwizz_addresses for record in records} == {(ip_address("192.0.2.10"),)}
        assert deployments.load_hosts(conn) == found.mta_hosts
    without = EXAMPLE.replace("    addresses: [192.0.2.10]\n", "")
    assert bring(store, fleet(without), as_of=LATER)
    with store.session(tenant="*") as conn:
        assert [host.base for host in load_fleet(conn).mta_hosts] == [None, None]
        assert [one.addresses for one in load_fleet(conn).mailwizz_instances] == [
            (),
            (ip_address("192.0.2.11"),),
        ]
        assert plan(conn, fleet(without)).empty


def test_a_tenant_goes_to_observe_and_back(store: Store) -> None:
    bring(store, fleet())
    assert bring(store, fleet(EXAMPLE.replace("mode: act", "mode: observe", 1)))
    with store.session(tenant="aurora") as conn:
        assert {record.mode for record in load_ips(conn, day=AS_OF.date())} == {"observe"}
    assert bring(store, fleet())


def test_a_removed_ip_keeps_its_row_and_history_and_frees_its_names(store: Store) -> None:
    bring(store, fleet())
    smaller = EXAMPLE.replace("count: 50", "count: 49", 1).replace("48-50", "48-49", 1)
    assert bring(store, fleet(smaller), as_of=LATER)
    with store.session(tenant="*") as conn:
        row = conn.execute(select(s.ips).where(s.ips.c.address == "198.51.100.50")).one()
        assert row.removed
        assert row.hostname == "mail50.aurora-mail.example"
        assert len(load_ips(conn, day=LATER.date())) == 99
        history = conn.execute(
            select(s.ip_state_history.c.event)
            .where(s.ip_state_history.c.ip_id == row.id)
            .order_by(s.ip_state_history.c.id)
        ).scalars()
        assert list(history) == ["added", "removed"]
    assert bring(store, fleet(smaller.replace(BOREALIS, HEIR + BOREALIS)), as_of=LATER)


@pytest.mark.parametrize(
    ("state", "after"),
    [("active", "standby"), ("warming", "standby"), ("quarantine", "quarantine"), ("abandoned", "abandoned")],
)
def test_an_ip_that_comes_back_stands_by_unless_it_was_parked(store: Store, state: str, after: str) -> None:
    bring(store, fleet())
    with store.session(tenant="*") as conn:
        conn.execute(update(s.ips).where(s.ips.c.address == "198.51.100.50").values(status=state))
    bring(store, fleet(EXAMPLE.replace("count: 50", "count: 49", 1).replace("48-50", "48-49", 1)))
    bring(store, fleet(), as_of=LATER)
    with store.session(tenant="*") as conn:
        row = conn.execute(select(s.ips).where(s.ips.c.address == "198.51.100.50")).one()
        assert (row.removed, row.status) == (False, after)
        assert len(load_ips(conn, day=LATER.date())) == 100


def test_hostnames_vmtas_servers_and_domains_can_be_swapped(store: Store) -> None:
    bring(store, fleet())
    swapped = EXAMPLE.replace("first: 198.51.100.1\n            count: 50", "range: 198.51.100.2-51")
    assert bring(store, fleet(swapped), as_of=LATER)
    with store.session(tenant="*") as conn:
        row = conn.execute(select(s.ips).where(s.ips.c.address == "198.51.100.2")).one()
        assert (row.hostname, row.vmta_name, row.mailwizz_server_id) == (
            "mail1.aurora-mail.example",
            "aurora-1",
            101,
        )
        assert row.status == "active"
        assert set(load_fleet(conn).ips) >= set(fleet().ips[50:])


def test_new_names_make_what_was_known_of_their_dns_unknown(store: Store) -> None:
    bring(store, fleet())
    with store.session(tenant="*") as conn:
        conn.execute(update(s.domains).values(spf_valid=True, ptr_valid=True, last_dns_check=AS_OF))
    bring(store, fleet(EXAMPLE.replace("selector: s1", "selector: s2", 1)))
    with store.session(tenant="*") as conn:
        known = conn.execute(
            select(s.domains.c.tenant, s.domains.c.spf_valid, s.domains.c.last_dns_check)
        ).all()
    assert {(k.tenant, k.spf_valid, k.last_dns_check) for k in known} == {
        ("aurora", None, None), ("borealis", True, AS_OF),
    }  # fmt: skip


def test_a_pool_is_renamed_with_all_its_ips(store: Store) -> None:
    bring(store, fleet())
    bring(store, fleet(EXAMPLE.replace("pool: aurora-newsletter", "pool: aurora-weekly")))
    with store.session(tenant="aurora") as conn:
        assert {record.pool for record in load_ips(conn, day=AS_OF.date())} == {"aurora-weekly"}


def test_two_pools_swap_names(store: Store) -> None:
    bring(store, fleet())
    swapped = EXAMPLE.replace("pool: aurora-", "pool: x-").replace("pool: borealis-", "pool: aurora-")
    bring(store, fleet(swapped.replace("pool: x-", "pool: borealis-")))
    with store.session(tenant="aurora") as conn:
        assert {record.pool for record in load_ips(conn, day=AS_OF.date())} == {"borealis-newsletter"}


def test_removing_too_many_ips_is_refused_before_anything_is_written_and_can_be_forced(store: Store) -> None:
    bring(store, fleet())
    small = fleet(
        EXAMPLE.replace("count: 50", "count: 34").replace("1-40, warming: 41-47, standby: 48-50", "1-34")
    )
    with pytest.raises(GuardBreach, match="32 of 100 IPs would be removed"):
        bring(store, small)
    with store.session(tenant="*") as conn:
        assert len(load_ips(conn, day=AS_OF.date())) == 100
    assert bring(store, small, force=True)


def test_an_ip_never_changes_its_tenant_not_even_after_a_removal(store: Store) -> None:
    bring(store, fleet())
    bring(store, fleet(EXAMPLE.replace("count: 50", "count: 49", 1).replace("48-50", "48-49", 1)))
    taken = (
        EXAMPLE.replace("count: 50", "count: 49", 1)
        .replace("48-50", "48-49", 1)
        .replace("first: 203.0.113.1\n            count: 50", "range: 198.51.100.50-99")
    )
    with pytest.raises(GuardBreach, match=r"IP 198\.51\.100\.50 \(aurora -> borealis\)"):
        bring(store, fleet(taken), force=True)


def test_a_whole_tenant_leaves_and_its_rows_stay(store: Store) -> None:
    bring(store, fleet())
    head = EXAMPLE.split(BOREALIS)[0]
    alone = head.replace(head[head.index("  - name: mw-borealis") : head.index("tenants:")], "")
    bring(store, fleet(alone), force=True)
    with store.session(tenant="*") as conn:
        found = load_fleet(conn)
        assert [t.name for t in found.tenants] == ["aurora"]
        assert [m.name for m in found.mailwizz_instances] == ["mw-aurora"]
        assert conn.execute(select(s.tenants.c.removed).where(s.tenants.c.name == "borealis")).scalar_one()
    bring(store, fleet(), as_of=LATER)
    with store.session(tenant="*") as conn:
        assert plan(conn, fleet()).empty


def test_a_thousand_ips_come_in_within_seconds(store: Store) -> None:
    big = EXAMPLE.replace(
        "first: 198.51.100.1\n            count: 50", "first: 45.123.10.1\n            count: 1000"
    )
    big = big.replace("mailwizz_first_server_id: 201", "mailwizz_first_server_id: 5001")
    bring(store, fleet(big))
    with store.session(tenant="*") as conn:
        assert len(load_ips(conn, day=AS_OF.date(), tenant="aurora")) == 1000


def behind_nat(**bound: str) -> str:
    """The example with one more IP, `HEIR`'s, and what is bound for it (`a`) and for another new one (`b`)."""
    other = HEIR.replace(".77", ".78").replace("50", "51")
    text = HEIR.replace("50", "52") + other
    for name, address in (("a", "198.51.100.77"), ("b", "198.51.100.78")):
        if name in bound:
            line = f"address: {address}\n"
            text = text.replace(line, f"{line}            bind_address: {bound[name]}\n")
    return EXAMPLE.replace(BOREALIS, text + BOREALIS)


def bound_by(store: Store) -> dict[str, str | None]:
    with store.session(tenant="*") as conn:
        records = {str(r.address): r for r in load_ips(conn, day=AS_OF.date())}
        ips = {str(ip.address): ip for ip in load_fleet(conn).ips}
    assert all(ips[address].bind_address == record.bind_address for address, record in records.items())
    return {a: str(r.bind_address) for a, r in records.items() if r.bind_address}


def test_what_is_bound_comes_in_is_swapped_and_goes(store: Store) -> None:
    bring(store, fleet(behind_nat(a="10.0.0.5", b="10.0.0.6")))
    assert bound_by(store) == {"198.51.100.77": "10.0.0.5", "198.51.100.78": "10.0.0.6"}
    assert bring(store, fleet(behind_nat(a="10.0.0.6", b="10.0.0.5")), as_of=LATER)
    assert bound_by(store) == {"198.51.100.77": "10.0.0.6", "198.51.100.78": "10.0.0.5"}
    assert bring(store, fleet(behind_nat(b="10.0.0.5")), as_of=LATER)
    assert bound_by(store) == {"198.51.100.78": "10.0.0.5"}
    assert bring(store, fleet(behind_nat(b="10.0.0.5")), as_of=LATER) is False


def test_a_removed_ip_frees_what_it_bound_on_its_host_and_keeps_it_for_the_record(store: Store) -> None:
    bring(store, fleet(behind_nat(a="10.0.0.5")))
    alone = behind_nat(b="10.0.0.5").replace(HEIR.replace("50", "52"), "")
    assert bring(store, fleet(alone), as_of=LATER)
    assert bound_by(store) == {"198.51.100.78": "10.0.0.5"}
    with store.session(tenant="*") as conn:
        rows = conn.execute(select(s.ips.c.removed).where(s.ips.c.bind_address == "10.0.0.5")).scalars()
        assert sorted(rows) == [False, True]


def test_one_host_never_binds_an_address_twice(store: Store) -> None:
    bring(store, fleet(behind_nat(a="10.0.0.5")))
    with store.session(tenant="*") as conn, pytest.raises(IntegrityError, match="uq_ips_bind_address"):
        conn.execute(update(s.ips).where(s.ips.c.address == "198.51.100.78").values(bind_address="10.0.0.5"))
    with store.session(tenant="*") as conn:
        elsewhere = {"bind_address": "10.0.0.5", "mta_host": "mta-1"}
        conn.execute(update(s.ips).where(s.ips.c.address == "198.51.100.78").values(**elsewhere))


def test_a_base_of_an_earlier_release_has_no_addresses_of_reports(store: Store) -> None:
    bring(store, fleet())
    before = {"postmaster": "ops@example.com", "listeners": ["10.0.0.5:25"], "http_port": 0, "log_file": "/l", "spool": "/s",
              "run_as_root": False}  # fmt: skip
    with store.session(tenant="*") as conn:
        conn.execute(update(s.mta_hosts).where(s.mta_hosts.c.name == "mta-1").values(base_config=before))
        base = load_fleet(conn).mta_hosts[0].base
    assert base is not None
    assert (base.listeners, base.reports) == (("10.0.0.5:25",), ())
