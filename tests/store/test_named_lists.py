"""Block lists that receivers named: who must be asked, and what an answer ends."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest

from email_engine.blocklists.config import load_blocklists
from email_engine.reputation.named import ListAnswer
from email_engine.store.engine import Store
from email_engine.store.judgement.observations import observe
from email_engine.store.stops.named_lists import named_by_ip, to_ask, write_answers
from email_engine.warmup.policy_file import load_policy
from tests.fleet_rows import add_hour

DAY = date(2026, 11, 10)
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
LISTS = load_blocklists()[0]


def refuse(store: Store, ip_id: int, name: str, at: datetime = NOON, provider: str = "gmail") -> None:
    with store.session("*") as conn:
        add_hour(conn, ip_id, at, provider, delivered=95, bounced=5, named_lists={name: 5})


def asked(store: Store, day: date = DAY) -> dict[str, frozenset[int]]:
    with store.session("*") as conn:
        return to_ask(conn, day, 3, LISTS)


def test_a_list_that_is_named_is_asked_about_that_ip_until_it_answers(
    store: Store, two_tenants: SimpleNamespace
) -> None:
    ip_id = two_tenants.aurora[0]
    refuse(store, ip_id, "zen.spamhaus.org")
    assert asked(store) == {"spamhaus-zen": frozenset({ip_id})}
    with store.session("*") as conn:
        write_answers(conn, [(ip_id, "spamhaus-zen", ListAnswer.UNKNOWN)], NOON)
    assert asked(store) != {}
    with store.session("*") as conn:
        write_answers(conn, [(ip_id, "spamhaus-zen", ListAnswer.NOT_LISTED)], NOON)
    assert asked(store) == {}
    with store.session("aurora") as conn:
        (named,) = named_by_ip(conn, "aurora", DAY, 3, LISTS)[ip_id]
    assert (named.answer, named.sent) == (ListAnswer.NOT_LISTED, 100)
    assert "spamhaus-zen, asked at 2026-11-10 12:00 UTC, does not list it" in named.words


def test_an_answer_of_yesterday_says_nothing_about_a_reply_of_today(
    store: Store, two_tenants: SimpleNamespace
) -> None:
    ip_id = two_tenants.aurora[0]
    with store.session("*") as conn:
        write_answers(conn, [(ip_id, "spamhaus-zen", ListAnswer.NOT_LISTED)], NOON - timedelta(days=1))
    refuse(store, ip_id, "zen.spamhaus.org")
    assert asked(store) == {"spamhaus-zen": frozenset({ip_id})}


@pytest.mark.parametrize("name", ["nobody.example", "dnsbl.sorbs.net", "microsoft"])
def test_lists_that_nobody_watches_are_not_asked(
    store: Store, two_tenants: SimpleNamespace, name: str
) -> None:
    refuse(store, two_tenants.aurora[0], name)
    assert asked(store) == {}
    with store.session("aurora") as conn:
        (named,) = named_by_ip(conn, "aurora", DAY, 3, LISTS)[two_tenants.aurora[0]]
    assert "nobody watches this list" in named.words


def test_old_replies_are_forgotten_and_tenants_see_their_own(
    store: Store, two_tenants: SimpleNamespace
) -> None:
    refuse(store, two_tenants.aurora[0], "zen.spamhaus.org", NOON - timedelta(days=3))
    assert asked(store) == {}
    refuse(store, two_tenants.aurora[1], "bl.spamcop.net")
    with store.session("*") as conn:
        seen = observe(conn, "aurora", DAY, DAY, load_policy())
    assert [len(one.named) for one in seen][:2] == [0, 1]
    assert not any(one.many_named for one in seen)
