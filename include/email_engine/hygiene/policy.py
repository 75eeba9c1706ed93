"""How recipient lists are looked at: include/config/hygiene.yaml as values."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256

from email_engine import paths
from email_engine.fleet import names
from email_engine.fleet.config_file import parse_config, read_text
from email_engine.fleet.document import Section


@dataclass(frozen=True, slots=True)
class HygienePolicy:
    """`silent_months`: who got mail and did nothing for so long is silent; `silent_mails`: so many mails in that time, at least;
    `engaged_days`: who did something within these is engaged lately; `unsubscribed`: people who unsubscribed are looked at too; `files`:
    addresses with a finding are written to a file; `window`: subscribers read together; `minutes`: of a run on one instance;
    `well_known`: domains by which the resolver is tried."""

    silent_months: int = 6
    silent_mails: int = 1
    engaged_days: int = 30
    unsubscribed: bool = False
    files: bool = True
    window: int = 2_000
    minutes: int = 25
    well_known: tuple[str, ...] = ("gmail.com", "outlook.com", "yahoo.com")
    digest: str = "default"

    def silent_since(self, as_of: datetime) -> datetime:
        """The moment so many calendar months before; the last day of a shorter month."""
        months = as_of.year * 12 + as_of.month - 1 - self.silent_months
        year, month = divmod(months, 12)
        first = as_of.replace(year=year, month=month + 1, day=1)
        following = (first + timedelta(days=32)).replace(day=1)
        return min(first + timedelta(days=as_of.day - 1), following - timedelta(days=1))


def parse_hygiene_policy(text: str, source: str = "hygiene.yaml") -> HygienePolicy:
    """Raises FileInvalid that lists every mistake."""
    digest = sha256(text.encode()).hexdigest()[:12]
    return parse_config(text, source, lambda top: _policy(top, digest))


def _policy(top: Section, digest: str) -> HygienePolicy:
    usual = HygienePolicy()
    top.only(*(name for name in HygienePolicy.__dataclass_fields__ if name != "digest"))
    known = (
        top.texts("well_known", names.hostname, needed="two or more domains that certainly take mail")
        if top.has("well_known")
        else usual.well_known
    )
    if len(known) == 1:
        top.add("well_known", "one domain", "two or more domains that certainly take mail")
    return HygienePolicy(
        silent_months=top.number("silent_months", 1, 36, usual.silent_months),
        silent_mails=top.number("silent_mails", 1, 1_000, usual.silent_mails),
        engaged_days=top.number("engaged_days", 1, 365, usual.engaged_days),
        unsubscribed=top.truth("unsubscribed", usual.unsubscribed),
        files=top.truth("files", usual.files),
        window=top.number("window", 100, 10_000, usual.window),
        minutes=top.number("minutes", 1, 28, usual.minutes),
        well_known=known,
        digest=digest,
    )


@cache
def shipped_hygiene_policy() -> HygienePolicy:
    """include/config/hygiene.yaml, read once in a process."""
    return parse_hygiene_policy(read_text(paths.CONFIG / "hygiene.yaml", "hygiene policy"))
