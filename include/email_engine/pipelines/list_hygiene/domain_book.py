"""Domains of recipients, each asked of DNS once in a run."""

import logging
import secrets
from collections.abc import Callable, Collection, Sequence
from time import monotonic

from email_engine.adapters.dns_resolver import Resolver
from email_engine.errors import EngineError
from email_engine.hygiene.domains import DomainVerdict, agreed, judge_domains

log = logging.getLogger(__name__)
TOGETHER = 400
"""Domains that are asked about in one go: so many that nobody answers for take a minute or two."""
MOST_DOMAINS = 250_000
"""Domains of one run that are remembered; whatever comes behind them is unknown."""
GRAVE = (DomainVerdict.DEAD, DomainVerdict.NULL_MX)


class DomainBook:
    """`until`: moment of the monotonic clock after which nothing is asked any more. `why_unknown`: the last reason for which domains
    could not be looked at, '' if there was none."""

    def __init__(
        self,
        resolver: Callable[[], Resolver],
        well_known: Sequence[str],
        until: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._open, self._well_known = resolver, well_known
        self._until, self._clock = until, clock
        self._resolver: Resolver | None = None
        self._known: dict[str, DomainVerdict] = {}
        self.why_unknown = ""

    def verdicts(self, domains: Collection[str]) -> dict[str, DomainVerdict]:
        """For each of them; asks what was not asked before. Never raises for what DNS or its connection does."""
        new = sorted({name for name in domains if name and name not in self._known})
        for start in range(0, len(new), TOGETHER):
            if len(self._known) >= MOST_DOMAINS:
                self.why_unknown = f"more than {MOST_DOMAINS} domains"
                break
            if self._clock() >= self._until:
                self.why_unknown = "the time of the run was up"
                break
            self._known |= self._asked(new[start : start + TOGETHER])
        return {name: self._known.get(name, DomainVerdict.UNKNOWN) for name in domains}

    def _asked(self, domains: Sequence[str]) -> dict[str, DomainVerdict]:
        try:
            self._resolver = self._resolver or self._open()
            found = self._look(domains, self._resolver)
            grave = [name for name, verdict in (found or {}).items() if verdict in GRAVE]
            if found is not None:
                return agreed(found, self._look(grave, self._resolver.turned()) or {}) if grave else found
        except EngineError as error:
            log.warning("%s", error)
        self.why_unknown = "the resolver did not answer, or cannot be believed"
        return dict.fromkeys(domains, DomainVerdict.UNKNOWN)

    def _look(self, domains: Sequence[str], resolver: Resolver) -> dict[str, DomainVerdict] | None:
        return judge_domains(domains, resolver.resolve_many, self._well_known, f"ee-{secrets.token_hex(10)}")
