"""Connections from the environment and from a file: their forms, and files that are not to be trusted."""

import json
from pathlib import Path
from typing import Any

import pytest

from email_engine.adapters import connections
from email_engine.adapters.connection_source import ConnectionSource
from email_engine.errors import InputError

FIELDS: dict[str, Any] = {
    "conn_type": "mailwizz_db", "host": "db.example", "port": 3307, "login": "e", "password": "se/cr@t", "schema": "mw",
    "extra": {"table_prefix": "mw1_"},
}  # fmt: skip
URI = "mailwizz-db://e:se%2Fcr%40t@db.example:3307/mw?table_prefix=mw1_"
URI_OF_AIRFLOW = (
    "mailwizz-db://e:se%2Fcr%40t@db.example:3307/mw?__extra__=%7B%22table_prefix%22%3A+%22mw1_%22%7D"
)


def source(
    tmp_path: Path, text: str, mode: int = 0o600, name: str = "c.json", **more: str
) -> ConnectionSource:
    file = tmp_path / name
    file.write_text(text)
    file.chmod(mode)
    return ConnectionSource({"EMAIL_ENGINE_CONNECTIONS": str(file)} | more)


@pytest.mark.parametrize(
    "given",
    [FIELDS, FIELDS | {"extra": json.dumps(FIELDS["extra"])}, FIELDS | {"port": "3307"}, URI, URI_OF_AIRFLOW,
     json.dumps(FIELDS)],
    ids=["fields", "extra as text", "port as text", "URI", "URI of Airflow", "JSON in JSON"],
)  # fmt: skip
def test_every_form_that_airflow_takes_is_the_same_connection(tmp_path: Path, given: Any) -> None:
    found = source(tmp_path, json.dumps({"mailwizz_db_x": given})).fields("mailwizz_db_x")
    with connections.mailwizz_db(found) as database:
        url = database.database.url
    assert (url.host, url.port, url.username, url.password, url.database) == (
        "db.example",
        3307,
        "e",
        "se/cr@t",
        "mw",
    )
    assert database.database.table_prefix == "mw1_"


def test_the_environment_comes_first_and_a_file_may_be_yaml(tmp_path: Path) -> None:
    found = source(
        tmp_path, "x:\n  conn_type: powermta\n  host: old\n", name="c.yaml", AIRFLOW_CONN_X="powermta://new"
    )
    assert found.fields("x").host == "new"
    assert "x" in found
    assert "y" not in found


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(InputError, match="chmod 600"):
        source(tmp_path, "{}", mode)


@pytest.mark.parametrize("text", ["[1]", "{", "secret-word", "\x00", "a: [se/cr@t"])
def test_a_file_that_cannot_be_understood_is_never_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError) as caught:
        source(tmp_path, text)
    assert "secret-word" not in str(caught.value)
    assert "se/cr@t" not in str(caught.value)


@pytest.mark.parametrize(
    "given", ["no uri", "{not json se/cr@t", 7, ["se/cr@t"], {"port": "many"}, {"extra": "{se/cr@t"}], ids=str
)
def test_one_bad_connection_is_named_and_never_shown(tmp_path: Path, given: Any) -> None:
    with pytest.raises(InputError, match="connection x") as caught:
        source(tmp_path, json.dumps({"x": given, "y": URI})).fields("x")
    assert "se/cr@t" not in str(caught.value)


def test_one_that_is_nowhere_says_where_to_give_it() -> None:
    with pytest.raises(InputError, match=r"AIRFLOW_CONN_.*EMAIL_ENGINE_CONNECTIONS"):
        ConnectionSource({}).fields("powermta_mta-1")


def test_secrets_stay_out_of_what_is_printed(tmp_path: Path) -> None:
    assert "se/cr@t" not in repr(source(tmp_path, json.dumps({"x": FIELDS})).fields("x"))
