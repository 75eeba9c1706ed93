"""A new domain on an IP that sends: what the IP may send today follows at once, not at midnight."""

from sqlalchemy import Connection

from email_engine.decision import Decision
from email_engine.fleet.model import IpRecord, Mode
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store import versions
from email_engine.store.fleet.ips import load_ips, set_allowance, update_plan
from email_engine.store.judgement import decisions
from email_engine.warmup.domain_warmup import domain_volume
from email_engine.warmup.policy import Policy


def limit_new_domains(conn: Connection, policy: Policy, run: Run) -> tuple[IpRecord, ...]:
    """IPs whose domain has a warm-up of its own and that may send more today than its phase allows: they get that, with a decision, from
    now on. Running it again changes nothing; of a tenant in `observe` nothing is applied."""
    today = run.as_of.date()
    over = [
        (ip, volume)
        for ip in load_ips(conn, day=today)
        if ip.domain_warmup is not None
        and ip.mode is Mode.ACT
        and ip.schedule in policy.schedules
        and (volume := domain_volume(ip, ip.domain_warmup, policy)) < ip.allowance
    ]
    if not over:
        return ()
    ids = (run.dag_id, run.run_id)
    version = versions.bump(conn, f"new domain of {amount(len(over), 'sending IP')}", ids)
    for ip, volume in over:
        decision = decisions.record(conn, _decision(ip, volume, policy, run), *ids)
        set_allowance(conn, ip.ip_id, ip.tenant, today, volume, version, decision)
        update_plan(conn, ip.ip_id, current_daily_quota=volume)
    return tuple(ip for ip, _ in over)


def _decision(ip: IpRecord, volume: int, policy: Policy, run: Run) -> Decision:
    """One for each day and domain; `ip` has a domain with a warm-up of its own."""
    warmup = ip.domain_warmup
    phase = warmup.phase if warmup else 1
    reason = (
        f"Its domain {ip.domain} is new, so from now on it may send {amount(volume, 'message')} a day instead of {ip.allowance}: "
        f"phase {phase} of the domain's own warm-up."
    )
    return Decision(
        tenant=ip.tenant, pipeline="fleet", subject=str(ip.address), run_key=f"{run.as_of:%Y-%m-%d} {ip.domain}", kind="domain",
        action="limit", reason=reason, as_of=run.as_of, policy_digest=policy.digest,
        inputs={"domain": ip.domain, "phase": phase, "allowance": ip.allowance, "limit": volume},
    )  # fmt: skip
