"""Would Google, Yahoo and Microsoft take bulk mail from this domain and IP, as far as DNS can show it?

Demands: Google and Yahoo since February 2024, Microsoft since May 2025 (SPF, DKIM, DMARC and alignment; Google and Yahoo reverse
DNS that leads back as well)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from email_engine.dnsauth.model import DnsFinding, DnsStatus, Gravity

NOT_ASKED = ("TLS", "one-click unsubscribe", "spam rate", "From at this domain")
"""What they demand as well, and no DNS answer shows."""

_AUTHENTICATION = ("spf", "dkim", "dmarc")
DEMANDS: Mapping[str, tuple[str, ...]] = {
    "google": (*_AUTHENTICATION, "fcrdns"),
    "yahoo": (*_AUTHENTICATION, "fcrdns", "own host name"),
    "microsoft": _AUTHENTICATION,
}


@dataclass(frozen=True, slots=True)
class Readiness:
    """`valid`: every demand of every receiver is met (False: one is not, None: one was not answered or not asked); by receiver in
    `receivers`, by demand in `demands`. `missing`: unmet demands, `unknown`: unanswered ones."""

    valid: bool | None
    receivers: Mapping[str, bool | None]
    demands: Mapping[str, bool | None]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    not_asked: tuple[str, ...] = NOT_ASKED


def judge_readiness(findings: Iterable[DnsFinding]) -> Readiness:
    """From the findings of one domain and IP."""
    found = tuple(findings)
    demands = {
        "spf": _met(found, ("spf.record", "spf.result"), needs="spf.result"),
        "dkim": _met(found, ("dkim.record", "dkim.size", "dkim.match"), needs="dkim.record"),
        "dmarc": _met(found, ("dmarc.record",), needs="dmarc.record"),
        "fcrdns": _reverse(found),
        "own host name": _own_name(found),
    }
    receivers = {name: _all(demands[d] for d in wanted) for name, wanted in DEMANDS.items()}
    return Readiness(
        _all(receivers.values()),
        receivers,
        demands,
        tuple(name for name, met in demands.items() if met is False),
        tuple(name for name, met in demands.items() if met is None),
    )


def _met(findings: tuple[DnsFinding, ...], ids: tuple[str, ...], needs: str) -> bool | None:
    """`needs`: the finding that must be there, and good."""
    seen = [f for f in findings if f.check_id in ids and f.severity is Gravity.ERROR]
    statuses = [f.status for f in seen]
    if DnsStatus.BROKEN in statuses:
        return False
    return None if DnsStatus.UNKNOWN in statuses or all(f.check_id != needs for f in seen) else True


def _own_name(findings: tuple[DnsFinding, ...]) -> bool | None:
    """There is reverse DNS, and it does not look like a hoster's default; what HELO says is another matter."""
    if any(f.check_id == "ptr.generic" for f in findings):
        return False
    return _reverse(findings)


def _reverse(findings: tuple[DnsFinding, ...]) -> bool | None:
    """One name that leads back is enough for them."""
    forward = [f.status for f in findings if f.check_id == "ptr.forward"]
    record = [f.status for f in findings if f.check_id == "ptr.record"]
    if DnsStatus.OK in forward:
        return True
    if DnsStatus.UNKNOWN in (*forward, *record) or not record:
        return None
    return False


def _all(verdicts: Iterable[bool | None]) -> bool | None:
    known = tuple(verdicts)
    return False if False in known else None if None in known else True
