"""The deployment policy (include/config/deploy.yaml, replies.yaml, bounce_categories.yaml) as values.

Every mistake in any of the three files is reported at once."""

import hashlib
import os
import re
from dataclasses import dataclass
from functools import lru_cache
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
from email_engine.fleet import names
from email_engine.fleet.config_file import parse_part, read_text
from email_engine.fleet.document import Section
from email_engine.fleet.mistakes import FileInvalid, Mistakes, one_of
from email_engine.fleet.providers import shipped_providers
from email_engine.fleet.scalars import between
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

RATE = names.like(re.compile(r"[1-9]\d{0,6}/(d|h|m)"), "a rate such as 250/h (units d, h, m)")
HOSTS = names.like(
    re.compile(r"lookup-mx:[a-z0-9.-]+|[a-z0-9.-]+(,[a-z0-9.-]+)*"),
    "lookup-mx:NAME or host names with commas",
)
MX = names.like(re.compile(r"(\*\.)?[a-z0-9.-]+"), "a host name, or *. before one")
DURATION = names.like(TIME, "a time such as 90s, 5m or 1h30m")
MINUTES = between(0, 60, "minutes from 0 to 60, such as 10 or 0.5")
"""Fractions too: the lab watches for seconds."""


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
    return _parsed(texts, source)


@lru_cache(maxsize=8)
def _parsed(texts: tuple[str, str, str], source: str) -> DeployPolicy:
    """A deployment asks for the policy at each of its steps; the same texts mean the same."""
    mistakes = Mistakes()
    receivers = parse_part(texts[1], "replies.yaml", mistakes, read_receivers) or ()
    bounces = parse_part(texts[2], "bounce_categories.yaml", mistakes, read_categories) or ()
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    policy = parse_part(texts[0], source, mistakes, lambda top: _policy(top, digest, receivers, bounces))
    if mistakes.found or policy is None:
        raise FileInvalid(source, mistakes.found)
    return policy


def _policy(
    top: Section, digest: str, receivers: tuple[Receiver, ...], bounces: tuple[BounceCategory, ...]
) -> DeployPolicy:
    top.only("caps", "queues", "providers", "rollups", "bounce_categories", "accounting", "guard", "watch")
    caps = top.part("caps", "head_room_percent", "pool_share_percent")
    queues = top.part(
        "queues",
        "max_msg_rate",
        "max_smtp_out",
        "max_msg_per_connection",
        "backoff_max_msg_rate",
        "backoff_retry_after",
        "backoff_to_normal_after",
    )
    accounting = top.part("accounting", "deliveries", "complaints", "move_interval")
    guard = top.part("guard", "unexplained_lines_percent")
    return DeployPolicy(
        digest=digest,
        head_room_percent=caps.number("head_room_percent", 100, 1000),
        pool_share_percent=caps.number("pool_share_percent", 0, 100),
        max_msg_rate=queues.text("max_msg_rate", RATE),
        max_smtp_out=queues.number("max_smtp_out", 1, 1000),
        max_msg_per_connection=queues.number("max_msg_per_connection", 0, 10_000),
        backoff_max_msg_rate=queues.text("backoff_max_msg_rate", RATE),
        backoff_retry_after=queues.text("backoff_retry_after", DURATION),
        backoff_to_normal_after=queues.text("backoff_to_normal_after", DURATION),
        providers=_providers(top),
        rollups=top.truth("rollups"),
        receivers=receivers,
        bounce_categories=bounces if top.truth("bounce_categories") else (),
        deliveries_file=accounting.text("deliveries", names.file_path),
        complaints_file=accounting.text("complaints", names.file_path),
        move_interval=accounting.text("move_interval", DURATION),
        unexplained_lines_percent=guard.number("unexplained_lines_percent", 0, 100),
        watch=_watch(top),
    )


def _providers(top: Section) -> tuple[ProviderRates, ...]:
    found: list[ProviderRates] = []
    for section in top.sections("providers"):
        rates = _provider(section)
        section.once("name", rates.name, [known.name for known in found])
        found.append(rates)
    return tuple(found)


def _watch(top: Section) -> WatchPolicy:
    watch = top.part("watch", *WatchPolicy.__dataclass_fields__)
    return WatchPolicy(
        minutes=watch.real("minutes", MINUTES),
        sample_seconds=watch.number("sample_seconds", 5, 600),
        queue_factor_percent=watch.number("queue_factor_percent", 100, 10_000),
        queue_minimum=watch.number("queue_minimum", 1, 10_000_000),
        backoff_queues=watch.number("backoff_queues", 1, 10_000),
        deferral_percent=watch.number("deferral_percent", 1, 100),
    )


def _provider(section: Section) -> ProviderRates:
    section.only("name", "max_msg_rate", "max_smtp_out", "max_msg_per_connection", "rollup")
    known = [provider.name for provider in shipped_providers().all]
    rollup = section.section("rollup")
    return ProviderRates(
        name=section.text("name", lambda text: None if text in known else one_of(known, text)),
        max_msg_rate=section.text("max_msg_rate", RATE),
        max_smtp_out=section.number("max_smtp_out", 1, 1000),
        max_msg_per_connection=section.number("max_msg_per_connection", 0, 10_000),
        rollup=_rollup(rollup) if rollup else None,
    )


def _rollup(section: Section) -> Rollup:
    section.only("mx", "smtp_hosts")
    patterns = section.texts("mx", MX, needed="at least one MX pattern")
    smtp_hosts = section.text("smtp_hosts", HOSTS, default="")
    if not smtp_hosts and any("*" in pattern for pattern in patterns):
        section.add("smtp_hosts", "missing", "the hosts to deliver to, because a pattern has a *")
    return Rollup(patterns, smtp_hosts)


def _shipped(name: str) -> str:
    return read_text(paths.CONFIG / name, "configuration file")


def policy_path() -> Path:
    """The deploy.yaml in force: `EMAIL_ENGINE_DEPLOY_POLICY`, or the one that the project ships."""
    return Path(os.environ.get("EMAIL_ENGINE_DEPLOY_POLICY") or paths.CONFIG / "deploy.yaml")


def deploy_policy() -> DeployPolicy:
    """The policy in force; replies.yaml and bounce_categories.yaml are those in include/config/.

    Raises InputError where the file cannot be read, FileInvalid with every mistake in it."""
    path = policy_path()
    return parse_policy(read_text(path, "deploy policy", "EMAIL_ENGINE_DEPLOY_POLICY"), path.name)
