"""The services of docker-compose.yaml as plain processes: their own words and environment, with places, host names and ports
of a container replaced by those of this machine."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import psycopg
from sqlalchemy import make_url

from stack.compose.secret_files import make_secrets
from stack.postgres import Cluster
from tests.compose.compose_file import ROOT, load

AIRFLOW = [
    "airflow-apiserver",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
    "airflow-worker",
]
LOCK = ROOT / "requirements-compose.txt"


def environment_of_the_image() -> Path:
    """The packages of the image's lock in a virtual environment of their own, made once for each lock."""
    place = ROOT / ".venv" / f"compose-{sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    if not (place / "made").exists():
        uv = ROOT / ".venv" / "bin" / "uv"
        python = place / "bin" / "python"
        for words in (
            ["venv", "--quiet", "--clear", "--python", "3.11", place],
            ["pip", "install", "--quiet", "--no-deps", "--python", python, "--requirement", LOCK],
            ["pip", "install", "--quiet", "--no-deps", "--python", python, "--editable", ROOT],
        ):
            subprocess.run([uv, *words], check=True, timeout=600)
        (place / "made").touch()
    return place


def free_ports(names: list[str]) -> dict[str, str]:
    """Below those that the kernel gives to whoever connects: a service takes its port minutes later."""
    found: dict[str, str] = {}
    candidates = (25_000 + (os.getpid() + number) % 7_000 for number in range(7_000))
    for name in names:
        for port in candidates:
            with suppress(OSError), socket.create_server(("127.0.0.1", port)):
                found[name] = str(port)
                break
        else:
            raise RuntimeError("no free port on this machine")
    return found


