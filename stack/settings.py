"""Where this machine's state lives, which ports it takes, and the secrets it made for itself."""

import itertools
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.fernet import Fernet

from email_engine.paths import CONFIG, ROOT
from stack.chosen_ports import PORTS, choose, remembered


@dataclass(frozen=True, slots=True)
class Settings:
    """One running copy of everything; `state` is the only folder that it writes to."""

    state: Path
    ports: dict[str, int]

    @property
    def fleet_file(self) -> Path:
        given = os.environ.get("EMAIL_ENGINE_FLEET")
        return Path(given).absolute() if given else self.state / "fleet.yaml"

    @property
    def blocklists_file(self) -> Path:
        return CONFIG / "blocklists.lab.yaml"

    @property
    def deploy_policy_file(self) -> Path:
        """The shipped policy, but a host is watched for 12 seconds; written here, so that it follows what is shipped."""
        path, shipped = self.state / "deploy.yaml", (CONFIG / "deploy.yaml").read_text()
        text = shipped.replace("\n  minutes: 10\n", "\n  minutes: 0.2\n")
        if text == shipped:
            raise RuntimeError(
                "include/config/deploy.yaml: watch.minutes is not 10; correct stack/settings.py"
            )
        if not path.exists() or path.read_text() != text:
            self.state.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(f".{os.getpid()}.new")
            draft.write_text(text)
            draft.rename(path)
        return path

    @property
    def airflow_home(self) -> Path:
        return self.state / "airflow"

    @property
    def connections_file(self) -> Path:
        """All connections with their passwords, mode 600; `email-engine stop` reads it when Airflow is down."""
        return self.state / "connections.json"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def lab(self) -> Path:
        return self.state / "lab"

    @property
    def address(self) -> str:
        return f"http://localhost:{self.ports['airflow']}"

    @property
    def control(self) -> str:
        return f"http://127.0.0.1:{self.ports['lab control']}"

    def secrets(self) -> dict[str, str]:
        """Random values made once, in a file that only its owner reads."""
        path = self.state / "secrets.json"
        if not path.exists():
            self.state.mkdir(parents=True, exist_ok=True)
            made = {
                name: secrets.token_urlsafe(24)
                for name in ("jwt", "api", "airflow_db", "engine_db", "mw-aurora_db", "mw-borealis_db")
            }
            made |= {f"{name}_key": secrets.token_hex(20) for name in ("mw-aurora", "mw-borealis")}
            made |= {"fernet": Fernet.generate_key().decode(), "admin": secrets.token_urlsafe(9)}
            made["telegram"] = f"{secrets.randbelow(10**9):09d}:{secrets.token_urlsafe(26)}"
            _write_secrets(path, made)
        return json.loads(path.read_text())

    def for_fleet(self, hosts: Sequence[str], instances: Sequence[str]) -> "Settings":
        """The same copy with a port and secrets for every PowerMTA host and MailWizz of a fleet, whatever their names."""
        known = self.secrets()
        wanted = [(f"lab {name} ssh", 2201) for name in hosts] + [(f"lab {name}", 8101) for name in instances]
        kept = PORTS.keys() | {key for key, _ in wanted}  # those of a fleet of before are given back
        ports = {name: port for name, port in self.ports.items() if name in kept}
        moved = ports["lab control"] - PORTS["lab control"]
        for key, first in wanted:
            if key not in ports:
                ports[key] = next(p for p in itertools.count(first + moved) if p not in ports.values())
        for name in instances:
            known.setdefault(f"{name}_db", secrets.token_urlsafe(24))
            known.setdefault(f"{name}_key", secrets.token_hex(20))
        _write_secrets(self.state / "secrets.json", known)
        return replace(self, ports=ports)


def _write_secrets(path: Path, values: dict[str, str]) -> None:
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(values, file)
    draft.rename(path)


def settings() -> Settings:
    """The copy that belongs to this checkout: `.engine`, or `EMAIL_ENGINE_STATE`.

    What `make up` took last counts until another choice is made, so that no other command has to be told the ports again."""
    state = Path(os.environ.get("EMAIL_ENGINE_STATE") or ROOT / ".engine").absolute()
    return Settings(state=state, ports=remembered(state) or choose())
