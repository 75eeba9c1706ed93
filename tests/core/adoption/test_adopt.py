"""How a running configuration comes aboard: what is taken, what is left blank, and what is told instead."""

import re

import pytest

from email_engine.fleet.mistakes import FleetInvalid
from email_engine.fleet.model import IpState, Mode
from email_engine.fleet.parse import parse_fleet
from tests.core.adoption.drafts import adopted, filled, fleet_of
from tests.core.realistic import REALISTIC

BASIC = """
postmaster ops@example.com
host-name mta7.example.com
<smtp-user app>
  password very-secret
  source app-auth
</smtp-user>
<source app-auth>
  require-auth yes
  always-allow-relaying yes
  process-x-virtual-mta yes
  default-virtual-mta pool-a
</source>
<source 10.0.0.9>
  always-allow-relaying yes
  process-x-virtual-mta yes
</source>
<source 0/0>
  always-allow-relaying no
</source>
<virtual-mta vmta-1>
  smtp-source-host 192.0.2.11 mail1.example.com
  domain-key s1,news1.example.com,/etc/pmta/dkim/news1.example.com.pem
  max-smtp-msg-rate 1200/day
  max-smtp-out 10
  <domain *>
    dkim-sign yes
    max-msg-rate 20/h
  </domain>
</virtual-mta>
<virtual-mta-pool pool-a>
  virtual-mta vmta-1
</virtual-mta-pool>
"""


def vmta(name: str, host: int, *lines: str) -> str:
    body = "".join(f"  {line}\n" for line in lines)
    return f"<virtual-mta {name}>\n  smtp-source-host 192.0.2.{host} mail{host}.example.com\n{body}</virtual-mta>\n"


def pool(name: str, *members: str) -> str:
    return (
        f"<virtual-mta-pool {name}>\n"
        + "".join(f"  virtual-mta {m}\n" for m in members)
        + "</virtual-mta-pool>\n"
    )


def test_a_plain_configuration_is_understood_whole() -> None:
    result = adopted(BASIC)
    assert result.gaps == ()
    fleet = fleet_of(result.fleet)
    (ip,) = fleet.ips
    assert (str(ip.address), ip.hostname, ip.vmta, ip.pool) == (
        "192.0.2.11",
        "mail1.example.com",
        "vmta-1",
        "pool-a",
    )
    assert (ip.domain, ip.dkim_selector) == ("news1.example.com", "s1")
    assert ip.dkim_key_path == "/etc/pmta/dkim/news1.example.com.pem"
    assert (ip.daily_target, ip.initial_state) == (1000, IpState.ACTIVE)
    assert [(h.name, h.connection) for h in fleet.mta_hosts] == [
        ("mta7.example.com", "powermta_mta7.example.com")
    ]
    assert [str(a) for m in fleet.mailwizz_instances for a in m.addresses] == ["10.0.0.9"]
    assert fleet.tenants[0].mode is Mode.OBSERVE
    assert [kept.text for kept in result.kept] == ["<source app-auth>", "<source 0/0>", "<smtp-user app>"]


@pytest.mark.parametrize(
    "more",
    [
        '<domain a.example>\nqueue-to "big"\n</domain>\n',
        "<feedback-loop-processor>\n<address-list>\ndomain fbl.example.com\n</address-list>\n</feedback-loop-processor>\n",
        "<domain a.example>\nsmtp-hosts 192.0.2.7\n</domain>\n",
        "<domain a.example>\nmax-data-volume-rate 10M/h\n</domain>\n",
    ],
    ids=["a quoted queue", "a list without a name in a processor", "an address", "a volume"],
)
def test_what_powermta_takes_is_not_told_to_be_wrong(more: str) -> None:
    assert adopted(REALISTIC + more).gaps == ()


def test_a_password_behind_a_sign_is_not_told() -> None:
    result = adopted(REALISTIC + "password=hunter2\n<smtp-user u>\nauth-password=hunter2\n</smtp-user>\n")
    assert result.gaps
    assert "hunter2" not in result.fleet + str(result.gaps)


