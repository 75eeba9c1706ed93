"""Whose mail speaks for an IP besides its own."""

from email_engine.fleet.traffic import NO_DAYS, DayCounts, Days
from email_engine.warmup.peers import Peers, peers_of
from email_engine.warmup.policy_file import load_policy
from tests.core.warmup.worlds import DAY, record

GATES = load_policy().gates


def counts(delivered: int) -> Days:
    return Days.of([DayCounts(DAY, delivered)])


def test_the_others_of_the_stream_and_of_the_sender_elsewhere_are_summed() -> None:
    records = [
        record(1),
        record(2),
        record(3, domain="news.other.example"),
        record(4, stream="offers"),
        record(5, stream="alone", domain="news.third.example"),
    ]
    days = {1: counts(1), 2: counts(10), 3: counts(100), 4: counts(1_000), 5: counts(10_000)}
    assert peers_of(records, days, GATES) == {
        1: Peers(peers=counts(110), domain=counts(1_000)),
        2: Peers(peers=counts(101), domain=counts(1_000)),
        3: Peers(peers=counts(11), domain=NO_DAYS),
        4: Peers(peers=NO_DAYS, domain=counts(11)),
        5: Peers(peers=NO_DAYS, domain=NO_DAYS),
    }


def test_ips_without_mail_have_neighbours_too() -> None:
    assert peers_of([record(1), record(2)], {2: counts(5)}, GATES)[1] == Peers(counts(5), NO_DAYS)
