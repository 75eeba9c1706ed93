"""`parse_fleet`: what a fleet file may say, and every mistake with its place."""

from ipaddress import ip_address
from pathlib import Path

import pytest
import yaml

from email_engine.errors import InputError
from email_engine.fleet.mistakes import FleetInvalid
from email_engine.fleet.model import Fleet, IpState
from email_engine.fleet.parse import SCHEDULES, parse_fleet
from email_engine.paths import CONFIG

EXAMPLE = (Path(__file__).resolve().parents[3] / "include/config/fleet.yaml").read_text()
SINGLE = """
          - address: 198.51.100.200
            hostname: mail200.aurora-mail.example
            domain: tx200.aurora-mail.example
            vmta: aurora-200
            host: mta-1
            mailwizz_server_id: 900
            dkim: { selector: s1, key_path: "/etc/pmta/dkim/{domain}.pem" }
"""
BOREALIS = "\n  - name: borealis\n"
SECOND_STREAM = """
      - name: receipts
        purpose: receipts
        consent: contract
        risk_class: standard
        pool: aurora-receipts
        mailwizz: mw-aurora
        schedule: six_week
        daily_target: 1000
        ips:
          - address: 198.51.100.201
            hostname: mail201.aurora-mail.example
            domain: tx201.aurora-mail.example
            vmta: aurora-201
            host: mta-1
            mailwizz_server_id: 901
            dkim: { selector: s1, key_path: "/etc/pmta/dkim/{domain}.pem" }
"""


def read(text: str) -> Fleet:
    return parse_fleet(text, "fleet.yaml")


def mistakes(text: str) -> list[str]:
    with pytest.raises(FleetInvalid) as caught:
        read(text)
    return [str(mistake) for mistake in caught.value.mistakes]


def line_of(text: str, words: str, nth: int = 1) -> int:
    found = [number for number, line in enumerate(text.splitlines(), 1) if words in line]
    return found[nth - 1]


def changed(old: str, new: str, count: int = 1, text: str = EXAMPLE) -> str:
    assert old in text, f"{old!r} is not in the example"
    return text.replace(old, new, count)


def with_single(extra: str = "", **keys: str) -> str:
    entry = SINGLE
    for key, value in keys.items():
        line = next(line for line in entry.splitlines() if line.strip(" -").startswith(f"{key}:"))
        entry = entry.replace(line, f"{line.partition(':')[0]}: {value}")
    return EXAMPLE.replace(BOREALIS, entry + extra + BOREALIS)


def test_the_example_has_two_tenants_of_fifty_ips() -> None:
    fleet = read(EXAMPLE)
    assert [t.name for t in fleet.tenants] == ["aurora", "borealis"]
    aurora = [ip for ip in fleet.ips if ip.tenant == "aurora"]
    assert [ip.mta_host for ip in aurora] == ["mta-1"] * 25 + ["mta-2"] * 25
    assert [sum(ip.initial_state is state for ip in aurora) for state in (IpState.ACTIVE, IpState.WARMING, IpState.STANDBY)] == [40, 7, 3]  # fmt: skip
    last = fleet.ips[-1]
    assert last.address == ip_address("203.0.113.50")
    assert (last.hostname, last.domain) == ("mail50.borealis-mail.example", "update50.borealis-mail.example")
    assert (last.vmta, last.pool, last.mailwizz_server_id) == ("borealis-50", "borealis-newsletter", 250)
    assert last.dkim_key_path == "/etc/pmta/dkim/update50.borealis-mail.example.pem"


@pytest.mark.parametrize("count", [5, 254, 1000])
def test_one_number_makes_five_or_a_thousand_ips(count: int) -> None:
    text = changed(
        "first: 198.51.100.1\n            count: 50", f"first: 45.123.10.1\n            count: {count}"
    )
    text = changed(
        "states: { active: 1-40, warming: 41-47, standby: 48-50 }", "states: { active: 1-4 }", text=text
    )
    fleet = read(changed("mailwizz_first_server_id: 201", "mailwizz_first_server_id: 5001", text=text))
    ips = [ip for ip in fleet.ips if ip.tenant == "aurora"]
    assert len({ip.address for ip in ips}) == len({ip.domain for ip in ips}) == count
    assert not [ip for ip in ips if ip.address.packed[3] in (0, 255)]
    assert [ip.initial_state for ip in ips[:5]] == ["active"] * 4 + ["standby"]


