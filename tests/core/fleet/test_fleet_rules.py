"""What a fleet may never be: each rule of the design with its own test."""

from datetime import date

import pytest

from email_engine.fleet.mistakes import FleetInvalid
from email_engine.fleet.parse import parse_fleet
from tests.core.fleet.test_parse_fleet import (
    BOREALIS,
    EXAMPLE,
    SECOND_STREAM,
    changed,
    line_of,
    mistakes,
    read,
    with_single,
)


def second(**keys: str) -> str:
    """The example with a second stream of aurora, some of whose keys are changed."""
    stream = SECOND_STREAM
    for key, value in keys.items():
        line = next(line for line in stream.splitlines() if line.strip(" -").startswith(f"{key}:"))
        stream = stream.replace(line, f"{line.partition(':')[0]}: {value}")
    return EXAMPLE.replace(BOREALIS, stream + BOREALIS)


def borealis(old: str, new: str) -> str:
    """The example with something changed in the second tenant."""
    at = EXAMPLE.index(BOREALIS)
    assert old in EXAMPLE[at:]
    return EXAMPLE[:at] + EXAMPLE[at:].replace(old, new)


def only(text: str) -> str:
    (mistake,) = mistakes(text)
    return mistake


def test_an_ip_is_not_shared_between_tenants() -> None:
    text = borealis("first: 203.0.113.1", "first: 198.51.100.31")
    assert only(text) == (
        f"fleet.yaml:{line_of(text, 'first: 198.51.100.31')}: tenants[1].streams[0].ips[0]: IP 198.51.100.31 and 19 more "
        f"shared between tenants: belongs to tenant aurora (fleet.yaml:{line_of(text, 'first: 198.51.100.1')}); "
        "allowed: one that no other tenant has"
    )


def test_a_domain_is_not_shared_between_tenants() -> None:
    found = mistakes(borealis("{n}.borealis-mail.example", "{n}.aurora-mail.example"))
    assert any("domain news1.aurora-mail.example and 49 more shared between tenants" in m for m in found)


def test_a_registered_domain_is_not_shared_between_tenants() -> None:
    text = borealis('"{prefix}{n}.borealis-mail.example"', '"{prefix}{n}.b.aurora-mail.example"')
    assert "aurora-mail.example shared between tenants" in only(text)


def test_a_pool_is_not_shared_between_tenants() -> None:
    found = only(borealis("pool: borealis-newsletter", "pool: aurora-newsletter"))
    assert "pool aurora-newsletter shared between tenants: belongs to tenant aurora" in found


def test_a_mailwizz_instance_is_not_shared_between_tenants() -> None:
    found = "\n".join(mistakes(borealis("mailwizz: mw-borealis", "mailwizz: mw-aurora")))
    assert "MailWizz instance mw-aurora shared between tenants: belongs to tenant aurora" in found


def test_an_ip_is_not_shared_between_streams() -> None:
    found = only(second(address="198.51.100.7"))
    assert "IP 198.51.100.7 shared between streams: belongs to stream newsletter" in found


def test_a_domain_is_not_shared_between_streams() -> None:
    found = only(second(domain="news1.aurora-mail.example"))
    assert "domain news1.aurora-mail.example shared between streams: belongs to stream newsletter" in found


def test_a_pool_is_not_shared_between_streams() -> None:
    found = only(second(pool="aurora-newsletter"))
    assert "pool aurora-newsletter shared between streams: belongs to stream newsletter" in found


def test_a_host_is_not_shared_between_risk_classes() -> None:
    found = mistakes(second(risk_class="protected"))
    assert any("MTA host mta-1 shared between risk classes: protected here, standard at" in m for m in found)


def test_a_mailwizz_instance_is_not_shared_between_risk_classes() -> None:
    found = mistakes(second(risk_class="protected"))
    assert any("MailWizz instance mw-aurora shared between risk classes" in m for m in found)


def test_a_registered_domain_is_not_shared_between_risk_classes() -> None:
    found = mistakes(second(risk_class="protected"))
    assert any("aurora-mail.example shared between risk classes" in m for m in found)


