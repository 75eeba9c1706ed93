"""Which ports this machine's copy takes: what the environment asks for, else what was taken before, else the defaults."""

import json
import os
import re
from pathlib import Path

from email_engine.errors import InputError

PORTS = {
    "airflow": 8080,
    "lab control": 8090,
    "lab telegram": 8099,
    "lab dns": 8053,
    "lab mta-1 ssh": 2201,
    "lab mta-2 ssh": 2202,
    "lab mw-aurora": 8101,
    "lab mw-borealis": 8102,
}
LOWEST, HIGHEST = 1024, 65535
OFFSET, AIRFLOW = "EMAIL_ENGINE_PORT_OFFSET", "EMAIL_ENGINE_PORT"


def _number(variable: str, lowest: int, highest: int) -> int | None:
    """The variable's whole number; None where it is unset or empty."""
    text = (os.environ.get(variable) or "").strip()
    if not text:
        return None
    if re.fullmatch(r"[+-]?[0-9]{1,6}", text) and lowest <= int(text) <= highest:
        return int(text)
    raise InputError(
        variable,
        repr(text if len(text) <= 40 else text[:40] + "..."),
        f"a whole number from {lowest} to {highest}",
        f"{OFFSET}=2000 make up, or unset {variable}",
    )


def asked() -> bool:
    """Does the environment say anything about ports?"""
    return any((os.environ.get(name) or "").strip() for name in (OFFSET, AIRFLOW))


def choose(before: dict[str, int] | None = None) -> dict[str, int]:
    """Name -> port. `EMAIL_ENGINE_PORT_OFFSET` moves every default; without it `before` counts, else the defaults.

    `EMAIL_ENGINE_PORT` sets Airflow's alone. Raises InputError for what is no port and for two of the same number."""
    offset = _number(OFFSET, LOWEST - min(PORTS.values()), HIGHEST - 500 - max(PORTS.values()))
    own = _number(AIRFLOW, LOWEST, HIGHEST)
    if offset is None and before:
        ports = dict(before)
    else:
        ports = {name: port + (offset or 0) for name, port in PORTS.items()}
    if own is not None:
        twin = next((name for name, port in ports.items() if port == own and name != "airflow"), None)
        if twin:
            raise InputError(
                AIRFLOW,
                f"{own}, the port of {twin}",
                "a port that no other part has",
                f"choose another, or move all of them: {OFFSET}=2000 make up",
            )
        ports["airflow"] = own
    return ports


def _file(state: Path) -> Path:
    return state / "ports.json"


def remembered(state: Path) -> dict[str, int] | None:
    """What the last `make up` took; None if there is nothing that can be read."""
    try:
        found = {str(name): int(port) for name, port in json.loads(_file(state).read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    whole = PORTS.keys() <= found.keys() and all(0 < port <= HIGHEST for port in found.values())
    return found if whole else None


def remember(state: Path, ports: dict[str, int]) -> None:
    """Counts until another choice is remembered or the state folder is deleted."""
    state.mkdir(parents=True, exist_ok=True)
    draft = _file(state).with_suffix(".new")
    draft.write_text(json.dumps(ports))
    draft.rename(_file(state))
