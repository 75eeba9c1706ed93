"""What the DNS world says to a question, without sockets."""

from datetime import UTC, datetime
from ipaddress import ip_address

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from lab.dns.authority import Authority
from lab.dns.lists import BlockList, ListKind
from lab.dns.records import How, Records, SendingDomain, Which, render_records

ZONE = "bl.lab.example"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
DKIM = "v=DKIM1; k=rsa; p=" + "QUJD" * 98
DOMAIN = SendingDomain(
    "news1.aurora-mail.example", ip_address("198.51.100.1"), "mail1.aurora-mail.example", "s1", DKIM
)
SIX = SendingDomain("six.example", ip_address("2001:db8::25"), "mail.six.example", "s1", DKIM)
NXDOMAIN, NOERROR = dns.rcode.NXDOMAIN, dns.rcode.NOERROR


def a_list(kind: ListKind, test_codes: tuple[str, ...] = ()) -> BlockList:
    block_list = BlockList(ZONE, kind, "Listed, see https://lookup.example/?ip={ip}", test_codes)
    block_list.put(ip_address("198.51.100.9"), ("127.0.0.3", "127.0.0.9"), NOW)
    return block_list


def ask(authority: Authority, name: str, rdtype: str = "A") -> dns.message.Message | None:
    return authority.answer(dns.message.make_query(name, rdtype)).reply


def values(reply: dns.message.Message | None, rdtype: str = "A") -> set[str]:
    assert reply is not None
    wanted = dns.rdatatype.from_text(rdtype)
    found = [rdata for rrset in reply.answer if rrset.rdtype == wanted for rdata in rrset]
    if rdtype == "TXT":
        return {b"".join(rdata.strings).decode() for rdata in found}
    return {rdata.to_text() for rdata in found}


def of_lists(kind: ListKind, test_codes: tuple[str, ...] = ()) -> Authority:
    return Authority({}, {ZONE: a_list(kind, test_codes)})


def of_records(
    *domains: SendingDomain, broken: dict | None = None, extra: Records | None = None
) -> Authority:
    authority = Authority(render_records(domains, {}) | (extra or {}), {})
    authority.load(render_records(domains, broken or {}) | (extra or {}))
    return authority


# name below the zone, and what each kind of list answers to an A question there
LISTED, CLEAN, POINT, NO_POINT, RANDOM = "9.100.51.198", "8.100.51.198", "2.0.0.127", "1.0.0.127", "kq3z9x"
ALL = (LISTED, CLEAN, POINT, NO_POINT, RANDOM)
ANSWERS = {
    ListKind.HEALTHY: ({"127.0.0.3", "127.0.0.9"}, set(), {"127.0.0.2"}, set(), set()),
    ListKind.ZEN: ({"127.0.0.3", "127.0.0.9"}, set(), {"127.0.0.2", "127.0.0.4", "127.0.0.10"}, set(), set()),
    ListKind.NO_TEST_POINT: ({"127.0.0.3", "127.0.0.9"}, set(), set(), set(), set()),
    ListKind.EMPTY: (set(),) * 5,
    ListKind.WILDCARD: ({"127.0.0.2"},) * 5,
    ListKind.PARKED: ({"192.0.2.80"},) * 5,
    ListKind.LOOPBACK: ({"127.0.0.1"},) * 5,
    ListKind.BLOCKED: ({"127.255.255.254"},) * 5,
    ListKind.EXCESSIVE: ({"127.255.255.255"},) * 5,
    ListKind.MISTYPED: ({"127.255.255.252"},) * 5,
}


@pytest.mark.parametrize(
    ("kind", "name", "codes"),
    [
        pytest.param(kind, name, codes, id=f"{kind}-{name}")
        for kind, row in ANSWERS.items()
        for name, codes in zip(ALL, row, strict=True)
    ],
)
def test_a_list_of_each_kind_answers_as_such_lists_do(kind: ListKind, name: str, codes: set[str]) -> None:
    reply = ask(of_lists(kind), f"{name}.{ZONE}")
    assert values(reply) == codes
    assert reply.rcode() == (NOERROR if codes else NXDOMAIN)
    assert bool(reply.authority) is not bool(codes)


@pytest.mark.parametrize(
    ("kind", "rcode"), [(ListKind.SERVFAIL, dns.rcode.SERVFAIL), (ListKind.REFUSED, dns.rcode.REFUSED)]
)
def test_a_failing_list_fails_every_question(kind: ListKind, rcode: dns.rcode.Rcode) -> None:
    for name in ALL:
        reply = ask(of_lists(kind), f"{name}.{ZONE}")
        assert reply is not None
        assert (reply.rcode(), reply.answer) == (rcode, [])


def test_a_silent_list_says_nothing() -> None:
    assert ask(of_lists(ListKind.SILENT), f"{POINT}.{ZONE}") is None


