"""Allowances to quotas: what each delivery server of one MailWizz instance must be set to.

The daily quota is the allowance, because both count messages of the UTC day and MailWizz subtracts its own usage. An IP
that may not send has its server disabled and its quotas at 1: in MailWizz 0 means unlimited, and a server that somebody
enables by mistake then sends one message. An IP about which nothing was decided yet is left alone. Reductions are planned even where a finding forbids raises."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date

from email_engine.fleet.model import IpRecord
from email_engine.mailer.handover import judge_customers, judge_handover
from email_engine.mailer.learning import Unlearned, learn_servers
from email_engine.mailer.model import (
    ACTIVE,
    DISABLED,
    GOVERNED,
    RUNNING,
    DeliveryServer,
    LastSync,
    QuotaChange,
    QuotaFinding,
    QuotaPlan,
    Refusal,
    Setting,
    Warmup,
)
from email_engine.mailer.policy import Drift, QuotaPolicy
from email_engine.mailer.senders import NOBODY_KNOWN, Senders

NEVER = LastSync()


def plan_quotas(
    records: Iterable[IpRecord],
    servers: Iterable[DeliveryServer],
    history: Mapping[int, LastSync],
    policy: QuotaPolicy,
    day: date,
    senders: Senders = NOBODY_KNOWN,
) -> QuotaPlan:
    """What to change on one instance so that its servers follow the allowances of the UTC `day`.

    `records`: the IPs of that instance; `servers`: all its delivery servers; `history`: by server id, what the engine
    last wrote; `senders`: who uses the servers. Each IP yields at most one change, and a refusal where a person must act
    or MailWizz will hand over less than its allowance."""
    known = {server.server_id: server for server in servers}
    owners = _owners(known.values())
    records = list(records)
    found_by_header = learn_servers(records, known.values(), policy)
    changes, refusals, unchanged = [], [], 0
    served = []
    for record in records:
        server_id = found_by_header.get(record.ip_id, record.mailwizz_server_id)
        if not isinstance(server_id, int):
            refusals += _not_learned(record, server_id)
            unchanged += 1
            continue
        record = replace(record, mailwizz_server_id=server_id)
        served.append(record)
        server = known.get(server_id)
        last = history.get(server_id, NEVER)
        last = last.seen(server) if server else last
        new, found = _decide(record, server, last, owners, policy)
        if server is not None and new is not None:
            found += judge_handover(record, server, new, senders, day)
        refusals += [_refusal(record, finding, observed, step) for finding, observed, step in found]
        if server is None or new is None or new == server.setting:
            unchanged += 1
            continue
        drift = _drifted(server.setting, last)
        changes.append(
            QuotaChange(
                record.ip_id, record.address, record.tenant, server.server_id, server.setting, new, _reason(record), drift
            )
        )  # fmt: skip
    refusals += judge_customers(served, known, senders)
    learned = {ip_id: found for ip_id, found in found_by_header.items() if isinstance(found, int)}
    return QuotaPlan(day, tuple(changes), tuple(refusals), unchanged, learned)


def _not_learned(record: IpRecord, found: Unlearned | None) -> list[Refusal]:
    """A standby IP may wait for its server; one that sends may not, and nobody waits for a doubt to go by itself."""
    if found is None or not (record.sends or found.doubtful):
        return []
    return [_refusal(record, QuotaFinding.NOT_LEARNED, found.observed, found.next_step)]


_Found = tuple[QuotaFinding, str, str]


def _decide(
    record: IpRecord,
    server: DeliveryServer | None,
    last: LastSync,
    owners: Mapping[str, tuple[int, ...]],
    policy: QuotaPolicy,
) -> tuple[Setting | None, list[_Found]]:
    """The wanted setting (None: leave it alone) and what is wrong."""
    if server is None:
        return None, [
            (QuotaFinding.MISSING, "no such delivery server", "create it in MailWizz or correct fleet.yaml")
        ]
    stranger = _stranger(record, server, policy)
    if stranger:
        return None, [stranger]
    old = server.setting
    if old.status not in GOVERNED:
        step = "confirm or restore the server in MailWizz"
        return None, [(QuotaFinding.NOT_IN_SERVICE, f"status is {old.status}", step)] if record.sends else []
    found = _status_alone(server)
    planned = bool(found)
    if record.awaits_first_allowance:
        return None, found
    if not record.sends:
        quotas = (old.daily_quota, old.hourly_quota) if planned else (1, 1)
        return Setting(*quotas, DISABLED), found
    if planned:
        return None, found
    status = old.status
    if status == DISABLED and last.status == DISABLED:
        status = ACTIVE
    elif status == DISABLED:
        step = "enable it in MailWizz, or retire the IP"
        found.append((QuotaFinding.DISABLED_BY_PERSON, "disabled, and not by the engine", step))
    new = Setting(record.allowance, policy.hourly_quota(record.allowance), status)
    if policy.drift is Drift.KEEP_LOWER and _drifted(old, last):
        kept = Setting(
            _lower(old.daily_quota, new.daily_quota), _lower(old.hourly_quota, new.hourly_quota), status
        )
        if kept != new:
            observed = f"somebody set {kept.daily_quota} a day, {kept.hourly_quota} an hour; the allowance would be {new.daily_quota}"
            found.append(
                (
                    QuotaFinding.KEPT_LOWER,
                    observed,
                    "raise it in MailWizz when it may send more, or set drift: mend in mailer.yaml",
                )
            )
        new = kept
    others = [n for n in owners.get(record.vmta, ()) if n != server.server_id]
    if others:
        listed = ", ".join(str(n) for n in others)
        step = "keep one delivery server for each virtual MTA and disable the rest"
        found.append(
            (QuotaFinding.SHARED_VMTA, f"virtual MTA {record.vmta} is also fed by server {listed}", step)
        )
        if not QuotaChange(0, record.address, "", 0, old, new, "").reduces:
            return None, found
    return new, found


def _status_alone(server: DeliveryServer) -> list[_Found]:
    """Why nothing but the status of this server may be written: its limits are not known, or MailWizz's plan governs them."""
    doubt = server.limits.doubt()
    if doubt:
        return [(QuotaFinding.LIMITS_NOT_KNOWN, *doubt)]
    if server.warmup is not Warmup.RUNNING:
        return []
    progress = server.limits.plan
    step = "end MailWizz's warm-up plan: at its end it would set all quotas to unlimited"
    observed = "MailWizz's own warm-up plan governs its quotas" + (f" ({progress})" if progress else "")
    if progress is None or not progress.last:
        return [(QuotaFinding.WARMUP_PLAN, observed, step)]
    return [
        (QuotaFinding.WARMUP_PLAN_ENDS, f"{observed}: after this last step all quotas become unlimited", step)
    ]


