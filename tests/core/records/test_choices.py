"""Hosts and addresses as operators write them."""

import pytest

from email_engine.errors import InputError
from email_engine.records.choices import parse_choices
from email_engine.records.model import Choices


def test_names_become_those_of_dns() -> None:
    found = parse_choices(
        ["MX.Müller.example.", "mx.example.com", "mx.example.com"], "mailto:D+x@Müller.example"
    )
    assert found == Choices(("mx.xn--mller-kva.example", "mx.example.com"), "D+x@xn--mller-kva.example")
    assert parse_choices() == Choices()


@pytest.mark.parametrize("rua", ["", "dmarc", "@example.com", "a@b", "a@b.example,c@d.example", "a;p=reject@b.example", "a b@c.example", "ä@b.example", "a!1m@b.example", "https://b.example/x"])  # fmt: skip
def test_an_address_for_reports_that_is_none_is_refused(rua: str) -> None:
    with pytest.raises(InputError, match="--rua"):
        parse_choices(rua=rua)


@pytest.mark.parametrize("host", ["", "192.0.2.1", "mx", "a b.example"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(InputError, match="--mx"):
        parse_choices([host])
