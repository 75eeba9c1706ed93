"""Which virtual MTA takes a message, and how mail goes round in a pool."""

from collections import Counter
from collections.abc import Callable

import pytest

POOL = "<virtual-mta-pool pool>\n virtual-mta a\n virtual-mta b\n virtual-mta c\n</virtual-mta-pool>\n"


def by_vmta(bench) -> Counter[str]:  # type: ignore[no-untyped-def]
    return Counter({queue.vmta: len(queue) for queue in bench.host.book.queues() if len(queue)})


def test_the_header_names_the_virtual_mta(bench) -> None:
    bench.vmtas("a", "b", after=POOL.replace(" virtual-mta c\n", ""))
    assert bench.submit(3, "b") == ["250 2.6.0 message received"] * 3
    assert by_vmta(bench) == {"b": 3}


def test_an_unknown_virtual_mta_is_refused_with_550_5_5_0(bench) -> None:
    bench.vmtas("a")
    assert bench.submit(1, "z")[0].startswith("550 5.5.0 ")
    assert by_vmta(bench) == {}


def test_an_unknown_one_falls_back_where_the_operator_allows_it(bench) -> None:
    bench.vmtas(
        "a",
        after="invalid-virtual-mta-fallback a\n<source 127.0.0.1>\n reject-invalid-virtual-mta no\n</source>\n",
    )
    assert bench.submit(1, "z")[0].startswith("250")
    assert by_vmta(bench) == {"a": 1}


def test_without_a_header_the_default_of_the_source_holds(bench) -> None:
    bench.vmtas("a", "b", after="<source 127.0.0.1>\n default-virtual-mta b\n</source>\n")
    bench.submit(2)
    assert by_vmta(bench) == {"b": 2}


def test_without_header_and_default_mail_takes_the_nameless_virtual_mta(bench) -> None:
    bench.vmtas("a")
    bench.submit(1)
    assert by_vmta(bench) == {"{default}": 1}
    bench.pass_time(minutes=5)
    assert bench.records("d")[0]["dlvSourceIp"] == "127.0.0.1"


def test_a_pattern_list_stands_between_header_and_default(bench) -> None:
    lists = (
        "<pattern-list l>\n rcpt-to /@gmail\\.com$/ virtual-mta=b\n mail-from /nobody/ virtual-mta=a\n</pattern-list>\n"
        "<source 127.0.0.1>\n pattern-list l\n default-virtual-mta c\n</source>\n"
    )
    bench.vmtas("a", "b", "c", after=lists)
    bench.submit(1, domain="gmail.com")
    bench.submit(1, domain="example.org")
    bench.submit(1, "a", domain="gmail.com")
    assert by_vmta(bench) == {"b": 1, "c": 1, "a": 1}


def test_the_header_is_not_read_where_the_source_does_not_process_it(bench) -> None:
    bench.vmtas("a", after="<source 127.0.0.1>\n process-x-virtual-mta no\n</source>\n")
    bench.submit(1, "a")
    assert by_vmta(bench) == {"{default}": 1}


def test_relaying_needs_leave_and_the_narrowest_source_decides(bench) -> None:
    bench.vmtas("a", after="<source 127/8>\n always-allow-relaying no\n</source>\n")
    assert bench.submit(1, "a")[0].startswith("250")
    bench.vmtas("a", after="<source 127.0.0.1>\n always-allow-relaying no\n</source>\n")
    assert bench.submit(1, "a")[0].startswith("550 5.7.1")


def test_a_pool_goes_round_evenly(bench) -> None:
    bench.vmtas("a", "b", "c", after=POOL)
    bench.submit(9, "pool")
    assert by_vmta(bench) == {"a": 3, "b": 3, "c": 3}


def test_a_paused_or_capped_member_keeps_its_share_and_nothing_overflows(bench) -> None:
    capped = "<virtual-mta d>\n smtp-source-host 198.51.100.4 d.example.com\n max-smtp-msg-rate 1/d\n</virtual-mta>\n"
    bench.vmtas("a", "b", "c", after=capped + POOL.replace("virtual-mta c", "virtual-mta d"))
    bench.pmta("pause", "queue", "*/a")
    bench.submit(30, "pool")
    bench.pass_time(hours=3)
    assert by_vmta(bench) == {"a": 10, "d": 9}
    assert Counter(row["vmta"] for row in bench.records("d")) == {"b": 10, "d": 1}
    assert {row["vmtaPool"] for row in bench.records("d")} == {"pool"}


def test_a_bad_address_is_refused(bench) -> None:
    bench.vmtas("a")
    assert bench.submit(1, "a", domain="")[0].startswith("501")


@pytest.mark.parametrize(
    ("domain", "queue"),
    [("hotmail.com", "outlook.rollup/a"), ("outlook.com", "outlook.rollup/a"), ("gmail.com", "gmail.com/a")],
)
def test_a_roll_up_gathers_the_domains_of_one_mx(bench, domain: str, queue: str) -> None:
    rollup = (
        "<mx-rollup-list>\n mx *.olc.protection.outlook.com outlook.rollup\n</mx-rollup-list>\n"
        "<domain outlook.rollup>\n smtp-hosts lookup-mx:outlook.com\n</domain>\n"
    )
    bench.vmtas("a", after=rollup)
    bench.submit(1, "a", domain=domain)
    bench.pass_time(minutes=1)
    assert bench.records("d")[0]["queue"] == queue


def test_the_same_world_gives_the_same_mail(make_bench: Callable[..., object]) -> None:
    runs = []
    for _ in range(2):
        bench = make_bench({"*": {"hard_bounce_rate": 0.2, "deferral_rate": 0.2}})
        bench.vmtas("a")
        bench.submit(200, "a")
        bench.pass_time(hours=2)
        runs.append([(row["type"], row["rcpt"], row["timeLogged"]) for row in bench.records("d", "b", "t")])
    assert runs[0] == runs[1]
    assert len({kind for kind, _, _ in runs[0]}) == 3
