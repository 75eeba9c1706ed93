"""suppression_sync as Airflow runs it: a task an instance, and one that is away delays no other."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from sqlalchemy import make_url

from email_engine.errors import Unreachable
from email_engine.store.engine import Store
from email_engine.store.telling import incidents
from email_engine_airflow.operators.names import ListNames
from email_engine_airflow.operators.suppression_sync import SyncSuppression
from lab.testing import API_KEY, RunningLab, running_lab
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.suppression_bench import NOON, Bench, counts, hurry, instance


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[RunningLab]:
    world = {
        "state": str(Path(tmp_path_factory.mktemp("suppression"))),
        "clock": {"mode": "real"},
        "mailwizz": [instance("mw-aurora", postgres_url, table_prefix="operator_")],
    }
    with running_lab(world) as running:
        yield running


@pytest.fixture
def bench(
    lab: RunningLab,
    store: Store,
    postgres_url: str,
    engine_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Bench:
    hurry(monkeypatch)
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        add_tenant(conn, "borealis")
        add_host(conn)
        add_ip(conn, 1)
        add_ip(conn, 9, tenant="borealis", network="203.0.113")
    url = make_url(engine_database_url)
    database = {
        "conn_type": "postgres",
        "host": url.query["host"],
        "login": url.username,
        "password": url.password,
    }
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ENGINE_DB", json.dumps(database | {"schema": url.database}))
    for name, port in (("mw-aurora", lab.ready["mailwizz"]["mw-aurora"]), ("mw-borealis", 1)):
        fields = {"conn_type": "mailwizz", "host": f"http://127.0.0.1:{port}/api", "password": API_KEY}
        monkeypatch.setenv(f"AIRFLOW_CONN_MAILWIZZ_API_{name.upper()}", json.dumps(fields))
    made = Bench(lab, store, postgres_url, prefix="operator_")
    made.clean()
    return made


def context(**params: Any) -> dict[str, Any]:
    after = NOON + timedelta(minutes=15)
    run = SimpleNamespace(dag_id="suppression_sync", run_id="run-1", run_after=after, logical_date=None)
    return {"dag_run": run, "params": params}


def sync(name: str, **params: Any) -> Any:
    return SyncSuppression(task_id="sync", instance=name).execute(context(**params))


def test_an_instance_that_is_away_delays_no_other(bench: Bench) -> None:
    mine = bench.bounce("u@gmail.com", bench.mailed("u@gmail.com"))
    bench.ip, bench.vmta = "203.0.113.9", "borealis-9"
    bench.ingest(mine, *(bench.bounce(f"v{n}@gmail.com", f"v{n}@borealis-mail.example") for n in range(4)))
    names = ListNames(task_id="instances", of="mailwizz").execute(context())
    assert names == ["mw-aurora", "mw-borealis"]
    with pytest.raises(Unreachable, match="mailwizz_api_mw-borealis"):
        sync("mw-borealis")
    assert sync("mw-aurora") == counts(hard=1, posted=1, stored=1)
    assert sorted(bench.rows("mailwizz", "state")) == [
        ("mw-aurora", "stored"),
        *[("mw-borealis", "open")] * 4,
    ]
    with bench.store.session(tenant="*") as conn:
        assert [one.cause for one in incidents.standing(conn)] == ["MailWizz API mailwizz_api_mw-borealis"]


def test_a_name_that_is_no_instance_is_a_mistake_that_is_not_tried_again(bench: Bench) -> None:
    with pytest.raises(AirflowFailException, match="not in the fleet"):
        sync("mw-nobody")


def test_a_dry_run_counts_and_writes_nothing(bench: Bench) -> None:
    bench.ingest(bench.bounce("u@gmail.com", bench.mailed("u@gmail.com")))
    said = sync("mw-aurora", dry_run=True)
    assert (said["hard"], said["dry_run"]) == (1, True)
    assert (bench.rows("state"), bench.statuses("u@gmail.com")) == ([("new",)], ["confirmed"])
    assert len(json.dumps(said)) < 500
