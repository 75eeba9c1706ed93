"""The deployment policy (include/config/deploy.yaml) as values; every mistake is reported at once."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from email_engine import home
from email_engine.fleet import names
from email_engine.fleet.document import Section, read_document
from email_engine.fleet.mistakes import FileInvalid, Mistakes
from email_engine.fleet.providers import shipped_providers
from email_engine.mta.watch import WatchPolicy

RATE = re.compile(r"[1-9]\d{0,6}/(d|h|m)")
TIME = re.compile(r"(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?")
PATTERN = re.compile(r"[A-Za-z0-9 .,:;_()|?*+\[\]=@-]{3,200}")
ACTION = re.compile(
    r"mode=backoff|mode=normal|skip-mx|bounce-queue|disable-source-ip|(reenable|backoff-to-normal)-after=\w+"
)
HOSTS = re.compile(r"lookup-mx:[a-z0-9.-]+|[a-z0-9.-]+(,[a-z0-9.-]+)*")
MX = re.compile(r"(\*\.)?[a-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class Rollup:
    """MX patterns whose recipient domains share one queue `NAME.rollup`."""

    mx: tuple[str, ...]
    smtp_hosts: str


@dataclass(frozen=True, slots=True)
class ProviderRates:
    """Limits of one queue of one virtual MTA to a big provider."""

    name: str
    max_msg_rate: str
    max_smtp_out: int
    max_msg_per_connection: int
    rollup: Rollup | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A line of the smtp-pattern-list."""

    pattern: str
    actions: str


@dataclass(frozen=True, slots=True)
class DeployPolicy:
    """`head_room_percent`: cap as a share of the allowance; the rest as named in deploy.yaml."""

    digest: str
    head_room_percent: int
    pool_share_percent: int
    max_msg_rate: str
    backoff_max_msg_rate: str
    backoff_retry_after: str
    backoff_to_normal_after: str
    providers: tuple[ProviderRates, ...]
    replies: tuple[Reply, ...]
    deliveries_file: str
    complaints_file: str
    move_interval: str
    unexplained_lines_percent: int
    watch: WatchPolicy


def _like(pattern: re.Pattern[str], allowed: str) -> names.Check:
    return lambda text: None if text and pattern.fullmatch(text) else allowed


rate = _like(RATE, "a rate such as 250/h (units d, h, m)")
time = _like(TIME, "a time such as 90s, 5m or 1h30m")
hosts = _like(HOSTS, "lookup-mx:NAME or host names with commas")
mx = _like(MX, "a host name, or *. before one")


def _regex(text: str) -> str | None:
    try:
        compiled = bool(re.compile(text)) and bool(PATTERN.fullmatch(text))
    except re.error:
        compiled = False
    return None if compiled else "a regular expression of letters, digits, blanks and .,:;_()|?*+[]=@-"


def _actions(text: str) -> str | None:
    good = bool(text) and all(ACTION.fullmatch(word) for word in text.split(","))
    return None if good else "actions such as mode=backoff or disable-source-ip,reenable-after=6h"


def parse_policy(text: str, source: str = "deploy.yaml") -> DeployPolicy:
    """Reads the policy; raises FileInvalid that lists every mistake with its line."""
    mistakes = Mistakes()
    top = read_document(text, source, mistakes)
    policy = _policy(top, hashlib.sha256(text.encode()).hexdigest()[:16]) if top else None
    if mistakes.found or policy is None:
        raise FileInvalid(source, mistakes.found)
    return policy


def _policy(top: Section, digest: str) -> DeployPolicy:
    top.only("caps", "queues", "providers", "replies", "accounting", "guard", "watch")
    caps = _section(top, "caps", "head_room_percent", "pool_share_percent")
    queues = _section(
        top,
        "queues",
        "max_msg_rate",
        "backoff_max_msg_rate",
        "backoff_retry_after",
        "backoff_to_normal_after",
    )
    accounting = _section(top, "accounting", "deliveries", "complaints", "move_interval")
    guard = _section(top, "guard", "unexplained_lines_percent")
    return DeployPolicy(
        digest=digest,
        head_room_percent=caps.number("head_room_percent", 100, 1000),
        pool_share_percent=caps.number("pool_share_percent", 0, 100),
        max_msg_rate=queues.text("max_msg_rate", rate),
        backoff_max_msg_rate=queues.text("backoff_max_msg_rate", rate),
        backoff_retry_after=queues.text("backoff_retry_after", time),
        backoff_to_normal_after=queues.text("backoff_to_normal_after", time),
        providers=tuple(_provider(section) for section in top.sections("providers")),
        replies=tuple(_reply(section) for section in top.sections("replies")),
        deliveries_file=accounting.text("deliveries", names.file_path),
        complaints_file=accounting.text("complaints", names.file_path),
        move_interval=accounting.text("move_interval", time),
        unexplained_lines_percent=guard.number("unexplained_lines_percent", 0, 100),
        watch=_watch(top),
    )


def _watch(top: Section) -> WatchPolicy:
    watch = _section(top, "watch", *WatchPolicy.__dataclass_fields__)
    return WatchPolicy(
        minutes=watch.number("minutes", 0, 60),
        sample_seconds=watch.number("sample_seconds", 5, 600),
        queue_factor_percent=watch.number("queue_factor_percent", 100, 10_000),
        queue_minimum=watch.number("queue_minimum", 1, 10_000_000),
        backoff_queues=watch.number("backoff_queues", 1, 10_000),
        deferral_percent=watch.number("deferral_percent", 1, 100),
    )


def _section(top: Section, key: str, *known: str) -> Section:
    found = top.section(key)
    if found is None:
        if not top.has(key):
            top.add(key, "missing", "a mapping")
        empty = read_document("{}", top.place.source, Mistakes())
        assert empty is not None  # noqa: S101 (a constant)
        return empty
    found.only(*known)
    return found


def _provider(section: Section) -> ProviderRates:
    section.only("name", "max_msg_rate", "max_smtp_out", "max_msg_per_connection", "rollup")
    known = [provider.name for provider in shipped_providers().all]
    rollup = section.section("rollup")
    return ProviderRates(
        name=section.text("name", lambda text: None if text in known else f"one of {', '.join(known)}"),
        max_msg_rate=section.text("max_msg_rate", rate),
        max_smtp_out=section.number("max_smtp_out", 1, 1000),
        max_msg_per_connection=section.number("max_msg_per_connection", 0, 10_000),
        rollup=_rollup(rollup) if rollup else None,
    )


def _rollup(section: Section) -> Rollup:
    section.only("mx", "smtp_hosts")
    patterns = section.texts("mx", mx)
    smtp_hosts = section.text("smtp_hosts", hosts, default="")
    if not patterns:
        section.add("mx", "missing", "at least one MX pattern")
    if not smtp_hosts and any("*" in pattern for pattern in patterns):
        section.add("smtp_hosts", "missing", "the hosts to deliver to, because a pattern has a *")
    return Rollup(patterns, smtp_hosts)


def _reply(section: Section) -> Reply:
    section.only("pattern", "actions")
    return Reply(section.text("pattern", _regex), section.text("actions", _actions))


def shipped_policy() -> DeployPolicy:
    """include/config/deploy.yaml."""
    path: Path = home.CONFIG / "deploy.yaml"
    return parse_policy(path.read_text(encoding="utf-8"), path.name)
