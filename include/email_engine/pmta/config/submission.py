"""Where mail goes that a MailWizz instance hands over without naming a virtual MTA.

PowerMTA picks by the X-Virtual-MTA header first, then by the pattern list of the source, then by its default. Streams never
share IPs, so each stream's sender domains lead to its own pool."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from email_engine.fleet.model import IpAddress, IpRecord
from email_engine.fleet.names import organisational_domain
from email_engine.pmta.config.routing import order


@dataclass(frozen=True, slots=True)
class Submission:
    """One MailWizz instance on one host: `default` and the targets of `patterns` (regular expression, target) are
    pools or virtual MTAs of its own. Without patterns it has one stream there."""

    instance: str
    addresses: tuple[IpAddress, ...]
    default: str
    patterns: tuple[tuple[str, str], ...]


def plan_submissions(
    records: Iterable[IpRecord], pools: Mapping[str, tuple[str, ...]]
) -> tuple[Submission, ...]:
    """The instances that have IPs among the records of one host, and say from where they submit, by name.

    `pools`: members of each pool that is rendered. A stream whose pool is not leads to its first virtual MTA, whose cap
    holds: never to a pool of another stream. Unknown sender domains go to the largest pool of the instance."""
    by_instance: dict[str, list[IpRecord]] = {}
    for record in sorted(records, key=order):
        by_instance.setdefault(record.mailwizz, []).append(record)
    return tuple(
        _submission(name, mine, pools)
        for name, mine in sorted(by_instance.items())
        if mine[0].mailwizz_addresses
    )


def _submission(name: str, records: list[IpRecord], pools: Mapping[str, tuple[str, ...]]) -> Submission:
    targets: dict[str, str] = {}
    for record in records:
        targets.setdefault(record.pool, record.pool if record.pool in pools else record.vmta)
    largest = min(targets, key=lambda pool: (-len(pools.get(pool, ())), pool))
    return Submission(
        instance=name,
        addresses=records[0].mailwizz_addresses,
        default=targets[largest],
        patterns=_patterns(records, targets) if len(targets) > 1 else (),
    )


def _patterns(records: list[IpRecord], targets: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """One line for a registered domain that one stream alone sends from, else one for each domain, longest first."""
    by_root: dict[str, dict[str, str]] = {}
    for record in records:
        by_root.setdefault(organisational_domain(record.domain), {})[record.domain] = targets[record.pool]
    lines = []
    for root, domains in by_root.items():
        alone = len(set(domains.values())) == 1
        lines += [(root, next(iter(domains.values())))] if alone else list(domains.items())
    lines.sort(key=lambda line: (-line[0].count("."), line[0]))
    return tuple((sender_pattern(domain), target) for domain, target in lines)


def sender_pattern(domain: str) -> str:
    """A regular expression for envelope senders at a domain and below it; without a backslash."""
    return f"@([^@]+[.])?{domain.replace('.', '[.]')}$"
