"""What a fleet says of a host without configuration of its own, and from where MailWizz may submit."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from email_engine.fleet.export import export_fleet
from email_engine.fleet.inventory import plan_inventory, render_plan
from email_engine.fleet.model import MtaBase
from tests.core.fleet.test_parse_fleet import EXAMPLE, changed, line_of, mistakes, read

HOST = "  - name: mta-2\n    connection: powermta_mta-2\n"
BASE = """    base:
      postmaster: ops@example.com
      listeners: ["10.0.0.5:2525"]
"""


def with_host(text: str) -> str:
    assert HOST in EXAMPLE
    return EXAMPLE.replace(HOST, HOST + text)


class TestBase:
    def test_a_host_without_base_has_a_file_that_the_operators_own_includes(self) -> None:
        first = read(EXAMPLE).mta_hosts[0]
        assert (first.base, first.config_file) == (None, "/etc/pmta/email-engine.conf")

    def test_a_host_with_base_owns_the_whole_configuration(self) -> None:
        host = read(with_host(BASE)).mta_hosts[1]
        assert host.config_file == "/etc/pmta/config"
        assert host.base == MtaBase(
            postmaster="ops@example.com",
            listeners=("10.0.0.5:2525",),
            http_port=8080,
            log_file="/var/log/pmta/pmta.log",
            spool="/var/spool/pmta",
            run_as_root=False,
            complaint_addresses=(),
            bounce_addresses=(),
        )

    def test_every_key_of_a_base_counts(self) -> None:
        text = BASE + (
            "      http_port: 8090\n      log_file: /var/log/p.log\n      spool: /srv/spool\n      run_as_root: true\n"
        )
        base = read(with_host(text)).mta_hosts[1].base
        assert base == MtaBase(
            "ops@example.com", ("10.0.0.5:2525",), 8090, "/var/log/p.log", "/srv/spool", True
        )

    def test_a_base_may_say_where_reports_come(self) -> None:
        text = (
            BASE.replace("2525", "25")
            + "      complaint_addresses: fbl@f.example\n      bounce_addresses: [a@b.example, b@b.example]\n"
        )
        base = read(with_host(text)).mta_hosts[1].base
        assert base is not None
        assert base.reports == ("fbl@f.example", "a@b.example", "b@b.example")
        assert "complaint_addresses fbl@f.example, bounce_addresses a@b.example b@b.example" in str(base)

    def test_the_operators_own_file_is_never_overwritten(self) -> None:
        text = with_host("    config_file: /etc/pmta/config\n")
        (mistake,) = mistakes(text)
        assert (
            f"fleet.yaml:{line_of(text, 'config_file: /etc/pmta/config')}: mta_hosts[1].config_file"
            in mistake
        )
        assert "the operator's own file, and the engine would overwrite it" in mistake

    def test_the_file_that_upgrades_overwrite_is_refused_even_with_a_base(self) -> None:
        (mistake,) = mistakes(with_host(BASE + "    config_file: /etc/pmta/config-defaults\n"))
        assert "package upgrades overwrite" in mistake

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("      postmaster: ops@example.com\n", "", "postmaster: missing"),
            ("ops@example.com", "ops", "an address such as postmaster@example.com"),
            ("ops@example.com", '"ops@example.com # x"', "an address such as postmaster@example.com"),
            ('      listeners: ["10.0.0.5:2525"]\n', "", "listeners: missing"),
            ("10.0.0.5:2525", "10.0.0.5", "an IPv4 address and a port"),
            ("10.0.0.5:2525", "10.0.0.0/8:2525", "an IPv4 address and a port"),
            ("10.0.0.5:2525", "10.0.0.5:70000", "an IPv4 address and a port"),
            ("10.0.0.5:2525", "[::1]:2525", "an IPv4 address and a port"),
            ('"10.0.0.5:2525"', '"10.0.0.5:2525", "10.0.0.5:2525"', "one stands twice"),
            ("postmaster:", "http_port: 99999\n      postmaster:", "from 0 to 65535"),
            ("postmaster:", "spool: /var/../etc\n      postmaster:", "an absolute path"),
            ("postmaster:", "run_as_root: maybe\n      postmaster:", "true or false"),
            ("postmaster:", "http_access: 0/0\n      postmaster:", "unknown key"),
            (
                "postmaster:",
                "complaint_addresses: [f@f.example]\n      postmaster:",
                "no listener on port 25 of an outer address",
            ),
            ("postmaster:", "bounce_addresses: [f]\n      postmaster:", "an address such as"),
            (
                BASE,
                BASE.replace("10.0.0.5:2525", "127.0.0.1:25") + "      bounce_addresses: f@f.example\n",
                "no listener on port 25 of an outer address, where reports come in",
            ),
            (
                BASE,
                BASE.replace("2525", "25")
                + "      complaint_addresses: f@f.example\n      bounce_addresses: F@f.example\n",
                "'f@f.example' stands twice",
            ),
            (
                BASE,
                BASE.replace("2525", "25") + "      complaint_addresses: ops@example.com\n",
                "is the postmaster, who gets",
            ),
        ],
    )
    def test_a_mistake_in_a_base_is_named(self, old: str, new: str, said: str) -> None:
        found = mistakes(with_host(BASE.replace(old, new, 1)))
        assert len(found) == 1
        assert said in found[0]

    def test_a_base_shows_in_plan_and_export(self) -> None:
        before, after = read(EXAMPLE), read(with_host(BASE))
        assert "base: None -> postmaster ops@example.com, listeners 10.0.0.5:2525" in render_plan(
            plan_inventory(after, before)
        )
        exported = export_fleet(after)["mta_hosts"][1]["base"]
        assert (exported["postmaster"], exported["listeners"]) == ("ops@example.com", ["10.0.0.5:2525"])


class TestAddresses:
    def test_addresses_are_read_in_order(self) -> None:
        text = changed("addresses: [192.0.2.10]", 'addresses: ["2001:db8::1", 127.0.0.1, 10.1.1.1, 10.1.1.1]')
        assert read(text).mailwizz_instances[0].addresses == tuple(
            map(ip_address, ("10.1.1.1", "127.0.0.1", "2001:db8::1"))
        )

    def test_an_instance_needs_none(self) -> None:
        text = changed("    addresses: [192.0.2.10]\n", "")
        assert read(text).mailwizz_instances[0].addresses == ()

    def test_one_of_the_fleets_own_ips_may_submit(self) -> None:
        assert read(changed("addresses: [192.0.2.10]", "addresses: [198.51.100.1]"))

    @pytest.mark.parametrize(
        "wrong",
        ["0.0.0.0", "0/0", "10.0.0.0/8", "10.0.0.1-5", "224.0.0.1", '"::"', "255.255.255.255", '"::ffff:10.0.0.1"', "mw.example.com"],
    )  # fmt: skip
    def test_whatever_stands_for_many_is_refused(self, wrong: str) -> None:
        (mistake,) = mistakes(changed("addresses: [192.0.2.10]", f"addresses: [{wrong}]"))
        assert "single IP addresses, no ranges" in mistake

    def test_two_instances_cannot_share_an_address(self) -> None:
        (mistake,) = mistakes(changed("addresses: [192.0.2.11]", "addresses: [192.0.2.10]"))
        assert "address 192.0.2.10 belongs to MailWizz instance mw-aurora" in mistake

    def test_addresses_show_in_plan_and_export(self) -> None:
        fleet = read(EXAMPLE)
        first = replace(fleet.mailwizz_instances[0], addresses=())
        before = replace(fleet, mailwizz_instances=(first, *fleet.mailwizz_instances[1:]))
        assert "addresses: none -> 192.0.2.10" in render_plan(plan_inventory(fleet, before))
        assert export_fleet(fleet)["mailwizz_instances"][0]["addresses"] == ["192.0.2.10"]