def protected(domain: str, hostname: str = "mail201.aurora-tx.example") -> str:
    text = second(risk_class="protected", host="mta-3", mailwizz="mw-tx", domain=domain, hostname=hostname)
    return changed(
        "\nmailwizz:\n", "  - name: mta-3\n\nmailwizz:\n  - { name: mw-tx, tenant: aurora }\n", text=text
    )


def test_a_protected_stream_has_its_own_host_instance_and_domain() -> None:
    assert len(read(protected("tx201.aurora-tx.example")).streams) == 3


def test_a_protected_stream_may_send_from_below_its_own_brand() -> None:
    assert read(protected("receipts.aurora.example", "mail.receipts.aurora.example"))


@pytest.mark.parametrize(
    ("domain", "said"),
    [
        ("aurora.example", "is the brand of tenant aurora"),
        ("borealis.example", "is the brand of tenant borealis"),
        ("tx.borealis.example", "lies under borealis.example, which tenant borealis declares as its brand"),
    ],
)
def test_a_protected_stream_sends_neither_as_a_brand_nor_below_another_tenants(
    domain: str, said: str
) -> None:
    assert said in "\n".join(mistakes(protected(domain)))


@pytest.mark.parametrize("key", ["domain", "hostname"])
@pytest.mark.parametrize("name", ["aurora.example", "news.aurora.example", "borealis.example"])
def test_a_standard_stream_never_sends_as_or_below_a_brand(key: str, name: str) -> None:
    found = "\n".join(mistakes(with_single(**{key: name})))
    assert f"{key} {name} " in found
    assert "brand" in found


def test_the_registered_name_of_a_brand_is_the_brand_too() -> None:
    text = changed(
        "brand_domains: [aurora.example]",
        "brand_domains: [shop.aurora.co.uk]",
        text=with_single(domain="aurora.co.uk"),
    )
    assert "domain aurora.co.uk is the brand of tenant aurora" in only(text)


def test_streams_are_not_promised_more_than_the_tenants_quota() -> None:
    text = EXAMPLE.replace(
        "        schedule: six_week", "        daily_quota: 590000\n        schedule: six_week"
    )
    text = text.replace(
        BOREALIS, SECOND_STREAM.replace("schedule", "daily_quota: 10001\n        schedule") + BOREALIS
    )
    found = only(text)
    assert (
        "its streams are promised 600001 a day together; allowed: at most the tenant's daily_quota, 600000"
        in found
    )
    assert read(text.replace("daily_quota: 10001", "daily_quota: 10000"))


def test_a_stream_without_a_share_must_be_left_something() -> None:
    text = EXAMPLE.replace(
        "        schedule: six_week", "        daily_quota: 600000\n        schedule: six_week", 1
    )
    found = only(text.replace(BOREALIS, SECOND_STREAM + BOREALIS))
    assert "stream receipts is left nothing of the tenant's daily_quota 600000" in found


def test_one_ip_is_not_promised_more_than_its_tenant_or_stream_has() -> None:
    found = only(changed("daily_quota: 600000", "daily_quota: 9999"))
    assert "daily_target 10000 promises one IP more than there is; allowed: at most 9999" in found


HIGH = changed("daily_target: 10000", "daily_target: 10001")


def test_who_is_active_with_a_high_target_says_since_when_it_sends_so_much() -> None:
    found = only(HIGH)
    place = line_of(HIGH, "first: 198.51.100.1")
    assert found.startswith(
        f"fleet.yaml:{place}: tenants[0].streams[0].ips[0]: active with daily_target 10001"
    )
    assert "nothing shows that it was ever warmed; allowed: warmed_on" in found
    said = HIGH.replace(
        "            count: 50", "            count: 50\n            warmed_on: 2026-05-01", 1
    )
    assert {str(ip.warmed_on) for ip in read(said).ips if ip.tenant == "aurora"} == {"2026-05-01"}
    wrong = mistakes(said.replace("2026-05-01", "lately"))
    assert any("'lately'; allowed: a date such as 2026-05-01" in mistake for mistake in wrong)


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("1999-12-31", "from 2000-01-01 on"), ("20260501", "a date such as"), ("2026-W18-5", "a date such as"),
        ("2026-11-02", "warmed_on 2026-11-02 is still to come; allowed: a day up to today, 2026-11-01"),
        ("2026-11-01", None), ("2000-01-01", None),
    ],
)  # fmt: skip
def test_an_ip_was_warmed_on_a_day_that_is_over(day: str, said: str | None) -> None:
    text = HIGH.replace("            count: 50", f"            count: 50\n            warmed_on: {day}", 1)
    today = date(2026, 11, 1)
    if said is None:
        assert parse_fleet(text, "fleet.yaml", today=today)
        return
    with pytest.raises(FleetInvalid) as refused:
        parse_fleet(text, "fleet.yaml", today=today)
    assert said in str(refused.value)