def test_the_configuration_of_the_reference_is_understood_whole() -> None:
    result = adopted(REALISTIC)
    assert result.gaps == ()
    (ip,) = fleet_of(result.fleet).ips
    assert (ip.domain, ip.daily_target) == ("example.com", 41)


def test_what_powermta_cannot_know_is_refused_until_filled_in() -> None:
    draft = adopted(BASIC, tenant=None).fleet
    blanks = re.findall(r"([a-z_]+): <\.\.\.>", draft)
    assert sorted(blanks) == sorted(
        ["version", "tenant", "name", "daily_quota", "purpose", "consent", "risk_class", "mailwizz_server_id"]
    )
    with pytest.raises(FleetInvalid) as caught:
        parse_fleet(draft, "draft.yaml")
    refused = {mistake.place.line for mistake in caught.value.mistakes if mistake.observed == "still FILL IN"}
    assert refused >= {n for n, line in enumerate(draft.splitlines(), 1) if "<...> # FILL IN" in line}


@pytest.mark.parametrize(
    "key", ["version", "daily_quota", "purpose", "consent", "risk_class", "mailwizz_server_id"]
)
def test_a_single_blank_left_is_refused(key: str) -> None:
    draft = adopted(BASIC).fleet
    line = next(line for line in draft.splitlines() if f"{key}: <...>" in line)
    whole = filled(draft).splitlines()
    whole[draft.splitlines().index(line)] = line
    with pytest.raises(FleetInvalid, match=key):
        parse_fleet("\n".join(whole), "draft.yaml")


