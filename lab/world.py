"""WORLD.json: what the lab is made of. Text to frozen values, or one error that lists every mistake with its place.

Every part may be left out: a world of nothing but DNS is a world. Port 0 asks for any free port (see `lab.ports`).
All servers listen on 127.0.0.1, unless `python -m lab run --bind` says otherwise.
"""

import json
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    PlainValidator,
    TypeAdapter,
    ValidationError,
)
from pydantic.dataclasses import dataclass

from lab.dns.lists import ListKind
from lab.mailwizz.config import ServerSeed, parse_instance
from lab.powermta.recipients import Rates

STRICT = ConfigDict(extra="forbid")
NAME = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
HOSTNAME = r"^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]+$"

Name = Annotated[str, Field(pattern=NAME, max_length=63)]
Hostname = Annotated[str, Field(pattern=HOSTNAME, max_length=253)]
Port = Annotated[int, Field(ge=0, le=65535)]
Address = Annotated[IPv4Address | IPv6Address, PlainValidator(ip_address)]
Utc = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


class WorldError(ValueError):
    """WORLD.json cannot be used. `mistakes`: one line each, "place: what is wrong"."""

    def __init__(self, subject: str, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        listed = "\n".join(f"  {mistake}" for mistake in mistakes)
        super().__init__(f"{subject}: {len(mistakes)} mistake{'s' * (len(mistakes) != 1)}\n{listed}")


@dataclass(frozen=True, slots=True, config=STRICT)
class ClockConfig:
    """`real` runs with the wall clock; `manual` stands at `start` until somebody moves it.

    `replay_days` (only real): live through the last N days hour by hour before real time begins.
    """

    mode: Literal["real", "manual"] = "real"
    start: Utc | None = None
    replay_days: Annotated[int, Field(ge=0, le=400)] = 0


@dataclass(frozen=True, slots=True, config=STRICT)
class ControlConfig:
    port: Port = 0


@dataclass(frozen=True, slots=True, config=STRICT)
class PowerMtaConfig:
    """`ips`: what the host itself has; `nat`: of those, which the world sees under another address, and under which."""

    name: Name
    ips: Annotated[tuple[Address, ...], Field(min_length=1)]
    authorized_key: str
    host_key_file: Path
    ssh_port: Port = 0
    username: str = "pmta"
    version: str = "5.0r5"
    nat: dict[Address, Address] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, config=STRICT)
class MailWizzConfig:
    """`settings`: the whole entry, as `lab.mailwizz.config` describes and judges it."""

    name: Name
    port: Port
    settings: dict[str, Any]


def _mailwizz(raw: Any) -> Any:
    if not isinstance(raw, dict):
        return raw
    known = {key: raw[key] for key in ("name",) if key in raw}
    return known | {"port": raw.get("port", 0), "settings": raw}


@dataclass(frozen=True, slots=True, config=STRICT)
class DomainConfig:
    """One sending domain: its return path, its one IP with that IP's hostname, its DKIM selector and public key (SPKI PEM)."""

    domain: Hostname
    ip: Address
    hostname: Hostname
    selector: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    dkim_public_key_file: FilePath


@dataclass(frozen=True, slots=True, config=STRICT)
class ListConfig:
    """One block list. `test_codes`: what its RFC 5782 test point answers. `listed`: address to codes."""

    zone: Hostname
    kind: ListKind = ListKind.HEALTHY
    listed: dict[Address, tuple[IPv4Address, ...]] = Field(default_factory=dict)
    reason: str = "Listed, see https://lookup.example/?ip={ip}"
    test_codes: tuple[IPv4Address, ...] = ()


