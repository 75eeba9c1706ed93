"""A request against the fleet file: what it adds, where it puts it, and what it refuses."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from email_engine import paths
from email_engine.errors import InputError
from email_engine.fleet.inventory import plan_inventory
from email_engine.fleet.mistakes import FleetInvalid
from email_engine.fleet.model import IpState, Mode
from email_engine.fleet.parse import parse_fleet
from email_engine.onboarding.plan import OnboardPlan, host_counts, plan_onboarding
from email_engine.onboarding.request import read_request

TODAY = date(2026, 11, 29)
EXAMPLE = "".join(
    line
    for line in (paths.CONFIG / "fleet.yaml").read_text().splitlines(keepends=True)
    if "room_for" not in line
)
FORM = {
    "tenant": "aurora", "stream": "newsletter", "range": "45.10.0.1-20", "hostname": "mail{n}.aurora-mail.example",
    "domain": "{prefix}{n}.aurora-mail.example", "prefixes": "news, info", "vmta": "aurora-{n}", "mx": "bounces.aurora-mail.example",
}  # fmt: skip
NEW_STREAM = {
    "consent": "double opt-in", "risk_class": "standard", "mailwizz": "mw-aurora", "daily_target": 5000,
}  # fmt: skip
NEW_TENANT = NEW_STREAM | {
    "title": "Corvus Cars",
    "daily_quota": "100000",
    "brand_domains": "corvus.example",
    "mailwizz": "mw-corvus",
}
WITH_ROOM = EXAMPLE.replace(
    "  - name: mta-2\n", "  - name: mta-3\n    connection: powermta_mta-3\n  - name: mta-2\n"
)


def plan(text: str = WITH_ROOM, per_host: int = 50, **form: Any) -> OnboardPlan:
    given = {key: value for key, value in (FORM | form).items() if value is not None}
    return plan_onboarding(text, "fleet.yaml", read_request(given), TODAY, per_host)


def refused(text: str = WITH_ROOM, per_host: int = 50, **form: Any) -> str:
    with pytest.raises(InputError) as caught:
        plan(text, per_host, **form)
    return str(caught.value)


def test_a_range_becomes_lines_and_everything_else_stays_to_the_letter() -> None:
    made = plan()
    assert made.added == (
        "- first: 45.10.0.1", "  count: 20", "  number_from: 51", '  hostname: "mail{n}.aurora-mail.example"',
        '  domain: "{prefix}{n}.aurora-mail.example"', "  prefixes: [news, info]", '  vmta: "aurora-{n}"', "  hosts: [mta-3]",
        "  dkim:", "    selector: s1", '    key_path: "/etc/pmta/dkim/{domain}.pem"',
    )  # fmt: skip
    lines = [f"          {line}\n" for line in made.added]
    assert made.text.replace("".join(lines), "", 1) == WITH_ROOM
    assert [(ip.vmta, ip.hostname, ip.domain) for ip in made.ips[:2]] == [
        ("aurora-51", "mail51.aurora-mail.example", "news51.aurora-mail.example"),
        ("aurora-52", "mail52.aurora-mail.example", "info52.aurora-mail.example"),
    ]
    assert {ip.initial_state for ip in made.ips} == {IpState.STANDBY}
    assert {ip.mailwizz_server_id for ip in made.ips} == {None}


def test_the_same_request_again_finds_what_it_made() -> None:
    first = plan()
    again = plan(first.text)
    assert (again.done_before, again.text, again.ips) == (True, first.text, first.ips)
    other = refused(first.text, range="45.10.0.15-30")
    assert "6 of its addresses are in the fleet already: 45.10.0.15 (aurora/newsletter)" in other


def test_what_a_range_steps_over_is_said() -> None:
    (note,) = plan(range="45.10.0.250-45.10.1.5").notes
    assert note.startswith("2 addresses of the range left out, .0 and .255")
    assert plan(range="45.10.0.1-20").notes == ()


def test_where_there_is_room_and_what_is_missing() -> None:
    assert host_counts(plan(per_host=60).ips) == [("mta-3", 20)]
    assert host_counts(plan(per_host=60, range="45.10.0.1-80").ips) == [
        ("mta-3", 60),
        ("mta-1", 10),
        ("mta-2", 10),
    ]
    assert host_counts(plan(per_host=60, range="45.10.0.1-15", host="mta-2, mta-1").ips) == [
        ("mta-2", 10),
        ("mta-1", 5),
    ]
    told = refused(range="45.10.0.1-200")
    assert "200 IPs and room for 50 on the fleet (free: mta-3 50, mta-1 0, mta-2 0)" in told
    assert "add 3 MTA hosts to mta_hosts" in told
    assert "leave `host` out" in refused(host="mta-1")
    assert "'mta-9' is not in the fleet" in refused(host="mta-9")


def test_a_host_may_say_itself_for_how_many_it_has_room() -> None:
    roomy = WITH_ROOM.replace(
        "    connection: powermta_mta-3\n", "    connection: powermta_mta-3\n    room_for: 70\n"
    )
    assert host_counts(plan(roomy, range="45.10.0.1-70").ips) == [("mta-3", 70)]
    assert "room for 70 on the fleet" in refused(roomy, range="45.10.0.1-71")
    first = parse_fleet(roomy, "fleet.yaml")
    assert plan_inventory(first, parse_fleet(WITH_ROOM, "fleet.yaml")).empty, (
        "the database knows nothing of it"
    )


def test_numbers_go_on_over_the_parts() -> None:
    made = plan(per_host=60, range="45.10.0.250-45.10.1.60")
    numbers = [int(ip.vmta.removeprefix("aurora-")) for ip in made.ips]
    assert numbers == list(range(51, 51 + len(made.ips)))
    assert not [ip for ip in made.ips if str(ip.address).endswith((".0", ".255"))]


def test_bound_addresses_go_on_over_hosts_and_borders() -> None:
    made = plan(per_host=60, range="45.10.0.1-70", bind_first="10.0.0.200")
    bound = [str(ip.bind_address) for ip in made.ips]
    assert (len(set(bound)), bound[0], bound[54], bound[55]) == (70, "10.0.0.200", "10.0.0.254", "10.0.1.1")
    assert "leave its private network" in refused(
        per_host=60, range="45.10.0.1-5", bind_first="10.255.255.252"
    )


def test_risk_classes_never_share_a_host() -> None:
    form = NEW_STREAM | {
        "stream": "receipts",
        "risk_class": "protected",
        "mailwizz": "mw-safe",
        "range": "45.10.0.1-5",
    }
    form |= {
        "hostname": "tx{n}.aurora-tx.example",
        "domain": "r{n}.aurora-tx.example",
        "vmta": "aurora-tx-{n}",
    }
    made = plan(per_host=60, **form)
    assert host_counts(made.ips) == [("mta-3", 5)]
    assert any("mailwizz_api_mw-safe" in note for note in made.notes)
    told = refused(per_host=60, **form, host="mta-1")
    assert "it carries standard streams, and protected ones never share a host with them" in told
    assert "one of mta-3 (60 free)" in told
    shared = refused(per_host=60, **(form | {"mailwizz": "mw-aurora"}))
    assert "MailWizz instance mw-aurora shared between risk classes" in shared


def test_a_new_tenant_begins_in_observe() -> None:
    form = NEW_TENANT | {
        "tenant": "corvus",
        "hostname": "mail{n}.corvus-mail.example",
        "domain": "n{n}.corvus-mail.example",
        "vmta": None,
        "range": "45.10.0.7",
        "prefixes": None,
    }
    made = plan(**form)
    (tenant,) = [one for one in made.fleet.tenants if one.name == "corvus"]
    assert (tenant.mode, tenant.daily_quota, tenant.title, tenant.brand_domains) == (
        Mode.OBSERVE,
        100000,
        "Corvus Cars",
        ("corvus.example",),
    )
    (ip,) = made.ips
    assert (str(ip.address), ip.vmta, ip.hostname) == (
        "45.10.0.7",
        "corvus-newsletter-1",
        "mail1.corvus-mail.example",
    )
    assert plan(made.text, **form).done_before
    assert "- name: mw-corvus" in made.added


CIRRUS = {
    "tenant": "cirrus", "stream": "news", "consent": "double opt-in", "mailwizz": "mw-cirrus", "daily_target": 100, "daily_quota": 1000,
    "domain": "m{n}.cirrus.example", "hostname": "h{n}.cirrus.example", "vmta": "c-{n}",
}  # fmt: skip


@pytest.mark.parametrize(
    ("form", "seen"),
    [
        ({"tenant": "aurorra"}, "did you mean 'aurora'"),
        ({"stream": "newsleter"}, "did you mean 'newsletter'"),
        ({"range": "198.51.100.40-60"}, "11 of its addresses are in the fleet already"),
        ({"range": "10.0.0.1-5"}, "10.0.0.1 is a private or reserved address"),
        ({"range": "45.10.0.9-3"}, "does not follow"),
        ({"range": "45.0.0.0/8"}, "is no range but a network"),
        ({"range": "45.10.0.1-45.10.200.1"}, "more than 4096"),
        ({"hostname": "mail.aurora-mail.example"}, "is one name for 20 IPs"),
        ({"hostname": "mail{n}.aurora.example"}, "lies under aurora.example"),
        ({"domain": "n{n}.borealis-mail.example"}, "domain (Sending domains of the form): n{n}.borealis-mail.example: borealis-mail.example belongs to tenant borealis, which sends"),
        ({"tenant": "borealis", "hostname": "x{n}.aurora-mail.example", "domain": "y{n}.b-mail.example", "vmta": "b-{n}"}, "hostname (Host names of the form): x{n}.aurora-mail.example: aurora-mail.example belongs to tenant aurora, which sends"),
        ({"tenant": "borealis", "hostname": "x{n}.b-mail.example", "domain": "y{n}.b-mail.example", "vmta": "b-{n}", "range": "45.10.0.1", "key_path": "/etc/pmta/dkim/news26.aurora-mail.example.pem"}, "key file /etc/pmta/dkim/news26.aurora-mail.example.pem shared between tenants"),
        ({"vmta": "a{n};reload"}, "vmta: 'a{n};reload'; allowed: 1-63 of a-z"),
        ({"hostname": "mail{n}.$(id).example"}, "allowed: a full host name"),
        ({"domain": "{prefix}{n}.aurora-mail.example\n- x"}, "allowed: a full host name"),
        ({"key_path": "/etc/../root/{domain}.pem"}, "without '..'"),
        ({"bind_first": "127.0.0.1"}, "a loopback address"),
        ({"mx": None}, "where bounces of the new domains come is not known: mta-3 has no bounce_addresses"),
        ({"mx": "0 ."}, "mx: '0'"),
        ({"rua": "nobody"}, "an address such as"),
        ({"colour": "red"}, "'colour': unknown"),
        ({"selector": "s 1"}, "a DNS label in lower case"),
        ({"key_path": "/etc/pmta/config"}, "key_path: '/etc/pmta/config'; allowed: a path that ends in .pem or .key"),
        ({"mx": "gmail.com"}, "mx (Bounce host of the form): gmail.com belongs to the mailbox provider Gmail"),
        ({"pool": "<virtual-mta"}, "pool: '<virtual-mta'"),
        (CIRRUS | {"brand_domains": "gmail.com"}, "brand_domains (Brand domains of the form): gmail.com belongs to the mailbox provider"),
        (CIRRUS | {"brand_domains": "aurora-mail.example"}, "belongs to tenant aurora, which sends"),
        (CIRRUS | {"brand_domains": "aurora.example"}, "belongs to tenant aurora, which declares it as its brand"),
        ({"range": "x", "vmta": "a b"}, "(in the form range is *Addresses*, vmta is *Virtual MTAs*)"),
    ],
)  # fmt: skip
def test_bad_input_says_what_to_do(form: dict[str, Any], seen: str) -> None:
    told = refused(per_host=100, **form)
    assert seen in told
    assert "Next: " in told


def test_a_stream_may_be_written_with_its_tenant() -> None:
    assert plan(stream="aurora/newsletter", tenant=None).ips == plan().ips
    assert "is none of tenant 'borealis'" in refused(stream="aurora/newsletter", tenant="borealis")


def test_every_mistake_of_a_form_is_told_at_once() -> None:
    told = refused(tenant="A B", range="x", hostname="", selector="-")
    assert all(f"{key}: " in told for key in ("tenant", "range", "hostname", "selector"))


def test_a_file_that_is_wrong_is_told_before_anything_is_added() -> None:
    with pytest.raises(FleetInvalid):
        plan(WITH_ROOM.replace("risk_class: standard", "risk_class: loose"))


SMALL = """version: 1
mta_hosts: [{name: mta-1}]
mailwizz: [{name: mw, tenant: aurora}]
tenants:
- name: aurora
  mode: act
  daily_quota: 900000
  streams:
  - name: newsletter
    consent: double opt-in
    risk_class: standard
    mailwizz: mw
    schedule: six_week
    daily_target: 1000
    ips:
    - {address: 45.9.0.1, hostname: a.x.example, domain: b.x.example, vmta: v1, host: mta-1,
       dkim: {selector: s1, key_path: /etc/k.pem}}
      # why this one is alone
    # the next one follows
