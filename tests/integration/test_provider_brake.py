"""A suspended provider's queues stand still for one IP, and nothing else does: against the lab's PowerMTA by SSH."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, update

from email_engine.adapters.powermta import Hold, PowerMta
from email_engine.decision import Origin
from email_engine.errors import EngineError
from email_engine.fleet.inventory import plan_inventory
from email_engine.fleet.model import Mode
from email_engine.pipelines.fleet import stop_removed
from email_engine.pipelines.names import hosts_with_brakes, hosts_with_open_brakes
from email_engine.store import schema as s
from email_engine.store import versions
from email_engine.store.fleet import inventory, ips
from email_engine.store.fleet.ips import load_ips
from email_engine.store.stops import brake_ends, brakes
from email_engine_airflow.run import current_run
from tests.fleet_rows import add_ip, add_tenant
from tests.whole_lab import Whole

HELD = {"host": "mta-1", "held": 1, "released": 0, "failed": 0}
OVER = {"host": "mta-1", "held": 0, "released": 1, "failed": 0}
SEEN_AGAIN = "Mail to a suspended provider had gone on from mta-1 (a person, a restart, or a new queue); it waits again"
NONE = {"host": "mta-1", "held": 0, "released": 0, "failed": 0}


def suspend(whole: Whole, number: int = 1, provider: str = "yahoo", vmta: str = "") -> int:
    with whole.db.session(tenant="*") as conn:
        found = {ip.vmta: ip for ip in load_ips(conn, day=whole.now.date())}
        origin = Origin("reputation_guard", whole.now, "reputation_guard", "run-0")
        return brakes.engage(conn, found[vmta or f"aurora-{number}"], "it refuses", origin, None, provider)


def probe(whole: Whole, number: int = 1, provider: str = "yahoo") -> None:
    with whole.db.session(tenant="*") as conn:
        ip = next(ip for ip in load_ips(conn, day=whole.now.date()) if ip.vmta == f"aurora-{number}")
        assert brakes.ask_release(conn, ip.ip_id, whole.now, provider=provider)


def row(whole: Whole, provider: str = "yahoo") -> Any:
    return [r for r in whole.rows(s.brakes) if r.provider == provider][-1]


def paused(whole: Whole, vmta: str = "aurora-1") -> set[str]:
    named = (q for q in whole.host["queues"] if q["recipients"] and q["name"].endswith(f"/{vmta}"))
    return {q["name"].partition("/")[0] for q in named if q["paused"]}


def disabled(whole: Whole) -> list[str]:
    return sorted(source["queue"] for source in whole.host["disabled_sources"])


def told(whole: Whole, event: str = "brake") -> list[str]:
    return [a.text for a in whole.rows(s.alerts) if a.event == event]


def test_its_queue_alone_stands_still_and_is_read_back(whole: Whole) -> None:
    for number in (1, 2):
        whole.mail(number, 60, domain="yahoo.com")
    whole.mail(1, 30)
    suspend(whole)
    assert whole.brake() == HELD
    assert whole.queues(1) == {"gmail.rollup": (30, False), "yahoo.rollup": (60, True)}
    assert disabled(whole) == ["yahoo.rollup/aurora-1"]
    whole.later(hours=4)
    assert whole.queues(1) == {"yahoo.rollup": (60, True)}
    assert whole.queues(2) == {}, "its neighbour's mail to the same provider goes on"
    assert whole.server(1)[2] == "active"
    found = row(whole)
    assert (found.powermta_holds, found.mailwizz_holds, found.released_at) == (True, True, None)
    (text,) = told(whole)
    assert (
        "Mail waits on mta-1 for a suspended provider, read back in PowerMTA\n198.51.100.1 (aurora-1) to yahoo"
        in text
    )
    assert "1 of 1 queue paused (60 recipients), source 198.51.100.1 disabled there" in text
    assert "waits longer than its bounce-after (4d12h, PowerMTA's own) bounces" in text


def test_it_counts_nowhere_as_a_stop_of_the_ip(whole: Whole) -> None:
    suspend(whole)
    whole.brake()
    with whole.db.session(tenant="*") as conn:
        ip = next(ip for ip in load_ips(conn, day=whole.now.date()) if ip.vmta == "aurora-1")
        assert not ip.braked
        assert ip.sends
        assert not brakes.standing(conn, [ip.ip_id])
        assert brakes.engaged(conn) == ()
        assert brakes.free(conn, [ip.ip_id]) == {ip.ip_id}
        assert not brakes.ask_release(conn, ip.ip_id, whole.now, by_hand=True)
        run = current_run(whole.context("brake_watch"))
    assert hosts_with_brakes(whole.db, run) == ["mta-1"]
    assert hosts_with_open_brakes(whole.db, run) == []
    whole.deploy()
    assert disabled(whole) == ["yahoo.rollup/aurora-1"]


def test_domains_without_a_rollup_are_held_each(whole: Whole) -> None:
    whole.mail(1, 5, domain="orange.fr")
    whole.mail(1, 5)
    suspend(whole, provider="orange")
    assert whole.brake() == HELD
    assert paused(whole) == {"orange.fr"}
    assert disabled(whole) == ["orange.fr/aurora-1", "wanadoo.fr/aurora-1"]
    whole.mail(1, 7, domain="wanadoo.fr")
    whole.later()
    assert whole.queues(1)["wanadoo.fr"][0] == 7
    whole.brake()
    assert paused(whole) == {"orange.fr", "wanadoo.fr"}
    probe(whole, provider="orange")
    assert whole.brake() == OVER
    assert (paused(whole), disabled(whole)) == (set(), [])


@pytest.mark.parametrize("ahead", [True, False], ids=["held ahead", "PowerMTA refuses to hold ahead"])
def test_a_queue_that_appears_later_is_held_too(whole: Whole, ahead: bool) -> None:
    whole.lab.knob("holds_need_no_queue", on=ahead)
    whole.lab.knob("pause_covers_new_queues", on=False)
    suspend(whole)
    assert whole.brake() == HELD
    assert disabled(whole) == (["yahoo.rollup/aurora-1"] if ahead else [])
    whole.mail(1, 40, domain="yahoo.com")
    if ahead:
        whole.later()
    assert whole.brake() == HELD
    assert whole.queues(1) == {"yahoo.rollup": (40, True)}
    news = told(whole, "brake taken off")
    assert [text.splitlines()[0] for text in news] == ([] if ahead else [SEEN_AGAIN])


@pytest.mark.parametrize("again", ["reload", "restart", "deploy"])
def test_what_a_reload_or_a_restart_lost_is_held_again_by_the_watch(whole: Whole, again: str) -> None:
    whole.mail(1, 50, domain="yahoo.com")
    suspend(whole)
    whole.brake()
    for knob in ("pause_survives_reload", "disabled_source_survives_reload"):
        whole.lab.knob(knob, on=False)
    if again == "deploy":
        whole.allow(2000, 2)
        whole.deploy()
    elif again == "restart":
        whole.lab.knob("restart")
    else:
        with whole.ssh() as mta:
            mta.reload()
    assert (paused(whole), disabled(whole)) == (set(), [])
    assert whole.brake() == HELD
    assert (paused(whole), disabled(whole)) == ({"yahoo.rollup"}, ["yahoo.rollup/aurora-1"])
    (text,) = told(whole, "brake taken off")
    assert text == f"{SEEN_AGAIN}\n198.51.100.1 (aurora-1) to yahoo"


def test_looking_twice_changes_nothing_twice(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    whole.mail(1, 5, domain="yahoo.com")
    suspend(whole)
    whole.brake()
    before = whole.snapshot(s.alerts, s.fleet_versions)
    asked, real = [], PowerMta.pmta

    def noted(mta: PowerMta, *args: str) -> Any:
        asked.append(" ".join(word for word in args if not word.startswith("--")))
        return real(mta, *args)

    monkeypatch.setattr(PowerMta, "pmta", noted)
    assert whole.brake() == HELD
    assert asked == ["show queues */*", "show disabled sources"]
    assert whole.snapshot(s.alerts, s.fleet_versions) == before


def test_probed_it_goes_on_and_refused_again_it_stands_still_again(whole: Whole) -> None:
    whole.mail(1, 10, domain="yahoo.com")
    suspend(whole)
    whole.brake()
    probe(whole)
    assert whole.brake() == OVER
    assert (paused(whole), disabled(whole)) == (set(), [])
    assert told(whole)[-1].startswith("No mail waits on mta-1 any more for a suspended provider")
    suspend(whole)
    assert whole.brake() == HELD
    assert paused(whole) == {"yahoo.rollup"}
    assert [r.released_at is None for r in whole.rows(s.brakes)] == [False, True]


def test_a_released_ip_keeps_its_suspended_provider(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    whole.mail(1, 20)
    whole.mail(1, 30, domain="yahoo.com")
    suspend(whole)
    whole.engage(1)
    whole.brake()
    assert paused(whole) == {"gmail.rollup", "yahoo.rollup"}
    whole.ask_release(1)
    asked, real = [], PowerMta.pmta

    def noted(mta: PowerMta, *args: str) -> Any:
        asked.append(" ".join(word for word in args if not word.startswith("--")))
        return real(mta, *args)

    with monkeypatch.context() as patch:
        patch.setattr(PowerMta, "pmta", noted)
        assert whole.brake() == {"host": "mta-1", "held": 1, "released": 1, "failed": 0}
    changing = [words for words in asked if not words.startswith("show")]
    assert changing[:3] == [
        "resume queue */aurora-1",
        "pause queue yahoo.rollup/aurora-1",
        "enable source 198.51.100.1 */aurora-1",
    ], "nothing may leave to the provider in between"
    assert paused(whole) == {"yahoo.rollup"}
    assert disabled(whole) == ["yahoo.rollup/aurora-1"]
    whole.later(hours=2)
    assert whole.queues(1) == {"yahoo.rollup": (30, True)}


def test_a_probed_provider_waits_for_its_ip(whole: Whole) -> None:
    whole.mail(1, 20)
    whole.mail(1, 30, domain="yahoo.com")
    suspend(whole)
    whole.engage(1)
    whole.brake()
    probe(whole)
    assert whole.brake() == {"host": "mta-1", "held": 1, "released": 1, "failed": 0}
    assert paused(whole) == {"gmail.rollup", "yahoo.rollup"}
    assert disabled(whole) == ["*/aurora-1"]
    whole.ask_release(1)
    assert whole.brake() == OVER
    assert (paused(whole), disabled(whole)) == (set(), [])


def test_a_deployment_that_lets_a_parked_ip_go_keeps_its_suspended_provider(whole: Whole) -> None:
    whole.mail(1, 20)
    whole.mail(1, 30, domain="yahoo.com")
    suspend(whole)
    whole.brake()
    for state, held in (("standby", {"gmail.rollup", "yahoo.rollup"}), ("active", {"yahoo.rollup"})):
        with whole.db.session(tenant="*") as conn:
            conn.execute(update(s.ips).where(s.ips.c.vmta_name == "aurora-1").values(status=state))
        whole.allow(1000, 1)
        whole.deploy()
        whole.brake()
        assert paused(whole) == held, state


def test_in_observe_nothing_is_paused(whole: Whole) -> None:
    whole.mail(1, 5, domain="yahoo.com")
    suspend(whole)
    with whole.db.session(tenant="*") as conn:
        conn.execute(update(s.tenants).values(mode="observe"))
    assert whole.brake() == NONE
    assert (paused(whole), disabled(whole)) == (set(), [])


@pytest.mark.parametrize("mode", [Mode.ACT, Mode.OBSERVE])
def test_a_second_tenants_suspension_is_its_own(whole: Whole, mode: Mode) -> None:
    with whole.db.session(tenant="*") as conn:
        add_tenant(conn, "borealis")
        other = add_ip(conn, 4, tenant="borealis", state="active")
        ips.set_allowance(conn, other, "borealis", whole.now.date(), 1000, versions.bump(conn, "test"), None)
    whole.deploy()
    for vmta in ("aurora-1", "borealis-4"):
        whole.lab.knob("put_mail_in_queue", vmta=vmta, domain="yahoo.com", n=5)
    suspend(whole)
    suspend(whole, vmta="borealis-4")
    with whole.db.session(tenant="*") as conn:
        conn.execute(update(s.tenants).where(s.tenants.c.name == "borealis").values(mode=str(mode)))
    whole.brake()
    assert paused(whole) == {"yahoo.rollup"}
    assert paused(whole, "borealis-4") == ({"yahoo.rollup"} if mode is Mode.ACT else set())
    probe(whole)
    whole.brake()
    assert paused(whole) == set()
    assert paused(whole, "borealis-4") == ({"yahoo.rollup"} if mode is Mode.ACT else set())


def test_a_host_that_is_away_is_told_and_tried_again(whole: Whole) -> None:
    whole.mail(1, 5, domain="yahoo.com")
    suspend(whole)
    whole.lab.knob("down")
    for _ in range(2):
        with pytest.raises(EngineError, match="aurora-1 to yahoo: PowerMTA"):
            whole.brake()
        (text,) = told(whole, "incident")
        assert text.startswith("mta-1 cannot be reached")
        assert "198.51.100.1 (aurora-1) to yahoo" in text
    run = current_run(whole.context("brake_watch"))
    assert hosts_with_open_brakes(whole.db, run) == ["mta-1"]
    whole.lab.knob("up")
    assert whole.brake() == HELD
    assert paused(whole) == {"yahoo.rollup"}
    assert [a.event for a in whole.rows(s.alerts) if a.cleared_at is None] == ["brake"]


def leave(whole: Whole, change: Callable[[Any], Any]) -> None:
    with whole.db.session(tenant="*") as conn:
        fleet = inventory.load_fleet(conn)
        wanted = replace(fleet, ips=tuple(ip for ip in map(change, fleet.ips) if ip is not None))
        plan = plan_inventory(wanted, fleet)
        inventory.apply_inventory(conn, plan, as_of=whole.now, dag_id="warmup_advance", run_id="run-0")
        stop_removed(conn, current_run(whole.context("warmup_advance")))


def test_an_ip_that_leaves_ends_its_suspension_and_stands_still_as_a_whole(whole: Whole) -> None:
    whole.mail(1, 5, domain="yahoo.com")
    suspend(whole)
    whole.brake()
    leave(whole, lambda ip: None if ip.vmta == "aurora-1" else ip)
    whole.brake()
    assert row(whole).released_at is not None
    assert row(whole, "*").released_at is None
    assert paused(whole) == {"yahoo.rollup"}, "the whole virtual MTA stands still"
    assert disabled(whole) == ["*/aurora-1"]
    assert whole.brake() == HELD


def take_over(conn: Connection) -> int:
    """The IP of aurora-1 leaves the fleet, and another has its virtual MTA: that one's id."""
    conn.execute(
        update(s.ips).where(s.ips.c.vmta_name == "aurora-1").values(removed=True, status="abandoned")
    )
    heir = add_ip(conn, 9, state="active")
    conn.execute(update(s.ips).where(s.ips.c.id == heir).values(vmta_name="aurora-1"))
    return heir


