"""Which delivery server is an IP's, where the fleet file does not say: the one whose header names its virtual MTA."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from email_engine.fleet.model import IpRecord
from email_engine.mailer.model import GOVERNED, DeliveryServer
from email_engine.mailer.policy import QuotaPolicy


@dataclass(frozen=True, slots=True)
class Unlearned:
    """No server is known to be the IP's. `doubtful`: there are some, and a person must say or mend which."""

    observed: str
    next_step: str
    doubtful: bool = False


def servers_naming(vmta: str, servers: Iterable[DeliveryServer]) -> tuple[DeliveryServer, ...]:
    """Those with `vmta` among their x-virtual-mta headers, in capitals or not: whether PowerMTA tells them apart is not documented."""
    wanted = vmta.casefold()
    return tuple(server for server in servers if wanted in map(str.casefold, server.vmtas or ()))


def learn_servers(
    records: Sequence[IpRecord], servers: Iterable[DeliveryServer], policy: QuotaPolicy
) -> Mapping[int, int | Unlearned]:
    """By `ip_id`, the server of each record that has none, or learned one that is gone: exactly one server names its virtual MTA and no other, hands mail to
    PowerMTA, and is no other IP's."""
    known = tuple(server for server in servers if server.setting.status in GOVERNED)
    by_id = {server.server_id: server for server in known}
    open_ones = [record for record in records if _is_open(record, by_id)]
    settled = {record.ip_id for record in records} - {record.ip_id for record in open_ones}
    taken = {record.mailwizz_server_id: record for record in records if record.ip_id in settled}
    return {
        record.ip_id: _learn(record, servers_naming(record.vmta, known), taken, policy)
        for record in open_ones
    }


def _is_open(record: IpRecord, known: Mapping[int, DeliveryServer]) -> bool:
    """No server yet, or one that was learned and names the virtual MTA no more: MailWizz's operator made another."""
    if record.mailwizz_server_id is None:
        return True
    server = known.get(record.mailwizz_server_id)
    return record.server_learned and (
        server is None or (server.vmtas is not None and set(server.vmtas) != {record.vmta})
    )


def _learn(
    record: IpRecord,
    named: Sequence[DeliveryServer],
    taken: Mapping[int | None, IpRecord],
    policy: QuotaPolicy,
) -> int | Unlearned:
    found = server_of(record.vmta, named, policy)
    if isinstance(found, Unlearned):
        return found
    other = taken.get(found)
    if other is not None:
        seen = f"server {found} names virtual MTA {record.vmta}, and fleet.yaml gives it to {other.address}"
        return Unlearned(
            seen, "correct mailwizz_server_id in fleet.yaml, or the header in MailWizz", doubtful=True
        )
    return found


def server_of(vmta: str, named: Sequence[DeliveryServer], policy: QuotaPolicy) -> int | Unlearned:
    """The id of the one server that may be its: `named` are those whose headers name it."""
    if not named:
        return Unlearned(
            f"no delivery server has the header x-virtual-mta: {vmta}",
            f"create one in MailWizz with the additional header x-virtual-mta: {vmta}; it is found by that",
        )
    ids = ", ".join(str(server.server_id) for server in named)
    if len(named) > 1:
        return Unlearned(
            f"servers {ids} all name virtual MTA {vmta} (a server that was copied keeps its headers)",
            "leave the header on one of them, or write its mailwizz_server_id into fleet.yaml",
            doubtful=True,
        )
    (server,) = named
    if {name.casefold() for name in server.vmtas or ()} == {vmta.casefold()} and vmta not in (
        server.vmtas or ()
    ):
        seen = f"server {ids} names {', '.join(sorted(set(server.vmtas or ())))}, virtual MTA {vmta} in other capitals"
        return Unlearned(
            seen,
            "write both alike: whether PowerMTA takes one for the other is not documented",
            doubtful=True,
        )
    if set(server.vmtas or ()) != {vmta}:
        seen = f"server {ids} names several virtual MTAs: {', '.join(sorted(set(server.vmtas or ())))}"
        return Unlearned(seen, "leave one header x-virtual-mta on it", doubtful=True)
    if server.type not in policy.server_types:
        seen = f"server {ids} names virtual MTA {vmta}, and its type is {server.type}"
        return Unlearned(seen, "move the header to a server that hands mail to PowerMTA", doubtful=True)
    return server.server_id