def test_every_kind_is_covered_here() -> None:
    assert set(ANSWERS) | {ListKind.SERVFAIL, ListKind.REFUSED, ListKind.SILENT} == set(ListKind)


def test_the_reason_stands_at_the_name_of_the_listing() -> None:
    reply = ask(of_lists(ListKind.HEALTHY), f"{LISTED}.{ZONE}", "TXT")
    assert values(reply, "TXT") == {"Listed, see https://lookup.example/?ip=198.51.100.9"}


def test_a_blocked_list_says_so_in_words() -> None:
    assert values(ask(of_lists(ListKind.BLOCKED), f"{CLEAN}.{ZONE}", "TXT"), "TXT") == {
        "Error: open resolver; https://check.spamhaus.org/returnc/pub/"
    }


def test_a_listing_has_no_other_types() -> None:
    reply = ask(of_lists(ListKind.HEALTHY), f"{LISTED}.{ZONE}", "AAAA")
    assert (reply.rcode(), reply.answer) == (NOERROR, [])
    assert reply.authority


def test_test_codes_can_be_given() -> None:
    authority = of_lists(ListKind.HEALTHY, ("127.0.0.4",))
    assert values(ask(authority, f"{POINT}.{ZONE}")) == {"127.0.0.4"}


def test_ipv6_addresses_are_asked_by_nibbles() -> None:
    block_list = a_list(ListKind.HEALTHY)
    block_list.put(ip_address("2001:db8::9"), ("127.0.0.2",), NOW)
    authority = Authority({}, {ZONE: block_list})
    listed = "9" + ".0" * 23 + ".8.b.d.0.1.0.0.2"
    test_point = "2.0.0.0.0.0.f.7.f.f.f.f" + ".0" * 20
    for name in (listed, test_point):
        assert values(ask(authority, f"{name}.{ZONE}")) == {"127.0.0.2"}


def test_names_are_matched_in_any_case() -> None:
    assert values(ask(of_lists(ListKind.HEALTHY), f"{LISTED}.BL.Lab.EXAMPLE")) == {"127.0.0.3", "127.0.0.9"}


@pytest.mark.parametrize(
    ("name", "rdtype", "expected"),
    [
        ("news1.aurora-mail.example", "TXT", "v=spf1 ip4:198.51.100.1 -all"),
        ("mail1.aurora-mail.example", "TXT", "v=spf1 ip4:198.51.100.1 -all"),
        ("s1._domainkey.news1.aurora-mail.example", "TXT", DKIM),
        (
            "_dmarc.news1.aurora-mail.example",
            "TXT",
            "v=DMARC1; p=none; rua=mailto:dmarc@news1.aurora-mail.example",
        ),
        ("news1.aurora-mail.example", "MX", "10 mail1.aurora-mail.example."),
        ("news1.aurora-mail.example", "A", "198.51.100.1"),
        ("mail1.aurora-mail.example", "A", "198.51.100.1"),
        ("1.100.51.198.in-addr.arpa", "PTR", "mail1.aurora-mail.example."),
        ("mail.six.example", "AAAA", "2001:db8::25"),
        ("six.example", "TXT", "v=spf1 ip6:2001:db8::25 -all"),
        (ip_address("2001:db8::25").reverse_pointer, "PTR", "mail.six.example."),
    ],
)
def test_a_sending_domain_publishes_what_it_should(name: str, rdtype: str, expected: str) -> None:
    reply = ask(of_records(DOMAIN, SIX), name, rdtype)
    assert values(reply, rdtype) == {expected}
    assert reply.flags & dns.flags.AA


@pytest.mark.parametrize(
    ("name", "rdtype", "rcode"),
    [
        pytest.param("nobody.aurora-mail.example", "A", NXDOMAIN, id="unknown name"),
        pytest.param("news1.aurora-mail.example", "AAAA", NOERROR, id="other type"),
        pytest.param("_domainkey.news1.aurora-mail.example", "TXT", NOERROR, id="empty non-terminal"),
        pytest.param("aurora-mail.example", "TXT", NOERROR, id="parent of names"),
        pytest.param("_dmarc.example", "TXT", NXDOMAIN, id="end of a tree walk"),
        pytest.param("99.100.51.198.in-addr.arpa", "PTR", NXDOMAIN, id="no PTR"),
        pytest.param("example", "MX", NOERROR, id="apex"),
    ],
)
def test_what_is_not_there_is_denied_with_the_zone_s_soa(
    name: str, rdtype: str, rcode: dns.rcode.Rcode
) -> None:
    reply = ask(of_records(DOMAIN), name, rdtype)
    assert (reply.rcode(), reply.answer) == (rcode, [])
    assert [rrset.rdtype for rrset in reply.authority] == [dns.rdatatype.SOA]


