"""The steps of rbl_sweep against the lab's lists and a real database: from an answer on the wire to a braked IP."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException, AirflowSkipException
from sqlalchemy import select

from email_engine import paths
from email_engine.fleet.model import IpState
from email_engine.pipelines.rbl_sweep import decide as decide_listings
from email_engine.store import schema as s
from email_engine.store import versions
from email_engine.store.engine import Store
from email_engine.store.fleet.ips import load_ips, set_allowance
from email_engine.store.stops import brake_ends, brakes
from email_engine.store.telling import alerts
from email_engine.store.telling.owed import tell_overdue
from email_engine_airflow.operators.names import ListNames
from email_engine_airflow.operators.publish import PublishListings
from email_engine_airflow.operators.rbl_sweep import ConfirmListings, DecideListings, ProbeLists, SweepLists
from lab.testing import RunningLab
from tests.dns_lab import AS_OF, connect, context, dns_lab
from tests.fleet_rows import add_host, add_ip, add_tenant

ZEN, BL = "zen.lab.example", "bl.lab.example"
FOUR_HOURS = timedelta(hours=4)


@pytest.fixture(scope="module")
def module_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with dns_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def lab(
    module_lab: RunningLab, engine_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningLab]:
    connect(monkeypatch, module_lab, engine_database_url)
    yield module_lab
    module_lab.knob("set_list_kind", zone=ZEN, kind="zen")
    for zone in (ZEN, BL):
        for address in module_lab.state()["dns"]["lists"][zone]["listed"]:
            module_lab.knob("delist_ip", ip=address, zone=zone)


@pytest.fixture
def fleet(store: Store) -> None:
    """aurora acts, borealis is in observe; 20 IPs each, on two hosts, 1,000 messages a day."""
    with store.session(tenant="*") as conn:
        add_host(conn, "mta-1")
        add_host(conn, "mta-2")
        version = versions.bump(conn, "test")
        for tenant, mode, network in (("aurora", "act", "198.51.100"), ("borealis", "observe", "203.0.113")):
            add_tenant(conn, tenant, mode)
            for n in range(1, 21):
                state = "standby" if n == 20 else "active"
                host = "mta-1" if n <= 10 else "mta-2"
                ip_id = add_ip(conn, n, tenant, host, state, network)
                set_allowance(conn, ip_id, tenant, AS_OF.date() - timedelta(days=1), 1000, version, None)


def run_sweep(as_of: datetime = AS_OF, **params: Any) -> list[dict[str, Any]]:
    """All rounds as the DAG wires them; what `decide` returned for each tenant."""
    first = first_round(as_of, **params)
    return [decide(found, as_of, **params) for found in confirm(first, as_of, **params)]


def ctx(as_of: datetime = AS_OF, **params: Any) -> dict[str, Any]:
    return context("rbl_sweep", as_of, **({"confirm_after": 0, "lists": ["zen-lab", "bl-lab"]} | params))


def first_round(as_of: datetime = AS_OF, **params: Any) -> Any:
    """What `sweep` returned, as it comes out of an XCom."""
    health = ProbeLists(task_id="probe").execute(ctx(as_of, **params))
    return json.loads(json.dumps(SweepLists(task_id="sweep", health=health).execute(ctx(as_of, **params))))


def confirm(first: Any, as_of: datetime = AS_OF, **params: Any) -> list[dict[str, Any]]:
    return ConfirmListings(task_id="confirm", first=first).execute(ctx(as_of, **params))


def decide(findings: Any, as_of: datetime = AS_OF, **params: Any) -> dict[str, Any]:
    return DecideListings(task_id="decide", findings=findings).execute(ctx(as_of, **params))


def publish(as_of: datetime = AS_OF, **params: Any) -> int:
    return PublishListings(task_id="publish").execute(context("rbl_sweep", as_of, **params))


def hosts(as_of: datetime = AS_OF, **params: Any) -> list[str]:
    return ListNames(task_id="hosts", of="hosts with brakes").execute(context("rbl_sweep", as_of, **params))


def rows(store: Store, table: Any) -> list[Any]:
    with store.session(tenant="*") as conn:
        return list(conn.execute(select(table).order_by(*table.primary_key)))


def record_of(store: Store, address: str, as_of: datetime = AS_OF) -> Any:
    with store.session(tenant="*") as conn:
        (found,) = [ip for ip in load_ips(conn, day=as_of.date()) if ip.address == ip_address(address)]
    return found


def told(store: Store) -> dict[tuple[str, str], str]:
    with store.session(tenant="*") as conn:
        return {(a.event, a.object): a.text for a in alerts.pending(conn)}


@pytest.mark.usefixtures("fleet")
def test_the_lab_shows_two_lists_to_believe_and_why_not_the_others(lab: RunningLab, store: Store) -> None:
    health = ProbeLists(task_id="probe").execute(context("rbl_sweep"))
    assert health["healthy"] == ["zen-lab", "bl-lab"]
    assert health["unhealthy"].keys() == {"dead-lab", "public-lab", "empty-lab", "servfail-lab", "silent-lab"}
    assert "public resolver" in health["unhealthy"]["public-lab"]
    assert list(told(store)) == [("list_health", "all")], "all of them in one alert"
    ProbeLists(task_id="probe").execute(context("rbl_sweep", AS_OF + FOUR_HOURS))
    assert len(rows(store, s.alerts)) == 1


@pytest.mark.usefixtures("fleet")
def test_ips_count_as_looked_at_only_when_a_list_answered(lab: RunningLab, store: Store) -> None:
    run_sweep(dry_run=True)
    run_sweep(lists=["servfail-lab", "silent-lab"])
    assert {ip.lists_checked_at for ip in rows(store, s.ips)} == {None}
    run_sweep(AS_OF + FOUR_HOURS)
    run_sweep(AS_OF)
    assert {ip.lists_checked_at for ip in rows(store, s.ips)} == {AS_OF + FOUR_HOURS}


@pytest.mark.usefixtures("fleet")
def test_a_quiet_sweep_finds_nothing_and_publishes_nothing(lab: RunningLab, store: Store) -> None:
    assert run_sweep() == []
    assert hosts() == []
    with pytest.raises(AirflowSkipException, match="nothing changed"):
        publish()


@pytest.mark.usefixtures("fleet")
def test_a_listed_ip_is_quarantined_braked_and_told_about(lab: RunningLab, store: Store) -> None:
    lab.knob("list_ip", ip="198.51.100.12", zone=ZEN, codes=["127.0.0.2"], reason="spam trap hits")
    (result,) = run_sweep()
    assert result == {
        "tenant": "aurora", "opened": ["198.51.100.12"], "closed": [], "quarantined": ["198.51.100.12"], "breakers": [],
        "domains": [],
    }  # fmt: skip
    ip = record_of(store, "198.51.100.12")
    assert (ip.state, ip.allowance, ip.braked) == (IpState.QUARANTINE, 0, True)
    assert ip.quarantine_until == AS_OF + timedelta(days=7)
    assert ip.blacklisted_on == ("zen-lab",)
    (event,) = rows(store, s.blacklist_events)
    assert (event.list, event.zone, event.codes, event.reason) == (
        "zen-lab",
        ZEN,
        ["127.0.0.2"],
        "spam trap hits",
    )
    quarantine = next(d for d in rows(store, s.decisions) if d.kind == "decision")
    assert (quarantine.subject, quarantine.action, quarantine.applied) == (
        "198.51.100.12",
        "quarantine",
        True,
    )
    assert quarantine.run_key == AS_OF.isoformat()
    (history,) = rows(store, s.ip_state_history)
    assert (history.event, history.decision_id) == ("listed", quarantine.id)
    zero = [a for a in rows(store, s.allowances) if a.messages == 0]
    assert [(a.ip_id, a.day, a.decision_id) for a in zero] == [(ip.ip_id, AS_OF.date(), quarantine.id)]
    assert hosts() == ["mta-2"]
    assert publish() == 2
    assert "198.51.100.12 quarantined" in told(store)["listings", "aurora"]
    others = [r for r in rows(store, s.ips) if r.status == "quarantine"]
    assert len(others) == 1


@pytest.mark.usefixtures("fleet")
def test_a_listing_of_a_parked_ip_is_in_its_history_once_and_parks_nothing_again(
    lab: RunningLab, store: Store
) -> None:
    lab.knob("list_ip", ip="198.51.100.20", zone=ZEN)
    since = record_of(store, "198.51.100.20").state_since
    for _ in range(2):
        run_sweep()
    ip = record_of(store, "198.51.100.20")
    assert (ip.state, ip.state_since, ip.blacklisted_on) == ("standby", since, ("zen-lab",))
    (history,) = rows(store, s.ip_state_history)
    assert (history.event, history.from_status, history.to_status) == ("listed", "standby", "standby")
    assert "listed on zen-lab" in history.reason


@pytest.mark.usefixtures("fleet")
def test_running_the_same_run_again_changes_nothing_twice(lab: RunningLab, store: Store) -> None:
    lab.knob("list_ip", ip="198.51.100.12", zone=ZEN)
    run_sweep()
    tables = (
        s.decisions,
        s.blacklist_events,
        s.ip_state_history,
        s.brakes,
        s.fleet_versions,
        s.allowances,
        s.alerts,
    )
    before = [rows(store, table) for table in tables]
    (again,) = run_sweep()
    assert again["quarantined"] == []
    after = [rows(store, table) for table in tables]
    assert [len(x) for x in after] == [len(x) for x in before]
    assert publish() == 2


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("again", [AS_OF, AS_OF + FOUR_HOURS], ids=["the same run", "the next sweep"])
def test_what_a_killed_sweep_could_not_tell_is_told_later(
    lab: RunningLab, store: Store, monkeypatch: pytest.MonkeyPatch, again: datetime
) -> None:
    lab.knob("list_ip", ip="198.51.100.12", zone=ZEN, codes=["127.0.0.2"], reason="spam trap hits")
    with monkeypatch.context() as killed:
        killed.setitem(decide_listings.__globals__, "announce", lambda *_: None)
        run_sweep()
    assert record_of(store, "198.51.100.12").state is IpState.QUARANTINE
    run_sweep(again)
    assert told(store) == {}
    tell_overdue(store, timedelta(0))
    ((_, text),) = told(store).items()
    assert text.startswith("aurora: what rbl_sweep did at ")
    assert "198.51.100.12: " in text
    assert "zen-lab" in text


@pytest.mark.usefixtures("fleet")
def test_a_tenant_in_observe_gets_decision_and_listing_and_no_change(lab: RunningLab, store: Store) -> None:
    lab.knob("list_ip", ip="203.0.113.7", zone=ZEN)
    (result,) = run_sweep()
    assert result["quarantined"] == ["203.0.113.7"]
    ip = record_of(store, "203.0.113.7")
    assert (ip.state, ip.allowance, ip.braked) == (IpState.ACTIVE, 1000, False)
    assert ip.blacklisted_on == ("zen-lab",)
    assert {d.applied for d in rows(store, s.decisions)} == {False}
    assert rows(store, s.brakes) == []
    assert len(rows(store, s.fleet_versions)) == 1
    assert hosts() == []
    with pytest.raises(AirflowSkipException):
        publish()
    assert "would be quarantined" in told(store)["listings", "borealis"]
    run_sweep(AS_OF + FOUR_HOURS)
    assert len([a for a in rows(store, s.alerts) if a.event == "listings"]) == 1


@pytest.mark.usefixtures("fleet")
def test_a_dry_run_decides_and_writes_nothing(lab: RunningLab, store: Store) -> None:
    lab.knob("list_ip", ip="198.51.100.12", zone=ZEN)
    (result,) = run_sweep(dry_run=True)
    assert result["quarantined"] == ["198.51.100.12"]
    for table in (s.decisions, s.blacklist_events, s.ip_state_history, s.brakes, s.alerts):
        assert rows(store, table) == []
    assert hosts(dry_run=True) == []
    with pytest.raises(AirflowSkipException, match="dry run"):
        publish(dry_run=True)


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("address", "codes", "zone"),
    [("198.51.100.12", ["127.0.0.11"], ZEN), ("198.51.100.20", ["127.0.0.2"], ZEN)],
    ids=["policy code", "an IP in standby"],
)
def test_some_listings_are_recorded_and_do_not_act(
    lab: RunningLab, store: Store, address: str, codes: list[str], zone: str
) -> None:
    lab.knob("list_ip", ip=address, zone=zone, codes=codes)
    (result,) = run_sweep()
    assert (result["opened"], result["quarantined"]) == ([address], [])
    assert rows(store, s.brakes) == []
    assert record_of(store, address).state in {IpState.ACTIVE, IpState.STANDBY}


@pytest.mark.usefixtures("fleet")
def test_unknown_changes_nothing_and_two_clean_sweeps_close(lab: RunningLab, store: Store) -> None:
    lab.knob("list_ip", ip="198.51.100.12", zone=ZEN)
    run_sweep()
    lab.knob("delist_ip", ip="198.51.100.12", zone=ZEN)
    lab.knob("set_list_kind", zone=ZEN, kind="servfail")
    assert run_sweep(AS_OF + FOUR_HOURS) == []
    assert rows(store, s.blacklist_events)[0].clean_observations == 0
    lab.knob("set_list_kind", zone=ZEN, kind="zen")
    for _ in range(2):  # the same run twice counts once
        run_sweep(AS_OF + 2 * FOUR_HOURS)
    event = rows(store, s.blacklist_events)[0]
    assert (event.clean_observations, event.closed_at) == (1, None)
    (result,) = run_sweep(AS_OF + 3 * FOUR_HOURS)
    assert result["closed"] == ["198.51.100.12"]
    event = rows(store, s.blacklist_events)[0]
    assert event.closed_at == AS_OF + 3 * FOUR_HOURS
    ip = record_of(store, "198.51.100.12")
    assert (ip.state, ip.blacklisted_on, ip.braked) == (IpState.QUARANTINE, (), True)
    assert publish(AS_OF + 3 * FOUR_HOURS) == 1


@pytest.mark.usefixtures("fleet")
def test_two_ips_of_a_pool_open_the_breaker_the_stream_stops_and_nobody_takes_over(
    lab: RunningLab, store: Store
) -> None:
    for n in (3, 4):
        lab.knob("list_ip", ip=f"198.51.100.{n}", zone=BL)
    (result,) = run_sweep()
    assert result["breakers"] == ["aurora-newsletter"]
    assert len(result["quarantined"]) == 2
    text = told(store)["breaker", "aurora/aurora-newsletter"]
    assert "a person decides" in text
    assert "198.51.100.3, 198.51.100.4" in text
    sibling = record_of(store, "198.51.100.5")
    assert (sibling.state, sibling.allowance, sibling.braked) == (IpState.ACTIVE, 0, True)
    assert sibling.pause is not None
    assert sibling.pause.until is None, "until a person resumes it"
    assert record_of(store, "203.0.113.5").allowance == 1000, "another tenant's stream goes on"
    assert record_of(store, "198.51.100.20").state is IpState.STANDBY
    assert hosts() == ["mta-1", "mta-2"]
    before = len(rows(store, s.decisions))
    run_sweep()
    assert len(rows(store, s.decisions)) == before


@pytest.mark.usefixtures("fleet")
def test_a_list_that_lists_too_much_of_the_fleet_is_held(lab: RunningLab, store: Store) -> None:
    for n in range(1, 6):
        lab.knob("list_ip", ip=f"198.51.100.{n}", zone=ZEN)
    assert run_sweep() == []
    assert rows(store, s.blacklist_events) == []
    assert "newly lists 5 of 40 at once" in told(store)["list_sweep", "zen-lab"]
    (result,) = run_sweep(AS_OF + FOUR_HOURS, blast_radius_rate=1.0)
    assert len(result["quarantined"]) == 5


@pytest.mark.usefixtures("fleet")
def test_when_dns_is_silent_nothing_changes_and_people_are_told_once(lab: RunningLab, store: Store) -> None:
    lab.knob("list_ip", ip="198.51.100.12", zone=ZEN)
    lab.knob("silence_dns", on=True)
    try:
        assert run_sweep() == []
    finally:
        lab.knob("silence_dns", on=False)
    assert list(told(store)) == [("list_health", "all")]
    (healed,) = run_sweep(AS_OF + FOUR_HOURS)
    assert healed["quarantined"] == ["198.51.100.12"]


@pytest.mark.usefixtures("fleet")
def test_lists_may_be_chosen_by_name(lab: RunningLab) -> None:
    health = ProbeLists(task_id="probe").execute(context("rbl_sweep", lists=["bl-lab"]))
    assert health == {"healthy": ["bl-lab"], "ipv6": [], "unhealthy": {}}
    with pytest.raises(AirflowFailException, match="sorbs2"):
        ProbeLists(task_id="probe").execute(context("rbl_sweep", lists=["sorbs2"]))


@pytest.mark.usefixtures("fleet")
def test_every_sweep_looks_at_every_brake_again_until_it_is_released(lab: RunningLab, store: Store) -> None:
    lab.knob("list_ip", ip="198.51.100.12", zone=ZEN)
    run_sweep()
    with store.session(tenant="*") as conn:
        (brake,) = brakes.engaged(conn)
    for powermta, mailwizz in ((True, False), (True, True)):
        with store.session(tenant="*") as conn:
            brakes.confirm(conn, brake.brake_id, powermta, mailwizz, None, AS_OF)
        assert hosts() == ["mta-2"]
        assert hosts(dry_run=True) == []
    with store.session(tenant="*") as conn:
        assert brakes.ask_release(conn, brake.ip_id, AS_OF)
        assert brake_ends.released(conn, brake.brake_id, AS_OF)
    assert hosts() == []


@pytest.mark.usefixtures("fleet")
def test_an_old_run_that_is_cleared_clears_no_newer_listing(lab: RunningLab, store: Store) -> None:
    lab.knob("list_ip", ip="198.51.100.12", zone=ZEN)
    run_sweep()
    run_sweep(AS_OF + FOUR_HOURS)
    lab.knob("delist_ip", ip="198.51.100.12", zone=ZEN)
    run_sweep(AS_OF + 2 * FOUR_HOURS)
    before = rows(store, s.blacklist_events)
    assert [(e.clean_observations, e.closed_at) for e in before] == [(1, None)]
    run_sweep(AS_OF - FOUR_HOURS)
    assert rows(store, s.blacklist_events) == before


@pytest.mark.usefixtures("fleet")
def test_what_an_old_run_finds_today_stops_from_today_on(lab: RunningLab, store: Store) -> None:
    lab.knob("list_ip", ip="198.51.100.13", zone=ZEN)
    run_sweep(AS_OF + timedelta(days=5))
    lab.knob("list_ip", ip="198.51.100.12", zone=ZEN)
    run_sweep()
    ip = record_of(store, "198.51.100.12")
    assert ip.quarantine_until == AS_OF + timedelta(days=12)
    (event,) = [e for e in rows(store, s.blacklist_events) if e.ip_id != ip.ip_id]
    assert event.last_seen_at == AS_OF + timedelta(days=5), "an older sight is no later one"


@pytest.mark.usefixtures("fleet")
def test_between_the_rounds_no_worker_waits_and_whoever_comes_later_ends_the_sweep(
    lab: RunningLab, store: Store
) -> None:
    lab.knob("list_ip", ip="198.51.100.12", zone=ZEN, reason="trap")
    began = datetime.now(UTC)
    first = first_round(confirm_after=600)
    due = datetime.fromisoformat(first["due"])
    assert due - began >= timedelta(seconds=600)
    for _ in range(2):  # killed, or cleared: it waits for the same moment
        with pytest.raises(AirflowRescheduleException) as waiting:
            confirm(first)
        assert waiting.value.reschedule_date == due
    assert datetime.now(UTC) - began < timedelta(seconds=60)
    assert told(store) == {}
    for _ in range(2):
        (found,) = confirm(first | {"due": began.isoformat()})
        assert [(row["list"], row["reason"]) for row in found["listed"]] == [("zen-lab", "trap")]
        assert "ask_again" not in json.dumps(found)
    assert decide(found)["quarantined"] == ["198.51.100.12"]


@pytest.mark.usefixtures("fleet")
def test_what_the_second_round_does_not_confirm_is_unknown(lab: RunningLab, store: Store) -> None:
    lab.knob("list_ip", ip="198.51.100.12", zone=ZEN)
    lab.knob("list_ip", ip="198.51.100.13", zone=ZEN)
    first = first_round()
    lab.knob("delist_ip", ip="198.51.100.12", zone=ZEN)
    (found,) = confirm(first)
    assert [row["ip_id"] for row in found["listed"]] == [record_of(store, "198.51.100.13").ip_id]
    assert found["unknown"] == {"zen-lab": 1}
    lab.knob("delist_ip", ip="198.51.100.13", zone=ZEN)
    assert confirm(first) == [], "nothing is left to decide"
    assert rows(store, s.blacklist_events) == []


@pytest.mark.usefixtures("fleet")
def test_an_ip_with_something_new_counts_as_looked_at_when_it_was_asked_again(
    lab: RunningLab, store: Store
) -> None:
    lab.knob("list_ip", ip="198.51.100.12", zone=ZEN)
    lab.knob("list_ip", ip="198.51.100.13", zone=ZEN)
    first = first_round(lists=["zen-lab"])
    looked_at = {ip.vmta_name: ip.lists_checked_at for ip in rows(store, s.ips)}
    assert {name for name, at in looked_at.items() if at is None} == {"aurora-12", "aurora-13"}
    lab.knob("delist_ip", ip="198.51.100.13", zone=ZEN)
    confirm(first)
    looked_at = {ip.vmta_name: ip.lists_checked_at for ip in rows(store, s.ips)}
    assert {name for name, at in looked_at.items() if at is None} == {"aurora-13"}, (
        "no list answered for good"
    )
    confirm(first_round(as_of=AS_OF + FOUR_HOURS), AS_OF + FOUR_HOURS)
    assert {ip.lists_checked_at for ip in rows(store, s.ips)} == {AS_OF + FOUR_HOURS}


@pytest.mark.usefixtures("fleet")
def test_a_list_that_left_the_file_between_the_rounds_confirms_nothing(
    lab: RunningLab, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lab.knob("list_ip", ip="198.51.100.12", zone=ZEN)
    lab.knob("list_ip", ip="198.51.100.13", zone=BL)
    first = first_round()
    document = yaml.safe_load((paths.CONFIG / "blocklists.lab.yaml").read_text())
    document["lists"] = [x for x in document["lists"] if x["name"] != "zen-lab"]
    changed = tmp_path / "blocklists.yaml"
    changed.write_text(yaml.safe_dump(document))
    monkeypatch.setenv("EMAIL_ENGINE_BLOCKLISTS", str(changed))
    (found,) = confirm(first)
    assert [row["list"] for row in found["listed"]] == ["bl-lab"]
    assert found["unknown"] == {"zen-lab": 1}