@dataclass(frozen=True, slots=True, config=STRICT)
class RecordConfig:
    """Any other record set: `values` in presentation form (TXT: plain text, quoted by the lab)."""

    name: str
    type: Literal["A", "AAAA", "CNAME", "MX", "NS", "PTR", "TXT"]
    values: Annotated[tuple[str, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True, config=STRICT)
class DnsConfig:
    port: Port = 0
    domains: tuple[DomainConfig, ...] = ()
    lists: tuple[ListConfig, ...] = ()
    records: tuple[RecordConfig, ...] = ()


@dataclass(frozen=True, slots=True, config=STRICT)
class TelegramConfig:
    """`rate_limits` None: Telegram's rates hold while the clock is real."""

    token: str
    chat_id: str
    port: Port = 0
    rate_limits: bool | None = None


@dataclass(frozen=True, slots=True, config=STRICT)
class World:
    """`traffic`: provider, domain or `*` to base rates, as `lab.powermta.recipients.Rates` names them. `routed`: addresses that several
    hosts may have, as where one is moved between them."""

    state: Path
    clock: ClockConfig = Field(default_factory=ClockConfig)
    control: ControlConfig = Field(default_factory=ControlConfig)
    powermta: tuple[PowerMtaConfig, ...] = ()
    mailwizz: tuple[Annotated[MailWizzConfig, BeforeValidator(_mailwizz)], ...] = ()
    dns: DnsConfig | None = None
    telegram: TelegramConfig | None = None
    traffic: dict[str, dict[str, float]] = Field(default_factory=dict)
    routed: tuple[Address, ...] = ()


def parse_world(raw: object, subject: str = "world") -> World:
    """The parsed JSON to a World. Raises WorldError with every mistake."""
    mistakes = _mailwizz_mistakes(raw)
    try:
        world = TypeAdapter(World).validate_python(raw)
    except ValidationError as error:
        raise WorldError(subject, [*(_mistake(detail) for detail in error.errors()), *mistakes]) from None
    mistakes += [
        *_clock_mistakes(world.clock),
        *_doubles(world),
        *_servers_without_host(world),
        *_traffic_mistakes(world.traffic),
    ]
    if mistakes:
        raise WorldError(subject, mistakes)
    return world


def read_world(path: Path) -> dict[str, Any]:
    """The file's JSON object, not yet judged. Raises WorldError if there is no such thing."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WorldError(str(path), [f"cannot be read: {error.strerror}"]) from None
    except ValueError as error:
        raise WorldError(str(path), [f"is not JSON: {error}"]) from None
    if not isinstance(raw, dict):
        raise WorldError(str(path), [f"must be a JSON object, is a {type(raw).__name__}"])
    return raw


def start_of(clock: ClockConfig, now: datetime) -> datetime | None:
    """Where a manual clock begins; None for real time without a replay. A replay begins at a UTC midnight."""
    if clock.mode == "manual":
        return clock.start
    if not clock.replay_days:
        return None
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=clock.replay_days)


def _mistake(detail: Any) -> str:
    place = ""
    for step in detail["loc"]:
        place += f"[{step}]" if isinstance(step, int) else f".{step}"
    given = "" if isinstance(detail["input"], (dict, list)) else f" (given: {detail['input']!r})"
    if detail["type"] == "unexpected_keyword_argument":
        return f"{place.lstrip('.')}: no such key"
    if detail["type"] == "missing":
        return f"{place.lstrip('.')}: is missing"
    return f"{place.lstrip('.') or 'world'}: {detail['msg']}{given}"


def _clock_mistakes(clock: ClockConfig) -> list[str]:
    if clock.mode == "manual" and clock.start is None:
        return ["clock.start: a manual clock needs one, for example 2026-11-01T00:00:00+00:00"]
    if clock.mode == "manual" and clock.replay_days:
        return ["clock.replay_days: only with mode real; a manual clock is moved by POST /clock"]
    return []


def _doubles(world: World) -> list[str]:
    """The same name, address, domain, zone or port twice."""
    seen: dict[tuple[str, object], str] = {}
    mistakes = []

    def once(what: str, value: object, place: str) -> None:
        if (what, value) in seen:
            mistakes.append(f"{place}: {what} {value} is taken by {seen[what, value]}")
        seen.setdefault((what, value), place)

    def port(value: int, place: str) -> None:
        if value:
            once("port", value, place)

    port(world.control.port, "control.port")
    for index, host in enumerate(world.powermta):
        place = f"powermta[{index}]"
        once("host name", host.name, f"{place}.name")
        port(host.ssh_port, f"{place}.ssh_port")
        for address in host.ips:
            once(f"address on {host.name}", address, f"{place}.ips")
            if address not in host.nat and address not in world.routed:
                once("address", address, f"{place}.ips")
        for local, public in host.nat.items():
            once("address", public, f"{place}.nat")
            if local not in host.ips:
                mistakes.append(f"{place}.nat: {local} is not in {place}.ips")
    for index, mailwizz in enumerate(world.mailwizz):
        once("MailWizz name", mailwizz.name, f"mailwizz[{index}].name")
        port(mailwizz.port, f"mailwizz[{index}].port")
    if world.dns:
        port(world.dns.port, "dns.port")
        for index, domain in enumerate(world.dns.domains):
            once("domain", domain.domain, f"dns.domains[{index}].domain")
        for index, block_list in enumerate(world.dns.lists):
            once("zone", block_list.zone, f"dns.lists[{index}].zone")
    if world.telegram:
        port(world.telegram.port, "telegram.port")
    return mistakes


def _servers_without_host(world: World) -> list[str]:
    names = {host.name for host in world.powermta}
    return [
        f"mailwizz[{index}].servers[{number}].hostname: no PowerMTA host {server.hostname!r}; there are: {', '.join(sorted(names))}"
        for index, mailwizz in enumerate(world.mailwizz)
        for number, server in enumerate(_servers(mailwizz.settings))
        if names and server.hostname not in names
    ]


def _servers(settings: dict[str, Any]) -> tuple[ServerSeed, ...]:
    try:
        return parse_instance(settings).servers
    except ValueError:
        return ()  # its mistakes are told already


def _mailwizz_mistakes(raw: object) -> list[str]:
    entries = raw.get("mailwizz", ()) if isinstance(raw, dict) else ()
    mistakes: list[str] = []
    for entry in entries if isinstance(entries, (list, tuple)) else ():
        try:
            parse_instance(entry if isinstance(entry, dict) else {})
        except ValueError as error:
            mistakes += str(error).splitlines()
    return mistakes


def _traffic_mistakes(traffic: dict[str, dict[str, float]]) -> list[str]:
    mistakes = []
    for name, rates in traffic.items():
        try:
            Rates(**rates)
        except (TypeError, ValueError) as error:
            mistakes.append(f"traffic.{name}: {str(error).removeprefix('Rates.__init__() ')}")
    return mistakes