def test_a_single_ip_stands_beside_a_range() -> None:
    (ip,) = [ip for ip in read(with_single()).ips if str(ip.address) == "198.51.100.200"]
    assert (ip.initial_state, ip.schedule, ip.daily_target) == ("standby", "six_week", 10_000)
    assert ip.dkim_key_path == "/etc/pmta/dkim/tx200.aurora-mail.example.pem"


def test_an_entry_may_have_its_own_schedule_target_and_phase() -> None:
    text = with_single(
        "            schedule: classic\n            daily_target: 500\n            state: warming\n            phase: 3\n"
    )
    (ip,) = [ip for ip in read(text).ips if str(ip.address) == "198.51.100.200"]
    assert (ip.schedule, ip.daily_target, ip.initial_state, ip.initial_phase) == (
        "classic",
        500,
        "warming",
        3,
    )


def test_two_streams_of_one_class_share_host_instance_and_registered_domain() -> None:
    assert len(read(EXAMPLE.replace(BOREALIS, SECOND_STREAM + BOREALIS)).streams) == 3


def test_every_mistake_is_reported_at_once_in_the_order_of_the_file() -> None:
    text = changed("mode: act", "mode: on")
    text = changed("hosts: [mta-1, mta-2] # dealt", "hosts: [mta-1, mta-9] # dealt", text=text)
    text = changed("consent: double opt-in", "consnet: double opt-in", 2, text)
    text = changed("daily_quota: 600000\n", "daily_quota: many\n", text=text)
    found = mistakes(text)
    assert len(found) == 5
    lines = [int(m.split(":")[1]) for m in found]
    assert lines == sorted(lines)
    whole = "\n".join(found)
    for part in ("mode: found 'on', which YAML reads as a truth value", "unknown MTA host 'mta-9'", "'mta-2'? One of",
                 "did you mean 'consent'?", "daily_quota: 'many'; allowed: a whole number"):  # fmt: skip
        assert part in whole


def test_the_error_is_an_input_error_that_shows_file_line_path_and_next_step() -> None:
    text = changed("schedule: six_week", "schedule: six_weeks")
    with pytest.raises(InputError) as caught:
        read(text)
    assert str(caught.value) == (
        "fleet.yaml has 1 mistake:\n"
        f"  fleet.yaml:{line_of(text, 'six_weeks')}: tenants[0].streams[0].schedule: 'six_weeks'; "
        "allowed: did you mean 'six_week'? One of classic, double, six_week\n"
        "Next: correct every line above and check the file again"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "the file is empty", id="empty"),
        pytest.param("- a\n- b\n", "found a list; allowed: a mapping", id="a list"),
        pytest.param(
            "a: [1\nb: 2",
            "fleet.yaml:1: the [ that opens here never closes",
            id="a bracket that never closes",
        ),
        pytest.param("a: \x00", "not YAML", id="a control character"),
        pytest.param("a: &x 1\nb: *y", "not YAML: found undefined alias: '*y'", id="an alias of nothing"),
        pytest.param(
            "version: 1\nversion: 1\n", "fleet.yaml:2: version: the key stands twice", id="a key twice"
        ),
        pytest.param("version: 2\n", "version: 2; allowed: a whole number from 1 to 1", id="another version"),
        pytest.param(
            "version: 1\n", "tenants: missing; allowed: a list of one or more mappings", id="no tenants"
        ),
        pytest.param(
            "tenants: []\n", "tenants: found a list; allowed: a list of one or more", id="an empty list"
        ),
        pytest.param(
            "tenants: [1]\n", "tenants[0]: found a number; allowed: a mapping", id="a list of numbers"
        ),
        pytest.param("? [a]\n: 1\n", "a key that is no word", id="a list as key"),
    ],
)
def test_what_is_no_fleet_at_all_is_said_with_its_line(text: str, said: str) -> None:
    assert said in "\n".join(mistakes(text))


