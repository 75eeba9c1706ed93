"""When an address is suppressed and how fast: include/config/suppression.yaml as values."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from email_engine import paths
from email_engine.fleet.config_file import parse_config, read_text
from email_engine.fleet.document import Section
from email_engine.fleet.scalars import between

_SHARE = between(0.05, 1, "a share from 0.05 to 1, like 0.5")


@dataclass(frozen=True, slots=True)
class OutagePolicy:
    """A provider has an outage where within `hours` at least `least` recipients, and the share `unknown_rate` of all, were
    unknown; not longer than `longest_hours`."""

    hours: int = 6
    unknown_rate: float = 0.5
    least: int = 20
    longest_hours: int = 48


@dataclass(frozen=True, slots=True)
class SuppressionPolicy:
    """`soft_in_row` soft bounces within `soft_days` suppress; an address is kept, sealed, for `keep_days` at most; `batch` recipients
    are resolved, told and read back together; `requests_per_second` to one MailWizz; `tries` of a recipient that makes
    trouble; `webhook`: MailWizz's dswh/pmta is used where it is there."""

    soft_in_row: int = 3
    soft_days: int = 90
    keep_days: int = 90
    batch: int = 500
    requests_per_second: int = 20
    minutes: int = 8
    tries: int = 5
    webhook: bool = True
    outage: OutagePolicy = OutagePolicy()
    digest: str = "default"


def parse_suppression_policy(text: str, source: str = "suppression.yaml") -> SuppressionPolicy:
    """Raises FileInvalid that lists every mistake."""
    digest = sha256(text.encode()).hexdigest()[:12]
    return parse_config(text, source, lambda top: _policy(top, digest))


def _policy(top: Section, digest: str) -> SuppressionPolicy:
    usual = SuppressionPolicy()
    top.only(*(name for name in SuppressionPolicy.__dataclass_fields__ if name != "digest"))
    outage = top.part("outage", *OutagePolicy.__dataclass_fields__)
    return SuppressionPolicy(
        soft_in_row=top.number("soft_in_row", 1, 20, usual.soft_in_row),
        soft_days=top.number("soft_days", 1, 365, usual.soft_days),
        keep_days=top.number("keep_days", 1, 365, usual.keep_days),
        batch=top.number("batch", 1, 500, usual.batch),
        requests_per_second=top.number("requests_per_second", 1, 1_000, usual.requests_per_second),
        minutes=top.number("minutes", 1, 8, usual.minutes),
        tries=top.number("tries", 1, 100, usual.tries),
        webhook=top.truth("webhook", usual.webhook),
        outage=OutagePolicy(
            hours=outage.number("hours", 1, 72, usual.outage.hours),
            unknown_rate=outage.real("unknown_rate", _SHARE, usual.outage.unknown_rate),
            least=outage.number("least", 1, 1_000_000, usual.outage.least),
            longest_hours=outage.number("longest_hours", 1, 720, usual.outage.longest_hours),
        ),
        digest=digest,
    )


@cache
def shipped_suppression_policy() -> SuppressionPolicy:
    """include/config/suppression.yaml, read once in a process."""
    return parse_suppression_policy(read_text(paths.CONFIG / "suppression.yaml", "suppression policy"))
