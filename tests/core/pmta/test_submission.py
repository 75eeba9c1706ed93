"""Where mail without a virtual MTA goes: by source address, sender domain, stream."""

import re
from dataclasses import replace
from ipaddress import ip_address

import pytest

from email_engine.fleet.providers import shipped_providers
from email_engine.pmta.config.deploy_policy import deploy_policy
from email_engine.pmta.config.render import render_host
from email_engine.pmta.config.submission import plan_submissions, sender_pattern
from tests.core.pmta.records import IpRecord, record
from tests.core.pmta.test_render import HOST

ADDRESSES = (ip_address("192.0.2.10"), ip_address("2001:db8::1"))


def one(number: int, stream: str = "newsletter", **more) -> IpRecord:
    values = {"stream": stream, "pool": f"aurora-{stream}", "mailwizz_addresses": ADDRESSES}
    return replace(record(number, **{k: v for k, v in more.items() if k in ("state", "allowance")}), **values | {
        k: v for k, v in more.items() if k not in ("state", "allowance")
    })  # fmt: skip


def tenant(*records: IpRecord) -> str:
    return render_host(HOST, records, shipped_providers(), deploy_policy())[1].text


def target(text: str, sender: str) -> str:
    """Where PowerMTA would send it: the first line that matches."""
    rules = re.findall(r"mail-from /(.*)/ virtual-mta=(\S+)", text)
    return next((to for pattern, to in rules if re.search(pattern, sender, re.IGNORECASE)), "")


def default(text: str) -> list[str]:
    return re.findall(r"default-virtual-mta (\S+)", text)


class TestOneStream:
    def test_the_default_alone_does_it(self) -> None:
        text = tenant(one(1), one(2))
        assert "mailwizz-" not in text
        assert default(text) == ["aurora-newsletter", "aurora-newsletter"]

    def test_each_address_is_a_source_of_its_own(self) -> None:
        text = tenant(one(1))
        assert re.findall(r"<source (\S+)>", text) == ["192.0.2.10", "2001:db8::1"]
        for line in (
            "smtp-service yes", "always-allow-relaying yes", "process-x-virtual-mta yes", "process-x-job yes",
            "hide-message-source yes",
        ):  # fmt: skip
            assert text.count(f"  {line}\n") == 2

    def test_no_address_no_source(self) -> None:
        assert "<source" not in tenant(one(1, mailwizz_addresses=()))

    def test_a_stream_without_pool_leads_to_its_first_virtual_mta(self) -> None:
        text = tenant(one(2, state="warming", allowance=50), one(1, state="warming", allowance=50))
        assert default(text) == ["aurora-1", "aurora-1"]


class TestSeveralStreams:
    def test_each_streams_domains_lead_to_its_pool(self) -> None:
        text = tenant(
            one(1, domain="news1.aurora-news.example"),
            one(2, "receipts", domain="tx.aurora-mail.example"),
            one(3, "receipts", domain="tx3.aurora-mail.example"),
        )
        assert target(text, "bounce@news1.aurora-news.example") == "aurora-newsletter"
        assert target(text, "bounce@TX.aurora-mail.example") == "aurora-receipts"
        assert target(text, "x@bounces.tx3.aurora-mail.example") == "aurora-receipts"
        assert target(text, "x@tx3.aurora-mail.example.evil.example") == ""
        assert target(text, "x@notaurora-mail.example") == ""
        assert set(default(text)) == {"aurora-receipts"}

    def test_the_list_stands_before_its_source(self) -> None:
        text = tenant(one(1), one(2, "receipts", domain="tx.other.example"))
        assert text.index("<pattern-list mailwizz-mw-aurora>") < text.index("<source ")
        assert text.count("  pattern-list mailwizz-mw-aurora\n") == 2

    def test_streams_below_one_registered_domain_are_told_apart(self) -> None:
        text = tenant(
            one(1, domain="mail.aurora-mail.example"),
            one(2, "receipts", domain="tx.mail.aurora-mail.example"),
        )
        assert target(text, "b@mail.aurora-mail.example") == "aurora-newsletter"
        assert target(text, "b@tx.mail.aurora-mail.example") == "aurora-receipts"
        assert target(text, "b@else.aurora-mail.example") == ""

    def test_a_stream_without_pool_never_takes_another_streams(self) -> None:
        text = tenant(
            one(1, domain="a.one.example"), one(2, "receipts", state="warming", domain="a.two.example")
        )
        assert target(text, "b@a.two.example") == "aurora-2"
        assert set(default(text)) == {"aurora-newsletter"}

    def test_ten_thousand_domains_below_one_name_are_one_line(self) -> None:
        records = [one(n, domain=f"news{n}.aurora-mail.example") for n in range(1, 200)]
        (plan,) = plan_submissions(
            [*records, one(250, "receipts", domain="tx.two.example")], {"aurora-newsletter": ("aurora-1",)}
        )
        assert [pattern for pattern, _ in plan.patterns] == [
            "@([^@]+[.])?aurora-mail[.]example$", "@([^@]+[.])?two[.]example$"
        ]  # fmt: skip

    def test_everything_named_is_rendered(self) -> None:
        text = tenant(
            *(
                one(n, f"s{n % 3}", domain=f"d{n}.x{n}.example", state="warming" if n % 4 else "active")
                for n in range(1, 40)
            )
        )
        known = set(re.findall(r"<virtual-mta(?:-pool)? (\S+)>", text))
        assert {to for _, to in re.findall(r"mail-from /(.*)/ virtual-mta=(\S+)", text)} <= known
        assert set(default(text)) <= known


class TestSeveralInstances:
    def test_each_has_its_own_list_and_addresses(self) -> None:
        other = {"mailwizz": "mw-two", "mailwizz_addresses": (ip_address("192.0.2.77"),)}
        text = tenant(one(1), one(2, "receipts", domain="tx.two.example", **other))
        assert re.findall(r"<source (\S+)>", text) == ["192.0.2.10", "2001:db8::1", "192.0.2.77"]
        assert default(text) == ["aurora-newsletter", "aurora-newsletter", "aurora-receipts"]

    def test_the_order_of_the_records_does_not_matter(self) -> None:
        records = [one(n, f"s{n % 3}", domain=f"d{n}.x{n % 5}.example") for n in range(1, 30)]
        assert tenant(*records) == tenant(*reversed(records))


@pytest.mark.parametrize(
    ("sender", "matches"),
    [
        ("b@news1.example.com", True),
        ("b@x.news1.example.com", True),
        ("b@NEWS1.example.com", True),
        ("b@news1xexample.com", False),
        ("b@mynews1.example.com", False),
        ("b@news1.example.com.evil.example", False),
    ],
)
def test_a_sender_pattern_is_exact(sender: str, matches: bool) -> None:
    assert bool(re.search(sender_pattern("news1.example.com"), sender, re.IGNORECASE)) is matches
