"""The deployment policy (include/config/deploy.yaml, replies.yaml, bounce_categories.yaml) as values.

Every mistake in any of the three files is reported at once."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from email_engine import paths
from email_engine.accounting.replies import (
    TIME,
    BounceCategory,
    Receiver,
    Reply,
    read_categories,
    read_receivers,
)
from email_engine.errors import InputError
from email_engine.fleet import names
from email_engine.fleet.document import Section, read_document
from email_engine.fleet.mistakes import FileInvalid, Mistakes
from email_engine.fleet.providers import shipped_providers
from email_engine.pmta.config.watch import WatchPolicy

__all__ = [
    "BounceCategory",
    "DeployPolicy",
    "ProviderRates",
    "Receiver",
    "Reply",
    "Rollup",
    "deploy_policy",
    "parse_policy",
]

RATE = re.compile(r"[1-9]\d{0,6}/(d|h|m)")
HOSTS = re.compile(r"lookup-mx:[a-z0-9.-]+|[a-z0-9.-]+(,[a-z0-9.-]+)*")
MX = re.compile(r"(\*\.)?[a-z0-9.-]+")
MINUTES = re.compile(r"\d{1,2}(\.\d{1,2})?")


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
class DeployPolicy:
    """`head_room_percent`: cap as a share of the allowance; `digest` is that of all three files; the rest as named in
    deploy.yaml. `max_smtp_out`, `max_msg_per_connection`: where no provider says otherwise."""

    digest: str
    head_room_percent: int
    pool_share_percent: int
    max_msg_rate: str
    max_smtp_out: int
    max_msg_per_connection: int
    backoff_max_msg_rate: str
    backoff_retry_after: str
    backoff_to_normal_after: str
    providers: tuple[ProviderRates, ...]
    rollups: bool
    receivers: tuple[Receiver, ...]
    bounce_categories: tuple[BounceCategory, ...]
    deliveries_file: str
    complaints_file: str
    move_interval: str
    unexplained_lines_percent: int
    watch: WatchPolicy

    @property
    def rates_a_day(self) -> bool:
        """Is a rate here for a day, as else only an IP's allowance at a provider is?"""
        rates = [self.max_msg_rate, self.backoff_max_msg_rate, *(one.max_msg_rate for one in self.providers)]
        return any(rate.endswith("/d") for rate in rates)


def _like(pattern: re.Pattern[str], allowed: str) -> names.Check:
    return lambda text: None if text and pattern.fullmatch(text) else allowed


rate = _like(RATE, "a rate such as 250/h (units d, h, m)")
time = _like(TIME, "a time such as 90s, 5m or 1h30m")
hosts = _like(HOSTS, "lookup-mx:NAME or host names with commas")
mx = _like(MX, "a host name, or *. before one")
LONGEST_WATCH = 60


def watch_minutes(text: str) -> str | None:
    """Fractions too: the lab watches for seconds."""
    short = MINUTES.fullmatch(text) and float(text) <= LONGEST_WATCH
    return None if short else f"minutes from 0 to {LONGEST_WATCH}, such as 10 or 0.5"


def parse_policy(
    text: str, source: str = "deploy.yaml", replies: str | None = None, categories: str | None = None
) -> DeployPolicy:
    """Reads the policy; raises FileInvalid that lists every mistake with its file and line.

    Args:
        text: deploy.yaml.
        source: its name, for messages.
        replies, categories: replies.yaml and bounce_categories.yaml; None: as shipped.
    """
    texts = (
        text,
        _shipped("replies.yaml") if replies is None else replies,
        _shipped("bounce_categories.yaml") if categories is None else categories,
    )
    mistakes = Mistakes()
    top = read_document(texts[0], source, mistakes)
    of_replies = read_document(texts[1], "replies.yaml", mistakes)
    of_categories = read_document(texts[2], "bounce_categories.yaml", mistakes)
    receivers = read_receivers(of_replies) if of_replies else ()
    bounces = read_categories(of_categories) if of_categories else ()
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    policy = _policy(top, digest, receivers, bounces) if top else None
    if mistakes.found or policy is None:
        raise FileInvalid(source, mistakes.found)
    return policy


def _policy(
    top: Section, digest: str, receivers: tuple[Receiver, ...], bounces: tuple[BounceCategory, ...]
) -> DeployPolicy:
    top.only("caps", "queues", "providers", "rollups", "bounce_categories", "accounting", "guard", "watch")
    caps = _section(top, "caps", "head_room_percent", "pool_share_percent")
    queues = _section(
        top,
        "queues",
        "max_msg_rate",
        "max_smtp_out",
        "max_msg_per_connection",
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
        max_smtp_out=queues.number("max_smtp_out", 1, 1000),
        max_msg_per_connection=queues.number("max_msg_per_connection", 0, 10_000),
        backoff_max_msg_rate=queues.text("backoff_max_msg_rate", rate),
        backoff_retry_after=queues.text("backoff_retry_after", time),
        backoff_to_normal_after=queues.text("backoff_to_normal_after", time),
        providers=_providers(top),
        rollups=top.truth("rollups"),
        receivers=receivers,
        bounce_categories=bounces if top.truth("bounce_categories") else (),
        deliveries_file=accounting.text("deliveries", names.file_path),
        complaints_file=accounting.text("complaints", names.file_path),
        move_interval=accounting.text("move_interval", time),
        unexplained_lines_percent=guard.number("unexplained_lines_percent", 0, 100),
        watch=_watch(top),
    )


def _providers(top: Section) -> tuple[ProviderRates, ...]:
    found: list[ProviderRates] = []
    for section in top.sections("providers"):
        rates = _provider(section)
        if rates.name and rates.name in [known.name for known in found]:
            section.add("name", f"{rates.name} stands twice", "each provider once")
        found.append(rates)
    return tuple(found)


def _watch(top: Section) -> WatchPolicy:
    watch = _section(top, "watch", *WatchPolicy.__dataclass_fields__)
    return WatchPolicy(
        minutes=float(watch.text("minutes", watch_minutes) or 0),
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


def _shipped(name: str) -> str:
    path: Path = paths.CONFIG / name
    return path.read_text(encoding="utf-8")


def policy_path() -> Path:
    """The deploy.yaml in force: `EMAIL_ENGINE_DEPLOY_POLICY`, or the one that the project ships."""
    return Path(os.environ.get("EMAIL_ENGINE_DEPLOY_POLICY") or paths.CONFIG / "deploy.yaml")


def deploy_policy() -> DeployPolicy:
    """The policy in force; replies.yaml and bounce_categories.yaml are those in include/config/.

    Raises InputError where the file cannot be read, FileInvalid with every mistake in it."""
    path = policy_path()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        raise InputError(
            str(path),
            f"cannot be read: {type(failure).__name__}",
            "a YAML file such as include/config/deploy.yaml",
            "correct EMAIL_ENGINE_DEPLOY_POLICY or the file; nothing was changed",
        ) from failure
    return parse_policy(text, path.name)
