"""What a world says about one MailWizz, checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STATUSES = ("inactive", "active", "in-use", "disabled", "hidden", "pending-delete")
SCOPES = ("customer", "system")
FBL_ACTIONS = ("unsubscribe", "blacklist", "delete")


@dataclass(frozen=True, slots=True)
class ServerSeed:
    """A delivery server as it is first created. Quota 0 means unlimited, as in MailWizz."""

    server_id: int
    name: str
    hostname: str
    vmta: str
    hourly_quota: int = 0
    daily_quota: int = 0
    monthly_quota: int = 0
    probability: int = 100
    status: str = "active"


@dataclass(frozen=True, slots=True)
class CampaignSeed:
    """An endless campaign: `daily_demand` messages a UTC day to an `audience` of so many subscribers.

    `providers` maps recipient domains to their share of the audience (any positive weights)."""

    uid: str
    daily_demand: int
    mail_from: str
    providers: Mapping[str, float]
    audience: int
    name: str
    customer_id: int


@dataclass(frozen=True, slots=True)
class CustomerSeed:
    """A customer with API access; `private_key` signs its requests in 1.9."""

    customer_id: int
    api_key: str
    private_key: str = ""


@dataclass(frozen=True, slots=True)
class InstanceConfig:
    """One installation.

    `customers`: who has an API key, first the customer of `api_key`. `scope` "customer": the delivery servers belong to the API key's customer; "system": customer_id is NULL and
    the API shows none. `signed`: the 1.9 protocol (public and private key). `batch_size`: messages for which a
    worker keeps the server rows that it loaded, None for one tick. `countable`: sends count against the customer's
    quota, so each is written to the usage log even on an unlimited server. `keep_days`: how many days of logs stay
    while the clock is manual."""

    name: str
    api_key: str
    private_key: str
    database_url: str
    table_prefix: str
    customer_id: int
    scope: str
    version: tuple[int, ...]
    signed: bool
    batch_size: int | None
    countable: bool
    fbl_action: str
    keep_days: int
    seed: int
    servers: tuple[ServerSeed, ...]
    campaigns: tuple[CampaignSeed, ...]
    customers: tuple[CustomerSeed, ...]


def _whole(raw: Mapping[str, Any], key: str, default: int, place: str, faults: list[str]) -> int:
    value = raw.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        faults.append(f"{place}.{key}: {value!r} is no whole number of 0 or more")
        return default
    return value


def _choice(
    raw: Mapping[str, Any], key: str, default: str, allowed: tuple[str, ...], place: str, faults: list[str]
) -> str:
    value = raw.get(key, default)
    if value not in allowed:
        faults.append(f"{place}.{key}: {value!r} is none of {', '.join(allowed)}")
        return default
    return str(value)


def _text(raw: Mapping[str, Any], key: str, place: str, faults: list[str], default: str | None = None) -> str:
    value = raw.get(key, default)
    if not isinstance(value, str) or not value:
        faults.append(f"{place}.{key}: missing")
        return ""
    return value


def _server(raw: Mapping[str, Any], place: str, faults: list[str]) -> ServerSeed:
    return ServerSeed(
        server_id=_whole(raw, "server_id", 0, place, faults),
        name=_text(raw, "name", place, faults),
        hostname=_text(raw, "hostname", place, faults),
        vmta=str(raw.get("vmta", "")),
        hourly_quota=_whole(raw, "hourly_quota", 0, place, faults),
        daily_quota=_whole(raw, "daily_quota", 0, place, faults),
        monthly_quota=_whole(raw, "monthly_quota", 0, place, faults),
        probability=_whole(raw, "probability", 100, place, faults),
        status=_choice(raw, "status", "active", STATUSES, place, faults),
    )


def _campaign(raw: Mapping[str, Any], owner: int, place: str, faults: list[str]) -> CampaignSeed:
    demand = _whole(raw, "daily_demand", 0, place, faults)
    providers = raw.get("providers") or {"gmail.com": 1.0}
    if any(weight < 0 for weight in providers.values()) or sum(providers.values()) <= 0:
        faults.append(f"{place}.providers: shares must be positive numbers")
        providers = {"gmail.com": 1.0}
    uid = _text(raw, "uid", place, faults)
    mail_from = _text(raw, "mail_from", place, faults)
    if "@" not in mail_from:
        faults.append(f"{place}.mail_from: {mail_from!r} is no address")
    audience = _whole(raw, "audience", min(max(demand, 200), 20_000), place, faults)
    name = str(raw.get("name", uid))
    customer = _whole(raw, "customer_id", owner, place, faults)
    return CampaignSeed(uid, demand, mail_from, dict(providers), audience, name, customer)


def _customer(raw: Mapping[str, Any], place: str, faults: list[str]) -> CustomerSeed:
    return CustomerSeed(
        customer_id=_whole(raw, "customer_id", 0, place, faults),
        api_key=_text(raw, "api_key", place, faults),
        private_key=str(raw.get("private_key", "")),
    )


def parse_instance(raw: Mapping[str, Any]) -> InstanceConfig:
    """The `mailwizz` entry of a world (`options` in it count as if they stood beside it). Raises one ValueError that
    lists every mistake with its place."""
    raw = {**raw, **(raw.get("options") or {})}
    faults: list[str] = []
    place = f"mailwizz[{raw.get('name', '?')}]"
    version = tuple(int(part) for part in re.findall(r"\d+", str(raw.get("version", "2.7.3"))))
    prefix = str(raw.get("table_prefix", "mw_"))
    if not re.fullmatch(r"[a-z0-9_]{0,20}", prefix):
        faults.append(f"{place}.table_prefix: {prefix!r} is not made of a-z, 0-9 and _")
    mode = _choice(raw, "mode", "v1_9" if version < (2,) else "v2", ("v1_9", "v2"), place, faults)
    if mode == "v1_9" and not raw.get("private_key"):
        faults.append(f"{place}.private_key: missing (mode v1_9 signs its requests)")
    servers = tuple(_server(s, f"{place}.servers[{n}]", faults) for n, s in enumerate(raw.get("servers", ())))
    owner = _whole(raw, "customer_id", 1, place, faults)
    campaigns = tuple(
        _campaign(c, owner, f"{place}.campaigns[{n}]", faults) for n, c in enumerate(raw.get("campaigns", ()))
    )
    first = CustomerSeed(owner, _text(raw, "api_key", place, faults), str(raw.get("private_key", "")))
    customers = (
        first,
        *(_customer(c, f"{place}.customers[{n}]", faults) for n, c in enumerate(raw.get("customers", ()))),
    )
    for kind, keys in (
        ("server_id", [s.server_id for s in servers]),
        ("campaign uid", [c.uid for c in campaigns]),
        ("customer_id", [c.customer_id for c in customers]),
        ("API key", [c.api_key for c in customers]),
    ):
        if len(set(keys)) != len(keys):
            faults.append(f"{place}: a {kind} occurs twice")
    config = InstanceConfig(
        name=_text(raw, "name", place, faults),
        api_key=first.api_key,
        private_key=first.private_key,
        database_url=_text(raw, "database_url", place, faults).replace(
            "postgresql+psycopg://", "postgresql://", 1
        ),
        table_prefix=prefix,
        customer_id=owner,
        scope=_choice(raw, "scope", "customer", SCOPES, place, faults),
        version=version,
        signed=mode == "v1_9",
        batch_size=_whole(raw, "batch_size", 0, place, faults) or None,
        countable=bool(raw.get("countable", True)),
        fbl_action=_choice(raw, "fbl_action", "unsubscribe", FBL_ACTIONS, place, faults),
        keep_days=_whole(raw, "keep_days", 3, place, faults),
        seed=_whole(raw, "seed", 1, place, faults),
        servers=servers,
        campaigns=campaigns,
        customers=customers,
    )
    if faults:
        raise ValueError("\n".join(faults))
    return config
