"""What goes wrong on the way: days counted from 1, turned at 10:00 UTC."""

from dataclasses import dataclass, field
from typing import Any

LISTED = "198.51.100.7"
BAD_TRAFFIC = "198.51.100.43"
BROKEN_DNS = "203.0.113.44"
REFUSING_HOST = "mta-1"


@dataclass(frozen=True, slots=True)
class Turn:
    """One knob of the lab, turned on one day."""

    day: int
    what: str
    knob: str
    arguments: dict[str, Any] = field(default_factory=dict)


def turns(broken_domain: str) -> tuple[Turn, ...]:
    """The whole story, in order."""
    listing = {"ip": LISTED, "zone": "zen.lab.example"}
    record = {"domain": broken_domain, "which": "dkim"}
    bad = {"host": "mta-2", "ip": BAD_TRAFFIC}
    refuse = {"host": REFUSING_HOST}
    return (
        Turn(9, f"{LISTED} is listed on zen.lab.example", "list_ip", listing | {"codes": ["127.0.0.2"], "reason": "spam trap hit"}),
        Turn(12, f"{LISTED} leaves the list", "delist_ip", listing),
        Turn(16, f"{BAD_TRAFFIC} gets a bad list: 18 % hard bounces", "traffic", bad | {"hard_bounce_rate": 0.18}),
        Turn(22, f"the DKIM record of {broken_domain} disappears", "break_record", record | {"how": "missing"}),
        Turn(23, f"the list of {BAD_TRAFFIC} is cleaned", "traffic", bad | {"hard_bounce_rate": 0.01}),
        Turn(24, f"the DKIM record of {broken_domain} is back", "mend_record", record),
        Turn(28, f"`pmta test config` on {REFUSING_HOST} refuses everything", "refuse_test_config", refuse | {"text": "Error in line 11 of /etc/pmta/config: argument missing"}),
        Turn(29, f"`pmta test config` on {REFUSING_HOST} is well again", "refuse_test_config", refuse | {"text": ""}),
    )  # fmt: skip
