"""Lists of domains and limits of lists in rbl_sweep, against a real rbldnsd and a real database."""

import json
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from email_engine.fleet.model import IpState
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips
from email_engine.store.judgement.observations import observe
from email_engine.store.telling import alerts
from email_engine.warmup.parked import obstacle
from email_engine.warmup.policy_file import load_policy
from email_engine_airflow.operators.rbl_sweep import ConfirmListings, DecideListings, ProbeLists, SweepLists
from tests.airflow_connections import engine_connection
from tests.dns_lab import AS_OF, PATIENCE, context
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.rbldnsd import serving

HOURS = timedelta(hours=4)
CODES = "{127.0.0.2: {sublist: spam, class: reputation, severity: high}}"
LISTS = f"""
confirm_after: 0
lists:
  - {{name: zen, zone: zen.example, codes: {CODES}}}
  - {{name: dbl, zone: dbl.example, lists: domains, codes: {CODES}, delisting: {{url: https://check.dbl.example, text: Mend first.}}}}
"""

OTHER = f"  - {{name: other, zone: other.example, codes: {CODES}}}\n"


@pytest.fixture
def fleet(store: Store) -> None:
    """Three IPs of aurora and one of borealis, all active."""
    with store.session(tenant="*") as conn:
        add_host(conn)
        for tenant, network, count in (("aurora", "198.51.100", 3), ("borealis", "203.0.113", 1)):
            add_tenant(conn, tenant, "act")
            for n in range(1, count + 1):
                add_ip(conn, n, tenant, state="active", network=network)


class World:
    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, url: str, text: str = LISTS) -> None:
        self.folder, self.patch, self.turn = folder, patch, 0
        (folder / "lists.yaml").write_text(text)
        patch.setenv("EMAIL_ENGINE_BLOCKLISTS", str(folder / "lists.yaml"))
        patch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(url))

    def sweep(self, *domains: str, ips: Iterable[str] = (), **params: Any) -> list[dict[str, Any]]:
        """One run, four hours after the one before, while these stand on the lists."""
        self.turn += 1
        as_of = AS_OF + self.turn * HOURS
        ctx = context("rbl_sweep", as_of, confirm_after=0, **params)
        with serving(
            self.folder / f"zones{self.turn}",
            {"zen.example": ["127.0.0.2", *ips]},
            {"dbl.example": ["test", *(f".{name}" for name in domains)]},
        ) as port:
            resolver = {"conn_type": "dns_resolver", "host": "127.0.0.1", "port": port, "extra": PATIENCE}
            self.patch.setenv("AIRFLOW_CONN_DNS_RESOLVER_DEFAULT", json.dumps(resolver))
            health = ProbeLists(task_id="probe").execute(ctx)
            first = json.loads(json.dumps(SweepLists(task_id="sweep", health=health).execute(ctx)))
            found = ConfirmListings(task_id="confirm", first=first).execute(ctx)
        return [DecideListings(task_id="decide", findings=one).execute(ctx) for one in found]


@pytest.fixture
def world(fleet: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine_database_url: str) -> World:
    return World(tmp_path, monkeypatch, engine_database_url)


def held(store: Store, tenant: str = "aurora") -> dict[str, str | None]:
    """What forbids each IP to grow, by its domain."""
    with store.session(tenant="*") as conn:
        seen = observe(conn, tenant, AS_OF.date(), AS_OF.date() + timedelta(days=1), load_policy())
        return {one.ip.domain: obstacle(one) for one in seen}


def states(store: Store) -> set[IpState]:
    with store.session(tenant="*") as conn:
        return {ip.state for ip in load_ips(conn, day=AS_OF.date())}


def told(store: Store) -> dict[tuple[str, str], Any]:
    with store.session(tenant="*") as conn:
        return {(a.event, a.object): a for a in alerts.pending(conn)}


def rows(store: Store, table: Any) -> list[Any]:
    with store.session(tenant="*") as conn:
        return list(conn.execute(select(table).order_by(*table.primary_key)))


def test_a_listed_domain_holds_its_ip_asks_a_person_and_parks_nothing(world: World, store: Store) -> None:
    (done,) = world.sweep("news2.aurora-mail.example")
    assert (done["domains"], done["quarantined"], done["opened"]) == (["news2.aurora-mail.example"], [], [])
    assert held(store) == {
        "news1.aurora-mail.example": None,
        "news2.aurora-mail.example": "a list of domains holds news2.aurora-mail.example on dbl",
        "news3.aurora-mail.example": None,
    }
    assert states(store) == {IpState.ACTIVE}
    assert rows(store, s.brakes) == []
    alert = told(store)["domain_listings", "aurora"]
    assert alert.severity == "critical"
    for words in (
        "news2.aurora-mail.example listed on dbl (spam; 127.0.0.2; high); of 198.51.100.2", "no IP is parked", "Decide:",
        "https://check.dbl.example Mend first.",
    ):  # fmt: skip
        assert words in alert.text
    assert ("domain_listings", "borealis") not in told(store)