def _stranger(record: IpRecord, server: DeliveryServer, policy: QuotaPolicy) -> _Found | None:
    """Is this the server of another IP, or none of PowerMTA's? Then nothing may be written to it."""
    if server.type not in policy.server_types and "type" not in server.limits.unread:
        return (
            QuotaFinding.WRONG_TYPE,
            f"type is {server.type}",
            "map the IP to a server that hands mail to PowerMTA",
        )
    wanted = f"set the additional header x-virtual-mta: {record.vmta} in MailWizz, or correct fleet.yaml"
    if server.vmtas is None:
        unread = server.limits.doubt() if "meta_data" in server.limits.unread else None
        return QuotaFinding.NO_VMTA, "its additional headers cannot be read", unread[1] if unread else wanted
    if not server.vmtas:
        return QuotaFinding.NO_VMTA, "it has no header x-virtual-mta", wanted
    if set(server.vmtas) != {record.vmta}:
        return (
            QuotaFinding.WRONG_VMTA,
            f"x-virtual-mta is {', '.join(server.vmtas)}, not {record.vmta}",
            wanted,
        )
    return None


def _owners(servers: Iterable[DeliveryServer]) -> dict[str, tuple[int, ...]]:
    """Virtual MTA to the ids of the servers that feed it now."""
    owners: dict[str, tuple[int, ...]] = {}
    for server in servers:
        if server.setting.status in RUNNING:
            for vmta in set(server.vmtas or ()):
                owners[vmta] = (*owners.get(vmta, ()), server.server_id)
    return owners


def _lower(by_hand: int, wanted: int) -> int:
    """0 would be unlimited: nobody keeps that."""
    return min(by_hand, wanted) if by_hand > 0 else wanted


def _drifted(now: Setting, last: LastSync) -> bool:
    quotas = last.daily_quota is not None and (now.daily_quota, now.hourly_quota) != (
        last.daily_quota,
        last.hourly_quota,
    )
    return quotas or (last.status == DISABLED and now.status in RUNNING)


def _reason(record: IpRecord) -> str:
    if record.braked:
        return "the brake is on"
    if not record.sends:
        paused = f" {record.pause.ends}" if record.pause else ""
        return f"{record.state} IP may send nothing{paused}"
    return f"allowance {record.allowance} of the {record.state} IP"


def _refusal(record: IpRecord, finding: QuotaFinding, observed: str, next_step: str) -> Refusal:
    return Refusal(
        record.ip_id, record.address, record.tenant, record.mailwizz_server_id, finding, observed, next_step
    )