@pytest.mark.parametrize("name", ["example.net", "1.2.0.192.in-addr.arpa", "."])
def test_names_outside_the_world_are_refused(name: str) -> None:
    assert ask(of_records(DOMAIN), name, "A").rcode() == dns.rcode.REFUSED


def test_zones_have_their_own_soa_and_ns() -> None:
    authority = Authority(render_records([DOMAIN], {}), {ZONE: a_list(ListKind.HEALTHY)})
    for zone in ("example", "aurora-mail.example", "100.51.198.in-addr.arpa", ZONE):
        assert ask(authority, zone, "SOA").answer[0].name.to_text() == f"{zone}."
        assert ask(authority, zone, "NS").answer


def test_the_parents_of_a_list_exist() -> None:
    authority = Authority(render_records([DOMAIN], {}), {ZONE: a_list(ListKind.HEALTHY)})
    assert ask(authority, "lab.example").rcode() == NOERROR


def test_aliases_are_followed() -> None:
    extra: Records = {
        ("alias.aurora-mail.example", "CNAME"): ("next.aurora-mail.example.",),
        ("next.aurora-mail.example", "CNAME"): ("news1.aurora-mail.example.",),
    }
    reply = ask(of_records(DOMAIN, extra=extra), "alias.aurora-mail.example", "TXT")
    assert [rrset.rdtype for rrset in reply.answer] == [
        dns.rdatatype.CNAME,
        dns.rdatatype.CNAME,
        dns.rdatatype.TXT,
    ]
    alone = ask(of_records(DOMAIN, extra=extra), "alias.aurora-mail.example", "CNAME")
    assert values(alone, "CNAME") == {"next.aurora-mail.example."}


def test_an_alias_that_leads_nowhere_keeps_the_alias_and_says_so() -> None:
    extra: Records = {("alias.aurora-mail.example", "CNAME"): ("gone.aurora-mail.example.",)}
    reply = ask(of_records(DOMAIN, extra=extra), "alias.aurora-mail.example", "TXT")
    assert reply.rcode() == NXDOMAIN
    assert [rrset.rdtype for rrset in reply.answer] == [dns.rdatatype.CNAME]


def test_aliases_in_a_ring_are_a_server_failure() -> None:
    extra: Records = {
        ("a.six.example", "CNAME"): ("b.six.example.",),
        ("b.six.example", "CNAME"): ("a.six.example.",),
    }
    assert ask(of_records(DOMAIN, extra=extra), "a.six.example").rcode() == dns.rcode.SERVFAIL


PLACES = {
    Which.SPF: ("news1.aurora-mail.example", "TXT"),
    Which.DKIM: ("s1._domainkey.news1.aurora-mail.example", "TXT"),
    Which.DMARC: ("_dmarc.news1.aurora-mail.example", "TXT"),
    Which.PTR: ("1.100.51.198.in-addr.arpa", "PTR"),
    Which.MX: ("news1.aurora-mail.example", "MX"),
    Which.HELO: ("mail1.aurora-mail.example", "A"),
    Which.A: ("news1.aurora-mail.example", "A"),
}


@pytest.mark.parametrize("which", list(Which))
@pytest.mark.parametrize("how", list(How))
def test_each_record_breaks_in_each_way_and_alone(which: Which, how: How) -> None:
    broken = of_records(DOMAIN, broken={(DOMAIN.domain, which): how})
    sound = of_records(DOMAIN)
    name, rdtype = PLACES[which]
    reply, right = ask(broken, name, rdtype), values(ask(sound, name, rdtype), rdtype)
    match how:
        case How.MISSING:
            assert values(reply, rdtype) == set()
            assert reply.rcode() in (NOERROR, NXDOMAIN)
        case How.WRONG:
            assert len(values(reply, rdtype)) == 1
            assert values(reply, rdtype) != right
        case How.DUPLICATE:
            assert len(values(reply, rdtype)) == 2
            assert right < values(reply, rdtype)
        case How.SERVFAIL:
            assert reply.rcode() == dns.rcode.SERVFAIL
        case How.TIMEOUT:
            assert reply is None
    for other in set(Which) - {which}:
        place = PLACES[other]
        assert values(ask(broken, *place), place[1]) == values(ask(sound, *place), place[1])


def test_another_domain_s_records_stay_whole() -> None:
    other = SendingDomain(
        "post2.aurora-mail.example", ip_address("198.51.100.2"), "mail2.aurora-mail.example", "s1", DKIM
    )
    authority = of_records(DOMAIN, other, broken={(DOMAIN.domain, Which.SPF): How.MISSING})
    assert values(ask(authority, other.domain, "TXT"), "TXT") == {"v=spf1 ip4:198.51.100.2 -all"}
