"""What strangers wrote, within a sentence: on one line, short, without anything that should not be told."""

import unicodedata

import pytest

from email_engine.quoted import harmless, quoted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("spring-sale", "'spring-sale'"),
        ("", ""),
        (" \n\t\x00 ", ""),
        ("one\r\ntwo\u2028three\x1b[31m", "'one two three [31m'"),
        ("<b>sale</b> & more", "'<b>sale</b> & more'"),
        ("it's", "'it\u2019s'"),
        ("to ann@example.com now", "'to (address) now'"),
        ("to ann%40example.com now", "'to (address) now'"),
        ("see https://x.example/a?token=1 for more", "'see (link) for more'"),
        ("see support.example.com/mail/?p=Blocked", "'see (link)'"),
        ("www.example.com", "'(link)'"),
        ("job token=abc123 x", "'job token=(secret) x'"),
        ("password: hunter2", "'password: (secret)'"),
        ("k 0123456789abcdefABCDEF0123456789", "'k (secret)'"),
        ("blocked using zen.spamhaus.org", "'blocked using zen.spamhaus.org'"),
        ("c7f3ab12d9e4f", "'c7f3ab12d9e4f'"),
        ("550 5.7.1 refused (s3140)", "'550 5.7.1 refused (s3140)'"),
    ],
)  # fmt: skip
def test_only_what_may_be_shown_is_shown(text: str, shown: str) -> None:
    assert quoted(text) == shown


def test_a_long_one_is_cut() -> None:
    assert quoted("ab " * 700, 40) == f"'{'ab ' * 12}a...'"
    assert len(quoted("x" * 2_000, 40)) == 42


def test_text_from_right_to_left_stands_apart_and_hidden_turns_are_gone() -> None:
    shown = quoted("\u202emalicious \u05de\u05d1\u05e6\u05e2 sale\u202c")
    assert shown == "'\u2068malicious \u05de\u05d1\u05e6\u05e2 sale\u2069'"
    assert [unicodedata.name(c) for c in shown if unicodedata.category(c) == "Cf"] == [
        "FIRST STRONG ISOLATE",
        "POP DIRECTIONAL ISOLATE",
    ]


def test_hosts_may_be_left_out() -> None:
    assert harmless("4.7.0 slow down, news.other.example", hosts=False) == "4.7.0 slow down, (host)"


@pytest.mark.parametrize(
    "text",
    [
        "token=abc123 of ann@example.com",
        "x " * 200,
        "it's https://x.example/a",
        "\u05de\u05d1\u05e6\u05e2\u202e",
    ],
)
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    once = harmless(text, 40)
    assert harmless(once, 40) == once
