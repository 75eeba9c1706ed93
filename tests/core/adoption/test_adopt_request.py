"""What a form or a shell says about a fleet that is to be adopted."""

from ipaddress import ip_address
from typing import Any

import pytest

from email_engine.adoption.answers import read_answers
from email_engine.adoption.request import read_request
from email_engine.errors import InputError

SCHEDULES = frozenset({"six_week", "classic"})


def request(**given: Any) -> Any:
    return read_request({"hosts": "mta-1", **given}, SCHEDULES)


def test_names_of_connections_follow_from_names() -> None:
    made = request(hosts="mta-1, mta-2=ssh_two", mailwizz="mw-a=aurora mw-b=birch")
    assert [(host.name, host.connection) for host in made.hosts] == [
        ("mta-1", "powermta_mta-1"),
        ("mta-2", "ssh_two"),
    ]
    assert [(one.name, one.tenant, one.connection) for one in made.instances] == [
        ("mw-a", "aurora", "mailwizz_db_mw-a"), ("mw-b", "birch", "mailwizz_db_mw-b"),
    ]  # fmt: skip
    assert (made.days, made.config_file) == (30, "/etc/pmta/config")


def test_the_only_mailwizz_is_the_only_tenants() -> None:
    assert request(mailwizz="mw", tenant="aurora").instances[0].tenant == "aurora"
    assert request(mailwizz="mw").instances[0].tenant is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"hosts": ""}, "hosts: none"),
        ({"hosts": "mta-1,mta-1"}, "hosts mta-1 stands twice"),
        ({"hosts": "mta_1;rm -rf"}, "hosts"),
        ({"mailwizz": "mw=Aurora!"}, "mailwizz 'Aurora!'"),
        ({"mailwizz": "a=x, b=x"}, "tenant x stands twice"),
        ({"tenant": "Aurora Ltd"}, "tenant 'Aurora Ltd'"),
        ({"days": 61}, "days '61'; allowed: 1 to 60"),
        ({"days": True}, "days 'True'"),
        ({"config_file": "etc/pmta"}, "config_file 'etc/pmta'"),
        ({"risk_class": "safe"}, "risk_class 'safe'; allowed: protected or standard"),
        ({"schedule": "news=ten_week"}, "schedule 'ten_week'; allowed: one of classic, six_week"),
        ({"consent": "a; b"}, "consent 'a'"),
        ({"stream": "no such!"}, "stream 'no such!'"),
        ({"public": "10.0.0.5=10.0.0.6"}, "private or reserved"),
        ({"public": "10.0.0.5"}, "public '10.0.0.5'"),
        ({"public": "10.0.0.9-5=198.51.100.5"}, "runs backwards"),
    ],
    ids=[
        "no host", "host twice", "no name", "no tenant", "tenant twice", "title for a name", "days", "truth", "relative", "risk",
        "schedule", "two for all", "stream", "private", "no pair", "backwards",
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_what_would_be_right(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        request(**given)
    assert said in caught.value.observed


def test_all_mistakes_at_once() -> None:
    with pytest.raises(InputError) as caught:
        request(hosts="", days=0, risk_class="x", tenant="A B")
    assert all(word in caught.value.observed for word in ("hosts", "days", "risk_class", "tenant"))


def test_answers_by_stream_and_for_all() -> None:
    made = read_answers(
        {"consent": "news=double opt-in; aurora/sales=written", "purpose": "letters"}, SCHEDULES
    )
    assert made.of("consent", "aurora", "news") == "double opt-in"
    assert made.of("consent", "aurora", "sales") == "written"
    assert made.of("consent", "birch", "sales") is None
    assert made.of("purpose", "birch", "sales") == "letters"


def test_addresses_behind_nat_by_host_and_in_spans() -> None:
    text = "10.0.0.5=198.51.100.5, 10.0.0.6-8=198.51.100.16\nmta-2/10.0.0.5=203.0.113.5 # the second\n"
    made = read_answers({"public": text}, SCHEDULES)
    five, seven = ip_address("10.0.0.5"), ip_address("10.0.0.7")
    assert str(made.public_of("mta-1", five)) == "198.51.100.5"
    assert str(made.public_of("mta-2", five)) == "203.0.113.5"
    assert str(made.public_of("mta-1", seven)) == "198.51.100.17"
    assert made.public_of("mta-1", ip_address("10.0.0.99")) is None
