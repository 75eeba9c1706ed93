"""The way to MailWizz's database over TLS, by the extras of its connection, on a real MariaDB with a certificate for `localhost`."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from email_engine.adapters.connection_fields import Fields
from email_engine.adapters.connections import mailwizz_db
from email_engine.errors import AccessDenied, EngineError, InputError, Unreachable
from tests.integration.mailwizz_rows import filled
from tests.mariadb_fixtures import ACCOUNT, PASSWORD, Mariadb, needs_mariadb, run

pytestmark = needs_mariadb


@pytest.fixture(scope="module", autouse=True)
def mailwizz(mariadb: Mariadb) -> Iterator[Engine]:
    """Its login must come with TLS."""
    with mariadb.mailwizz() as admin, filled(admin.url):
        run(admin, f"ALTER USER {ACCOUNT} REQUIRE SSL")
        yield admin


def cipher(mariadb: Mariadb, host: str = "localhost", **extra: Any) -> str:
    """How the session is encrypted; empty where it is not."""
    fields = Fields("mw", "mailwizz_db", host, mariadb.port, "email_engine", PASSWORD, "mailwizz", extra)
    with mailwizz_db(fields) as db:
        assert len(db.servers()) == 3
        with db.transaction() as conn:
            return str(conn.execute(text("SHOW SESSION STATUS LIKE 'Ssl_cipher'")).one()[1])


def test_a_certificate_of_the_ca_is_accepted(mariadb: Mariadb) -> None:
    assert cipher(mariadb, ssl_ca=str(mariadb.ca)).startswith("TLS")


def test_another_authoritys_is_refused_by_name(mariadb: Mariadb) -> None:
    with pytest.raises(Unreachable, match=r"certificate verify failed.*Next: correct ssl_ca"):
        cipher(mariadb, ssl_ca=str(mariadb.stranger))


def test_a_certificate_for_another_host_is_refused(mariadb: Mariadb) -> None:
    with pytest.raises(Unreachable, match=r"not valid for.*Next: correct ssl_ca or the host"):
        cipher(mariadb, "127.0.0.1", ssl_ca=str(mariadb.ca))


@pytest.mark.parametrize("off", [False, "false", "no"])
def test_without_verification_it_is_encrypted_alone(mariadb: Mariadb, off: Any) -> None:
    assert cipher(mariadb, "127.0.0.1", ssl_ca=str(mariadb.stranger), ssl_verify=off).startswith("TLS")


def test_without_extras_it_is_encrypted_where_the_server_offers_it(mariadb: Mariadb) -> None:
    assert cipher(mariadb).startswith("TLS")


def test_with_tls_disabled_the_server_turns_it_away(mariadb: Mariadb) -> None:
    with pytest.raises(AccessDenied):
        cipher(mariadb, ssl_disabled=True)


@pytest.mark.parametrize(
    ("extra", "says"),
    [({"ssl_ca": "/nowhere/ca.pem"}, "ssl_ca /nowhere/ca.pem cannot be read"), ({"ssl_ca": __file__}, "cannot be read"),
     ({"ssl": True}, "unknown extra: ssl; expected extra fields dialect"),
     ({"ssl_mode": "VERIFY_CA", "sslca": "x"}, "unknown extra: ssl_mode, sslca"),
     ({"ssl_verify": "perhaps"}, "ssl_verify 'perhaps'; expected true or false")],
    ids=["no file", "no certificate", "ssl", "two", "neither"],
)  # fmt: skip
def test_a_mistake_in_the_extras_is_named_before_anything_is_sent(
    mariadb: Mariadb, extra: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        cipher(mariadb, **extra)


def test_a_ca_beside_disabled_is_a_mistake(mariadb: Mariadb) -> None:
    with pytest.raises(EngineError, match="ssl_ca and ssl_disabled together"):
        cipher(mariadb, ssl_ca=str(mariadb.ca), ssl_disabled=True)
