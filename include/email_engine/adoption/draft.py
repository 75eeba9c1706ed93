"""A fleet file in the making: values, and blanks where PowerMTA's configuration cannot know."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from email_engine.fleet.model import IpAddress, IpState


@dataclass(frozen=True, slots=True)
class Blank:
    """`hint`: what to fill in, for people."""

    hint: str


Text = str | Blank
Number = int | Blank
VERSION = Blank("what `pmta show version` says, such as 5.0r5")
SERVER = Blank("id of its delivery server in MailWizz")
PURPOSE = Blank("what is sent, such as weekly newsletter")
CONSENT = Blank("how the recipients agreed, such as double opt-in")
RISK_CLASS = Blank("protected (the brand's own mail) or standard; each class has hosts of its own")


@dataclass(frozen=True, slots=True)
class Sender:
    """One IP. `bind_address`: what its host binds, where the world sees another one, which is a blank then; `remark`: what its virtual
    MTA says that explains the numbers. `cap`: messages a UTC day that its virtual MTA lets out today at most, None without a cap.
    `host`: "" for the only host of the draft; `known_as`: its virtual MTA today, whatever the fleet may call it. `server`: id of its delivery server, None where the header is to tell; `phase` counts
    while it warms; `remarks`: by key of the fleet file, where a value comes from."""

    address: IpAddress | Blank
    vmta: Text
    hostname: Text
    domain: Text
    selector: Text
    key_path: Text
    target: Number
    state: IpState | Blank
    remark: str = ""
    bind_address: IpAddress | None = None
    cap: int | None = None
    host: str = ""
    known_as: str = ""
    server: Number | None = SERVER
    phase: int = 1
    warmed_on: date | None = None
    remarks: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def local_address(self) -> IpAddress:
        """What its host binds."""
        if self.bind_address is not None:
            return self.bind_address
        if isinstance(self.address, Blank):
            raise TypeError("an IP without any address")
        return self.address


@dataclass(frozen=True, slots=True)
class Run:
    """Senders that one entry with patterns describes: `n` counts from `number_from`. `prefixes` turn."""

    senders: tuple[Sender, ...]
    number_from: int
    vmta: str
    hostname: Text
    domain: Text
    key_path: Text
    prefixes: tuple[str, ...] = ()


@dataclass(slots=True)
class StreamDraft:
    """A blank `pool`: one that is still to be named."""

    name: Text
    pool: Text
    senders: list[Sender] = field(default_factory=list)
    purpose: Text = PURPOSE
    consent: Text = CONSENT
    risk_class: Text = RISK_CLASS
    schedule: str = "six_week"


@dataclass(slots=True)
class TenantDraft:
    """`mailwizz`: name of its instance, "" where the draft is to name it; `daily_quota` None: nobody knows it, with `quota_remark` if
    it is known."""

    name: Text
    streams: list[StreamDraft] = field(default_factory=list)
    submitters: dict[IpAddress, str] = field(default_factory=dict)
    mailwizz: str = ""
    daily_quota: int | None = None
    quota_remark: str = ""


@dataclass(slots=True)
class HostDraft:
    """`accounting_dir` None: where the fleet file looks by itself. `config`: the main file that was read."""

    name: str
    connection: str
    version: Text = VERSION
    accounting_dir: str | None = None
    config: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A thing that is understood and stays in the operator's own configuration."""

    file: str
    line: int
    text: str
    why: str


@dataclass(slots=True)
class FleetDraft:
    """All of it; `source`: what it was made of; `notes` are for the operator's eyes before the engine may act."""

    hosts: list[HostDraft]
    source: str
    tenants: list[TenantDraft]
    kept: list[Kept] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    made_by: str = "email-engine import"

    @property
    def host(self) -> str:
        """The first one."""
        return self.hosts[0].name

    def senders(self) -> Iterator[tuple[TenantDraft, StreamDraft, Sender]]:
        """Every IP with its stream and tenant, in the order of the file."""
        for tenant in self.tenants:
            for stream in tenant.streams:
                for sender in stream.senders:
                    yield tenant, stream, sender