class Host:
    """One machine that plays all containers. `start`, `run` and `healthy` take a service's name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = load()
        self.venv = environment_of_the_image()
        self.ports = free_ports(["8080", "8974", "8793", "8794", "6379"])
        self.lab = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
        """The address that plays the container of the service `lab`: on loopback, and nobody else's."""
        self.places = {
            "/run/secrets": folder / "secrets",
            "/opt/email-engine": ROOT,
            "/opt/airflow": folder / "airflow",
            "/var/lib/email-engine-lab": folder / "lab",
            "/var/lib/email-engine": folder / "state",
            "/etc/email-engine": folder / "fleet",
            "/home/airflow": folder / "home",
        }
        for place in ("airflow/logs", "airflow/run", "state", "lab", "fleet", "home"):
            (folder / place).mkdir(parents=True)
        make_secrets(folder / "secrets")
        self.postgres = Cluster(folder / "postgres", durable=False)
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def here(self, text: str) -> str:
        """A text of the file, with this machine's places, ports and names."""
        for inside, outside in self.places.items():
            text = re.sub(rf"{inside}(?![\w.-])", str(outside), text)
        for port, other in self.ports.items():
            text = re.sub(rf"\b{port}\b", other, text)
        text = text.replace("http://airflow-apiserver:", "http://127.0.0.1:").replace(
            "http://lab:", f"http://{self.lab}:"
        )
        text = text.replace("--bind=0.0.0.0", f"--bind={self.lab}")
        return text.replace("--control-name=lab", f"--control-name={self.lab}")

    def environment(self, name: str) -> dict[str, str]:
        """The file's own; schedules begin when a test lets them, or all pipelines would begin at once, with nothing to look at."""
        service = self.file["services"][name]
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "EMAIL_ENGINE"))}
        return inherited | {
            "PATH": f"{self.venv / 'bin'}:{Cluster.program('psql').parent}:{os.environ['PATH']}",
            "HOSTNAME": socket.gethostname(),
            "PYTHONWARNINGS": "ignore",
            "EMAIL_ENGINE_SECRETS": str(self.places["/run/secrets"]),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
            **{key: self.here(str(value)) for key, value in service.get("environment", {}).items()},
            **({"EMAIL_ENGINE_LAB_HOST": self.lab} if name == "lab-init" else {}),
        }

    def words(self, name: str, *instead: str) -> list[str]:
        """What the container would run: the image's entry point puts `airflow` before all but bash and python."""
        service = self.file["services"][name]
        words = list(instead or service["command"])
        if "entrypoint" in service:
            words = [*service["entrypoint"], *words]
        elif service["image"].startswith("email-engine:") and words[0] not in ("bash", "python"):
            words = ["airflow", *words]
        return [self.here(word) for word in words]

    def run(self, name: str, *instead: str, seconds: float = 400) -> str:
        """A one-shot to its end; its output, or an AssertionError with it."""
        process = subprocess.Popen(
            self.words(name, *instead), env=self.environment(name), cwd=ROOT, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            output, _ = process.communicate(timeout=seconds)
        finally:
            with suppress(ProcessLookupError):  # what a script started ends with it
                os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == 0, f"{name}: {output[-4000:]}"
        return output

    def start(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                self.words(name), env=self.environment(name), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def secret(self, name: str) -> str:
        return (self.places["/run/secrets"] / name).read_text()

    def ask(self, secret: str, query: str) -> list[tuple[object, ...]]:
        """The rows of a query to the database that a secret names, in all tenants."""
        url = make_url(self.secret(secret)).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url) as connection:
            connection.execute("SET email_engine.tenant = '*'")
            return connection.execute(query).fetchall()

    def start_postgres(self) -> None:
        """The embedded server in place of the image; the secrets lead to its socket."""
        self.postgres.start()
        secrets = self.places["/run/secrets"]
        (secrets / "postgres_password").write_text(str(make_url(self.postgres.url()).password))
        for name in ("airflow_database_url", "celery_result_backend", "engine_database_url"):
            text, moved = re.subn(
                r"@postgres:5432/(\w+)$",
                rf"@/\1?host={self.postgres.socket_folder}",
                (secrets / name).read_text(),
            )
            assert moved == 1, f"{name} does not lead to the service postgres"
            (secrets / name).write_text(text)
        broker = secrets / "celery_broker_url"
        text, moved = re.subn(r"@redis:6379/", f"@127.0.0.1:{self.ports['6379']}/", broker.read_text())
        assert moved == 1, "celery_broker_url does not lead to the service redis"
        broker.write_text(text)

    def healthy(self, name: str) -> subprocess.CompletedProcess[str]:
        """The health check's own command, once."""
        how, *words = self.file["services"][name]["healthcheck"]["test"]
        words = [self.here(word) for word in words]
        if name == "postgres":  # the embedded server has no TCP port
            words = [
                word.replace("--host=127.0.0.1", f"--host={self.postgres.socket_folder}") for word in words
            ]
        return subprocess.run(
            words if how == "CMD" else ["sh", "-c", *words], env=self.environment(name), capture_output=True,
            text=True, check=False, timeout=120,
        )  # fmt: skip

    def wait_until_healthy(self, name: str, seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while (done := self.healthy(name)).returncode:
            dead = name in self.running and self.running[name].poll() is not None
            if dead or time.monotonic() > deadline:
                how = "ended" if dead else "is not healthy"
                raise AssertionError(
                    f"{name} {how}: {done.stdout[-500:]}{done.stderr[-500:]}\n{self.log(name)}"
                )
            time.sleep(0.5)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def end(self, names: Iterable[str]) -> None:
        """Services that were started, and nothing else."""
        processes = [self.running.pop(name) for name in list(names) if name in self.running]
        for number, patience in ((signal.SIGTERM, 8.0), (signal.SIGKILL, 5.0)):
            for process in processes:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            deadline = time.monotonic() + patience
            for process in processes:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.1, deadline - time.monotonic()))

    def stop(self) -> None:
        """Everything that was started, and nothing else."""
        self.end(self.running)
        self.postgres.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


def writable_by(service: Mapping[str, Any]) -> list[str]:
    """The folders that a service may write to."""
    mounts = [mount.split(":")[1] for mount in service.get("volumes", []) if isinstance(mount, str)]
    return [*mounts, *service.get("tmpfs", [])]


def trigger(api: httpx.Client, dag: str, conf: dict[str, object], seconds: float = 180) -> dict[str, object]:
    """A run to its end; the run as the API shows it. The DAG's schedule begins."""
    deadline = time.monotonic() + seconds
    path = f"/api/v2/dags/{dag}"
    while (
        api.patch(path, json={"is_paused": False}).status_code == 404
        or (made := api.post(f"{path}/dagRuns", json={"logical_date": None, "conf": conf})).status_code == 404
    ):
        assert time.monotonic() < deadline, "the DAG processor did not find the DAG"
        time.sleep(1)
    assert made.status_code == 200, made.text
    run = made.json()
    while run["state"] not in ("success", "failed") and time.monotonic() < deadline:
        time.sleep(0.5)
        run = api.get(f"/api/v2/dags/{dag}/dagRuns/{run['dag_run_id']}").json()
    return run
