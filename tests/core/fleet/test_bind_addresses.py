"""What PowerMTA binds beside the public address: NAT, Elastic IP, containers."""

from ipaddress import ip_address

import pytest

from email_engine.fleet.inventory import plan_inventory, render_plan
from tests.core.fleet.test_fleet_rules import only
from tests.core.fleet.test_parse_fleet import BOREALIS, EXAMPLE, SINGLE, changed, line_of, mistakes, read

AT = "198.51.100.200\n"
RANGE = "          - first: 198.51.100.1\n            count: 50\n"


def single(*lines: str, **keys: str) -> str:
    """The example with one more IP of aurora, with these lines behind its address."""
    entry = SINGLE.replace(AT, AT + "".join(f"            {line}\n" for line in lines))
    for key, value in keys.items():
        line = next(line for line in entry.splitlines() if line.strip(" -").startswith(f"{key}:"))
        entry = entry.replace(line, f"{line.partition(':')[0]}: {value}")
    return EXAMPLE.replace(BOREALIS, entry + BOREALIS)


def ranged(first: str, bound: str) -> str:
    return changed(RANGE, f"{RANGE.replace('198.51.100.1', first)}            bind_first: {bound}\n")


def bound(text: str) -> dict[str, str]:
    return {str(ip.address): str(ip.bind_address) for ip in read(text).ips if ip.bind_address}


@pytest.mark.parametrize("address", ["10.0.0.5", "100.64.0.7", "172.17.0.2", "192.168.1.255", "9.9.9.9"])
def test_an_ip_may_have_an_address_of_the_host_beside_the_public_one(address: str) -> None:
    assert bound(single(f"bind_address: {address}")) == {"198.51.100.200": address}


def test_without_one_the_public_address_is_bound() -> None:
    ips = read(EXAMPLE).ips
    assert {ip.bind_address for ip in ips} == {None}
    assert [ip.local_address for ip in ips] == [ip.address for ip in ips]


def test_a_range_binds_from_the_first_one_on_and_steps_over_0_and_255() -> None:
    found = bound(ranged("198.51.100.1", "10.0.0.250"))
    assert len(found) == 50
    assert [found[f"198.51.100.{n}"] for n in (1, 5, 6, 50)] == [
        "10.0.0.250", "10.0.0.254", "10.0.1.1", "10.0.1.45",
    ]  # fmt: skip


def test_two_hosts_may_bind_the_same_address_each_behind_its_own_nat() -> None:
    other = SINGLE.replace(AT, AT + "            bind_address: 10.0.0.5\n").replace("200", "199")
    other = other.replace("900", "899").replace("host: mta-1", "host: mta-2")
    text = single("bind_address: 10.0.0.5").replace(BOREALIS, other + BOREALIS)
    assert bound(text) == {"198.51.100.200": "10.0.0.5", "198.51.100.199": "10.0.0.5"}
    twice = text.replace("host: mta-2", "host: mta-1")
    line = line_of(twice, "address: 198.51.100.200")
    assert only(twice).endswith(
        f"bind address 10.0.0.5 on mta-1 stands at fleet.yaml:{line} already; allowed: once"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("198.51.100.200", "198.51.100.200 is the public address itself"),
        ("198.51.100.7", "bind address 198.51.100.7 is the public address at fleet.yaml:"),
        ("127.0.0.1", "127.0.0.1 is a loopback address, from which no mail leaves the host"),
        ("0.0.0.0", "is the unspecified address"),
        ("169.254.1.1", "is a link-local address"),
        ("'fd00::5'", "fd00::5 is IPv6, 198.51.100.200 is not; allowed: IPv4"),
        ("10.0.0.256", "'10.0.0.256' is no IP address; allowed: an address that the host itself has"),
        ("10.0.0.0/24", "'10.0.0.0/24' is no IP address"),
        ("[10.0.0.5, 10.0.0.6]", "found a list"),
        ("''", "''"),
    ],
)
def test_what_no_host_can_bind_for_it_is_refused(given: str, said: str) -> None:
    text = single(f"bind_address: {given}")
    found = only(text)
    assert said in found
    assert found.startswith(
        (
            f"fleet.yaml:{line_of(text, '            bind_address: ')}: ",
            f"fleet.yaml:{line_of(text, 'address: 198.51.100.200')}: ",
        )
    )


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("bind_address: 10.0.0.1", "stands in a range; allowed: bind_first: what is bound for the first IP"),
        ("bind_first: 10.0.0.255", "10.0.0.255 ends in .255, which ranges step over"),
        ("bind_first: 239.255.255.250", "239.255.255.250 is a multicast address"),
        ("bind_first: 255.255.255.250", "255.255.255.250 is a reserved address"),
        ("bind_first: mail", "'mail' is no IP address"),
    ],
)
def test_a_range_says_what_is_wrong_with_what_it_binds(lines: str, said: str) -> None:
    found = mistakes(changed(RANGE, f"{RANGE}            {lines}\n"))
    assert len(found) == 1
    assert said in found[0]


def test_a_blank_of_an_import_says_which_address_is_wanted() -> None:
    found = only(single("bind_address: 10.0.0.5", address="<...>"))
    assert "still FILL IN; allowed: a public IP address: behind NAT the one that the world sees" in found


def test_a_private_public_address_is_refused_with_the_way_out() -> None:
    assert only(single(address="10.0.0.5")).endswith(
        "10.0.0.5 is a private or reserved address; "
        "allowed: a public IP address: behind NAT the one that the world sees, with the host's own as bind_address"
    )


@pytest.mark.parametrize(
    ("keys", "lines", "said", "way_out"),
    [
        ({}, "proxy: squid", "a proxy leaves from the proxy's address", "stays out of the fleet"),
        ({}, "use_proxy: squid", "a proxy leaves from the proxy's address", "stays out of the fleet"),
        ({"domain": "[a.example, b.example]"}, "", "several sending domains on one IP", "needs an entry with IP"),
        ({"domain": '"a.example, b.example"'}, "", "several sending domains on one IP", "needs an entry with IP"),
        ({}, "domains: [b.example]", "several sending domains on one IP", "needs an entry with IP"),
        ({"address": "[198.51.100.200, 198.51.100.201]"}, "", "several IPs in one virtual MTA", "as a range"),
        ({"address": "198.51.100.192/28"}, "", "several IPs in one virtual MTA", "as an entry of its own"),
        ({}, "addresses: [198.51.100.201]", "several IPs in one virtual MTA", "as an entry of its own"),
    ],
)  # fmt: skip
def test_what_one_ip_cannot_have_is_refused_with_reason_and_way_out(
    keys: dict[str, str], lines: str, said: str, way_out: str
) -> None:
    found = only(single(*filter(None, [lines]), **keys))
    assert said in found
    assert way_out in found.partition("; allowed: ")[2]


def test_an_ip_that_stands_twice_for_two_domains_is_refused_with_the_way_out() -> None:
    other = SINGLE.replace("tx200", "ty200").replace("mail200", "mail199").replace("aurora-200", "aurora-199")
    text = single().replace(BOREALIS, other.replace("900", "899") + BOREALIS)
    assert only(text).endswith(
        "already; allowed: once: an IP has one sending domain and one virtual MTA; give the other an IP of its own"
    )


def test_a_plan_shows_when_another_address_is_bound() -> None:
    before, after = read(single()), read(single("bind_address: 10.0.0.5"))
    plan = plan_inventory(after, before)
    assert "~ IP 198.51.100.200 (bind_address: None -> 10.0.0.5)" in render_plan(plan)
    (change,) = plan.changes
    assert change.ip.local_address == ip_address("10.0.0.5")
