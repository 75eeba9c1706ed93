"""A real name server of block lists, rbldnsd, on loopback: every zone holds the addresses that it is given."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

HEAD = "$SOA 3600 ns.lab.example. hostmaster.lab.example. 0 3600 600 86400 60\n$NS 3600 ns.lab.example.\n"


@cache
def program() -> str | None:
    """Where rbldnsd is, installed from Debian when that may be done; None: it cannot be had here."""
    if shutil.which("rbldnsd") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for words in (["install", "-y", "rbldnsd"], ["update"], ["install", "-y", "rbldnsd"]):
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(
                    ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=60", *words],
                    capture_output=True,
                    check=False,
                    timeout=120,
                )
            if shutil.which("rbldnsd"):
                break
    return shutil.which("rbldnsd")


@contextlib.contextmanager
def serving(
    folder: Path, zones: Mapping[str, Iterable[str]], names: Mapping[str, Iterable[str]] | None = None
) -> Iterator[int]:
    """The port of a server with these zones: lines of an ip4set, `127.0.0.2` (the test point) among them or not, and in `names` of
    a dnset."""
    found = program()
    if found is None:
        pytest.skip("rbldnsd is not installed and cannot be. Next: apt-get install rbldnsd")
    folder.mkdir(parents=True, exist_ok=True)
    sets = dict.fromkeys(zones, "ip4set") | dict.fromkeys(names or {}, "dnset")
    for zone, lines in [*zones.items(), *(names or {}).items()]:
        (folder / zone).write_text(
            HEAD + ":127.0.0.2:Listed, see https://bl.example/?ip=$\n" + "\n".join(lines) + "\n"
        )
    folder.chmod(0o755)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    words = [found, "-n", *user, "-r", str(folder), "-b", f"127.0.0.1/{port}", "-t", "60"]
    process = subprocess.Popen(
        [*words, *(f"{zone}:{kind}:{zone}" for zone, kind in sets.items())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _wait_for(port, next(iter(sets)), process)
        yield port
    finally:
        process.terminate()
        process.wait(10)
        if process.stderr:
            process.stderr.close()


def _wait_for(port: int, zone: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        if process.poll() is not None:
            said = process.stderr.read().decode() if process.stderr else ""
            raise RuntimeError(f"rbldnsd ended: {said}")
        with contextlib.suppress(dns.exception.Timeout, OSError):
            dns.query.udp(dns.message.make_query(zone, "SOA"), "127.0.0.1", port=port, timeout=0.2)
            return
        time.sleep(0.1)
    raise RuntimeError("rbldnsd does not answer")
