"""Which queues of a virtual MTA carry the mail to one mailbox provider: `DOMAIN/VMTA`, or `NAME.rollup/VMTA` for several domains."""

from dataclasses import dataclass

from email_engine.fleet.providers import Providers
from email_engine.pmta.config.deploy_policy import DeployPolicy

ROLLUP = ".rollup"
"""The end of a roll-up's name, which begins with its provider's."""


@dataclass(frozen=True, slots=True)
class ProviderQueues:
    """`domains`: recipient domains and the roll-up, as they stand before the `/` of a queue's name; `ahead`: those of them that can
    be held before there is mail: the roll-up where the configuration has one, else each domain."""

    provider: str
    domains: frozenset[str]
    ahead: tuple[str, ...]


def provider_queues(name: str, providers: Providers, policy: DeployPolicy) -> ProviderQueues:
    """Of a provider that nobody knows any more: its roll-up alone."""
    rollup = f"{name}{ROLLUP}"
    own = next((provider.domains for provider in providers.all if provider.name == name), ())
    rolled = policy.rollups and any(rates.name == name and rates.rollup for rates in policy.providers)
    return ProviderQueues(name, frozenset({rollup, *own}), (rollup,) if rolled or not own else own)
