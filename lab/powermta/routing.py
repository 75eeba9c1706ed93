"""Which virtual MTA takes a message: X-Virtual-MTA first, then the pattern list, then the source's default."""

import re
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from lab.mail import Message
from lab.powermta.config_model import DEFAULT_VMTA, Model, PatternRule
from lab.powermta.config_values import truth

INJECTOR = "127.0.0.1"
"""MailWizz's stand-in hands mail over from here."""


class Refusal(Exception):
    """The SMTP reply with which a message is refused."""


class Route:
    """The members among which mail goes round, and the pool that was asked for ('' if a VMTA was)."""

    __slots__ = ("_turn", "members", "pool")

    def __init__(self, members: tuple[str, ...], pool: str = "") -> None:
        self.members, self.pool = members, pool
        self._turn = 0

    def next_member(self) -> str:
        """Plain round-robin: no weights, and no look at who could take the mail."""
        member = self.members[self._turn]
        self._turn = (self._turn + 1) % len(self.members)
        return member


class Router:
    """Routing under one configuration. Merges the <source> blocks that cover the injector, the narrowest last."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._source = _source_settings(model)
        self.process_job = truth(self._source.get("process-x-job", "no"))
        self._routes: dict[str, Route] = {}
        self._rules = model.pattern_lists.get(self._source.get("pattern-list", ""), ())
        self._named = truth(self._source.get("process-x-virtual-mta", "no"))

    def route(self, message: Message) -> Route:
        """Raises Refusal with the SMTP reply."""
        if not truth(self._source.get("always-allow-relaying", "no")):
            raise Refusal("550 5.7.1 relaying denied")
        wanted = message.virtual_mta if self._named else ""
        if wanted:
            if route := self._to(wanted):
                return route
            if truth(self._source.get("reject-invalid-virtual-mta", "yes")):
                raise Refusal(f'550 5.5.0 invalid virtual MTA "{wanted}"')
            if self._model.fallback_vmta and (route := self._to(self._model.fallback_vmta)):
                return route
        if self._rules and (target := _first_target(self._rules, message)) and (route := self._to(target)):
            return route
        default = self._source.get("default-virtual-mta", DEFAULT_VMTA)
        return self._to(default) or self._routes.setdefault(DEFAULT_VMTA, Route((DEFAULT_VMTA,)))

    def _to(self, name: str) -> Route | None:
        route = self._routes.get(name)
        if route is None:
            if name in self._model.vmtas:
                route = Route((name,))
            elif pool := self._model.pools.get(name):
                route = Route(pool.members, name)
            else:
                return None
            self._routes[name] = route
        return route


def _source_settings(model: Model) -> dict[str, str]:
    matching = []
    for source in model.sources:
        try:
            network = ip_network(_full(source.name), strict=False)
        except ValueError:
            continue
        if ip_address(INJECTOR) in network:
            matching.append((network.prefixlen, source.settings))
    settings: dict[str, str] = {}
    for _, own in sorted(matching, key=lambda item: item[0]):
        settings |= own
    return settings


def _full(cidr: str) -> str:
    """`10/8` -> `10.0.0.0/8`."""
    address, slash, bits = cidr.partition("/")
    if slash and re.fullmatch(r"[\d.]+", address):
        address = ".".join([*address.split("."), "0", "0", "0"][:4])
    return address + slash + bits


def _first_target(rules: Iterable[PatternRule], message: Message) -> str:
    for rule in rules:
        text = {"mail-from": message.mail_from, "rcpt-to": message.rcpt}.get(rule.kind, "")
        if rule.kind == "*" or (rule.pattern is not None and text and rule.pattern.search(text)):
            return _first_target(rule.nested, message) if rule.nested else rule.target
    return ""
