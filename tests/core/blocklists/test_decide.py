"""What a sweep means for an IP and for its pool."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from email_engine.blocklists.decide import (
    Breaker,
    ListingAction,
    OpenListing,
    SeenListing,
    decide_listing,
    open_breakers,
)
from email_engine.blocklists.model import ListClass, Severity
from email_engine.fleet.model import IpRecord, IpState, Mode, RiskClass

AS_OF = datetime(2026, 11, 20, 8, tzinfo=UTC)
WEEK = timedelta(days=7)
SBL = SeenListing(
    "zen", "zen.example", ("127.0.0.2",), ("SBL",), ListClass.REPUTATION, Severity.HIGH, reason="spam"
)
PBL = replace(
    SBL, codes=("127.0.0.10",), sublists=("PBL",), list_class=ListClass.POLICY, severity=Severity.INFO
)
UCE3 = replace(SBL, list_name="uce3", zone="u3.example", list_class=ListClass.INFO, severity=Severity.INFO)
PSBL = replace(SBL, list_name="psbl", zone="psbl.example", severity=Severity.LOW)
MAILSPIKE = replace(SBL, list_name="mailspike", zone="ms.example", severity=Severity.MEDIUM)


def ip(number: int = 9, state: IpState = IpState.ACTIVE, pool: str = "aurora-newsletter") -> IpRecord:
    return IpRecord(
        ip_id=number, address=ip_address(f"198.51.100.{number}"), hostname=f"mail{number}.aurora-mail.example",
        domain=f"news{number}.aurora-mail.example", tenant="aurora", mode=Mode.ACT, stream="newsletter",
        risk_class=RiskClass.STANDARD, vmta=f"aurora-{number}", pool=pool, mta_host="mta-1", mailwizz="mw-aurora",
        mailwizz_server_id=100 + number, dkim_selector="s1", dkim_key_path="/etc/pmta/dkim/s1.pem", state=state,
        state_since=AS_OF - timedelta(days=30), allowance=10_000, daily_target=10_000, schedule="six_week", phase=7,
        sent_days_in_phase=9,
    )  # fmt: skip


def open_row(seen: SeenListing = SBL, ip_id: int = 9, event_id: int = 1, clean: int = 0) -> OpenListing:
    return OpenListing(
        event_id, ip_id, seen.list_name, seen.zone, seen.codes, seen.list_class, seen.severity,
        AS_OF - timedelta(days=1), clean,
    )  # fmt: skip


@pytest.mark.parametrize("state", list(IpState))
def test_only_a_sending_ip_goes_to_quarantine(state: IpState) -> None:
    decision = decide_listing(ip(state=state), [], [SBL], [], AS_OF, WEEK)
    sends = state in {IpState.WARMING, IpState.ACTIVE, IpState.RETIRING}
    assert decision.quarantine is sends
    assert decision.quarantine_until == (AS_OF + timedelta(days=7) if sends else None)
    assert [step.action for step in decision.steps] == [ListingAction.OPEN]
    assert decision.listed_on == ("zen",)
    assert "zen (SBL; 127.0.0.2; high)" in decision.reason


@pytest.mark.parametrize(
    ("seen", "parks", "listed_on"),
    [(SBL, True, ("zen",)), (MAILSPIKE, True, ("mailspike",)), (PSBL, False, ("psbl",)), (PBL, False, ()), (UCE3, False, ())],
    ids=["high", "medium", "low weight", "policy", "neighbourhood"],
)  # fmt: skip
def test_only_reputation_of_weight_parks(seen: SeenListing, parks: bool, listed_on: tuple[str, ...]) -> None:
    decision = decide_listing(ip(), [], [seen], [], AS_OF, WEEK)
    assert decision.quarantine is parks
    assert decision.listed_on == listed_on
    assert decision.moves_listings


@pytest.mark.parametrize(
    ("clean_before", "clean", "action", "listed_on"),
    [
        (0, {"zen"}, ListingAction.CLEAN, ("zen",)),
        (1, {"zen"}, ListingAction.CLOSE, ()),
        (0, set(), None, ("zen",)),
        (1, set(), None, ("zen",)),
        (1, {"another"}, None, ("zen",)),
    ],
    ids=["first clean sweep", "second clean sweep", "unknown", "unknown after a clean one", "another list is clean"],
)  # fmt: skip
def test_a_listing_closes_after_two_clean_sweeps_and_unknown_changes_nothing(
    clean_before: int, clean: set[str], action: ListingAction | None, listed_on: tuple[str, ...]
) -> None:
    decision = decide_listing(
        ip(state=IpState.QUARANTINE), [open_row(clean=clean_before)], [], clean, AS_OF, WEEK
    )
    assert [step.action for step in decision.steps] == ([action] if action else [])
    assert decision.listed_on == listed_on
    assert not decision.quarantine


def test_a_listing_seen_again_parks_an_ip_that_sends() -> None:
    decision = decide_listing(ip(), [open_row()], [SBL], [], AS_OF, WEEK)
    assert [step.action for step in decision.steps] == [ListingAction.SEEN]
    assert decision.quarantine
    assert not decision.moves_listings


@pytest.mark.parametrize(("until", "parks"), [(timedelta(hours=1), False), (timedelta(0), True)])
def test_a_person_may_acknowledge_a_listing_until_a_date(until: timedelta, parks: bool) -> None:
    row = replace(open_row(), acknowledged_until=AS_OF + until)
    assert decide_listing(ip(), [row], [SBL], [], AS_OF, WEEK).quarantine is parks


def test_a_run_counts_a_clean_observation_once() -> None:
    row = replace(open_row(clean=1), counted=True)
    assert decide_listing(ip(), [row], [], {"zen"}, AS_OF, WEEK).steps == ()


def breakers(
    seen: dict[int, list[SeenListing]],
    standing: Sequence[OpenListing] = (),
    pools: dict[int, str] | None = None,
    clean: dict[int, set[str]] | None = None,
) -> tuple[Breaker, ...]:
    members = [ip(n, pool=(pools or {}).get(n, "aurora-newsletter")) for n in range(1, 6)]
    decisions = {
        m.ip_id: decide_listing(
            m, [x for x in standing if x.ip_id == m.ip_id], seen.get(m.ip_id, []), (clean or {}).get(m.ip_id, ()), AS_OF, WEEK
        )
        for m in members
        if m.ip_id in seen or m.ip_id in (clean or {})
    }  # fmt: skip
    return open_breakers(members, decisions, standing, AS_OF)


def test_one_isolated_listing_opens_no_breaker() -> None:
    assert breakers({1: [SBL]}) == ()


def test_two_listed_ips_of_a_pool_open_its_breaker() -> None:
    (breaker,) = breakers({1: [SBL], 2: [MAILSPIKE]})
    assert breaker.pool == "aurora-newsletter"
    assert breaker.addresses == ("198.51.100.1", "198.51.100.2")


def test_a_second_ip_in_a_later_sweep_opens_the_breaker() -> None:
    (breaker,) = breakers({2: [SBL]}, [open_row(ip_id=1)])
    assert breaker.addresses == ("198.51.100.1", "198.51.100.2")


def test_one_severe_listing_opens_the_breaker() -> None:
    (breaker,) = breakers({1: [replace(SBL, severe=True)]})
    assert "severe" in breaker.reason


@pytest.mark.parametrize(
    ("seen", "standing", "pools", "clean"),
    [
        ({1: [SBL], 2: [SBL]}, [], {2: "aurora-alerts"}, {}),
        ({1: [SBL], 2: [PBL], 3: [PSBL]}, [], {}, {}),
        ({1: [SBL], 2: [SBL]}, [open_row(ip_id=1), open_row(ip_id=2, event_id=2)], {}, {}),
        ({2: [SBL]}, [open_row(ip_id=1, clean=1)], {}, {1: {"zen"}}),
        ({2: [SBL]}, [replace(open_row(ip_id=1), acknowledged_until=AS_OF + timedelta(days=1))], {}, {}),
    ],
    ids=["two pools", "policy and low weight", "nothing new", "the other one just came off", "acknowledged"],
)
def test_no_breaker_without_a_new_listing_beside_another(
    seen: dict[int, list[SeenListing]],
    standing: list[OpenListing],
    pools: dict[int, str],
    clean: dict[int, set[str]],
) -> None:
    assert breakers(seen, standing, pools, clean) == ()


def test_a_listing_that_became_a_lesser_one_is_off_only_after_two_sweeps() -> None:
    """SBL falls, PBL stays on the same zone: the IP is not free of the list at once, and its cause is asked all the same."""
    first = decide_listing(ip(state=IpState.QUARANTINE), [open_row(SBL)], [PBL], [], AS_OF, WEEK)
    assert [step.action for step in first.steps] == [ListingAction.CLEAN]
    assert first.listed_on == ("zen",)
    second = decide_listing(ip(state=IpState.QUARANTINE), [open_row(SBL, clean=1)], [PBL], [], AS_OF, WEEK)
    assert [step.action for step in second.steps] == [ListingAction.CLOSE]
    third = decide_listing(ip(state=IpState.QUARANTINE), [], [PBL], [], AS_OF, WEEK)
    assert ([step.action for step in third.steps], third.listed_on) == ([ListingAction.OPEN], ())


def test_a_listing_that_became_worse_is_news_for_the_pool() -> None:
    rows = [open_row(PBL, 9, 1), open_row(PBL, 10, 2)]
    both = {n: decide_listing(ip(n), [rows[n - 9]], [SBL], [], AS_OF, WEEK) for n in (9, 10)}
    (breaker,) = open_breakers([ip(9), ip(10)], both, rows, AS_OF)
    assert breaker.addresses == ("198.51.100.9", "198.51.100.10")
    severe = replace(SBL, codes=("127.0.0.9",), severe=True)
    for before in (PBL, SBL):
        row = open_row(before)
        one = {9: decide_listing(ip(), [row], [severe], [], AS_OF, WEEK)}
        assert len(open_breakers([ip()], one, [row], AS_OF)) == 1, before
    still = open_row(severe)
    same = {9: decide_listing(ip(), [still], [severe], [], AS_OF, WEEK)}
    assert open_breakers([ip()], same, [still], AS_OF) == (), "once is enough"


def test_responsibility_for_one_listing_is_none_for_a_worse_one() -> None:
    taken = replace(open_row(PBL), acknowledged_until=AS_OF + WEEK)
    assert decide_listing(ip(), [taken], [SBL], [], AS_OF, WEEK).quarantine
    same = replace(open_row(SBL), acknowledged_until=AS_OF + WEEK)
    assert not decide_listing(ip(), [same], [SBL], [], AS_OF, WEEK).quarantine