@pytest.mark.parametrize("states", ["{ warming: 1-40 }", "{ standby: 1-40 }", "{}"])
def test_a_high_target_is_free_for_all_who_warm_up_to_it(states: str) -> None:
    assert read(HIGH.replace("{ active: 1-40, warming: 41-47, standby: 48-50 }", states, 1))


def test_ranges_do_not_overlap() -> None:
    entry = SINGLE_RANGE.replace("RANGE", "198.51.100.50-52")
    found = only(EXAMPLE.replace(BOREALIS, entry + BOREALIS))
    assert "IP 198.51.100.50 stands at fleet.yaml:" in found


SINGLE_RANGE = """
          - range: RANGE
            number_from: 61
            hostname: mail{n}.aurora-mail.example
            domain: "news{n}.aurora-mail.example"
            vmta: aurora-{n}
            hosts: mta-1
            mailwizz_first_server_id: 161
            dkim: { selector: s1, key_path: "/etc/pmta/dkim/{n}.pem" }
"""


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("hostname", "mail7.aurora-mail.example", "hostname mail7.aurora-mail.example stands at"),
        ("vmta", "aurora-7", "vmta aurora-7 stands at"),
        ("mailwizz_server_id", "107", "MailWizz server mw-aurora #107 stands at"),
        ("domain", "news1.aurora-mail.example", "domain news1.aurora-mail.example stands at"),
        ("vmta", "borealis-newsletter", "PowerMTA has one name space for both"),
        ("host", "mtb-2", "unknown MTA host 'mtb-2'; allowed: did you mean 'mta-2'"),
    ],
)
def test_names_are_unique_and_known(key: str, value: str, said: str) -> None:
    assert said in only(with_single(**{key: value}))


def test_a_pattern_without_its_number_is_one_mistake() -> None:
    found = only(changed("hostname: mail{n}.aurora-mail", "hostname: mail.aurora-mail"))
    assert "hostname mail.aurora-mail.example and 48 more given more than once by this entry" in found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: mta-2", "name: mta-1", "MTA host mta-1 stands at"),
        ("connection: powermta_mta-2", "connection: powermta_mta-1", "connection powermta_mta-1 stands at"),
        (
            "db_connection: mailwizz_db_mw-aurora",
            "db_connection: mailwizz_api_mw-aurora",
            "more than once by this entry",
        ),
        ("  - name: mw-borealis", "  - name: mw-aurora", "MailWizz instance mw-aurora stands at"),
        ("tenant: borealis", "tenant: boreal", "unknown tenant 'boreal'; allowed: did you mean 'borealis'"),
        ("mailwizz: mw-borealis", "mailwizz: mw-boreal", "unknown MailWizz instance 'mw-boreal'"),
        ("\n  - name: borealis", "\n  - name: aurora", "tenant aurora stands at"),
        ("\n  - name: borealis", "\n  - name: bore.alis", "a name without dots"),
    ],
)
def test_references_are_known_and_names_unique(old: str, new: str, said: str) -> None:
    assert said in "\n".join(mistakes(changed(old, new)))


def test_two_streams_of_a_tenant_have_two_names() -> None:
    assert "stream aurora/newsletter stands at" in "\n".join(mistakes(second(name="newsletter")))


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "127.0.0.1", "224.0.0.1", "169.254.1.1", "0.0.0.0", "100.64.0.1", "255.255.255.255", "::1", "fe80::1", "::ffff:45.1.2.3", "45.123.10.256", "mail.example.com", "045.1.1.1"],
)  # fmt: skip
def test_an_address_that_no_receiver_could_see_is_refused(address: str) -> None:
    assert "allowed: a public IP address" in only(with_single(address=f"'{address}'"))
