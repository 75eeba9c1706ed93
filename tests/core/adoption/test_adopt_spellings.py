"""What lint only warns of is read as what it would be; of virtual MTAs that share an IP the one that sends is taken."""

import pytest

from email_engine.fleet.mistakes import FleetInvalid
from email_engine.fleet.model import IpState
from email_engine.fleet.parse import parse_fleet
from tests.core.adoption.drafts import adopted, fleet_of
from tests.core.adoption.test_adopt import BASIC, pool, vmta

KEY = "domain-key s,a.example,/etc/pmta/k.pem"
ODD = {
    "upper case in tags": BASIC.replace("<virtual-mta", "<Virtual-MTA").replace("</virtual-mta", "</VIRTUAL-MTA"),
    "upper case in directives": BASIC.replace("  max-", "  Max-").replace("  smtp-s", "  SMTP-S").replace("  domain-key", "  Domain-Key"),
    "upper case in values": BASIC.replace("1200/day", "1200/DAY").replace("relaying yes", "relaying YES"),
    "upper case in a pool": BASIC.replace("  virtual-mta vmta", "  Virtual-Mta vmta"),
    "upper case in sources": BASIC.replace("<source", "<Source").replace("</source", "</Source").replace("  process", "  Process"),
    "quotes": BASIC.replace("vmta-1>", '"vmta-1">').replace("virtual-mta vmta-1\n", 'virtual-mta "vmta-1"\n').replace("1200/day", '"1200/day"'),
    "a key with blanks": BASIC.replace("s1,news1.example.com,", "s1, news1.example.com, "),
    "a name in the closing tag": BASIC.replace("</virtual-mta>", "</virtual-mta vmta-1>"),
}  # fmt: skip


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_spelling_changes_nothing(text: str) -> None:
    assert text != BASIC
    result, plain = adopted(text), adopted(BASIC)
    assert result.gaps == plain.gaps == ()
    assert fleet_of(result.fleet) == fleet_of(plain.fleet)


def test_a_list_in_a_processor_may_have_a_name() -> None:
    named = "<bounce-processor>\n  <address-list a>\n    domain b.example\n  </address-list>\n</bounce-processor>\n"
    assert adopted(BASIC + named).gaps == ()


SHARED = vmta("hot", 7) + vmta("mta1", 7, KEY) + pool("news", "mta1")


@pytest.mark.parametrize(
    ("text", "taken", "left"),
    [
        (SHARED, "mta1", "hot"),
        (vmta("mta1", 7, KEY) + vmta("hot", 7) + pool("news", "mta1"), "mta1", "hot"),
        (vmta("hot", 7, KEY) + vmta("mta1", 7) + pool("news", "mta1"), "mta1", "hot"),
        (vmta("hot", 7) + vmta("mta1", 7, KEY) + pool("news", "hot", "mta1"), "mta1", "hot"),
        (vmta("hot", 7) + vmta("mta1", 7, KEY), "mta1", "hot"),
        (vmta("hot", 7) + vmta("mta1", 7), "hot", "mta1"),
    ],
    ids=["pool", "pool first", "pool before key", "both in the pool", "key alone", "the first"],
)
def test_of_those_that_share_an_ip_the_one_that_sends_is_taken(text: str, taken: str, left: str) -> None:
    result = adopted(text)
    (ip,) = fleet_of(result.fleet).ips
    assert ip.vmta == taken
    assert any(
        gap.text.startswith(f"{left}: 192.0.2.7") and f"as in {taken}" in gap.why for gap in result.gaps
    )


def test_it_is_active_and_has_its_key() -> None:
    (ip,) = fleet_of(adopted(SHARED).fleet).ips
    assert (ip.initial_state, ip.dkim_selector, ip.dkim_key_path) == (IpState.ACTIVE, "s", "/etc/pmta/k.pem")


def test_others_of_a_virtual_mta_that_shares_one_ip_stay() -> None:
    text = SHARED.replace(
        "<virtual-mta hot>\n", "<virtual-mta hot>\n  smtp-source-host 192.0.2.8 mail8.example.com\n"
    )
    assert {str(ip.address): ip.vmta for ip in fleet_of(adopted(text).fleet).ips} == {
        "192.0.2.7": "mta1", "192.0.2.8": "hot",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("s1,shop.$tld,/etc/pmta/s1.pem", "it signs for shop.$tld today, a macro"),
        ("{selector},{domain},{vault}:/v1/${selector}-${domain}:dk", "whatever selector a message has"),
    ],
)
def test_a_key_for_many_domains_leaves_blanks(key: str, hint: str) -> None:
    text = "domain-macro tld com, de\n" + vmta("v1", 7, f"domain-key {key}") + pool("p", "v1")
    assert hint in adopted(text).fleet


def test_what_is_not_filled_in_is_called_so() -> None:
    with pytest.raises(FleetInvalid) as caught:
        parse_fleet(adopted(BASIC, tenant=None).fleet, "draft.yaml")
    assert {mistake.observed for mistake in caught.value.mistakes} == {"still FILL IN"}


def test_a_member_in_another_case_has_its_stream_and_is_told() -> None:
    text = (
        "<virtual-mta v-1>\n  smtp-source-host 192.0.2.1 m1.example.com\n</virtual-mta>\n"
        "<virtual-mta v-2>\n  smtp-source-host 192.0.2.2 m2.example.com\n</virtual-mta>\n"
        "<virtual-mta-pool news>\n  virtual-mta V-1\n  virtual-mta v-2\n  virtual-mta v-1\n</virtual-mta-pool>\n"
    )
    result = adopted(text)
    (gap,) = result.gaps
    assert str(gap) == (
        "config:8: <virtual-mta-pool news> virtual-mta V-1: v-1 in another case, and taken for it; whether PowerMTA does so is "
        "not documented. To do: write v-1"
    )
    assert {(ip.vmta, ip.stream, str(ip.initial_state)) for ip in fleet_of(result.fleet).ips} == {
        ("v-1", "news", "active"), ("v-2", "news", "active"),
    }  # fmt: skip