def test_a_deeply_nested_file_is_refused_and_no_crash() -> None:
    assert mistakes("[" * 20_000)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title: Aurora Travel", "title: 'Aurora ''Best'' Travel'", "without"),
        ("title: Aurora Travel", 'title: "Aurora\\nTravel"', "on one line"),
        ("title: Aurora Travel", "title: 'Aurora #1'", "without"),
        ("consent: double opt-in", "consent: 'yes `date`'", "without"),
        ("consent: double opt-in", "consent: yes", "truth value"),
        ("consent: double opt-in", "consent:", "found nothing"),
        ("consent: double opt-in", "consent: [a]", "found a list"),
        ("name: mta-1", "name: MTA-1", "a-z 0-9"),
        ("name: mta-1", "name: 'mta 1'", "a-z 0-9"),
        ("name: mta-1", "name: '*'", "a-z 0-9"),
        ("name: mta-1", "name: 'mta/1'", "a-z 0-9"),
        ("pool: aurora-newsletter", "pool: '{aurora}'", "a-z 0-9"),
        ("pool: aurora-newsletter", "pool: a;reboot", "a-z 0-9"),
        ("vmta: aurora-{n}", "vmta: aurora {n}", "a-z 0-9"),
        ("vmta: aurora-{n}", "vmta: aurora-{m}", "the placeholders {n}"),
        ("vmta: aurora-{n}", f"vmta: {'a' * 62}{{n}}", "gives"),
        ("hostname: mail{n}.aurora-mail.example", "hostname: Mail{n}.aurora-mail.example", "lower case"),
        ("hostname: mail{n}.aurora-mail.example", "hostname: mail_{n}.aurora-mail.example", "lower case"),
        ("hostname: mail{n}.aurora-mail.example", "hostname: -mail{n}.aurora-mail.example", "lower case"),
        ("hostname: mail{n}.aurora-mail.example", "hostname: mail{n}", "a full host name"),
        ("hostname: mail{n}.aurora-mail.example", "hostname: mäil{n}.aurora-mail.example", "xn--"),
        ("hostname: mail{n}.aurora-mail.example", "hostname: mail{n}.aurora-mail.example.", "lower case"),
        ('domain: "{prefix}{n}.aurora-mail.example"', "domain: '{n}.45'", "a full host name"),
        ("prefixes: [news, info, letter, post, update]", "prefixes: [news, in_fo]", "prefixes[1]"),
        ("key_path: /etc/pmta/dkim/{domain}.pem", "key_path: dkim/{domain}.pem", "an absolute path"),
        ("key_path: /etc/pmta/dkim/{domain}.pem", "key_path: /etc/pmta/../{domain}.pem", "without '..'"),
        ("key_path: /etc/pmta/dkim/{domain}.pem", "key_path: '/etc/pmta/dkim/a, {domain}.pem'", "an absolute path"),
        ("selector: s1", "selector: S1", "a DNS label"),
        ("connection: powermta_mta-1", "connection: 'a b'", "connection id"),
        ("version: 5.0r5", "version: newest", "a PowerMTA version"),
        ("version: 5.0r5", "version: 5", "a PowerMTA version such as 5.0 or 5.0r5"),
        ("brand_domains: [aurora.example]", "brand_domains: aurora", "a full host name"),
        ("risk_class: standard", "risk_class: standart", "did you mean 'standard'"),
        ("daily_quota: 600000", "daily_quota: -1", "from 1 to"),
        ("daily_target: 10000", "daily_target: 1e4", "a whole number"),
        ("count: 50", "count: 0", "from 1 to"),
        ("count: 50", "count: 5000", "from 1 to 4096"),
        ("mailwizz_first_server_id: 101", "mailwizz_first_server_id: '101'", "found text"),
        ("hosts: [mta-1, mta-2]", "hosts: {a: b}", "a list of texts"),
        ("dkim:\n", "dkin:\n", "did you mean 'dkim'"),
    ],
)  # fmt: skip
def test_a_value_that_somebody_could_misread_is_refused(old: str, new: str, said: str) -> None:
    found = "\n".join(mistakes(changed(old, new)))
    assert said in found
    assert f"fleet.yaml:{line_of(EXAMPLE, old.splitlines()[0])}" in found


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ("{ active: 1-40, warming: 40-47 }", "number 40 is active already"),
        ("{ active: 1-60 }", "number 51 is outside; allowed: 1-50"),
        ("{ active: 5-1 }", "runs backwards"),
        ("{ active: one }", "is no number or range"),
        ("{ actve: 1-5 }", "did you mean 'active'"),
        ("{ quarantine: 1-5 }", "unknown key"),
        ("[1]", "found a list; allowed: a mapping"),
    ],
)
def test_initial_states_are_number_ranges_inside_the_range(states: str, said: str) -> None:
    text = changed("{ active: 1-40, warming: 41-47, standby: 48-50 }", states)
    assert said in "\n".join(mistakes(text))


def test_the_known_schedules_are_those_of_the_policy() -> None:
    policy = yaml.safe_load((CONFIG / "policy.yaml").read_text())
    assert set(policy["schedules"]) == SCHEDULES
