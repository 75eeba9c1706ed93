"""Where a DKIM key lies: the fleet file's pattern, and the name of every later key."""

import pytest

from email_engine.errors import InputError
from email_engine.fleet.key_files import key_file, require_safe_key, rotated_key_file
from email_engine.fleet.parse import parse_fleet
from tests.core.fleet.test_parse_fleet import EXAMPLE

DOMAIN = "news1.example.com"


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("/etc/pmta/dkim/{selector}.news1.example.com.pem", "/etc/pmta/dkim/s202611.news1.example.com.pem"),
        ("/etc/pmta/dkim/news1.example.com.pem", "/etc/pmta/dkim/news1.example.com.s202611.pem"),
        ("/etc/pmta/dkim/news1.example.com.key", "/etc/pmta/dkim/news1.example.com.s202611.key"),
        ("/etc/pmta/dkim/news1.example.com", "/etc/pmta/dkim/news1.example.com.s202611"),
        ("/etc/pmta/dkim/x.pem", "/etc/pmta/dkim/x.news1.example.com.s202611.pem"),
        ("/etc/pmta/dkim/{selector}.pem", "/etc/pmta/dkim/s202611.news1.example.com.pem"),
        (
            "/etc/pmta/dkim/bignews1.example.com.pem",
            "/etc/pmta/dkim/bignews1.example.com.news1.example.com.s202611.pem",
        ),
    ],
)
def test_a_later_key_bears_domain_and_selector(pattern: str, named: str) -> None:
    assert rotated_key_file(pattern, DOMAIN, "s202611") == named


def test_the_first_key_lies_where_the_fleet_file_says() -> None:
    text = EXAMPLE.replace("{domain}.pem", "{domain}.{selector}.pem")
    assert text != EXAMPLE
    ip = parse_fleet(text, "fleet.yaml").ips[0]
    assert ip.dkim_key_path == f"/etc/pmta/dkim/{ip.domain}.{{selector}}.pem"
    assert ip.first_key_file == f"/etc/pmta/dkim/{ip.domain}.s1.pem"
    assert key_file("/etc/pmta/dkim/x.pem", "s1") == "/etc/pmta/dkim/x.pem"


@pytest.mark.parametrize(
    ("domain", "selector", "path", "blamed"),
    [
        ("news1.example.com;id", "s1", "/k/a.pem", "domain"),
        ("news1.example.com\n", "s1", "/k/a.pem", "domain"),
        ("News1.example.com", "s1", "/k/a.pem", "domain"),
        (DOMAIN, "s1,x", "/k/a.pem", "selector"),
        (DOMAIN, "s_1", "/k/a.pem", "selector"),
        (DOMAIN, "", "/k/a.pem", "selector"),
        (DOMAIN, "s1", "/k/../a.pem", "key file"),
        (DOMAIN, "s1", "/k/a b.pem", "key file"),
        (DOMAIN, "s1", "/k/$(id).pem", "key file"),
        (DOMAIN, "s1", "k/a.pem", "key file"),
        (DOMAIN, "s1", "/k/{selector}.pem", "key file"),
        (DOMAIN, "s1", "/k/" + "a" * 300, "key file"),
    ],
)
def test_names_that_could_be_misread_are_refused(domain: str, selector: str, path: str, blamed: str) -> None:
    require_safe_key(DOMAIN, "s1", "/etc/pmta/dkim/a.pem")
    with pytest.raises(InputError, match=blamed):
        require_safe_key(domain, selector, path)
