"""A lab for tests: a small world, run as its own process, gone when the test is over."""

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lab.ports import fill_ports

ROOT = Path(__file__).resolve().parent.parent
START = datetime(2026, 11, 1, tzinfo=UTC)
TENANTS = {"aurora": IPv4Network("198.51.100.0/24"), "borealis": IPv4Network("203.0.113.0/24")}
PREFIXES = ("news", "mail", "letter", "post", "info")
PROVIDERS = {"gmail.com": 0.45, "outlook.com": 0.2, "yahoo.com": 0.15, "example.net": 0.2}
API_KEY = "0123456789abcdef0123456789abcdef01234567"
ATTEMPTS = 3


class LabRefused(AssertionError):
    """The lab could not start, or answered an error; the text is its own."""


class RunningLab:
    """A lab process. `world` has its ports filled; `ready` is its ready line; `stop` ends it (and nothing else)."""

    def __init__(
        self, world: dict[str, Any], process: subprocess.Popen[str], ready: dict[str, Any], log: Path
    ) -> None:
        self.world = world
        self.ready = ready
        self.control = f"http://127.0.0.1:{ready['control']}"
        self._process = process
        self._log = log
        self._http = httpx.Client(base_url=self.control, timeout=600.0, trust_env=False)

    @property
    def client_key_file(self) -> Path:
        """The private key that `example_world` let in (OpenSSH form)."""
        return Path(self.world["state"]) / "keys" / "client"

    @property
    def log(self) -> str:
        """What the lab wrote to stderr."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def get(self, path: str, **query: str) -> Any:
        return self._checked(self._http.get(path, params=query))

    def knob(self, name: str, /, **arguments: Any) -> Any:
        """Turns a knob; gives its result. Raises LabRefused."""
        return self._checked(self._http.post(f"/knobs/{name}", json=arguments))["result"]

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.get("/state")
        return state

    def now(self) -> datetime:
        return datetime.fromisoformat(self.get("/clock")["now"])

    def advance(self, to: datetime) -> None:
        """Moves a manual clock (aware time), hour by hour."""
        self._checked(self._http.post("/clock", json={"advance_to": to.isoformat()}))

    def release(self) -> None:
        """From a manual clock to real time."""
        self._checked(self._http.post("/clock", json={"release": True}))

    def stop(self) -> None:
        self._http.close()
        _end(self._process)

    def _checked(self, response: httpx.Response) -> Any:
        if response.is_error:
            raise LabRefused(f"{response.request.method} {response.url.path}: {response.text}")
        return response.json()


@contextlib.contextmanager
def running_lab(world: dict[str, Any], *, patience: float = 60.0) -> Iterator[RunningLab]:
    """Runs the world until the block ends. Ports 0 are filled; raises LabRefused with the lab's own words."""
    state = Path(world["state"])
    state.mkdir(parents=True, exist_ok=True)
    lab = _start(world, state, patience)
    try:
        yield lab
    finally:
        lab.stop()


