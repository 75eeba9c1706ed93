"""`fleet_adopt` as its DAG runs it: a dry run writes nothing, a run writes beside the fleet file and tells once."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from sqlalchemy import func, select

from email_engine.adoption.request import HostAsked
from email_engine.commands.configurations import load_configuration
from email_engine.pipelines.fleet_adopt import run_adoption
from email_engine.pipelines.fleet_adopt.sources import BroughtHost
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.telling import alerts
from email_engine_airflow.operators.fleet_adopt import AdoptFleet
from tests.adopted_fleet import NOW, HandIp, configuration, write_accounting
from tests.airflow_connections import engine_connection

IPS = (HandIp("news-1", "198.51.100.1", "1200/d", sent=(1000,), pool="news"),)
FORM = {
    "hosts": "mta-1",
    "tenant": "aurora",
    "purpose": "letters",
    "consent": "opt-in",
    "risk_class": "standard",
}


@pytest.fixture(autouse=True)
def fleet_file(
    tmp_path: Path, store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The host is read from files: what goes over SSH is tried in tests/integration."""
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", engine_connection(engine_database_url))
    path = tmp_path / "fleet" / "fleet.yaml"
    path.parent.mkdir()
    path.write_text("version: 1 # mine\n")
    monkeypatch.setenv("EMAIL_ENGINE_FLEET", str(path))
    (tmp_path / "config").write_text(configuration("mta-1", IPS))
    write_accounting(tmp_path / "done", IPS)

    def brought(request: Any, clients: Any) -> list[BroughtHost]:
        asked = HostAsked("mta-1", "powermta_mta-1")
        return [
            BroughtHost(asked, lambda: load_configuration(tmp_path / "config"), tmp_path / "done", "5.0r5")
        ]

    monkeypatch.setattr(run_adoption, "remote_hosts", brought)
    return path


def adopt(run_id: str = "one", **params: Any) -> dict[str, Any]:
    run = SimpleNamespace(
        dag_id="fleet_adopt", run_id=run_id, run_after=NOW, logical_date=None, run_type="manual"
    )
    context = {"dag_run": run, "params": FORM | {"dry_run": False} | params}
    found: dict[str, Any] = AdoptFleet(task_id="adopt").execute(context)
    return found


def told(store: Store) -> list[str]:
    with store.session(tenant="*") as conn:
        return [alert.text for alert in alerts.pending(conn)]


def files_taken(store: Store) -> int:
    with store.session(tenant="*") as conn:
        return int(conn.execute(select(func.count()).select_from(s.accounting_files)).scalar_one())


def test_a_dry_run_shows_and_writes_nothing(fleet_file: Path, store: Store) -> None:
    found = adopt(dry_run=True)
    assert (found["ips"], found["blanks"], found["folder"]) == (1, 0, None)
    assert [path.name for path in fleet_file.parent.iterdir()] == ["fleet.yaml"]
    assert told(store) == []


def test_a_run_writes_beside_the_fleet_file_and_tells_once(fleet_file: Path, store: Store) -> None:
    found = adopt()
    folder = fleet_file.parent / "adoption"
    assert found["folder"] == str(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["fleet.draft.yaml", "report.md"]
    assert fleet_file.read_text() == "version: 1 # mine\n"
    before = (folder / "fleet.draft.yaml").read_text()
    assert adopt() == found  # cleared in the UI
    assert (folder / "fleet.draft.yaml").read_text() == before
    assert len(told(store)) == 1
    assert "A fleet file is proposed in" in told(store)[0]
    assert files_taken(store) == 0


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_mistake_in_the_form_fails_at_once(dry_run: bool) -> None:
    with pytest.raises(AirflowFailException, match="risk_class"):
        adopt(risk_class="safe", dry_run=dry_run)


def test_a_folder_that_cannot_be_written_is_named(fleet_file: Path) -> None:
    (fleet_file.parent / "adoption").write_text("a file in the way")
    with pytest.raises(AirflowFailException, match="cannot be written to"):
        adopt()
