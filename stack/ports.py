"""Says which port is taken before anything is started."""

import socket
from collections.abc import Mapping


class PortTaken(Exception):
    """Lists every port that somebody else listens on."""


def check_free(ports: Mapping[str, int]) -> None:
    taken = []
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                taken.append(f"{port} ({name})")
    if taken:
        raise PortTaken(
            f"taken by another program: port {', '.join(taken)}. Nothing was started. "
            "Stop that program, or move all ports, for example by 2000: EMAIL_ENGINE_PORT_OFFSET=2000 make up"
        )
