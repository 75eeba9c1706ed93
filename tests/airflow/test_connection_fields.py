"""Host, port and odd characters as Airflow's form hands them over, in every hook alike."""

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers_manager import ProvidersManager

from email_engine.errors import InputError
from email_engine_airflow.get_provider_info import get_provider_info
from email_engine_airflow.hooks.dns_resolver import DnsResolverHook
from email_engine_airflow.hooks.engine_db import EngineDbHook
from email_engine_airflow.hooks.mailwizz import MailwizzHook
from email_engine_airflow.hooks.mailwizz_db import MailwizzDbHook
from email_engine_airflow.hooks.powermta import PowerMtaHook
from email_engine_airflow.hooks.telegram_alerts import TelegramAlertsHook

HOOKS: dict[str, tuple[Any, dict[str, Any]]] = {
    "powermta": (
        PowerMtaHook,
        {"login": "pmta", "extra": {"host_key": "ssh-ed25519 AAAA", "private_key": "k"}},
    ),
    "mailwizz": (MailwizzHook, {"password": "k" * 40}),
    "mailwizz_db": (MailwizzDbHook, {"login": "e", "password": "p", "schema": "mailwizz"}),
    "postgres": (EngineDbHook, {"login": "e", "password": "p"}),
    "dns_resolver": (DnsResolverHook, {}),
    "telegram_alerts": (TelegramAlertsHook, {"password": "1:abc", "extra": {"chat_id": "-1"}}),
}
RANDOM = "x7f3k9qa"


def hook(monkeypatch: pytest.MonkeyPatch, kind: str, **fields: Any) -> Any:
    """As the test button does it: under a random id."""
    made, usual = HOOKS[kind]
    extra = usual.get("extra", {}) | fields.pop("extra", {})
    monkeypatch.setenv(
        f"AIRFLOW_CONN_{RANDOM.upper()}", json.dumps({"conn_type": kind} | usual | fields | {"extra": extra})
    )
    return made(RANDOM)


@pytest.mark.parametrize(
    ("host", "port", "where"),
    [("mta-1", 0, ("mta-1", 22)), ("mta-1", None, ("mta-1", 22)), ("mta-1", 2222, ("mta-1", 2222)), ("mta-1:2200", 22, ("mta-1", 2200)),
     ("ssh://mta-1", 22, ("mta-1", 22)), ("ssh://mta-1:2200", 22, ("mta-1", 2200)), ("[2001:db8::1]:2200", 0, ("2001:db8::1", 2200))],
)  # fmt: skip
def test_powermta_takes_host_and_port_alike(
    monkeypatch: pytest.MonkeyPatch, host: str, port: int | None, where: tuple[str, int]
) -> None:
    found = hook(monkeypatch, "powermta", host=host, port=port).endpoint()
    assert (found.host, found.port) == where


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [("https://mail.example.com/api", 443, "https://mail.example.com/api"), ("http://127.0.0.1/api", 8101, "http://127.0.0.1:8101/api"),
     ("http://127.0.0.1:8101/api", 443, "http://127.0.0.1:8101/api"), ("mail.example.com/api", 0, "https://mail.example.com/api")],
)  # fmt: skip
def test_mailwizz_does_too(monkeypatch: pytest.MonkeyPatch, host: str, port: int, url: str) -> None:
    with hook(monkeypatch, "mailwizz", host=host, port=port).get_conn() as api:
        assert api.endpoint.base_url == url


def test_databases_telegram_and_dns_take_0_for_none_and_the_hosts_own_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with hook(monkeypatch, "mailwizz_db", host="db.example", port=0).get_conn() as database:
        assert database.database.url.port is None
    with hook(monkeypatch, "mailwizz_db", host="mysql://db.example:3307", port=3306).get_conn() as database:
        assert (database.database.url.host, database.database.url.port) == ("db.example", 3307)
    assert hook(monkeypatch, "postgres", host="db.example:5433", port=5432).url().port == 5433
    assert hook(monkeypatch, "postgres", host="/run/postgresql", port=0).url().query == {
        "host": "/run/postgresql"
    }
    assert hook(monkeypatch, "dns_resolver", host="192.0.2.53", port=0).get_conn().nameservers == (
        ("192.0.2.53", 53),
    )
    assert hook(monkeypatch, "dns_resolver", host="192.0.2.53:5353", port=53).get_conn().nameservers == (
        ("192.0.2.53", 5353),
    )
    assert (
        hook(monkeypatch, "telegram_alerts", port=443).get_conn().endpoint.base_url
        == "https://api.telegram.org"
    )
    bot = hook(monkeypatch, "telegram_alerts", port=8099, extra={"base_url": "http://127.0.0.1"}).get_conn()
    assert bot.endpoint.base_url == "http://127.0.0.1:8099"


