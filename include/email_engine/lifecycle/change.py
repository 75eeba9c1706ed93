"""What one decision changes of one IP, as values for the writer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from email_engine.fleet.model import IpRecord, IpState
from email_engine.lifecycle.machine import Event


@dataclass(frozen=True, slots=True)
class IpChange:
    """`event` leads to `state`; both None where the state stays. `columns`: further columns of table `ips`; `plan`: columns of
    table `warmup_plans`; `allowances`: messages a UTC day by mailbox provider (`*`: all of it) from `allowed_from` on.

    `stops`: the brake is engaged; `releases`: it is asked to let go."""

    ip: IpRecord
    reason: str
    allowed_from: date
    event: Event | str | None = None
    state: IpState | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    allowances: Mapping[str, int] = field(default_factory=dict)
    stops: bool = False
    releases: bool = False
