"""How an allowance becomes quotas: include/config/mailer.yaml as values."""

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from math import ceil

from email_engine import paths
from email_engine.fleet import names
from email_engine.fleet.config_file import parse_config, read_text
from email_engine.fleet.document import Section
from email_engine.mailer.health_policy import MailwizzHealthPolicy, read_health_policy
from email_engine.mailer.opens import OpensPolicy, read_opens_policy


class Drift(StrEnum):
    """What becomes of quotas that somebody else changed: `mend` writes the engine's again, `keep_lower` leaves those that are lower."""

    MEND = "mend"
    KEEP_LOWER = "keep_lower"


@dataclass(frozen=True, slots=True)
class QuotaPolicy:
    """`spread_hours`: a day's mail takes at least so many hours; `hourly_max`: messages an hour and IP;
    `server_types`: delivery-server types that may be governed; `digest` names this version of the file; `health`: when
    people are told about a MailWizz; `opens`: which days are counted, and what a machine is."""

    spread_hours: int = 10
    hourly_max: int = 1000
    server_types: frozenset[str] = frozenset({"smtp", "smtp-pmta", "smtp-postmastery"})
    digest: str = "default"
    health: MailwizzHealthPolicy = field(default_factory=MailwizzHealthPolicy)
    opens: OpensPolicy = field(default_factory=OpensPolicy)
    drift: Drift = Drift.MEND

    def hourly_quota(self, daily: int) -> int:
        """At least 1 (0 would mean unlimited) and never more than the day's."""
        return max(1, min(self.hourly_max, ceil(daily / self.spread_hours), max(daily, 1)))


def parse_quota_policy(text: str, source: str = "mailer.yaml") -> QuotaPolicy:
    """Raises FileInvalid that lists every mistake."""
    digest = sha256(text.encode()).hexdigest()[:12]
    return parse_config(text, source, lambda top: _policy(top, digest))


def _policy(top: Section, digest: str) -> QuotaPolicy:
    top.only("quotas", "health", "opens")
    quotas, usual = top.part("quotas", "spread_hours", "hourly_max", "server_types", "drift"), QuotaPolicy()
    types = (
        quotas.texts("server_types", names.name, needed="one or more types of delivery server, such as smtp")
        if quotas.has("server_types")
        else usual.server_types
    )
    return QuotaPolicy(
        quotas.number("spread_hours", 1, 24, usual.spread_hours),
        quotas.number("hourly_max", 1, 1_000_000, usual.hourly_max),
        frozenset(types),
        digest,
        read_health_policy(top),
        read_opens_policy(top),
        quotas.choice("drift", Drift, usual.drift) or usual.drift,
    )


def shipped_quota_policy() -> QuotaPolicy:
    """include/config/mailer.yaml."""
    return parse_quota_policy(read_text(paths.CONFIG / "mailer.yaml", "quota policy"))
