"""What `lab-init` writes, and where it refuses before anything is written."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from email_engine.blocklists.config import load_blocklists
from email_engine.blocklists.model import ListStatus
from email_engine.errors import InputError
from email_engine.fleet.read import read_fleet
from email_engine.paths import CONFIG
from lab.world import parse_world
from stack.compose import lab as step
from stack.compose.__main__ import main
from stack.compose.lab import Stored, refuse_foreign, zones
from stack.compose.secret_files import make_secrets

OURS = {"lab", "postgres"}


@pytest.fixture
def place(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, list[Stored], dict[str, Any]]]:
    """The folder of all, what Airflow holds, and what is written to it."""
    make_secrets(tmp_path / "secrets")
    (tmp_path / "fleet").mkdir()
    server = make_url(postgres_url)
    address = make_url((tmp_path / "secrets" / "engine_database_url").read_text())
    here = address.set(host=None, port=None, query=server.query)
    (tmp_path / "secrets" / "engine_database_url").write_text(here.render_as_string(hide_password=False))
    (tmp_path / "secrets" / "postgres_password").write_text(str(server.password))
    monkeypatch.setenv("EMAIL_ENGINE_SECRETS", str(tmp_path / "secrets"))
    monkeypatch.setenv("EMAIL_ENGINE_FLEET", str(tmp_path / "fleet" / "fleet.yaml"))
    monkeypatch.setenv(step.HOST, "lab")
    monkeypatch.setenv(step.STATE, str(tmp_path / "lab"))
    held: list[Stored] = []
    written: dict[str, Any] = {}
    monkeypatch.setattr(step, "stored", lambda names: [each for each in held if each.conn_id in names])
    monkeypatch.setattr(step, "write_connections", written.update)
    yield tmp_path, held, written
    with psycopg.connect(
        server.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
    ) as connection:
        for name in ("mw-aurora", "mw-borealis"):
            connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
            connection.execute(f'DROP ROLE IF EXISTS "{name}"')


Place = tuple[Path, list[Stored], dict[str, Any]]


def test_it_writes_a_world_that_the_lab_takes_and_may_be_repeated(place: Place) -> None:
    folder, held, written = place
    assert main(["lab"]) == 0
    file = folder / "lab" / "lab" / "world.json"
    world = json.loads(file.read_text())
    parse_world(world)
    assert file.stat().st_mode & 0o077 == 0
    assert (folder / "fleet" / "fleet.yaml").read_text() == (CONFIG / "fleet.yaml").read_text()
    assert {fields["host"] for fields in written.values() if fields["conn_type"] == "powermta"} == {"lab"}
    assert "email_engine_db" not in written
    held += [
        Stored(name, str(fields.get("host") or ""), fields["extra"].get("base_url") or "")
        for name, fields in written.items()
    ]
    before = dict(written)
    assert main(["lab"]) == 0
    assert written == before
    assert json.loads(file.read_text()) == world


def test_where_a_real_connection_stands_nothing_is_written(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, held, written = place
    held.append(Stored("telegram_alerts_default", "", "https://api.telegram.org"))
    assert main(["lab"]) == 2
    told = capsys.readouterr().err
    assert "telegram_alerts_default lead elsewhere" in told
    assert "leave the profile lab out" in told
    assert (written, list((folder / "fleet").iterdir()), (folder / "lab" / "lab").exists()) == ({}, [], False)


def test_a_fleet_of_ones_own_is_played_and_kept(place: Place) -> None:
    folder, _, written = place
    own = (CONFIG / "fleet.yaml").read_text().replace("powermta_mta-1", "powermta_other")
    (folder / "fleet" / "fleet.yaml").write_text(own)
    assert main(["lab"]) == 0
    assert (folder / "fleet" / "fleet.yaml").read_text() == own
    assert "powermta_other" in written
    assert "powermta_mta-1" not in written


@pytest.mark.parametrize("role", ["postgres", "airflow", "email_engine"])
def test_no_role_of_others_is_touched(
    place: Place, role: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "prepare_role", lambda *words: pytest.fail(f"{words} is altered"))
    fleet = read_fleet(CONFIG / "fleet.yaml")
    named = replace(fleet.mailwizz_instances[0], name=role)
    changed = replace(fleet, mailwizz_instances=(named, *fleet.mailwizz_instances[1:]))
    monkeypatch.setattr(step, "read_fleet", lambda path: changed)
    assert main(["lab"]) == 2
    assert f"mailwizz {role}: is the name of a role" in capsys.readouterr().err
    assert place[2] == {}


def test_a_folder_that_may_not_be_written_to_is_named_with_the_command_that_helps(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EMAIL_ENGINE_FLEET", str(place[0] / "none" / "fleet.yaml"))
    assert main(["lab"]) == 2
    assert "cp include/config/fleet.yaml fleet/fleet.yaml" in capsys.readouterr().err
    assert place[2] == {}


@pytest.mark.parametrize("name", [step.HOST, step.STATE])
def test_in_another_service_it_does_nothing(
    place: Place, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(name)
    assert main(["lab"]) == 2
    assert f"{name}: is not set" in capsys.readouterr().err
    assert not (place[0] / "fleet" / "fleet.yaml").exists()


@pytest.mark.parametrize(
    "stored",
    [
        Stored("powermta_mta-1", "lab"),
        Stored("mailwizz_api", "http://lab/api"),
        Stored("mailwizz_api", "http://lab:8101/api"),
        Stored("telegram_alerts_default", "", "http://lab:8099"),
        Stored("mailwizz_db", "postgres"),
    ],
    ids=lambda stored: stored.base_url or stored.host,
)
def test_what_leads_to_the_lab_may_be_written_anew(stored: Stored) -> None:
    refuse_foreign([stored], OURS)


@pytest.mark.parametrize(
    "stored",
    [
        Stored("powermta_mta-1", "mta-1.example.net"),
        Stored("powermta_mta-1", "192.0.2.1"),
        Stored("powermta_mta-1", "lab.example.net"),
        Stored("powermta_mta-1", ""),
        Stored("mailwizz_api", "https://mail.example/lab"),
        Stored("mailwizz_api", "https://lab@mail.example/api"),
        Stored("mailwizz_db", "/run/mysqld/mysqld.sock"),
        Stored("telegram_alerts_default", "lab", "https://api.telegram.org"),
        Stored("telegram_alerts_default", ""),
    ],
    ids=lambda stored: stored.base_url or stored.host or "nowhere",
)
def test_what_leads_elsewhere_is_refused_beside_others_of_the_lab(stored: Stored) -> None:
    with pytest.raises(InputError, match=f"{stored.conn_id} lead elsewhere"):
        refuse_foreign([Stored("dns_resolver_default", "lab"), stored], OURS)


def test_every_list_that_needs_no_key_has_a_zone_in_the_lab_with_its_test_points() -> None:
    lists = load_blocklists()[0]
    made = {entry["zone"]: entry for entry in zones(lists)}
    for each in lists:
        asked = each.status is ListStatus.ACTIVE and each.zone_to_ask({}) is not None
        assert (each.zone in made) is asked, each.name
        if asked and each.probe.has_test_point:
            assert set(made[each.zone]["test_codes"]) == {str(code) for code in each.probe.listed}
    assert "zen.spamhaus.org" in made