def test_powermta_has_a_login_for_keys_where_the_connection_names_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = hook(monkeypatch, "powermta", host="mta-1").endpoint()
    assert (plain.keys_username, plain.keys_private_key) == ("", "")
    (tmp_path / "keys").write_text("its own key")
    extra = {"keys_login": " emailkeys ", "keys_private_key_file": str(tmp_path / "keys")}
    found = hook(monkeypatch, "powermta", host="mta-1", extra=extra).endpoint()
    assert (found.keys_username, found.keys_private_key) == ("emailkeys", "its own key")
    assert "its own key" not in repr(found)
    absent = hook(monkeypatch, "powermta", host="mta-1", extra={"keys_private_key_file": "/nowhere"})
    with pytest.raises(InputError, match="keys_private_key_file /nowhere"):
        absent.endpoint()


@pytest.mark.parametrize("kind", HOOKS)
def test_a_password_in_a_host_is_refused_by_every_test_button(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    host = "http://user:s3cr3tpw@host.example"
    fields = {"extra": {"base_url": host}} if kind == "telegram_alerts" else {"host": host}
    works, told = hook(monkeypatch, kind, **fields).test_connection()
    assert not works
    assert "carries a user or a password" in told
    assert "s3cr3tpw" not in told
    assert RANDOM not in told


@pytest.mark.parametrize(
    ("kind", "fields", "told"),
    [("mailwizz", {"host": "https://h/api", "password": "s3cr3t\u00e9"}, "character 7 of the API key"),
     ("mailwizz", {"host": "https://h/api", "extra": {"auth": "signed", "private_key": "s3cr3t key"}}, "character 7 of the private key"),
     ("telegram_alerts", {"password": "1:s3cr3t\u00fc"}, "character 9 of the bot token"),
     ("telegram_alerts", {"password": "\u0661:s3cr3t"}, "character 1 of the bot token"),
     ("powermta", {"host": "h", "extra": {"host_key": "ssh-ed25519 s3cr3t\u00e9"}}, "damaged SSH public key")],
)  # fmt: skip
def test_odd_characters_in_secrets_are_told_without_codecs(
    monkeypatch: pytest.MonkeyPatch, kind: str, fields: dict[str, Any], told: str
) -> None:
    works, text = hook(monkeypatch, kind, **fields).test_connection()
    assert not works
    assert told in text
    assert "s3cr3t" not in text
    assert RANDOM not in text


def test_blanks_around_a_pasted_key_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    with hook(monkeypatch, "mailwizz", host="https://h/api", password=" abc\n").get_conn() as api:
        assert api.endpoint.api_key == "abc"


def test_a_database_password_may_hold_any_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyMySQL alone would encode it in Latin-1."""
    with hook(
        monkeypatch, "mailwizz_db", host="127.0.0.1", port=1, password="\u0142\u00f3d\u017a"
    ).get_conn() as database:
        works, text = hook(
            monkeypatch, "mailwizz_db", host="127.0.0.1", port=1, password="\u0142\u00f3d\u017a"
        ).test_connection()
    assert database.database.url.password == "\u0142\u00f3d\u017a"
    assert not works
    assert "codec" not in text
    assert RANDOM not in text


def test_an_incomplete_connection_is_called_by_its_id_in_a_task_and_by_type_under_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = hook(monkeypatch, "powermta", host="mta-1", login="")
    with pytest.raises(InputError, match=f"connection {RANDOM}: empty: login"):
        one.endpoint()
    works, told = one.test_connection()
    assert not works
    assert told.startswith("powermta connection to mta-1: empty: login")


@pytest.mark.parametrize(
    "form", get_provider_info()["connection-types"], ids=lambda form: form["connection-type"]
)
def test_every_form_asks_for_the_port(form: dict[str, Any]) -> None:
    behaviour = form["ui-field-behaviour"]
    assert "port" not in behaviour["hidden-fields"]
    assert behaviour["relabeling"]["port"] == f"Port (fill in: {behaviour['placeholders']['port']})"
    assert "email-engine" in ProvidersManager().providers


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("powermta", {"host": "mta-1", "login": ""}),
        ("powermta", {"host": "mta-1", "extra": {"connect_timeout": "soon"}}),
        ("mailwizz", {"host": "gopher://x"}),
        ("mailwizz", {"host": "mail.example.com", "extra": {"timeout": "soon"}}),
        ("mailwizz_db", {"host": "db.example", "extra": {"table_prefix": "mw_; DROP"}}),
        ("postgres", {"host": "db example"}),
        ("dns_resolver", {"host": "8.8.8.8"}),
        ("telegram_alerts", {"password": "no token"}),
    ],
)
def test_a_mistake_in_a_connection_is_one_cause_for_all_who_meet_it(
    monkeypatch: pytest.MonkeyPatch, kind: str, fields: dict[str, Any]
) -> None:
    made = hook(monkeypatch, kind, **fields)
    with pytest.raises(InputError) as caught:
        made.endpoint() if kind == "powermta" else made.get_conn()
    assert caught.value.cause == f"connection {RANDOM}"
