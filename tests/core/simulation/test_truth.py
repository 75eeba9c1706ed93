"""What is true of an IP, and the mail that it makes."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from email_engine.simulation.scenario import Demand, Fault, Happening, IpKind, TrueRates
from email_engine.simulation.truth import Truth, World, assign
from tests.core.simulation.worlds import GOOD, scenario

MONDAY = date(2026, 1, 5)
BAD = TrueRates(bounce=0.1)


def truth(*happenings: Happening, kind: IpKind | None = None) -> Truth:
    return Truth(kind or IpKind("all", 1.0, GOOD), happenings, scenario())


@pytest.mark.parametrize(
    ("subject", "bad_on"),
    [
        (truth(), []),
        (truth(Happening("turn", Fault.IP, 3, 2, rates=BAD)), [3, 4]),
        (truth(Happening("list", Fault.LIST, 3, 2, rates=BAD)), []),
        (truth(Happening("half", Fault.IP, 3, 2, provider="gmail", rates=BAD)), [3, 4]),
        (truth(Happening("little", Fault.IP, 3, 2, provider="gmail", rates=TrueRates(bounce=0.06))), []),
        (truth(Happening("blocks", Fault.IP, 3, 1, rates=TrueRates(block=0.06))), [3]),
        (truth(Happening("trap", Fault.IP, 2, 1, listed_days=5)), [2]),
        (truth(kind=IpKind("drift", 1.0, GOOD, TrueRates(bounce=0.01))), [5, 6]),
        (truth(kind=IpKind("limit", 1.0, TrueRates(bounce=0.05, complaint=0.001))), []),
        (truth(kind=IpKind("spam", 1.0, TrueRates(complaint=0.0011))), [1, 2, 3, 4, 5, 6]),
    ],
    ids=[
        "good", "a turn of its own", "a bad list is not its fault", "one provider of two, 6 % in all",
        "one provider of two, 4 % in all", "blocks are bounces", "a trap", "drift", "at the limits", "complaints",
    ],
)  # fmt: skip
def test_an_ip_is_bad_while_its_own_rates_are_above_a_limit(subject: Truth, bad_on: list[int]) -> None:
    assert [day for day in range(1, 7) if subject.is_bad(day)] == bad_on


def test_kinds_and_happenings_are_dealt_by_share_and_seed() -> None:
    kinds = (IpKind("good", 0.7, GOOD), IpKind("bad", 0.3, BAD))
    hit = (Happening("a", Fault.IP, 1, 1, share=0.2), Happening("b", Fault.IP, 1, 1, share=0.001))
    subjects = [f"ip-{n}" for n in range(50)]
    dealt = assign(scenario(kinds=kinds, happenings=hit), subjects, seed=3)
    assert sum(one.kind.name == "bad" for one in dealt.values()) == 15
    assert sum(hit[0] in one.happenings for one in dealt.values()) == 10
    assert sum(hit[1] in one.happenings for one in dealt.values()) == 1
    assert dealt == assign(scenario(kinds=kinds, happenings=hit), subjects, seed=3)
    assert dealt != assign(scenario(kinds=kinds, happenings=hit), subjects, seed=4)


def world(demand: Demand = Demand(), **changes: object) -> World:  # noqa: B008 - a frozen value
    whole = replace(scenario(), **changes)  # type: ignore[arg-type]
    return World({"ip": Truth(whole.kinds[0], whole.happenings, whole)}, 1, MONDAY, demand)


def test_what_is_sent_is_bound_by_allowance_and_by_demand() -> None:
    mail = world(Demand(1_000, weekend_rate=0.5))
    saturday = MONDAY + timedelta(days=5)
    assert [mail.mail("ip", MONDAY, allowance).counts.sent for allowance in (0, 50, 5_000)] == [0, 50, 1_000]
    assert mail.mail("ip", saturday, 5_000).counts.sent == mail.mail("ip", saturday, 0).demand == 500


def test_a_day_is_the_same_whenever_it_is_asked_for() -> None:
    mail = world(Demand(20_000, spread_rate=0.2))
    assert mail.mail("ip", MONDAY, 500) == mail.mail("ip", MONDAY, 500)
    assert mail.mail("ip", MONDAY, 500) != mail.mail("ip", MONDAY + timedelta(days=1), 500)


def test_rates_show_in_the_counts_and_one_provider_can_turn() -> None:
    rates = TrueRates(block=0.2, pressure=0.5, named=0.5)
    turn = Happening("turn", Fault.PROVIDER, 2, 1, provider="gmail", rates=rates)
    mail = world(Demand(100_000), happenings=(turn,))
    calm = mail.mail("ip", MONDAY, 100_000)
    assert (calm.counts.blocked, calm.counts.throttling_deferrals, calm.named) == (0, 0, {})
    assert calm.counts.bounced == pytest.approx(2_000, rel=0.1)
    assert calm.counts.deferred == pytest.approx(3_000, rel=0.1)
    turned = mail.mail("ip", MONDAY + timedelta(days=1), 100_000)
    gmail, yahoo = turned.providers["gmail"], turned.providers["yahoo"]
    assert gmail.blocked == turned.counts.blocked == pytest.approx(10_000, rel=0.05)
    assert gmail.throttling_deferrals == turned.counts.throttling_deferrals == pytest.approx(25_000, rel=0.05)
    assert turned.named == {"gmail": pytest.approx(5_000, rel=0.1)}
    assert turned.counts.deferred == pytest.approx(28_000, rel=0.05)
    assert (yahoo.blocked, yahoo.throttling_deferrals) == (0, 0)
    assert gmail.sent + yahoo.sent == turned.counts.sent == 100_000


def test_a_provider_gets_no_more_than_its_bound() -> None:
    mail = world(Demand(1_000)).mail("ip", MONDAY, 1_000, {"gmail": 100})
    assert mail.providers["gmail"].sent == 100
    assert mail.counts.sent == 100 + mail.providers["yahoo"].sent < 700


def test_a_later_event_befalls_the_ips_of_an_earlier_one() -> None:
    first = Happening("slow", Fault.PROVIDER, 1, 1, share=0.1)
    dealt = assign(
        scenario(happenings=(first, Happening("block", Fault.PROVIDER, 2, 1, share=0.5, same_as="slow"))),
        [f"ip-{n}" for n in range(50)],
        seed=3,
    )
    assert sorted({len(one.happenings) for one in dealt.values()}) == [0, 2]
    assert sum(len(one.happenings) == 2 for one in dealt.values()) == 5
