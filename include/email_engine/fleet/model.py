"""The nouns of DESIGN.md section 2 as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from email_engine.fleet.key_files import key_file

IpAddress = IPv4Address | IPv6Address


class Mode(StrEnum):
    OBSERVE = "observe"
    ACT = "act"


class RiskClass(StrEnum):
    PROTECTED = "protected"
    STANDARD = "standard"


class IpState(StrEnum):
    """States of a sending IP (DESIGN.md section 3); `abandoned` is final."""

    STANDBY = "standby"
    WARMING = "warming"
    ACTIVE = "active"
    RETIRING = "retiring"
    RESTING = "resting"
    QUARANTINE = "quarantine"
    ABANDONED = "abandoned"


SENDING_STATES = frozenset({IpState.WARMING, IpState.ACTIVE, IpState.RETIRING})
PARKED_STATES = frozenset({IpState.STANDBY, IpState.QUARANTINE, IpState.RESTING, IpState.ABANDONED})


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of the platform. `daily_quota`: messages a UTC day over all its IPs."""

    name: str
    title: str
    mode: Mode
    daily_quota: int
    brand_domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stream:
    """A kind of mail of one tenant; owns one pool and its IPs.

    `daily_quota`: its share of the tenant's quota, messages a UTC day; None: whatever the other streams leave."""

    tenant: str
    name: str
    purpose: str
    consent: str
    risk_class: RiskClass
    pool: str
    mailwizz: str
    daily_quota: int | None = None


@dataclass(frozen=True, slots=True)
class MtaBase:
    """What a host needs beside virtual MTAs, where no operator keeps a configuration of his own.

    `listeners`: `ADDRESS:PORT` on which mail is taken in; `http_port`: the management page, on loopback only;
    `complaint_addresses`, `bounce_addresses`: to which providers send complaint reports and late bounces, which PowerMTA then
    reads and records; where there are none, it records none."""

    postmaster: str
    listeners: tuple[str, ...]
    http_port: int = 8080
    log_file: str = "/var/log/pmta/pmta.log"
    spool: str = "/var/spool/pmta"
    run_as_root: bool = False
    complaint_addresses: tuple[str, ...] = ()
    bounce_addresses: tuple[str, ...] = ()

    @property
    def reports(self) -> tuple[str, ...]:
        """Addresses that must be reached from outside."""
        return self.complaint_addresses + self.bounce_addresses

    def __str__(self) -> str:
        return (
            f"postmaster {self.postmaster}, listeners {' '.join(self.listeners)}, http_port {self.http_port}, "
            f"log_file {self.log_file}, spool {self.spool}, run_as_root {'yes' if self.run_as_root else 'no'}, "
            f"complaint_addresses {' '.join(self.complaint_addresses) or 'none'}, "
            f"bounce_addresses {' '.join(self.bounce_addresses) or 'none'}"
        )


@dataclass(frozen=True, slots=True)
class MtaHost:
    """One PowerMTA server. `connection` is an Airflow connection id of type `powermta`; `config_file` is what the engine
    owns there: a file that the operator's own configuration includes, or, with `base`, the whole configuration. `room_for`: how many
    IPs it may carry when new ones come; None: as many as onboarding.yaml says."""

    name: str
    connection: str
    version: str = "5.0"
    config_file: str = "/etc/pmta/email-engine.conf"
    accounting_dir: str = "/var/log/pmta/done"
    base: MtaBase | None = None
    room_for: int | None = None


