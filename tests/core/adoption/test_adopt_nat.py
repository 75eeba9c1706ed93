"""Configurations that bind private addresses, and those whose mail leaves through a proxy."""

from ipaddress import ip_address

import pytest

from email_engine.fleet.parse import parse_fleet
from tests.core.adoption.drafts import adopted, filled, fleet_of


def vmta(number: int, address: str, *lines: str) -> str:
    body = "".join(f"  {line}\n" for line in lines)
    host = f"  smtp-source-host {address} mail{number}.example.com\n" if address else ""
    key = f"  domain-key s1,news{number}.example.com,/etc/pmta/k{number}.pem\n"
    return f"<virtual-mta v-{number}>\n{host}{key}  max-smtp-msg-rate 1200/d\n{body}</virtual-mta>\n"


def pool(*numbers: int) -> str:
    members = "".join(f"  virtual-mta v-{n}\n" for n in numbers)
    return f"<virtual-mta-pool news>\n{members}</virtual-mta-pool>\n"


BEHIND_NAT = "".join(vmta(n, f"10.0.0.{n}") for n in range(1, 6)) + pool(*range(1, 6))


def test_a_private_address_is_bound_and_the_public_one_a_blank_with_the_reason() -> None:
    result = adopted(vmta(1, "10.0.0.5") + pool(1))
    assert result.gaps == ()
    assert (
        "          - address: <...> # FILL IN: the public address that receivers see for 10.0.0.5, which no PowerMTA "
        "configuration knows (NAT, Elastic IP)\n"
        "            bind_address: 10.0.0.5 # cap 1200/d today\n"
    ) in result.fleet
    (ip,) = parse_fleet(filled(result.fleet), "draft.yaml").ips
    assert (ip.address, ip.bind_address, ip.vmta) == (ip_address("45.0.0.5"), ip_address("10.0.0.5"), "v-1")


def test_private_addresses_that_follow_each_other_are_entries_of_their_own_each_with_a_blank() -> None:
    result = adopted(BEHIND_NAT)
    assert result.ips == 5
    assert result.fill_in["address"] == 5
    assert "first:" not in result.fleet
    assert {str(ip.bind_address) for ip in fleet_of(result.fleet).ips} == {f"10.0.0.{n}" for n in range(1, 6)}


def test_public_and_private_addresses_of_one_host_come_aboard_together() -> None:
    text = "".join(vmta(n, f"192.0.2.{n}") for n in range(1, 4)) + vmta(4, "172.17.0.2") + pool(1, 2, 3, 4)
    result = adopted(text)
    assert "- first: 192.0.2.1 #" in result.fleet
    bound = {str(ip.address): str(ip.bind_address) for ip in fleet_of(result.fleet).ips if ip.bind_address}
    assert bound == {"45.17.0.2": "172.17.0.2"}


def test_a_comment_is_no_source_for_the_public_address() -> None:
    result = adopted("# 10.0.0.5 is 198.51.100.7 outside\n" + vmta(1, "10.0.0.5 ", "# public: 198.51.100.7"))
    assert "198.51.100.7" not in result.fleet


def test_of_virtual_mtas_that_share_a_private_address_the_one_in_a_pool_has_it() -> None:
    result = adopted(vmta(1, "10.0.0.5") + vmta(2, "10.0.0.5") + pool(2))
    assert result.ips == 1
    (ip,) = fleet_of(result.fleet).ips
    assert ip.vmta == "v-2"
    told = [str(gap) for gap in result.gaps]
    assert any(one.startswith("config:2: v-1: 10.0.0.5: the same IP as in v-2") for one in told)


def test_a_virtual_mta_behind_a_proxy_stays_out_and_its_key_is_told() -> None:
    result = adopted(vmta(1, "192.0.2.1") + vmta(2, "192.0.2.2", "use-proxy squid") + pool(1, 2))
    assert [ip.vmta for ip in fleet_of(result.fleet).ips] == ["v-1"]
    told = [str(gap) for gap in result.gaps]
    assert told == [
        "config:8: v-2: domain-key s1,news2.example.com,/etc/pmta/k2.pem: its virtual MTA is not in the draft. "
        "To do: as for the virtual MTA",
        "config:10: <virtual-mta v-2> use-proxy ...: mail leaves from the proxy's address; the fleet has only IPs that "
        "PowerMTA binds on its host, itself or behind NAT. To do: give it an smtp-source-host of this host and no proxy and "
        "import again, or leave it out of the fleet, in your own configuration",
    ]


@pytest.mark.parametrize("own", ["use-proxy none", 'use-proxy ""'])
def test_a_proxy_for_all_holds_for_those_that_do_not_clear_it_and_is_told_once(own: str) -> None:
    text = "use-proxy squid\n" + vmta(1, "192.0.2.1") + vmta(2, "192.0.2.2") + vmta(3, "192.0.2.3", own)
    result = adopted(text + pool(1, 2, 3))
    assert [ip.vmta for ip in fleet_of(result.fleet).ips] == ["v-3"]
    assert [gap.line for gap in result.gaps if "proxy" in gap.why] == [1]


def test_an_ip_that_a_proxied_virtual_mta_has_too_is_the_others() -> None:
    result = adopted(vmta(1, "192.0.2.1", "use-proxy squid") + vmta(2, "192.0.2.1") + pool(1))
    assert [ip.vmta for ip in fleet_of(result.fleet).ips] == ["v-2"]


def test_the_summary_counts_what_is_still_to_fill_in_by_key() -> None:
    result = adopted(BEHIND_NAT, tenant=None)
    assert result.fill_in == {
        "version": 1, "tenant": 1, "name": 1, "daily_quota": 1, "purpose": 1, "consent": 1, "risk_class": 1,
        "address": 5, "mailwizz_server_id": 5,
    }  # fmt: skip
    assert result.blanks == result.fleet.count("# FILL IN:")
