"""Ports for a world that does not name them."""

import json
import socket
from typing import Any

LOOPBACK = "127.0.0.1"


def fill_ports(raw: dict[str, Any], host: str = LOOPBACK) -> dict[str, Any]:
    """A copy in which every port that is 0 or absent is one of `host` that was free a moment ago. OSError: no address of ours."""
    world: dict[str, Any] = json.loads(json.dumps(raw))
    world.setdefault("control", {})
    wanting = [(world["control"], "port"), *((host, "ssh_port") for host in world.get("powermta", ()))]
    wanting += [(part, "port") for part in world.get("mailwizz", ())]
    wanting += [(world[part], "port") for part in ("dns", "telegram") if world.get(part)]
    held = []
    for part, key in wanting:
        if isinstance(part, dict) and not part.get(key):
            held.append(socket.create_server((host, 0)))
            part[key] = held[-1].getsockname()[1]
    for listener in held:
        listener.close()
    return world
