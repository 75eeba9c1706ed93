"""A fleet file in the making: values, and blanks where PowerMTA's configuration cannot know."""

from dataclasses import dataclass, field

from email_engine.fleet.model import IpAddress, IpState


@dataclass(frozen=True, slots=True)
class Blank:
    """`hint`: what to fill in, for people."""

    hint: str


Text = str | Blank
Number = int | Blank


@dataclass(frozen=True, slots=True)
class Sender:
    """One IP. `bind_address`: what its host binds, where the world sees another one, which is a blank then; `remark`: what its virtual
    MTA says that explains the numbers."""

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
    """`pool` None: a pool that is still to be named."""

    name: Text
    pool: Text
    senders: list[Sender] = field(default_factory=list)
    origin: str = ""


@dataclass(slots=True)
class TenantDraft:
    name: Text
    streams: list[StreamDraft] = field(default_factory=list)
    submitters: dict[IpAddress, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kept:
    """A thing that is understood and stays in the operator's own configuration."""

    file: str
    line: int
    text: str
    why: str


@dataclass(slots=True)
class FleetDraft:
    """All of it; `notes` are for the operator's eyes before the engine may act."""

    host: str
    connection: str
    source: str
    tenants: list[TenantDraft]
    kept: list[Kept] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
