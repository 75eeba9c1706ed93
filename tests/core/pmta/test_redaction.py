"""Secrets never leave a configuration's text, in whatever form they stand there."""

import pytest

from email_engine.pmta.language.redaction import redact

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nq83vEjRWeJ\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  password hunter2", "  password (hidden)"),
        ("\tPASSWORD\thunter2 and more", "\tPASSWORD\t(hidden)"),
        ("auth-password hunter2", "auth-password (hidden)"),
        ("http-api-key 0123456789abcdef0123456789abcdef", "http-api-key (hidden)"),
        ("api-key abc", "api-key (hidden)"),
        ("volume-audit-api-key abc", "volume-audit-api-key (hidden)"),
        ("access-token abc", "access-token (hidden)"),
        ("# password hunter2", "# password (hidden)"),
        ("-  password hunter2", "-  password (hidden)"),
        ("+http-api-key abc", "+http-api-key (hidden)"),
        ("include https://ops:hunter2@conf.example/x", "include https://(hidden)@conf.example/x"),
        ("pasword hunter2", "pasword (hidden)"),
        ("tls-certificate /etc/tls.pem hunter2", "tls-certificate /etc/tls.pem (hidden)"),
        ("privacy-policy siphash hunter2", "privacy-policy siphash (hidden)"),
        ("password=hunter2", "password=(hidden)"),
        (
            "http-delivery-url https://example.com/?token=hunter2",
            "http-delivery-url https://example.com/?token=(hidden)",
        ),
        (KEY, "-----BEGIN RSA PRIVATE KEY----- (hidden)"),
        (KEY[:60], "-----BEGIN RSA PRIVATE KEY----- (hidden)"),
    ],
)
def test_a_secret_is_hidden(line: str, shown: str) -> None:
    assert redact(f"before\n{line}\nafter"[: len(f"before\n{line}\nafter")]).startswith(f"before\n{shown}")
    assert "hunter2" not in redact(line)


@pytest.mark.parametrize(
    "line",
    [
        "domain-key s1,example.com,/etc/pmta/dkim/s1.pem",
        "smtp-source-host 198.51.100.1 mail1.example.com",
        "authentication-method password",
        "tls-certificate /etc/pmta/tls.pem",
        "tls-certificate /etc/pmta/tls.pem # of May",
        "smtp-listener 10.0.0.5:25 source=app",
        "max-smtp-msg-rate 50/d",
        "include http://conf.example/a@b",
        "<smtp-user app>",
        "reply /password expired/ mode=backoff",
    ],
)
def test_what_is_no_secret_stays(line: str) -> None:
    assert redact(line) == line


def test_lines_after_a_secret_stay() -> None:
    assert redact("password a\n\nsource x\n") == "password (hidden)\n\nsource x\n"