"""
FLOW = (
    SMALL[: SMALL.index("    ips:")]
    + "    ips: [{address: 45.9.0.1, hostname: a.x.example, domain: b.x.example, vmta: v1, host: mta-1, dkim: {selector: s1, key_path: /etc/k.pem}}]\n"
)


@pytest.mark.parametrize(
    "text", [SMALL, SMALL.rstrip("\n"), SMALL + "\n\n# the end"], ids=["", "no last line end", "behind it"]
)
def test_items_that_are_not_indented_flow_items_and_comments(text: str) -> None:
    made = plan(text)
    lines = made.text.split("\n")
    at = lines.index("    - first: 45.10.0.1")
    assert lines[at - 1] == "      # why this one is alone"
    assert lines[at + len(made.added)] == "    # the next one follows"
    assert len(parse_fleet(made.text, "fleet.yaml").ips) == 21


def test_a_list_in_one_line_is_left_to_a_person_with_the_lines() -> None:
    told = refused(FLOW)
    assert "no list with one entry a line" in told
    assert "- first: 45.10.0.1\n  count: 20" in told


def test_an_alias_is_not_patched_for_two_streams() -> None:
    alias = (
        SMALL.replace("    ips:\n", "    ips: &its\n")
        + "  - {name: other, consent: c, risk_class: standard, mailwizz: mw, schedule: six_week, daily_target: 10, pool: q, ips: *its}\n"
    )
    with pytest.raises(InputError):
        plan(alias)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 300), per_host=st.integers(1, 200), hosts=st.integers(1, 6), last=st.integers(1, 254),
)  # fmt: skip
def test_what_is_placed_is_all_of_it_and_no_host_is_too_full(
    count: int, per_host: int, hosts: int, last: int
) -> None:
    text = SMALL.replace(
        "mta_hosts: [{name: mta-1}]",
        "mta_hosts: [" + ", ".join(f"{{name: mta-{n}}}" for n in range(1, hosts + 1)) + "]",
    )
    whole = f"45.10.0.{last}-45.10.3.254"
    form = FORM | {"range": whole}
    request = read_request(form)
    wanted = len(request.addresses)
    room = hosts * per_host - 1
    if wanted > room:
        with pytest.raises(InputError, match="at most"):
            plan_onboarding(text, "fleet.yaml", request, TODAY, per_host)
        return
    made = plan_onboarding(text, "fleet.yaml", request, TODAY, per_host)
    assert [ip.address for ip in made.ips] == list(request.addresses)
    loads = [sum(ip.mta_host == host.name for ip in made.fleet.ips) for host in made.fleet.mta_hosts]
    assert max(loads) <= per_host
    assert len({ip.vmta for ip in made.ips}) == wanted
    assert plan_onboarding(made.text, "fleet.yaml", request, TODAY, per_host).done_before


@pytest.mark.parametrize("field", ["domain", "hostname"])
@pytest.mark.parametrize("name", ["{n}.gmail.com", "mail{n}.news.outlook.com"])
def test_nobody_sends_as_a_mailbox_provider(field: str, name: str) -> None:
    assert "belongs to the mailbox provider" in refused(**{field: name})


def test_what_an_existing_stream_makes_no_use_of_is_said() -> None:
    noted = "; ".join(plan(risk_class="protected", pool="xpool", schedule="six_week").notes)
    assert "stays as it is, standard" in noted
    assert "risk_class 'protected', pool 'xpool', schedule 'six_week' is not used" in noted
    assert "is not used" not in "; ".join(plan(risk_class="standard").notes), "the form proposes it"


def test_one_key_for_many_domains_is_said() -> None:
    assert any("sign with one key file" in note for note in plan(key_path="/etc/pmta/dkim/one.pem").notes)
    assert not any("sign with one key file" in note for note in plan().notes)


def test_a_domain_that_only_ends_alike_is_the_senders_own() -> None:
    assert plan(domain="{n}.notgmail.com").ips[0].domain == "51.notgmail.com"
