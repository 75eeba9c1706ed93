"""Airflow on this machine: its environment, its database, its REST API."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from email_engine.paths import ROOT
from stack.databases import database_url
from stack.postgres import Cluster
from stack.processes import die_with_parent
from stack.settings import Settings

COMPONENTS = {
    "api-server": ["api-server"],
    # their log servers would listen on all interfaces; here everybody reads the same files
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
NOBODY_LISTENS = "1"
Since = Callable[[], Mapping[str, float]]
"""Airflow's name of a component -> the time (seconds since 1970) that its heartbeat must be younger than."""
QUIET = {
    "http.access": "WARNING",
    "airflow.api_fastapi.execution_api": "WARNING",
    "airflow.serialization.definitions.dag": "WARNING",
    "airflow.models.dag": "WARNING",
    "airflow.dag_processing.manager": "WARNING",
    "airflow.utils.log.file_task_handler": "CRITICAL",  # asks a log server about every running task
}
"""Logger -> level: what would be written for every request and every parse."""


def environment(settings: Settings, cluster: Cluster, parallelism: int = 16) -> dict[str, str]:
    """Everything an Airflow process needs to know, beside what this process already has."""
    known = settings.secrets()
    home = settings.airflow_home
    ports = settings.ports
    inherited = {
        k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW_", "PYTHONDONTWRITEBYTECODE"))
    }
    return inherited | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
        "PYTHONWARNINGS": "ignore",
        "EMAIL_ENGINE_HOME": str(ROOT),
        "EMAIL_ENGINE_FLEET": str(settings.fleet_file),
        "EMAIL_ENGINE_DEPLOY_POLICY": str(settings.deploy_policy_file),
        "EMAIL_ENGINE_BLOCKLISTS": str(settings.blocklists_file),
        "EMAIL_ENGINE_RECIPIENT_KEY": sha256(f"recipients {known['fernet']}".encode()).hexdigest(),
        "EMAIL_ENGINE_CONFIG_HISTORY": str(settings.state / "config-history"),
        "EMAIL_ENGINE_HYGIENE": str(settings.state / "hygiene"),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(parallelism),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": known["fernet"],
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url(
            cluster, "airflow", known["airflow_db"], "psycopg2"
        ),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE": "20",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(ports["airflow"]),
        "AIRFLOW__API__BASE_URL": settings.address,
        "AIRFLOW__API__SECRET_KEY": known["api"],
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": known["jwt"],
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "15",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "AIRFLOW__DAG_PROCESSOR__PRINT_STATS_INTERVAL": "3600",
        "AIRFLOW__LOGGING__NAMESPACE_LEVELS": " ".join(f"{name}={level}" for name, level in QUIET.items()),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": NOBODY_LISTENS,
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": NOBODY_LISTENS,
    }


def write_login(settings: Settings) -> None:
    """The one user of this machine's Airflow; the password is random and shown by `make up` and `make status`."""
    settings.airflow_home.mkdir(parents=True, exist_ok=True)
    path = settings.airflow_home / "passwords.json"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"admin": settings.secrets()["admin"]}, file)


def command(env: Mapping[str, str], *words: str) -> str:
    """Runs `airflow WORDS` and returns its output; a failure carries the end of it."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *words], env=dict(env), capture_output=True, text=True, check=False,
        preexec_fn=die_with_parent,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"airflow {' '.join(words[:2])} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def _state_of(name: str, part: Mapping[str, Any], since: float | None) -> str:
    state = str(part["status"] or "absent")
    if state != "healthy" or since is None:
        return state
    beat = part.get(f"latest_{name}_heartbeat")
    return state if beat and datetime.fromisoformat(beat).timestamp() >= since else "starting"


class Api:
    """The REST API with the login of this machine."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client = httpx.Client(base_url=settings.address, timeout=30.0, trust_env=False)

    def login(self) -> None:
        answer = self.client.post(
            "/auth/token", json={"username": "admin", "password": self.settings.secrets()["admin"]}
        )
        answer.raise_for_status()
        self.client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def health(self, since: Mapping[str, float] | None = None) -> dict[str, str]:
        """Component -> status; `unreachable` where nothing answers.

        For half a minute Airflow calls healthy what has died: with `since` (component -> seconds since 1970) one whose
        last heartbeat is older is `starting`."""
        try:
            parts = self.client.get("/api/v2/monitor/health").json()
            return {name: _state_of(name, part, (since or {}).get(name)) for name, part in parts.items()}
        except (httpx.HTTPError, ValueError, AttributeError, KeyError):
            return {"api-server": "unreachable"}

    def get(self, path: str, **params: Any) -> Any:
        answer = self.client.get(f"/api/v2{path}", params=params)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        answer = self.client.post(f"/api/v2{path}", json=dict(body))
        answer.raise_for_status()
        return answer.json()

    def trigger(self, dag: str, **conf: Any) -> str:
        """Starts a run by hand; returns its id."""
        return self.post(f"/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]

    def wait_until_healthy(
        self,
        dags: int,
        seconds: float,
        beat: Callable[[], None] = lambda: None,
        since: Since = dict,
    ) -> None:
        """All components healthy and `dags` DAGs parsed, or TimeoutError with what was missing.

        `beat` is called before each look; it may raise when waiting makes no sense. `since`: see `health`."""
        deadline = time.monotonic() + seconds
        missing = "nothing asked yet"
        while time.monotonic() < deadline:
            beat()
            missing = self._missing(dags, since())
            if not missing:
                return
            time.sleep(0.3)
        raise TimeoutError(f"Airflow is not ready after {seconds:.0f} s: {missing}")

    def _missing(self, dags: int, since: Mapping[str, float]) -> str:
        sick = {name: state for name, state in self.health(since).items() if state != "healthy"}
        if sick:
            return ", ".join(f"{name} {state}" for name, state in sick.items())
        try:
            self.login()
            found = self.get("/dags", limit=100)["total_entries"]
        except httpx.HTTPError as error:  # it started or ended between two questions
            return f"the API: {error}"
        return "" if found >= dags else f"{found} of {dags} DAGs parsed"