@dataclass(frozen=True, slots=True)
class MailwizzInstance:
    """One MailWizz installation of one tenant; both connections are Airflow connection ids.

    `addresses`: from where it hands mail to PowerMTA; those alone may relay."""

    name: str
    tenant: str
    api_connection: str
    db_connection: str
    addresses: tuple[IpAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class SendingIp:
    """One IP as the fleet file wants it: inventory, not state.

    `address`: the public one, by which the world knows it; `bind_address`: what PowerMTA binds on the host where that is another
    one (NAT, Elastic IP, containers), None where it binds `address` itself.
    `initial_state`, `initial_phase` count only when the IP is first seen (an existing fleet comes aboard);
    `mailwizz_server_id`: its delivery server; None: the one whose header x-virtual-mta names `vmta`, as the quota sync learns it.
    `daily_target`: messages a UTC day when fully warmed; `warmed_on`: since when it really sends so much, as its operator
    says, None where nobody does; counts only when the IP is first seen, as active.
    `dkim_selector`: of the first key, before any rotation; `dkim_key_path` may hold `{selector}` (`key_files`)."""

    address: IpAddress
    hostname: str
    domain: str
    tenant: str
    stream: str
    vmta: str
    pool: str
    mta_host: str
    mailwizz: str
    mailwizz_server_id: int | None
    dkim_selector: str
    dkim_key_path: str
    schedule: str
    daily_target: int
    initial_state: IpState = IpState.STANDBY
    initial_phase: int = 1
    warmed_on: date | None = None
    bind_address: IpAddress | None = None
    server_learned: bool = False

    @property
    def local_address(self) -> IpAddress:
        """What PowerMTA binds."""
        return self.bind_address or self.address

    @property
    def first_key_file(self) -> str:
        """The private DKIM key of the fleet file's own selector."""
        return key_file(self.dkim_key_path, self.dkim_selector)

    @property
    def warmed_to(self) -> int:
        """Messages a UTC day that it really sends when it comes aboard, as its operator says; 0 where nobody does."""
        said = self.initial_state is IpState.ACTIVE and self.warmed_on is not None
        return self.daily_target if said else 0


@dataclass(frozen=True, slots=True)
class Fleet:
    """The whole wanted inventory, already proven consistent by `parse_fleet`."""

    tenants: tuple[Tenant, ...]
    streams: tuple[Stream, ...]
    mta_hosts: tuple[MtaHost, ...]
    mailwizz_instances: tuple[MailwizzInstance, ...]
    ips: tuple[SendingIp, ...]


@dataclass(frozen=True, slots=True)
class Pause:
    """An IP that sends in general may send nothing. `until`: aware UTC; None: a person must resume it."""

    until: datetime | None

    @property
    def ends(self) -> str:
        """`until 2026-12-01`, for sentences."""
        return f"until {self.until:%Y-%m-%d}" if self.until else "until a person resumes it"


@dataclass(frozen=True, slots=True)
class DomainWarmup:
    """The warm-up of a domain that came to an IP which sends already: its own ladder, by the schedule of the IP.

    `since`: the UTC day on which it came; `phase_started_on`: the first day of its phase `phase`, which is 1 or more."""

    since: date
    phase: int
    phase_started_on: date


@dataclass(frozen=True, slots=True)
class IpRecord:
    """One IP as the engine's database knows it: inventory, state and the allowance in force.

    `allowance`: messages that may be handed to PowerMTA in the UTC day that was asked for; 0 while paused.
    `mailwizz_server_id`: None until the quota sync saw a delivery server that names its virtual MTA.
    """

    ip_id: int
    address: IpAddress
    hostname: str
    domain: str
    tenant: str
    mode: Mode
    stream: str
    risk_class: RiskClass
    vmta: str
    pool: str
    mta_host: str
    mailwizz: str
    mailwizz_server_id: int | None
    dkim_selector: str
    dkim_key_path: str
    state: IpState
    state_since: datetime
    allowance: int
    daily_target: int
    schedule: str
    phase: int
    sent_days_in_phase: int
    pause: Pause | None = None
    quarantine_until: datetime | None = None
    blacklisted_on: tuple[str, ...] = field(default=())
    domain_listed_on: tuple[str, ...] = ()
    """What of its names stands on which lists of domains, as `NAME on LIST`: that holds it and parks it not."""
    dealt: bool = True
    """Was an allowance ever decided? An IP that came aboard sending keeps what its operator gave it until then."""
    warmed_to: int = 0
    """Messages a UTC day that it really sent when it came aboard, as its fleet file says; 0 where that says nothing."""
    server_learned: bool = False
    """Its delivery server was found by its header, and no fleet file names it."""
    braked: bool = False
    """An engaged brake stands in the database: its queues must stay paused and its server disabled."""
    mailwizz_addresses: tuple[IpAddress, ...] = ()
    """From where its MailWizz hands mail to PowerMTA."""
    bounds: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Messages of the day to those mailbox providers that may not have the whole allowance."""
    bind_address: IpAddress | None = None
    """What PowerMTA binds on the host where that is not the public address."""
    moving_to: str | None = None
    """The MTA host that it goes to, as soon as `mta_host` sends from it no more; None for one that stays."""
    domain_warmup: DomainWarmup | None = None
    """None for a domain that is as old as its IP's own warm-up, or that has its own behind it."""

    @property
    def local_address(self) -> IpAddress:
        """What PowerMTA binds."""
        return self.bind_address or self.address

    @property
    def awaits_first_allowance(self) -> bool:
        """It sends, as far as anybody knows, and nothing is decided about it yet."""
        return self.state in SENDING_STATES and not self.dealt and not self.braked

    @property
    def sends(self) -> bool:
        """May mail leave this IP today?"""
        return self.state in SENDING_STATES and self.allowance > 0 and not self.braked
