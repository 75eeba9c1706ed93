"""What of an address is wrong by itself."""

import pytest

from email_engine.hygiene.addresses import AddressProblem, judge_address

BAD, SPECIAL = AddressProblem.BAD_SYNTAX, AddressProblem.SPECIAL_DOMAIN


@pytest.mark.parametrize(
    ("text", "problem", "domain"),
    [
        ("reader@gmail.com", None, "gmail.com"),
        ("Reader+news@GMAIL.com", None, "gmail.com"),
        ("x@münchen.de", None, "xn--mnchen-3ya.de"),
        ("jürgen@example.com", None, "example.com"),
        ("", BAD, ""),
        (None, BAD, ""),
        ("no-sign.example.com", BAD, ""),
        ("a..b@gmail.com", BAD, ""),
        ("x y@gmail.com", BAD, ""),
        ("x@gmail.com ", BAD, ""),
        ("x@gmail", BAD, ""),
        ("x@gmail..com", BAD, ""),
        ("x@[192.0.2.1]", BAD, ""),
        ("r***@gmail.com", None, "gmail.com"),
        ("x\n@gmail.com", BAD, ""),
        ("x@" + "a" * 400 + ".com", BAD, ""),
        ("x@shop.test", SPECIAL, ""),
        ("root@localhost", SPECIAL, ""),
        ("x@printer.local", SPECIAL, ""),
        ("x@nothing.invalid", SPECIAL, ""),
        ("x@latest", BAD, ""),
    ],
    ids=[
        "plain", "upper case", "international domain", "international local part", "empty", "null", "no sign", "two dots", "blank",
        "blank at the end", "no dot", "empty label", "an IP", "masked", "line break", "too long", "test", "localhost", "local", "invalid",
        "ends like test",
    ],
)  # fmt: skip
def test_an_address_is_one_or_not(text: str | None, problem: AddressProblem | None, domain: str) -> None:
    judged = judge_address(text)
    assert (judged.problem, judged.domain) == (problem, domain)


def test_no_address_stands_in_its_repr() -> None:
    assert "gmail" not in repr(judge_address("u.who@gmail.com"))
