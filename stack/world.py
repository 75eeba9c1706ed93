"""What the lab plays: made from the fleet, so that stand-ins and engine speak of the same IPs, servers and domains."""

import json
import os
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from sqlalchemy import URL

from email_engine.fleet.model import Fleet, IpState, SendingIp
from stack.settings import Settings

PROVIDERS = {
    "gmail.com": 0.42, "outlook.com": 0.12, "hotmail.com": 0.08, "yahoo.com": 0.14, "icloud.com": 0.06,
    "gmx.de": 0.05, "web.de": 0.03, "orange.fr": 0.03, "shop.example": 0.07,
}  # fmt: skip
LISTS = [
    {"zone": "zen.lab.example", "kind": "healthy"},
    {"zone": "bl.lab.example", "kind": "healthy"},
    {"zone": "dead.lab.example", "kind": "wildcard"},
    {"zone": "public.lab.example", "kind": "blocked"},
    {"zone": "empty.lab.example", "kind": "empty"},
    {"zone": "servfail.lab.example", "kind": "servfail"},
    {"zone": "silent.lab.example", "kind": "silent"},
]


def _write_private(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)


def ensure_ssh_key(path: Path) -> str:
    """An Ed25519 key pair beside each other; returns the public line `ssh-ed25519 AAAA...`."""
    public = path.with_name(path.name + ".pub")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        key = ed25519.Ed25519PrivateKey.generate()
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH
        line = key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        public.write_bytes(line + b"\n")
        draft = path.with_name(
            path.name + ".new"
        )  # the private half comes last: where it is, the pair is whole
        _write_private(draft, key.private_bytes(encoding, form, serialization.NoEncryption()))
        draft.rename(path)
    return public.read_text().strip()


def ensure_dkim_key(folder: Path, tenant: str) -> Path:
    """One RSA 2048 key pair a tenant (the lab's shortcut; a real fleet has one a domain); returns the public file."""
    private, public = folder / f"{tenant}.pem", folder / f"{tenant}.pub.pem"
    if not public.exists():
        folder.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(65537, 2048)
        pem = serialization.Encoding.PEM
        _write_private(
            private, key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        draft = public.with_name(public.name + ".new")  # where the public half is, the pair is whole
        draft.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
        draft.rename(public)
    return public


def place_dkim_keys(settings: Settings, fleet: Fleet) -> None:
    """The private halves lie on the lab's hosts where the fleet file says, as DNS has the public ones; what is there stays."""
    for ip in fleet.ips:
        file = settings.lab / ip.mta_host / ip.first_key_file.lstrip("/")
        if file.exists():
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}.new")
        draft.unlink(missing_ok=True)
        _write_private(draft, (settings.lab / "dkim" / f"{ip.tenant}.pem").read_bytes())
        draft.chmod(0o640)
        draft.rename(file)


def _powermta(settings: Settings, fleet: Fleet) -> list[dict[str, Any]]:
    client = ensure_ssh_key(settings.lab / "client_key")
    hosts = []
    for host in fleet.mta_hosts:
        key = settings.lab / "keys" / host.name
        ensure_ssh_key(key)
        hosts.append(
            {
                "name": host.name,
                "ssh_port": settings.ports[f"lab {host.name} ssh"],
                "username": "pmta",
                "version": "5.0r5",
                "ips": [str(ip.local_address) for ip in fleet.ips if ip.mta_host == host.name],
                "nat": {
                    str(ip.bind_address): str(ip.address)
                    for ip in fleet.ips
                    if ip.bind_address and ip.mta_host == host.name
                },
                "authorized_key": client,
                "host_key_file": str(key),
            }
        )
    return hosts


MOST_MAIL = 30_000
"""Messages a UTC day and tenant that a lab on one machine makes by itself, whatever the quota allows."""


def _servers(ips: list[SendingIp]) -> list[dict[str, Any]]:
    """One for each IP; those that the fleet file leaves to be learned come behind the ids that it names."""
    free = count(1 + max((ip.mailwizz_server_id or 0 for ip in ips), default=0))
    return [_server(ip, ip.mailwizz_server_id or next(free)) for ip in ips]


def _server(ip: SendingIp, server_id: int) -> dict[str, Any]:
    """As an operator left it before the engine came: some quota for what sends, next to nothing for the rest."""
    daily = {IpState.ACTIVE: 600, IpState.WARMING: 50}.get(ip.initial_state, 1)
    return {
        "server_id": server_id, "name": ip.vmta, "hostname": ip.mta_host, "vmta": ip.vmta,
        "daily_quota": daily, "hourly_quota": -(-daily // 10), "status": "active",
    }  # fmt: skip


def _mailwizz(settings: Settings, server: URL, fleet: Fleet, demand: dict[str, int]) -> list[dict[str, Any]]:
    known = settings.secrets()
    instances = []
    for number, instance in enumerate(fleet.mailwizz_instances, 1):
        tenant = next(t for t in fleet.tenants if t.name == instance.tenant)
        sender = next(ip.domain for ip in fleet.ips if ip.tenant == tenant.name)
        instances.append(
            {
                "name": instance.name,
                "port": settings.ports[f"lab {instance.name}"],
                "api_key": known[f"{instance.name}_key"],
                "database_url": server.set(
                    username=instance.name, password=known[f"{instance.name}_db"], database=instance.name
                ).render_as_string(hide_password=False),
                "table_prefix": "mw_",
                "customer_id": number,
                "servers": _servers([ip for ip in fleet.ips if ip.mailwizz == instance.name]),
                "campaigns": [
                    {
                        "uid": f"camp-{tenant.name}-news",
                        "daily_demand": demand.get(tenant.name, min(tenant.daily_quota, MOST_MAIL)),
                        "mail_from": f"bounce@{sender}",
                        "providers": PROVIDERS,
                    }
                ],
            }
        )
    return instances


def make_world(
    settings: Settings,
    server: URL,
    fleet: Fleet,
    clock: dict[str, Any],
    demand: dict[str, int] | None = None,
    lists: Sequence[Mapping[str, Any]] = LISTS,
) -> dict[str, Any]:
    """The lab's world file as a dict; keys and folders that it names exist afterwards. `server`: where MailWizz's databases are."""
    keys = {t.name: ensure_dkim_key(settings.lab / "dkim", t.name) for t in fleet.tenants}
    place_dkim_keys(settings, fleet)
    domains = [
        {
            "domain": ip.domain, "ip": str(ip.address), "hostname": ip.hostname, "selector": ip.dkim_selector,
            "dkim_public_key_file": str(keys[ip.tenant]),
        }
        for ip in fleet.ips
    ]  # fmt: skip
    return {
        "state": str(settings.lab),
        "clock": clock,
        "control": {"port": settings.ports["lab control"]},
        "powermta": _powermta(settings, fleet),
        "mailwizz": _mailwizz(settings, server, fleet, demand or {}),
        "dns": {"port": settings.ports["lab dns"], "domains": domains, "lists": list(lists)},
        "telegram": {
            "port": settings.ports["lab telegram"], "token": settings.secrets()["telegram"], "chat_id": "-1001",
        },
    }  # fmt: skip


def write_world(settings: Settings, world: dict[str, Any]) -> Path:
    """`lab/world.json` (it holds the lab's keys: owner only) and `lab.json`, by which `make lab` finds the knobs."""
    path = settings.lab / "world.json"
    _write_private(path, json.dumps(world, indent=1).encode())
    (settings.state / "lab.json").write_text(json.dumps({"control": settings.control}))
    return path
