"""Public keys from a file, and every mistake in it."""

import json
from typing import Any

import pytest

from email_engine.errors import InputError
from email_engine.records.keys_file import parse_keys
from tests.dkim_keys import KEYS, spki

DOMAINS = frozenset({"news.example.com", "xn--mller-kva.example"})


def parse(document: Any) -> dict[tuple[str, str], str]:
    text = document if isinstance(document, str) else json.dumps(document)
    return parse_keys(text, "keys.json", DOMAINS)


def test_keys_by_domain_and_selector() -> None:
    found = parse(
        {"News.Example.com.": {"s1": spki(), "s2": KEYS["ed25519"]}, "müller.example": {"s1": spki()}}
    )
    assert found == {
        ("news.example.com", "s1"): spki(),
        ("news.example.com", "s2"): KEYS["ed25519"],
        ("xn--mller-kva.example", "s1"): spki(),
    }


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{", "not read as JSON"),
        ("[" * 100_000, "nested too deeply"),
        ([], r"keys\.json: '\[\]'"),
        ('{"news.example.com": {}, "news.example.com": {}}', "'news.example.com' stands twice"),
        ({"other.example": {"s1": spki()}}, "other.example is no sending domain"),
        ({"localhost": {}}, "one label is no domain"),
        ({"news.example.com": spki()}, "is no mapping of selectors"),
        ({"news.example.com": {}}, "is no mapping of selectors"),
        ({"news.example.com": {"s 1": spki()}}, "'s 1' is no selector"),
        ({"news.example.com": {"s1": 7}}, "'7' is no text"),
        ({"news.example.com": {"s1": ""}}, "no RSA key"),
        ({"news.example.com": {"s1": "aGVsbG8="}}, "no RSA key"),
        ({"news.example.com": {"s1": "not base64!"}}, "the key is not base64"),
        ({"news.example.com": {"s1": f"-----BEGIN PUBLIC KEY-----\n{spki()}"}}, "lines around a PEM file"),
        ({"news.example.com": {"s1": KEYS["rsa512"]}}, "an RSA key of 512 bits"),
        ({"news.example.com": {"s1": KEYS["pkcs1"]}}, "PKCS#1"),
        ({"news.example.com": {"s1": spki()}, "NEWS.example.com": {"s1": spki()}}, "selector s1 twice"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_mistake(document: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse(document)


def test_all_mistakes_are_told_and_a_key_is_never_shown() -> None:
    with pytest.raises(InputError) as caught:
        parse({f"d{n}.example": {"s1": spki()} for n in range(12)} | {"news.example.com": {"s1": "x" * 40}})
    text = str(caught.value)
    assert "d0.example" in text
    assert "and 3 more" in text
    assert "x" * 40 not in text