@pytest.mark.parametrize("cap", [2, 3, 5, 7, 50, 100, 119, 120, 121, 500, 999, 12_000, 999_999])
def test_the_engines_cap_is_never_above_the_present_one(cap: int) -> None:
    text = BASIC.replace("1200/day", f"{cap}/d")
    target = fleet_of(adopted(text).fleet).ips[0].daily_target
    assert cap - 2 <= -(-target * 120 // 100) <= cap


@pytest.mark.parametrize(
    ("rate", "hint"),
    [
        ("", "it has no cap today"),
        ("max-smtp-msg-rate unlimited", "it has no cap today"),
        ("max-smtp-msg-rate 0", "it has no cap today"),
        ("max-smtp-msg-rate 100/h", "today 100/h, at most 2400 a day"),
        ("max-smtp-msg-rate 1/d", "does it stand still?"),
    ],
    ids=["none", "unlimited", "zero", "hourly", "one a day"],
)
def test_a_cap_that_says_no_number_a_day_is_a_blank(rate: str, hint: str) -> None:
    draft = adopted(BASIC.replace("max-smtp-msg-rate 1200/day", rate)).fleet
    assert re.search(rf"daily_target: <\.\.\.> # FILL IN: .*{re.escape(hint)}", draft)


def test_a_low_cap_beside_high_ones_is_active_and_asked_about() -> None:
    text = "".join(vmta(f"v-{n}", n, "max-smtp-msg-rate 12000/d") for n in range(1, 5))
    text += vmta("v-5", 5, "max-smtp-msg-rate 60/d") + pool("all", *(f"v-{n}" for n in range(1, 6)))
    result = adopted(text)
    assert "daily_target: 50 # cap 60/d today; a step of a warm-up?" in result.fleet
    assert [ip.initial_state for ip in fleet_of(result.fleet).ips] == [IpState.ACTIVE] * 5


@pytest.mark.parametrize(("cap", "asked"), [(12_000, False), (12_002, True)])
def test_a_high_cap_alone_proves_no_warm_up(cap: int, asked: bool) -> None:
    draft = adopted(BASIC.replace("1200/day", f"{cap}/d")).fleet
    assert bool(re.search(r"warmed_on: <\.\.\.> # FILL IN: the day since which", draft)) is asked
    assert fleet_of(draft).ips[0].initial_state is IpState.ACTIVE


def test_names_and_addresses_in_a_row_become_a_range() -> None:
    text = "".join(
        vmta(
            f"v-{n}", n, f"domain-key s1,n{n}.example.com,/k/n{n}.example.com.pem", "max-smtp-msg-rate 120/d"
        )
        for n in range(1, 10)
    )
    draft = adopted(text + pool("all", *(f"v-{n}" for n in range(1, 10)))).fleet
    for line in (
        "first: 192.0.2.1",
        "count: 9",
        'vmta: "v-{n}"',
        'domain: "n{n}.example.com"',
        'key_path: "/k/{domain}.pem"',
    ):
        assert line in draft
    assert 'active: "1-9"' in draft


CASES = [
    ("several IPs", vmta("a", 1, "smtp-source-host 192.0.2.2 m2.example.com"), "<virtual-mta a>", "sends from 2 IPs"),
    ("the same IP", vmta("a", 1) + vmta("b", 1), "b: 192.0.2.1", "the same IP as in a"),
    ("no IP", "<virtual-mta a>\n</virtual-mta>\n", "<virtual-mta a>", "no smtp-source-host"),
    ("a network", "<virtual-mta a>\nsmtp-source-host 192.0.2.0/28 m.example.com\n</virtual-mta>", "a: 192.0.2.0/28", "one IP"),
    ("loopback", "<virtual-mta a>\nsmtp-source-host 127.0.0.2 m.example.com\n</virtual-mta>", "a: 127.0.0.2", "a loopback address"),
    ("reversed", "<virtual-mta a>\nsmtp-source-host m.example.com 192.0.2.1\n</virtual-mta>", "smtp-source-host m.example", "IP"),
    ("upper case", vmta("VMTA1", 1), "<virtual-mta VMTA1>", "the engine takes no such name"),
    ("reserved", vmta("{mine}", 1), "<virtual-mta {mine}>", "the engine takes no such name"),
    ("case alone", vmta("vmta", 1) + vmta("VMTA", 2), "<virtual-mta vmta>", "upper and lower case"),
    ("name of a pool", vmta("a", 1) + pool("a", "a"), "<virtual-mta a>", "name of a pool too"),
    ("one label", "<virtual-mta a>\nsmtp-source-host 192.0.2.1 mail\n</virtual-mta>", "a: mail", "no name for PTR"),
    ("host-name", vmta("a", 1, "host-name other.example.com"), "a: host-name other", "differs from mail1"),
    ("vault key", vmta("a", 1, "domain-key s1,e.example,{vault}:/p:k"), "a: {vault}:/p:k", "path of the private DKIM key"),
    ("upper selector", vmta("a", 1, "domain-key S1,e.example,/k"), "a: S1", "no such DKIM selector"),
    ("two keys", vmta("a", 1, "domain-key s1,e.example,/k", "domain-key s2,f.example,/l"), "domain-key s2,f.example", "one"),
    ("four arguments", vmta("a", 1, "domain-key s1,e.example,*,/k"), "domain-key s1,e.example,*,/k", "3 values"),
    ("pool key", vmta("a", 1) + "<virtual-mta-pool p>\nvirtual-mta a\ndomain-key s1,*,/k\n</virtual-mta-pool>", "domain-key s1,*,/k", "pools|virtual MTAs"),
    ("global key", "domain-key s1,*,/k\n" + vmta("a", 1), "domain-key s1,*,/k", "into virtual MTAs"),
    ("key list", "<domain-key-list l>\ndomain-key s1,e.example,/k\n</domain-key-list>\n" + vmta("a", 1), "domain-key s1,e.example", "the list l"),
    ("two pools", vmta("a", 1) + vmta("b", 2) + pool("small", "a") + pool("large", "a", "b"), "<virtual-mta-pool large>", "a also stand in small"),
    ("swallowed pool", vmta("a", 1) + pool("p", "a") + pool("q", "a"), "<virtual-mta-pool q>", "not in the draft"),
    ("empty pool", vmta("a", 1) + pool("p"), "<virtual-mta-pool p>", "no virtual MTA"),
    ("unknown member", vmta("a", 1) + pool("p", "a", "b"), "<virtual-mta-pool p>", "names b"),
    ("member in another case", vmta("a", 1) + pool("p", "A"), "<virtual-mta-pool p> virtual-mta A", "a in another case, and taken for it"),
    ("member in no certain case", vmta("a", 1) + vmta("A", 2) + pool("p", "a") + pool("q", "b"), "<virtual-mta-pool q>", "names b"),
    ("pool name", vmta("a", 1) + pool("Pool_A", "a"), "<virtual-mta-pool Pool_A>", "the engine takes no such name"),
    ("weight", vmta("a", 1) + pool("p", "a weight 100"), "virtual-mta a weight 100", "a name without blanks"),
    ("domain in a pool", vmta("a", 1) + "<virtual-mta-pool p>\nvirtual-mta a\n<domain x.example>\nmax-msg-rate 1/h\n</domain>\n</virtual-mta-pool>", "<virtual-mta-pool p> <domain x.example>", "max-msg-rate"),
    ("cap of a pool", vmta("a", 1) + "<virtual-mta-pool p>\nvirtual-mta a\nmax-smtp-msg-rate 9/d\n</virtual-mta-pool>", "<virtual-mta-pool p> max-smtp-msg-rate 9/d", "no max-smtp-msg-rate into a pool"),
    ("cold pair", vmta("w", 1, "cold-virtual-mta c", "<domain *>", "max-cold-virtual-mta-msg 9/d", "</domain>") + vmta("c", 2), "w: cold-virtual-mta c", "own warm-up"),
    ("lone cold cap", vmta("a", 1, "<domain *>", "max-cold-virtual-mta-msg 50/day", "</domain>"), "a: max-cold-virtual-mta-msg", "is no cap"),
    ("leads elsewhere", vmta("a", 1, "<domain x.example>", "smtp-hosts relay.example", "</domain>"), "a: smtp-hosts in <domain x.example>", "elsewhere"),
    ("proxy", vmta("a", 1, "use-proxy p"), "<virtual-mta a> use-proxy", "leaves from the proxy's address"),
    ("proxy's source", "<virtual-mta a>\nsmtp-proxy-source-host 10.0.0.5 192.0.2.3:8080 192.0.2.5 m.example.com\n</virtual-mta>", "<virtual-mta a> smtp-proxy-source-host", "leaves from the proxy's address"),
    ("proxy for all", "use-proxy p\n" + vmta("a", 1), "use-proxy ...", "of every virtual MTA mail leaves from the proxy's"),
    ("a private network", "<virtual-mta a>\nsmtp-source-host 10.0.0.0/28 m.example.com\n</virtual-mta>", "a: 10.0.0.0/28", "16 addresses take turns"),
    ("rate in a virtual MTA", vmta("a", 1, "max-msg-rate 9/h"), "max-msg-rate", "must not stand in <virtual-mta>"),
    ("unit", vmta("a", 1, "<domain *>", "max-msg-rate 1000/hour", "</domain>"), "max-msg-rate", "a unit of"),
    ("several domains", vmta("a", 1, "<domain a b c>", "max-msg-rate 1/h", "</domain>"), "<domain a>", "takes"),
    ("network that relays", vmta("a", 1) + "<source 10.0.0.0/8>\nalways-allow-relaying yes\nprocess-x-virtual-mta yes\n</source>", "<source 10.0.0.0/8>", "more than one address"),
    ("unknown default", vmta("a", 1) + "<source 10.0.0.1>\ndefault-virtual-mta gone\n</source>", "<source 10.0.0.1>", "names gone"),
    ("unknown target", vmta("a", 1) + "<pattern-list l>\nmail-from /x/ virtual-mta=gone\n</pattern-list>", "<pattern-list l>", "names gone"),
    ("unknown pattern list", vmta("a", 1) + "<source 10.0.0.1>\npattern-list gone\n</source>", "<source 10.0.0.1>", "gone does not exist"),
    ("unknown source", vmta("a", 1) + "<smtp-user u>\nsource gone\n</smtp-user>", "<smtp-user u>", "gone does not exist"),
    ("unknown directive", vmta("a", 1, "bind-to-source-ip 192.0.2.1"), "bind-to-source-ip ...", "no directive"),
    ("unknown tag", vmta("a", 1) + "<vmta b>\n</vmta>", "<vmta b>", "no tag"),
    ("twice", vmta("a", 1) + "<virtual-mta a>\nmax-smtp-out 3\n</virtual-mta>", "<virtual-mta a>", "a second time, first in config:1"),
    ("never closed", "<virtual-mta a>\nsmtp-source-host 192.0.2.1 m.example.com\n", "<virtual-mta a>", "never closed"),
    ("nested", "<domain *>\n" + vmta("a", 1, "domain-key s1,e.example,/k") + "</domain>", "<virtual-mta a>", "must not stand in <domain>"),
    ("key of the nested", "<domain *>\n" + vmta("a", 1, "domain-key s1,e.example,/k") + "</domain>", "domain-key s1,e.example,/k", "not read"),
    ("missing include", vmta("a", 1) + "include /etc/pmta/more.conf", "include /etc/pmta/more.conf", "not there"),
    ("fetched include", vmta("a", 1) + "include https://u:p@h.example/c?token=t", "include https://...@h.example/c?...", "network"),
    ("shared domain", vmta("a", 1, "domain-key s,e.example,/k") + vmta("b", 2, "domain-key s,e.example,/k"), "e.example", "sending domain of a, b"),
    ("shared host name", vmta("a", 1) + vmta("b", 2).replace("mail2", "mail1"), "mail1.example.com", "host name of a, b"),
    ("nothing at all", "", "the configuration", "nothing to take over"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "named", "why"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_has_no_place_in_the_fleet_is_told_with_its_line(text: str, named: str, why: str) -> None:
    gaps = adopted(text).gaps
    found = [gap for gap in gaps if named in gap.text and re.search(why, gap.why)]
    assert found, "\n".join(map(str, gaps))
    assert all(gap.line >= 1 and gap.file == "config" and gap.what_to_do for gap in found)


def test_shared_domains_and_hosts_are_blanks_and_not_dealt_out() -> None:
    key = "domain-key s,e.example,/k"
    draft = adopted(vmta("a", 1, key) + vmta("b", 2, key) + vmta("c", 3, key)).fleet
    assert (
        draft.count("domain: <...> # FILL IN: a sending domain of its own; e.example is shared by 3 IPs") == 3
    )


def test_members_of_two_pools_go_to_the_smaller_one() -> None:
    text = "".join(vmta(f"v-{n}", n) for n in range(1, 7)) + pool("all", *(f"v-{n}" for n in range(1, 7)))
    fleet = fleet_of(adopted(text + pool("sos", "v-5", "v-6")).fleet)
    assert {ip.vmta: ip.pool for ip in fleet.ips} == {
        f"v-{n}": "all" if n < 5 else "sos" for n in range(1, 7)
    }


def test_who_is_in_no_pool_is_put_beside_its_kin_without_a_state() -> None:
    text = (
        "".join(vmta(f"v-{n}", n) for n in range(1, 6))
        + vmta("w-1", 9)
        + pool("v", "v-1", "v-2")
        + pool("w", "w-1")
    )
    result = adopted(text, ranges=False)
    assert result.fleet.count("state: <...> # FILL IN: in no pool today") == 3
    assert {ip.vmta: ip.pool for ip in fleet_of(result.fleet).ips}["v-5"] == "v"


def test_without_any_pool_all_are_active_in_a_pool_to_be_named() -> None:
    result = adopted(vmta("a", 1) + vmta("b", 2))
    assert "pool: <...> # FILL IN: a name for its pool" in result.fleet
    assert {ip.initial_state for ip in fleet_of(result.fleet).ips} == {IpState.ACTIVE}


def test_the_cold_one_of_a_pair_is_asked_to_be_warming_in_the_stream_of_the_warm_one() -> None:
    text = vmta("w", 1, "cold-virtual-mta c") + vmta("c", 2) + pool("p", "w") + vmta("x", 3) + pool("q", "x")
    result = adopted(text)
    assert "state: <...> # FILL IN: warming? It is the cold one of w" in result.fleet
    assert {ip.vmta: ip.pool for ip in fleet_of(result.fleet).ips}["c"] == "p"


@pytest.mark.parametrize(
    ("address", "outer", "taken"),
    [
        ("10.0.0.9", "process-x-virtual-mta yes", True),
        ("10.0.0.9/32", "process-x-virtual-mta yes", True),
        ("::1", "", False),
        ("10.0.0.9", "", False),
        ("10.0.0.0/30", "process-x-virtual-mta yes", False),
        ("app", "process-x-virtual-mta yes", False),
    ],
)
def test_single_addresses_that_relay_and_name_virtual_mtas_are_mailwizz(
    address: str, outer: str, taken: bool
) -> None:
    text = f"{vmta('a', 1)}<source 0/0>\n{outer}\n</source>\n<source {address}>\nalways-allow-relaying yes\n</source>\n"
    found = fleet_of(adopted(text).fleet).mailwizz_instances[0].addresses
    assert [str(a) for a in found] == (["10.0.0.9"] if taken else [])


def test_sections_of_the_engines_own_file_keep_their_tenants() -> None:
    def section(tenant: str, body: str) -> str:
        return f"# email-engine begin tenant {tenant}\n{body}# email-engine end tenant {tenant}\n"

    text = section("one", vmta("a", 1) + pool("one-news", "a")) + section(
        "two", vmta("b", 2) + pool("two-news", "b")
    )
    fleet = fleet_of(adopted(text + vmta("c", 3) + pool("p", "c")).fleet)
    assert {ip.vmta: (ip.tenant, ip.stream) for ip in fleet.ips} == {
        "a": ("one", "news"),
        "b": ("two", "news"),
        "c": ("big", "p"),
    }


def test_no_secret_gets_out() -> None:
    secret = "hunter2"
    text = f"""
http-api-key {secret}{"0" * 40}
<smtp-user u>
  password {secret}
  pasword {secret}
  authentication-method {secret}
  <source {secret}
</smtp-user>
include https://user:{secret}@h.example/x?{secret}
<smtp-user x password={secret}>
</smtp-user>
password {secret}
api-key {secret}
<domain *>
  auth-password {secret}
  use-starttls {secret}
</domain>
{vmta("a", 1, f"<domain relay.example> # {secret}", f"auth-password {secret}", "</domain>", f"volume-audit-api-key {secret}")}
"""
    result = adopted(text)
    assert secret not in repr(result)
    assert len(result.gaps) >= 8


@pytest.mark.parametrize(
    "name", ["null", "on", "yes", "no", "12345", "1e5", "0x1f", "1_000", "a.b", "2026-01-01"]
)
def test_names_that_yaml_would_read_otherwise_stay_names(name: str) -> None:
    fleet = fleet_of(adopted(vmta(name, 1) + pool(f"{name}-p", name)).fleet)
    assert (fleet.ips[0].vmta, fleet.ips[0].pool) == (name, f"{name}-p")


def test_hundreds_of_wrong_lines_are_told_once_with_their_number() -> None:
    text = "".join(vmta(f"a-{n}", n, "bind-to-source-ip x") for n in range(1, 200))
    told = [gap for gap in adopted(text).gaps if "bind-to-source-ip" in gap.text]
    assert [(gap.line, gap.more) for gap in told] == [(3, 198)]


def test_garbage_is_told_in_a_bounded_way() -> None:
    gaps = adopted("".join(f"word{n} something\n" for n in range(5000))).gaps
    assert len(gaps) < 600
    assert sum(1 + gap.more for gap in gaps) == 5001


def test_a_pool_none_of_whose_members_could_be_taken_over_is_named() -> None:
    text = "<virtual-mta a>\n</virtual-mta>\n<virtual-mta-pool b>\nvirtual-mta a\n</virtual-mta-pool>"
    told = [str(gap) for gap in adopted(text).gaps]
    assert told[1] == (
        "config:3: <virtual-mta-pool b>: none of its members could be taken over: it is not in the draft. "
        "To do: mend its members and import again"
    )
