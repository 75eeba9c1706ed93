"""IP records as the store would load them."""

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from email_engine.fleet.model import IpRecord, IpState, Mode, RiskClass

NETWORKS = {"aurora": "198.51.100.0", "borealis": "203.0.113.0"}


def record(
    number: int, tenant: str = "aurora", state: str = "active", allowance: int = 1000, **more: Any
) -> IpRecord:
    """`aurora-1` at 198.51.100.1 on mta-1, active with an allowance of 1,000, in `act`."""
    values: dict[str, Any] = {
        "ip_id": number,
        "address": ip_address(NETWORKS[tenant]) + number,
        "hostname": f"mail{number}.{tenant}-mail.example",
        "domain": f"news{number}.{tenant}-mail.example",
        "tenant": tenant,
        "mode": Mode.ACT,
        "stream": "newsletter",
        "risk_class": RiskClass.STANDARD,
        "vmta": f"{tenant}-{number}",
        "pool": f"{tenant}-newsletter",
        "mta_host": "mta-1",
        "mailwizz": f"mw-{tenant}",
        "mailwizz_server_id": 100 + number,
        "dkim_selector": "s1",
        "dkim_key_path": f"/etc/pmta/dkim/news{number}.{tenant}-mail.example.pem",
        "state": IpState(state),
        "state_since": datetime(2026, 11, 1, tzinfo=UTC),
        "allowance": allowance,
        "daily_target": 10_000,
        "schedule": "six_week",
        "phase": 1,
        "sent_days_in_phase": 0,
    }
    return IpRecord(**(values | more))
