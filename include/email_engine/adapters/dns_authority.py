"""What the name servers of a zone themselves say, asked one by one: a resolver may hold an old answer, or lie."""

from collections.abc import Collection, Iterable

from email_engine.adapters.dns_resolver import Resolver
from email_engine.dns_answers import Answer, Found, Question

PORT = 53
MOST_SERVERS = 6
"""Of one zone; nobody needs more."""


def ask_owners(
    resolver: Resolver, names: Collection[str], rdtype: str = "TXT", port: int = PORT
) -> dict[str, tuple[Answer, ...]]:
    """For each name the answer of every name server of its zone whose address is known; none where no server is found.

    `resolver` finds the servers; they are asked at `port` with its patience, once each. Never raises for what DNS does."""
    above = {name: _above(name) for name in names}
    asked = resolver.resolve_many(Question(zone, "NS") for zones in above.values() for zone in zones)
    zone_servers = {
        q.name: answer.records[:MOST_SERVERS] for q, answer in asked.items() if isinstance(answer, Found)
    }
    servers = {
        name: next((zone_servers[zone] for zone in zones if zone_servers.get(zone)), ())
        for name, zones in above.items()
    }
    addresses = _addresses(resolver, {server for of in servers.values() for server in of})
    found: dict[str, list[Answer]] = {name: [] for name in names}
    for address in sorted({a for known in addresses.values() for a in known}):
        mine = [name for name, of in servers.items() if any(address in addresses.get(s, ()) for s in of)]
        one = Resolver([(address, port)], timeout=resolver.timeout, tries=1)
        for question, answer in one.resolve_many(Question(name, rdtype) for name in mine).items():
            found[question.name].append(answer)
    return {name: tuple(answers) for name, answers in found.items()}


def _above(name: str) -> tuple[str, ...]:
    """The names at which the zone of `name` may begin, the longest first: a label that begins with `_` is none."""
    labels = name.split(".")
    while labels and any(label.startswith("_") for label in labels[1:]):
        labels.pop(0)
    labels = labels[1:] if labels and labels[0].startswith("_") else labels
    return tuple(".".join(labels[at:]) for at in range(max(1, len(labels) - 1)))


def _addresses(resolver: Resolver, servers: Iterable[str]) -> dict[str, tuple[str, ...]]:
    wanted = [Question(server.rstrip("."), kind) for server in servers for kind in ("A", "AAAA")]
    known: dict[str, tuple[str, ...]] = {}
    for question, answer in resolver.resolve_many(wanted).items():
        if isinstance(answer, Found):
            known[question.name] = (*known.get(question.name, ()), *answer.records)
    return {server: known.get(server.rstrip(".").lower(), ()) for server in servers}
