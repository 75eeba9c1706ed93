"""Limits of the queues of a virtual MTA: the policy's for each mailbox provider, lower where an IP's allowance there is.

A provider with a rollup has one queue for each virtual MTA; without one every recipient domain has a queue of its own, and
PowerMTA counts a limit for each of them separately."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from email_engine.fleet.model import IpRecord
from email_engine.fleet.providers import Provider, Providers
from email_engine.pmta.config.deploy_policy import DeployPolicy, ProviderRates
from email_engine.pmta.config.rates import per_second

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class LimitGroup:
    """Mailbox providers of the same numbers, behind one domain macro. `backoff_max_msg_rate`: only where the policy's for all
    queues would be faster than `max_msg_rate`."""

    macro: str
    max_msg_rate: str
    max_smtp_out: int
    max_msg_per_connection: int
    backoff_max_msg_rate: str | None = None


class Limits:
    """The providers of a policy; a provider that only an IP's allowance names gets the policy's numbers for all queues."""

    def __init__(self, providers: Providers, policy: DeployPolicy) -> None:
        self._known = {provider.name: provider for provider in providers.all}
        self._policy = policy
        self._alike: dict[tuple[str, int, int], list[ProviderRates]] = {}
        self._rates = {rates.name: rates for rates in policy.providers if rates.name in self._known}
        for rates in self._rates.values():
            numbers = (rates.max_msg_rate, rates.max_smtp_out, rates.max_msg_per_connection)
            self._alike.setdefault(numbers, []).append(rates)

    def macros(self, records: Iterable[IpRecord]) -> list[tuple[str, tuple[str, ...]]]:
        """Domain macros with their recipient domains and roll-ups: one for each group, one for each provider."""
        found = {_macro(members): members for members in self._alike.values()}
        found |= {_macro([rates]): [rates] for rates in self._rates.values()}
        named = {name for record in records for name in record.bounds}
        found |= {_macro([rates]): [rates] for rates in self._unlisted(named)}
        return [(macro, tuple(self._domains(members))) for macro, members in found.items()]

    def of(self, bounds: Mapping[str, int]) -> tuple[LimitGroup, ...]:
        """The limits of a virtual MTA whose IP may have `bounds` messages a UTC day for some providers. The group of such a
        provider is written out, so that no domain stands in two of its blocks; what no list of domains covers (`other`) cannot
        be bounded."""
        groups: list[LimitGroup] = []
        for members in self._alike.values():
            if any(self._lower(rates, bounds) for rates in members):
                groups += [self._bounded(rates, bounds) for rates in members]
            else:
                groups.append(_group(members))
        groups += [self._bounded(rates, bounds) for rates in self._unlisted(bounds)]
        return tuple(groups)

    def _unlisted(self, named: Iterable[str]) -> Iterator[ProviderRates]:
        policy = self._policy
        for name in sorted(set(named) & self._known.keys() - self._rates.keys()):
            if self._known[name].domains:
                yield ProviderRates(
                    name, policy.max_msg_rate, policy.max_smtp_out, policy.max_msg_per_connection
                )

    def _domains(self, members: Iterable[ProviderRates]) -> Iterator[str]:
        members = list(members)
        for rates in members:
            provider: Provider = self._known[rates.name]
            yield from provider.domains
        for rates in members:
            if self._policy.rollups and rates.rollup:
                yield f"{rates.name}.rollup"

    def _lower(self, rates: ProviderRates, bounds: Mapping[str, int]) -> str | None:
        """The rate that an IP's allowance at the provider means, with the head-room of its cap, if it is the lower one."""
        if rates.name not in bounds:
            return None
        messages = max(1, -(-bounds[rates.name] * self._policy.head_room_percent // 100))
        allowed = per_second(rates.max_msg_rate)
        return f"{messages}/d" if allowed is None or Fraction(messages, DAY_SECONDS) < allowed else None

    def _bounded(self, rates: ProviderRates, bounds: Mapping[str, int]) -> LimitGroup:
        group, lower = _group([rates]), self._lower(rates, bounds)
        if lower is None:
            return group
        slow, backoff = per_second(lower), per_second(self._policy.backoff_max_msg_rate)
        faster = backoff is None or (slow is not None and backoff > slow)
        return LimitGroup(
            group.macro, lower, group.max_smtp_out, group.max_msg_per_connection, lower if faster else None
        )


def _macro(members: Iterable[ProviderRates]) -> str:
    return "_".join(["engine", *(re.sub(r"[^a-z0-9]", "_", rates.name) for rates in members)])


def _group(members: list[ProviderRates]) -> LimitGroup:
    first = members[0]
    return LimitGroup(_macro(members), first.max_msg_rate, first.max_smtp_out, first.max_msg_per_connection)
