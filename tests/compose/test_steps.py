"""What `init` does beside Airflow's own commands."""

from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from email_engine.cli import main as engine
from email_engine.errors import InputError
from stack.compose.__main__ import main
from stack.compose.secret_files import make_secrets
from stack.compose.steps import database_address, engine_connection, prepare_databases, read_secret


@pytest.fixture
def mounted(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Secrets as `make secrets` makes them, for a server behind a socket, on databases of this test alone."""
    make_secrets(tmp_path)
    server = make_url(postgres_url)
    for name in ("airflow_database_url", "engine_database_url"):
        url = make_url((tmp_path / name).read_text())
        mine = url.set(
            host=None,
            port=None,
            query=server.query,
            database=f"{url.database}_compose",
            username=f"{url.username}_compose",
        )
        (tmp_path / name).write_text(mine.render_as_string(hide_password=False) + "\n")
    (tmp_path / "postgres_password").write_text(str(server.password))
    monkeypatch.setenv("EMAIL_ENGINE_SECRETS", str(tmp_path))
    return tmp_path


def _login(folder: Path, name: str) -> tuple[object, ...] | None:
    url = database_address(folder, name).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        query = "SELECT current_database(), rolsuper OR rolbypassrls OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
        return connection.execute(query).fetchone()


def test_both_roles_get_a_database_and_no_power(mounted: Path) -> None:
    assert prepare_databases(mounted) == ["airflow_compose", "email_engine_compose"]
    assert _login(mounted, "airflow_database_url") == ("airflow_compose", False)
    assert _login(mounted, "engine_database_url") == ("email_engine_compose", False)


def test_a_new_password_counts_after_the_next_start(mounted: Path) -> None:
    prepare_databases(mounted)
    file = mounted / "engine_database_url"
    old = database_address(mounted, "engine_database_url")
    file.write_text(old.set(password="an-other-word").render_as_string(hide_password=False))
    prepare_databases(mounted)
    assert _login(mounted, "engine_database_url")
    file.write_text(old.render_as_string(hide_password=False))
    with pytest.raises(psycopg.OperationalError):
        _login(mounted, "engine_database_url")


def test_a_superuser_whose_password_changed_is_told_with_the_way_out(
    mounted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (mounted / "postgres_password").write_text("from-another-installation")
    assert main(["databases", "login"]) == 2
    told = capsys.readouterr()
    assert "password authentication failed" in told.err
    assert "keeps the password of its first start" in told.err
    assert "from-another-installation" not in told.err + told.out
    assert "login" not in told.out, "the step after a failed one does not run"


@pytest.mark.parametrize(
    ("content", "observed"),
    [(None, "No such file"), ("", "empty"), ("\n", "empty"), (b"\xff\xfe", "no text")],
    ids=["missing", "empty", "blank", "garbage"],
)
def test_a_secret_that_is_none_is_named(tmp_path: Path, content: str | bytes | None, observed: str) -> None:
    if content is not None:
        (tmp_path / "admin_password").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=f"secret admin_password: {observed}"):
        read_secret(tmp_path, "admin_password")


@pytest.mark.parametrize(
    "text", ["not a url", "postgresql://engine@host/db", "postgresql://engine:hidden-word@host"]
)
def test_an_address_that_leads_nowhere_is_refused_without_its_password(tmp_path: Path, text: str) -> None:
    (tmp_path / "engine_database_url").write_text(text)
    with pytest.raises(InputError, match="secret engine_database_url") as caught:
        database_address(tmp_path, "engine_database_url")
    assert "hidden-word" not in str(caught.value)


def test_the_connection_of_the_engine_is_what_the_address_says() -> None:
    fields = engine_connection(
        make_url("postgresql://email_engine:w@db.example:5433/engine?sslmode=verify-full")
    )
    assert fields | {"description": ""} == {
        "conn_type": "postgres", "host": "db.example", "port": 5433, "schema": "engine", "login": "email_engine",
        "password": "w", "extra": '{"sslmode": "verify-full"}', "description": "",
    }  # fmt: skip
    over_socket = engine_connection(make_url("postgresql://email_engine:w@/email_engine?host=/run/pg"))
    assert over_socket["host"] == "/run/pg"
    assert "port" not in over_socket


def test_the_command_line_reads_the_database_from_the_mounted_file(
    mounted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare_databases(mounted)
    monkeypatch.delenv("EMAIL_ENGINE_DATABASE_URL", raising=False)
    monkeypatch.setenv("EMAIL_ENGINE_DATABASE_URL_FILE", str(mounted / "engine_database_url"))
    assert engine(["migrate"]) == 0
    told = capsys.readouterr()
    assert "has this release's tables" in told.out
    assert str(database_address(mounted, "engine_database_url").password) not in told.out + told.err


@pytest.mark.parametrize("file", ["/nowhere/url", "/"], ids=["missing", "a folder"])
def test_a_mounted_file_that_is_none_is_an_input_error(
    file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("EMAIL_ENGINE_DATABASE_URL", raising=False)
    monkeypatch.setenv("EMAIL_ENGINE_DATABASE_URL_FILE", file)
    assert engine(["migrate"]) == 2
    assert f"engine database: {file}: " in capsys.readouterr().err