def test_the_next_ip_of_a_virtual_mta_does_not_inherit_a_suspension(whole: Whole) -> None:
    whole.mail(1, 5, domain="yahoo.com")
    suspend(whole)
    whole.brake()
    with whole.db.session(tenant="*") as conn:
        take_over(conn)
    assert whole.brake()["released"] == 1
    assert row(whole).released_at is not None
    assert (paused(whole), disabled(whole)) == (set(), [])


def test_the_next_ip_of_a_virtual_mta_keeps_a_suspension_of_its_own(whole: Whole) -> None:
    whole.mail(1, 5, domain="yahoo.com")
    suspend(whole)
    whole.brake()
    with whole.db.session(tenant="*") as conn:
        heir = take_over(conn)
        conn.execute(
            insert(s.brakes).values(
                tenant="aurora", ip_id=heir, provider="yahoo", reason="r", actor="a", engaged_at=whole.now
            )
        )
    assert whole.brake() == {"host": "mta-1", "held": 1, "released": 1, "failed": 0}
    assert paused(whole) == {"yahoo.rollup"}


def test_a_suspension_that_comes_during_its_release_stands(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole.mail(1, 5, domain="yahoo.com")
    suspend(whole)
    whole.brake()
    probe(whole)
    real = PowerMta.resume

    def resume(mta: PowerMta, vmta: str, domain: str = "*") -> None:
        suspend(whole)
        real(mta, vmta, domain)

    with monkeypatch.context() as patch:
        patch.setattr(PowerMta, "resume", resume)
        with pytest.raises(EngineError, match="braked again"):
            whole.brake()
    assert row(whole).released_at is None
    assert (paused(whole), disabled(whole)) == ({"yahoo.rollup"}, ["yahoo.rollup/aurora-1"])
    assert whole.brake() == HELD


def test_what_an_older_look_held_after_the_release_is_let_go_again(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole.mail(1, 5, domain="yahoo.com")
    brake_id = suspend(whole)
    real = PowerMta.pause

    def pause(mta: PowerMta, vmta: str, domain: str = "*") -> None:
        probe(whole)
        with whole.db.session(tenant="*") as conn:
            assert brake_ends.released(conn, brake_id, whole.now)
        real(mta, vmta, domain)

    with monkeypatch.context() as patch:
        patch.setattr(PowerMta, "pause", pause)
        whole.brake()
    assert (paused(whole), disabled(whole)) == (set(), [])


def test_a_suspended_provider_is_no_hold_by_hand(whole: Whole) -> None:
    """Its only queue with mail is the paused one: health must not take the virtual MTA for held by a person."""
    whole.mail(1, 5, domain="yahoo.com")
    suspend(whole)
    whole.brake()
    with whole.ssh() as mta:
        seen: Hold = mta.held("198.51.100.1", "aurora-1", {"yahoo.rollup"})
    assert (seen.queues, seen.unpaused, seen.source_disabled) == (0, (), False)


def test_where_a_reply_asks_for_hours_powermta_stops_for_hours_and_no_day_is_suspended(whole: Whole) -> None:
    """Yahoo's TSS04: two hours by replies.yaml, this IP at this provider alone, without the engine."""
    whole.lab.knob("traffic", ip="198.51.100.1", provider="yahoo", deferral_rate=1.0)
    try:
        for number in (1, 2):
            whole.mail(number, 60, domain="yahoo.com")
        whole.mail(1, 60)
        whole.lab.advance(whole.now + timedelta(minutes=90))
        (source,) = whole.host["disabled_sources"]
        assert (source["ip"], source["queue"]) == ("198.51.100.1", "yahoo.rollup/aurora-1")
        until = datetime.fromisoformat(source["until"])
        assert timedelta(0) < until - whole.now <= timedelta(hours=2)
        assert whole.queues(1)["yahoo.rollup"][0] == 60
        assert "gmail.rollup" not in whole.queues(1), "its other mail goes on"
    finally:
        whole.lab.knob("clear_traffic", ip="198.51.100.1")
    whole.lab.advance(until + timedelta(hours=3))
    assert whole.queues(1) == {}
    assert whole.rows(s.brakes) == []


def test_a_suspension_ends_with_a_host_that_left_the_fleet_and_is_not_asked(whole: Whole) -> None:
    suspend(whole)
    whole.brake()
    with whole.db.session(tenant="*") as conn:
        conn.execute(update(s.ips).values(removed=True, status="abandoned"))
        conn.execute(update(s.mta_hosts).values(removed=True))
    whole.lab.knob("down")
    assert whole.brake() == OVER
    assert row(whole).released_at is not None
    assert told(whole, "incident") == []
