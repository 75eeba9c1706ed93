"""Hosts as people write them: with scheme, port, brackets, or a password that must never be shown again."""

import pytest

from email_engine.addresses import HTTP, parse_address, refuse_odd_secret, shown
from email_engine.errors import InputError


@pytest.mark.parametrize(
    ("text", "port", "url"),
    [("mail.example.com/api", 0, "https://mail.example.com/api"), ("mail.example.com/api", 443, "https://mail.example.com/api"),
     ("https://mail.example.com/api/", 8443, "https://mail.example.com:8443/api"),
     ("http://127.0.0.1:8101/api", 443, "http://127.0.0.1:8101/api"), ("http://127.0.0.1/api", 8101, "http://127.0.0.1:8101/api"),
     (" https://mail.example.com ", None, "https://mail.example.com"), ("[2001:db8::1]:8443", 443, "https://[2001:db8::1]:8443"),
     ("2001:db8::1", 8443, "https://[2001:db8::1]:8443")],
)  # fmt: skip
def test_a_port_of_its_own_wins_and_zero_is_none(text: str, port: int | None, url: str) -> None:
    assert parse_address("c", text, port, HTTP).url("https") == url


@pytest.mark.parametrize(
    "text",
    ["http://user:PW@host", "http://user:P@W@host/api", "http://user:P/W@host", "user:PW@host", "http://u:PW%40host", "u:PW",
     "https://host/api?key=PW", "https://host/api#PW", "ssh://u:P W@host:22", "http://u:P\nW@host"],
)  # fmt: skip
def test_a_password_in_a_host_is_refused_and_never_shown(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_address("c", text, 0, HTTP | {"ssh": 22})
    told = str(caught.value)
    assert "PW" not in told
    assert "P@W" not in told
    assert "P W" not in told
    assert "W@" not in told.replace("***@", "")


@pytest.mark.parametrize(
    ("text", "port", "seen"),
    [("ftp://host", 0, "ftp://"), ("a b", 0, "a b"), ("host", 70000, "70000"), ("host", -1, "-1"), ("host:0", 0, "port 0"),
     ("-host", 0, "-host"), ("..", 0, ".."), ("http://", 1, "http://"), ("http://host", 443, "port 443"), ("https://host", 80, "port 80"),
     ("h" * 300, 0, "hhh")],
)  # fmt: skip
def test_what_is_no_host_is_named(text: str, port: int, seen: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_address("c", text, port, HTTP)
    assert seen in caught.value.observed
    assert len(str(caught.value)) < 400


def test_a_socket_stays_a_path() -> None:
    assert parse_address("c", "/run/mysqld/mysqld.sock", 3306).host == "/run/mysqld/mysqld.sock"


@pytest.mark.parametrize(
    ("text", "safe"),
    [("https://u:p@h/x?y=z", "https://***@h/x?***"), ("u:p@h", "***@h"), ("h:22", "h:22"), (None, "")],
)
def test_what_a_message_may_show(text: str | None, safe: str) -> None:
    assert shown(text) == safe


@pytest.mark.parametrize("secret", ["abc\u00e9def", "abc def", "abc\ndef", "\u200babc"])
def test_an_odd_character_in_a_key_is_told_by_its_place(secret: str) -> None:
    with pytest.raises(InputError, match=r"character [14] of the API key") as caught:
        refuse_odd_secret("MailWizz", "API key", secret)
    assert "abc" not in str(caught.value)