def test_it_is_told_once_and_two_clean_sweeps_let_go(world: World, store: Store) -> None:
    world.sweep("news2.aurora-mail.example")
    first = told(store)["domain_listings", "aurora"].id
    assert world.sweep("news2.aurora-mail.example")[0]["domains"] == []
    assert told(store)["domain_listings", "aurora"].id == first
    world.sweep()
    assert held(store)["news2.aurora-mail.example"] is not None, "once clean is not twice clean"
    world.sweep()
    assert set(held(store).values()) == {None}
    (row,) = rows(store, s.domain_listings)
    assert (row.domain, row.list, row.closed_at is not None) == ("news2.aurora-mail.example", "dbl", True)
    world.sweep("news2.aurora-mail.example")
    assert len(rows(store, s.domain_listings)) == 2, "a new listing is a new row"


def test_what_was_registered_holds_all_its_ips_of_every_tenant(world: World, store: Store) -> None:
    """The lab's two tenants have domains of their own; the wildcard of the list covers the names below."""
    world.sweep("aurora-mail.example")
    assert all(why and "aurora-mail.example on dbl" in why for why in held(store).values())
    assert set(held(store, "borealis").values()) == {None}


def test_a_name_that_no_ip_has_any_more_holds_nobody(world: World, store: Store) -> None:
    world.sweep("news2.aurora-mail.example")
    with store.session(tenant="*") as conn:
        renamed = update(s.domains).where(s.domains.c.name == "news2.aurora-mail.example")
        conn.execute(renamed.values(name="post2.aurora-mail.example"))
    world.sweep("news2.aurora-mail.example")
    assert set(held(store).values()) == {None}
    (row,) = rows(store, s.domain_listings)
    assert row.closed_at is not None
    assert (
        "news2.aurora-mail.example is no IP's name any more" in told(store)["domain_listings", "aurora"].text
    )


def test_a_list_under_another_name_is_the_same_list(world: World, store: Store) -> None:
    world.sweep("news2.aurora-mail.example", ips=["198.51.100.1"])
    lists = world.folder / "lists.yaml"
    lists.write_text(
        lists.read_text().replace("name: dbl", "name: domains").replace("name: zen", "name: zen2")
    )
    (done,) = world.sweep("news2.aurora-mail.example", ips=["198.51.100.1"])
    assert (done["opened"], done["domains"]) == ([], [])
    world.sweep()
    world.sweep()
    assert set(held(store).values()) == {None}
    assert all(
        row.closed_at for table in (s.domain_listings, s.blacklist_events) for row in rows(store, table)
    )


def test_a_list_that_was_taken_out_holds_nobody_for_ever_and_that_is_told(world: World, store: Store) -> None:
    world.sweep("news2.aurora-mail.example", ips=["198.51.100.1"])
    lists = world.folder / "lists.yaml"
    retired = lists.read_text().replace("name: zen,", "name: zen, status: retired, message: gone,")
    lists.write_text(retired[: retired.index("  - {name: dbl")] + OTHER)
    world.sweep()
    assert held(store)["news2.aurora-mail.example"] is not None
    world.sweep()
    assert all(
        row.closed_at for table in (s.domain_listings, s.blacklist_events) for row in rows(store, table)
    )
    assert "nobody watches dbl any more" in told(store)["domain_listings", "aurora"].text
    assert "nobody watches zen any more" in told(store)["listings", "aurora"].text


def test_the_listing_of_a_tenant_s_only_domain_is_believed(world: World, store: Store) -> None:
    """The list covers every name below it, which is one listing and no sick list."""
    world.sweep("aurora-mail.example")
    assert ("list_sweep", "dbl") not in told(store)
    assert all(held(store).values())


def test_ips_and_domains_of_one_sweep_are_judged_each_by_its_own_lists(world: World, store: Store) -> None:
    (done,) = world.sweep("news2.aurora-mail.example", ips=["198.51.100.1"])
    assert (done["quarantined"], done["domains"]) == (["198.51.100.1"], ["news2.aurora-mail.example"])
    (listing,) = rows(store, s.blacklist_events)
    assert listing.list == "zen"


def test_a_dry_run_writes_nothing(world: World, store: Store) -> None:
    (done,) = world.sweep("news2.aurora-mail.example", dry_run=True)
    assert done["domains"] == ["news2.aurora-mail.example"]
    assert rows(store, s.domain_listings) == []
    assert set(held(store).values()) == {None}
    assert told(store) == {}


def test_the_limit_of_a_day_holds_over_sweeps(
    fleet: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine_database_url: str, store: Store
) -> None:
    limited = LISTS.replace("name: zen,", "name: zen, limits: {a_day: 6},")
    world = World(tmp_path, monkeypatch, engine_database_url, limited)
    world.sweep()
    world.sweep(ips=["198.51.100.3"])
    asked = {row.list: row.questions for row in rows(store, s.blocklist_questions)}
    assert asked["zen"] == 6, "four IPs, and two more of the next sweep"
    assert rows(store, s.blacklist_events) == [], "what was not asked is not known"
    assert ("list_sweep", "zen") not in told(store), "a limit that is kept is no trouble"
