"""One provider presses: from deferrals in the accounting to the limit that PowerMTA shows for that provider's queue."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from email_engine.decision import Origin
from email_engine.fleet.model import MtaHost
from email_engine.fleet.providers import shipped_providers
from email_engine.pmta.config.deploy_policy import deploy_policy
from email_engine.pmta.config.guard import Grounds, find_breaches
from email_engine.pmta.config.layout import compose
from email_engine.pmta.config.plan import plan_deployment
from email_engine.pmta.config.reduce import only_lowers
from email_engine.pmta.config.render import render_host
from email_engine.store import schema, versions
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.judgement import observations, warmup
from email_engine.warmup.observation import midnight
from email_engine.warmup.plan import plan_tenant
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.rows import Writing, rows_of
from lab.clock import Clock
from lab.powermta.commands import run_command
from lab.powermta.host import Host
from lab.powermta.recipients import Recipients
from tests.fleet_rows import add_host, add_hour, add_ip, add_tenant

LAST = date(2026, 11, 20)
POLICY, DEPLOY = load_policy(), deploy_policy()
MTA = MtaHost("mta-1", "powermta_mta-1", "5.0r5")


def mail(
    store: Store, ip_id: int, day: date, provider: str, delivered: int, throttling_deferrals: int
) -> None:
    meanings = {"rate": throttling_deferrals} if throttling_deferrals else {}
    with store.session("*") as conn:
        add_hour(
            conn, ip_id, midnight(day) + timedelta(hours=12), provider, delivered=delivered, deferred=throttling_deferrals,
            deferral_meanings=meanings,
        )  # fmt: skip


def close(store: Store, day: date) -> None:
    effective = day + timedelta(days=1)
    with store.session("*") as conn:
        conn.execute(schema.mta_hosts.update().values(accounting_checked_at=midnight(effective)))
        seen = observations.observe(conn, "aurora", day, effective, POLICY)
        ip_decisions = plan_tenant(seen, POLICY, observations.quotas(conn, "aurora"), day, effective)
        at = midnight(effective)
        writing = Writing(
            day, effective, Origin("test", at, "warmup_advance", f"{day}"), POLICY.digest, policy=POLICY
        )
        warmup.record(conn, rows_of(ip_decisions, writing), writing)


def configuration(store: Store, day: date) -> str:
    with store.session("*") as conn:
        records = ips.load_ips(conn, day=day)
    return compose(
        render_host(MTA, records, shipped_providers(), DEPLOY), None, {r.tenant: r.mode for r in records}
    )


def shown(root: Path, text: str, queue: str) -> str:
    clock = Clock(datetime(2026, 11, 1, tzinfo=UTC))
    host = Host("mta-1", root, ("198.51.100.1",), "5.0r5", clock, Recipients())
    (root / "etc/pmta/email-engine.conf").write_text(text)
    host.restart()
    assert host.start_error == ""
    output = run_command(host, ["show", "settings", queue])
    return next(
        line for line in str(output.stdout).splitlines() if "max-msg-rate" in line and "backoff" not in line
    )


def test_deferrals_at_one_provider_slow_its_queue_alone(store: Store, tmp_path: Path) -> None:
    with store.session("*") as conn:
        add_host(conn)
        add_tenant(conn)
        plan = {"phase": 6, "phase_started_on": LAST - timedelta(days=60), "target_daily_quota": 1_000}
        ip_id = add_ip(conn, 1, state="active", plan=plan)
        ips.set_allowance(
            conn, ip_id, "aurora", LAST - timedelta(days=20), 1_000, versions.bump(conn, "test"), None
        )
    for n in range(1, 12):
        mail(store, ip_id, LAST - timedelta(days=n), "gmail", 500, 0)
        mail(store, ip_id, LAST - timedelta(days=n), "microsoft", 450, 0)
    close(store, LAST - timedelta(days=1))
    before = configuration(store, LAST)
    mail(store, ip_id, LAST, "gmail", 500, 0)
    mail(store, ip_id, LAST, "microsoft", 200, 900)
    close(store, LAST)
    after = configuration(store, LAST + timedelta(days=1))
    with store.session("*") as conn:
        (ip,) = ips.load_ips(conn, day=LAST + timedelta(days=1))
    assert set(ip.bounds) == {"microsoft"}
    assert 0 < ip.bounds["microsoft"] < ip.allowance <= 1_000
    assert only_lowers(before, after)
    most = -(-ip.bounds["microsoft"] * DEPLOY.head_room_percent // 100)
    assert f"{most}/d" in shown(tmp_path, after, "microsoft.rollup/aurora-1")
    assert "250/h" in shown(tmp_path, after, "gmail.rollup/aurora-1")
    back = plan_deployment("mta-1", after, before)
    assert [b.kind for b in find_breaches(back, Grounds(decided=["aurora-1"], may_rise=[]), DEPLOY)][:1] == [
        "cap_raised"
    ]
    given = Grounds(decided=["aurora-1"], may_rise=["aurora-1"])
    assert find_breaches(back, given, DEPLOY) == ()