def example_world(
    state: Path,
    *,
    tenants: tuple[str, ...] = ("aurora",),
    hosts: int = 1,
    ips_per_host: int = 2,
    start: datetime | None = START,
    database_url: str | None = None,
    daily_demand: int = 1000,
    daily_quota: int = 0,
) -> dict[str, Any]:
    """A small world: each host has `ips_per_host` IPs of each tenant; makes the keys it needs under `state`/keys.

    `start` None: real time. `database_url` None: no MailWizz. IP n of a tenant is its network's n-th address, its virtual MTA
    `{tenant}-{n}`, its hostname `mail{n}.{tenant}-mail.example`; all domains share one DKIM key (selector s1).
    """
    keys = state / "keys"
    authorized_key = _client_key(keys)
    public_key_file = _dkim_key(keys)
    numbers = range(1, hosts * ips_per_host + 1)
    return {
        "state": str(state),
        "clock": {"mode": "manual", "start": start.isoformat()} if start else {"mode": "real"},
        "control": {"port": 0},
        "powermta": [
            {
                "name": f"mta-{host}",
                "ssh_port": 0,
                "ips": [
                    _ip(tenant, n) for tenant in tenants for n in numbers if _host_of(n, ips_per_host) == host
                ],
                "authorized_key": authorized_key,
                "host_key_file": str(keys / f"mta-{host}"),
            }
            for host in range(1, hosts + 1)
        ],
        "mailwizz": [
            {
                "name": f"mw-{tenant}",
                "port": 0,
                "api_key": API_KEY,
                "database_url": database_url,
                "table_prefix": f"{tenant[0]}mw_",
                "servers": [
                    {
                        "server_id": 100 * (index + 1) + n,
                        "name": f"{tenant}-{n}",
                        "hostname": f"mta-{_host_of(n, ips_per_host)}",
                        "vmta": f"{tenant}-{n}",
                        "daily_quota": daily_quota,
                    }
                    for n in numbers
                ],
                "campaigns": [
                    {
                        "uid": f"camp-{tenant}-news",
                        "daily_demand": daily_demand,
                        "mail_from": f"bounce@{_domain(tenant, 1)}",
                        "providers": PROVIDERS,
                    }
                ],
            }
            for index, tenant in enumerate(tenants if database_url else ())
        ],
        "dns": {
            "port": 0,
            "domains": [
                {
                    "domain": _domain(tenant, n),
                    "ip": _ip(tenant, n),
                    "hostname": f"mail{n}.{tenant}-mail.example",
                    "selector": "s1",
                    "dkim_public_key_file": str(public_key_file),
                }
                for tenant in tenants
                for n in numbers
            ],
            "lists": [
                {"zone": "zen.lab.example", "kind": "zen"},
                {"zone": "bl.lab.example", "kind": "healthy"},
                {"zone": "dead.lab.example", "kind": "wildcard"},
                {"zone": "public.lab.example", "kind": "blocked"},
                {"zone": "empty.lab.example", "kind": "empty"},
                {"zone": "servfail.lab.example", "kind": "servfail"},
                {"zone": "silent.lab.example", "kind": "silent"},
            ],
        },
        "telegram": {"port": 0, "token": "123456:ABC-lab", "chat_id": "-1001"},
    }


def _start(world: dict[str, Any], state: Path, patience: float) -> RunningLab:
    """Free ports may be taken by somebody else before the lab binds them: then with others, a few times."""
    for attempt in range(1, ATTEMPTS + 1):
        filled = fill_ports(world)
        file = Path(tempfile.mkdtemp(prefix="lab-", dir=state)) / "world.json"
        file.write_text(json.dumps(filled), encoding="utf-8")
        log = file.with_name("lab.log")
        with log.open("w", encoding="utf-8") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "lab", "run", "--with-parent", str(file)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        ready = _ready_line(process, patience)
        if ready:
            return RunningLab(filled, process, ready, log)
        _end(process)
        told = log.read_text(encoding="utf-8", errors="replace")
        if "cannot listen" not in told or attempt == ATTEMPTS:
            break
    raise LabRefused(
        f"the lab did not get ready within {patience} s, exit status {process.returncode}:\n{told[-4000:]}"
    )


def _ready_line(process: subprocess.Popen[str], patience: float) -> dict[str, Any] | None:
    """None if the process ended, or said nothing for too long (then it is ended)."""
    assert process.stdout is not None  # noqa: S101 (for the type checker)
    timer = threading.Timer(patience, process.kill)
    timer.start()
    try:
        line = process.stdout.readline()
    finally:
        timer.cancel()
    return json.loads(line) if line else None


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


def _client_key(keys: Path) -> str:
    """The authorized_keys line of a key pair that is made if missing."""
    keys.mkdir(parents=True, exist_ok=True)
    private, public = keys / "client", keys / "client.pub"
    if not public.exists():
        key = Ed25519PrivateKey.generate()
        private.touch(mode=0o600)
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        public.write_bytes(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    return public.read_text(encoding="ascii").strip()


def _dkim_key(keys: Path) -> Path:
    """The public half (SPKI PEM) of `keys`/dkim.pem, made if missing."""
    private, public = keys / "dkim.pem", keys / "dkim.pub.pem"
    if not public.exists():
        key = generate_private_key(public_exponent=65537, key_size=2048)
        private.touch(mode=0o600)
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return public


def _host_of(n: int, ips_per_host: int) -> int:
    return (n - 1) // ips_per_host + 1


def _ip(tenant: str, n: int) -> str:
    return str(TENANTS[tenant][n])


def _domain(tenant: str, n: int) -> str:
    return f"{PREFIXES[(n - 1) % len(PREFIXES)]}{n}.{tenant}-mail.example"
