"""Signed requests of MailWizz 1.9: the two measured vectors, and PHP's way to encode."""

import pytest

from email_engine.adapters.mailwizz_signature import by_bytes, encode_form, signed_headers

BASE = "https://mw.example/api"


@pytest.mark.parametrize(
    ("method", "path", "query", "form", "signature"),
    [
        ("POST", "/campaigns/c1/bounces", {},
         {"subscriber_uid": "ab123cdefg456", "message": "550 5.1.1 user unknown", "bounce_type": "hard"},
         "f7294fd7626c2dba57a0032c502fffddf16c9a81"),
        ("GET", "/campaigns", {"per_page": 50, "page": 1}, {}, "a95f949a30c109bb508fe0a851fb481e4987230e"),
        ("get", "/campaigns/", {"page": 1, "per_page": 50}, {}, "a95f949a30c109bb508fe0a851fb481e4987230e"),
    ],
    ids=["post", "get", "order, case and slash do not matter"],
)  # fmt: skip
def test_the_signature_is_mailwizzs(
    method: str, path: str, query: dict[str, object], form: dict[str, object], signature: str
) -> None:
    headers = signed_headers(method, BASE + path, query, form, "PUB", "PRIV", 1700000000)
    assert headers["X-MW-SIGNATURE"] == signature
    assert headers["X-MW-REMOTE-ADDR"] == ""


@pytest.mark.parametrize(
    ("fields", "encoded"),
    [
        ({"a": "x y~z"}, "a=x+y%7Ez"),
        ({"details": {"status": "confirmed", "deep": {"er": 1}}}, "details%5Bstatus%5D=confirmed&details%5Bdeep%5D%5Ber%5D=1"),
        ({"u": "ü+&="}, "u=%C3%BC%2B%26%3D"),
        ({}, ""),
    ],
    ids=["space and tilde", "nested", "reserved", "nothing"],
)  # fmt: skip
def test_forms_are_encoded_as_php_does(fields: dict[str, object], encoded: str) -> None:
    assert encode_form(fields) == encoded


def test_names_sort_by_their_bytes() -> None:
    assert list(by_bytes({"details": 1, "X-MW-": 1, "bounce_type": 1, "EMAIL": 1})) == [
        "EMAIL", "X-MW-", "bounce_type", "details",
    ]  # fmt: skip
