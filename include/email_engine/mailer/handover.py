"""Will MailWizz hand over an IP's allowance? Whatever limits its server is looked at, and the tightest limit is named."""

from calendar import monthrange
from collections.abc import Iterable, Mapping
from datetime import date
from itertools import chain

from email_engine.fleet.model import IpRecord, RiskClass
from email_engine.mailer.limits import Shortfall, hourly_shortfall, server_shortfalls
from email_engine.mailer.model import DeliveryServer, QuotaFinding, Refusal, Setting
from email_engine.mailer.senders import Senders, campaign_shortfalls, customer_shortfall, sender_shortfalls

LESS = "MailWizz will hand over less than the allowance of"


def judge_handover(
    record: IpRecord, server: DeliveryServer, wanted: Setting, senders: Senders, day: date
) -> list[tuple[QuotaFinding, str, str]]:
    """At most one finding of each kind: the server (and who may use it), and the campaigns that send now. `wanted` is what
    will stand in its row; a server that is off was told of already."""
    if not record.sends or not wanted.runs or record.allowance <= 0:
        return []
    limits, allowance = server.limits, record.allowance
    lasting = chain(
        server_shortfalls(
            limits,
            allowance,
            monthrange(day.year, day.month)[1],
            transactional=record.risk_class is RiskClass.PROTECTED,
        ),
        hourly_shortfall(wanted.hourly_quota, allowance),
        sender_shortfalls(senders, server.server_id, limits),
    )
    passing = campaign_shortfalls(senders, server.server_id, limits, wanted.hourly_quota, allowance)
    return [
        (finding, *_words(allowance, found))
        for finding, found in (
            (QuotaFinding.HANDS_LESS, list(lasting)),
            (QuotaFinding.CAMPAIGNS, list(passing)),
        )
        if found
    ]


def judge_customers(
    records: Iterable[IpRecord], servers: Mapping[int, DeliveryServer], senders: Senders
) -> tuple[Refusal, ...]:
    """One finding for each set of customers whose quotas are below what the servers that nobody else uses may send together; a larger set
    is told when the ones in it are enough."""
    shared: dict[frozenset[int], list[IpRecord]] = {}
    for record in records:
        server = servers.get(record.mailwizz_server_id or 0)
        users = senders.users(server.server_id, server.limits) if server and record.sends else None
        if users:
            shared.setdefault(users, []).append(record)
    found, short = [], list[frozenset[int]]()
    for users in sorted({*shared, *_whole_groups(shared)}, key=lambda users: (len(users), sorted(users))):
        if any(part <= users for part in short):
            continue
        sharing = [record for own, those in shared.items() if own <= users for record in those]
        allowances = sum(record.allowance for record in sharing)
        shortfall = customer_shortfall(senders, users, allowances, len(sharing))
        if shortfall is None:
            continue
        short.append(users)
        first = min(sharing, key=lambda record: record.mailwizz_server_id or 0)
        observed, step = _words(allowances, [shortfall])
        found.append(
            Refusal(
                first.ip_id, first.address, first.tenant, first.mailwizz_server_id, QuotaFinding.CUSTOMER_QUOTA, observed, step
            )
        )  # fmt: skip
    return tuple(found)


def _whole_groups(shared: Iterable[frozenset[int]]) -> list[frozenset[int]]:
    """Customers that are joined by servers which several of them use."""
    groups: list[frozenset[int]] = []
    for users in shared:
        joined = [group for group in groups if group & users]
        groups = [group for group in groups if not group & users]
        groups.append(users.union(*joined))
    return groups


def _words(allowance: int, found: list[Shortfall]) -> tuple[str, str]:
    binding, *others = sorted(found, key=lambda shortfall: shortfall.per_day)
    also = "".join(f"; also {other.limit}: {other.told}" for other in others)
    return (
        f"{LESS} {allowance:,} a day: {binding.told}, {binding.limit}{also}",
        binding.next_step,
    )
