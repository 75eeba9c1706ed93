"""Every service of docker-compose.yaml runs its own command with its own environment, without a container: from empty databases
to a task that the Celery worker carried out."""

import json
import re
import subprocess

import httpx
import pytest

from tests.compose.without_containers import AIRFLOW, Host, trigger, writable_by

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


SETTINGS = """
import json, sys
from airflow.configuration import conf
from airflow.providers_manager import ProvidersManager
ProvidersManager().initialize_providers_configuration()
known = {f"{s}__{o}" for s, d in conf.configuration_description.items() for o in d["options"]}
secret = {f"{s}__{o}_cmd" for s, o in conf.sensitive_config_values}
print(json.dumps([name for name in sys.argv[1:] if name not in known | secret]))
"""


def test_every_setting_is_one_that_airflow_and_its_providers_have(host: Host) -> None:
    environment = host.file["services"]["airflow-worker"]["environment"]
    names = [name.removeprefix("AIRFLOW__").lower() for name in environment if name.startswith("AIRFLOW__")]
    said = host.run("init", "python", "-c", SETTINGS, *names, "celery__no_such").splitlines()
    unknown = next(line for line in reversed(said) if line.startswith("["))
    assert json.loads(unknown) == ["celery__no_such"]


def test_both_roles_are_bound_and_own_one_database_each(host: Host) -> None:
    for secret, name in (("airflow_database_url", "airflow"), ("engine_database_url", "email_engine")):
        query = "SELECT current_user, current_database(), rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        assert host.ask(secret, query) == [(name, name, False, False, False)]
    assert host.ask("engine_database_url", "SELECT count(*) FROM email_engine.ips") == [(0,)]
    assert host.ask("airflow_database_url", "SELECT count(*) FROM ab_user") == [(1,)]


def test_init_may_run_again_and_changes_no_password(host: Host) -> None:
    query = "SELECT username, password FROM ab_user"
    before = host.ask("airflow_database_url", query)
    said = host.run("init", "python", "-m", "stack.compose", "databases", "connection", "login")
    assert "its password stays" in said
    assert host.ask("airflow_database_url", query) == before
    assert (
        len(host.ask("airflow_database_url", "SELECT 1 FROM connection WHERE conn_id = 'email_engine_db'"))
        == 1
    )


def test_nobody_enters_without_the_password_or_with_a_wrong_one(host: Host, api: httpx.Client) -> None:
    for password in ("admin", host.secret("admin_password") + "x", ""):
        wrong = api.post(
            "/auth/token", json={"username": "admin", "password": password}, headers={"Authorization": ""}
        )
        assert wrong.status_code in (400, 401, 422), f"{password!r}: {wrong.status_code}"
    assert httpx.get(f"{api.base_url}/api/v2/dags", timeout=60).status_code == 401


def test_the_pool_and_the_connection_of_the_engine_stand(api: httpx.Client) -> None:
    assert api.get("/api/v2/pools/powermta").json()["slots"] == 4
    connection = api.get("/api/v2/connections/email_engine_db").json()
    assert (connection["login"], connection["schema"], connection["conn_type"]) == (
        "email_engine",
        "email_engine",
        "postgres",
    )


@pytest.mark.parametrize("name", ["postgres", "redis", *AIRFLOW])
def test_the_health_check_passes_where_the_service_runs(host: Host, name: str) -> None:
    host.wait_until_healthy(name)


def test_redis_wants_its_password(host: Host) -> None:
    words = ["redis-cli", "-p", host.ports["6379"], "ping"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert "NOAUTH" in done.stdout


def test_the_worker_carries_out_a_dry_emergency_stop(host: Host, api: httpx.Client) -> None:
    assert "100" in host.run("cli", "fleet", "apply")
    run = trigger(
        api, "emergency_stop", {"scope": "tenant", "name": "aurora", "reason": "a drill", "dry_run": True}
    )
    assert run["state"] == "success", f"{run}\n{host.log('airflow-worker')}"
    path = f"/api/v2/dags/emergency_stop/dagRuns/{run['dag_run_id']}/taskInstances/pull"
    task = api.get(path).json()
    assert task["state"] in ("success", "skipped")
    done = host.ask("airflow_database_url", "SELECT status FROM celery_taskmeta")
    assert ("SUCCESS",) in done, "no task went through Celery and its result backend"
    log = api.get(
        f"{path}/logs/{task['try_number']}",
        params={"full_content": True},
        headers={"Accept": "application/json"},
    )
    assert log.status_code == 200
    text = json.dumps(log.json())
    assert "198.51.100." in text, text[-1500:]
    for secret in host.places["/run/secrets"].iterdir():
        assert secret.read_text().strip() not in text
    assert host.ask("engine_database_url", "SELECT count(*) FROM email_engine.ips") == [(100,)]
    assert host.ask("engine_database_url", "SELECT count(*) FROM email_engine.brakes") == [(0,)]


def test_no_log_of_a_service_shows_a_secret(host: Host) -> None:
    secrets = {
        p.name: p.read_text().removeprefix("requirepass").strip()
        for p in host.places["/run/secrets"].iterdir()
    }
    words = {name: re.sub(r"^.*://[^:]*:([^@]+)@.*$", r"\1", text) for name, text in secrets.items()}
    for name in ("redis", *AIRFLOW):
        shown = [
            secret
            for secret, word in words.items()
            if word in (host.folder / f"{name}.log").read_text(errors="replace")
        ]
        assert not shown, f"{name} shows {shown}"


def test_nothing_is_written_where_the_container_is_read_only(host: Host) -> None:
    allowed = [host.here(path) for path in writable_by(host.file["services"]["airflow-worker"])]
    home = host.places["/opt/airflow"]
    written = [str(p) for p in [*home.rglob("*"), *host.places["/home/airflow"].rglob("*")] if p.is_file()]
    assert written
    assert [path for path in written if not path.startswith(tuple(allowed))] == []
