"""Which mailbox provider receives a domain's mail."""

import pytest

from email_engine.fleet.mistakes import FileInvalid
from email_engine.fleet.providers import parse_providers, shipped_providers


@pytest.mark.parametrize(
    ("domain", "provider"),
    [
        ("gmail.com", "gmail"),
        ("GoogleMail.com", "gmail"),
        ("hotmail.fr", "microsoft"),
        ("yahoo.co.uk", "yahoo"),
        ("aol.com", "yahoo"),
        ("me.com", "icloud"),
        ("web.de", "gmx"),
        ("wanadoo.fr", "orange"),
        ("free.fr", "free"),
        ("neuf.fr", "sfr"),
        ("laposte.net", "laposte"),
        ("pm.me", "proton"),
        ("gmail.com.", "gmail"),
        ("company.example", "other"),
        ("gmail.com.evil.example", "other"),
        ("", "other"),
    ],
)
def test_a_recipient_domain_has_its_provider(domain: str, provider: str) -> None:
    assert shipped_providers().of(domain) == provider


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("aspmx.l.google.com", "gmail"),
        ("Example-com.mail.protection.outlook.com.", "microsoft"),
        ("mta7.am0.yahoodns.net", "yahoo"),
        ("smtp-in.sfr.fr", "sfr"),
        ("mx.company.example", "other"),
        ("google.com", "other"),
        ("notgoogle.com", "other"),
    ],
)
def test_an_mx_host_has_its_provider(host: str, provider: str) -> None:
    assert shipped_providers().of_mx(host) == provider


def test_a_providers_file_reports_every_mistake() -> None:
    text = """
providers:
  - { name: a, title: A, domains: [x.example], mx: ["*.mx.example"] }
  - { name: a, title: A, domains: [y.example], mx: ["mx.*.example"] }
  - { name: other, title: B, domains: [x.example] }
"""
    with pytest.raises(FileInvalid) as caught:
        parse_providers(text, "providers.yaml")
    found = [str(mistake) for mistake in caught.value.mistakes]
    assert len(found) == 4
    assert "x.example belongs to a already" in found[-1] + found[-2]
