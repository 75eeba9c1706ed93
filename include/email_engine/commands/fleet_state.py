"""`email-engine fleet status` and `fleet capacity`: how every IP stands, and what a tenant's quota can carry."""

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from email_engine.commands.output import add_database, add_json, database_url, emit
from email_engine.errors import InputError
from email_engine.fleet.read import read_fleet

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from email_engine.warmup.plan import IpDecision, Quotas
    from email_engine.warmup.policy import Policy

    Basis = tuple[Sequence[IpDecision], Policy, Quotas, date, date]


MOST = 1_000


def configure_status(parser: argparse.ArgumentParser) -> None:
    """Adds `--tenant`, `--all`, the database and `--json`."""
    parser.add_argument(
        "--all", action="store_true", help="a row for each IP, not only for those that need a look"
    )
    _configure_tenant(parser)


def _configure_tenant(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", metavar="NAME", help="of this tenant alone")
    add_database(parser)
    add_json(parser)


def configure_capacity(parser: argparse.ArgumentParser) -> None:
    """Adds FILE, `--live`, `--tenant`, the database and `--json`."""
    parser.add_argument(
        "file", metavar="FILE", nargs="?", type=Path, help="default: EMAIL_ENGINE_FLEET, else the example"
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="states, quotas and mail of the last 7 days from the engine's database; without it every IP is as the fleet "
        "file starts it",
    )
    _configure_tenant(parser)


def status(args: argparse.Namespace) -> int:
    """Prints who needs a look, and the rest summed up."""
    from email_engine.commands.fleet_words import status_words
    from email_engine.store.engine import connect
    from email_engine.store.judgement.forecasts import standings
    from email_engine.warmup.policy_file import load_policy

    store = connect(database_url(args))
    try:
        with store.session(tenant="*") as conn:
            _require_tenant(args, _tenants(conn))
            found = standings(conn, day=datetime.now(UTC).date(), tenant=args.tenant, policy=load_policy())
    finally:
        store.dispose()
    found = tuple(sorted(found, key=lambda s: (s.ip.tenant, s.ip.address.version, int(s.ip.address))))
    emit(args, {"ips": [standing.as_json() for standing in found]}, status_words(found, args.all))
    return 0


def capacity(args: argparse.Namespace) -> int:
    """Prints the plan of each tenant; 1 if an IP warms without enough mail to progress."""
    from email_engine.warmup.capacity import plan_capacity
    from email_engine.warmup.capacity_plan import AllocationKind, capacity_words

    plans = tuple(plan_capacity(*basis) for basis in (_live(args) if args.live else _of_file(args)))
    text = "\n\n".join("\n".join(capacity_words(plan, "would be dealt")) for plan in plans)
    emit(args, {"tenants": [plan.as_json() for plan in plans]}, text)
    return 1 if any(plan.at(AllocationKind.SHORT) for plan in plans) else 0


def configure_growth(parser: argparse.ArgumentParser) -> None:
    """As for `capacity`, and `--ips-a-month`, `--months`."""
    parser.add_argument(
        "--ips-a-month", metavar="N", type=int, required=True, help="new IPs of each tenant in 30 days"
    )
    parser.add_argument("--months", metavar="M", type=int, default=6, help="default: 6")
    configure_capacity(parser)


def growth(args: argparse.Namespace) -> int:
    """Prints who starts when; 1 if fewer IPs can start than were asked for."""
    from email_engine.warmup.growth_plan import growth_words, plan_growth

    for name, given in (("--ips-a-month", args.ips_a_month), ("--months", args.months)):
        if not 1 <= given <= MOST:
            raise InputError(name, str(given), f"a number from 1 to {MOST}", "correct it")
    plans = tuple(
        plan_growth(*basis, args.ips_a_month, args.months)
        for basis in (_live(args) if args.live else _of_file(args))
    )
    text = "\n\n".join("\n".join(growth_words(plan)) for plan in plans)
    emit(args, {"tenants": [plan.as_json() for plan in plans]}, text)
    wanted = args.ips_a_month * args.months
    return 1 if any(sum(len(month.starts) for month in plan.months) < wanted for plan in plans) else 0


def _require_tenant(args: argparse.Namespace, known: Sequence[str]) -> None:
    if args.tenant is not None and args.tenant not in known:
        raise InputError(
            "--tenant", f"{args.tenant} is not in the fleet", f"one of {', '.join(known)}", "name one"
        )


def _tenants(conn: "Connection") -> list[str]:
    from sqlalchemy import select

    from email_engine.store.schema import tenants

    return list(conn.execute(select(tenants.c.name).order_by(tenants.c.name)).scalars())


def _live(args: argparse.Namespace) -> Iterator["Basis"]:
    """From the newest day that was closed for the tenant, else from yesterday; nothing is written."""
    from email_engine.store.engine import connect
    from email_engine.store.judgement import observations, warmup
    from email_engine.store.judgement.outages import outage_spans
    from email_engine.warmup.observation import midnight
    from email_engine.warmup.plan import plan_tenant
    from email_engine.warmup.policy_file import load_policy

    policy, store = load_policy(), connect(database_url(args))
    try:
        with store.session(tenant="*") as conn:
            known = _tenants(conn)
            _require_tenant(args, known)
            for tenant in [args.tenant] if args.tenant else known:
                day = warmup.last_decided(conn, tenant) or _yesterday()
                effective = day + timedelta(days=1)
                spans = outage_spans(conn, day, midnight(effective), policy)
                seen = observations.observe(conn, tenant, day, effective, policy, spans=spans)
                quotas = observations.quotas(conn, tenant)
                ip_decisions = plan_tenant(seen, policy, quotas, day, effective)
                yield ip_decisions, policy, quotas, day, effective
    finally:
        store.dispose()


def _yesterday() -> date:
    return datetime.now(UTC).date() - timedelta(days=1)


def _of_file(args: argparse.Namespace) -> Iterator["Basis"]:
    """As if every IP were new today, clean and with its DNS right."""
    from email_engine.simulation.life import begin, quotas
    from email_engine.warmup.observation import DnsHealth, IpObservation, midnight
    from email_engine.warmup.plan import plan_tenant
    from email_engine.warmup.policy_file import load_policy

    fleet, policy = read_fleet(args.file), load_policy()
    _require_tenant(args, [tenant.name for tenant in fleet.tenants])
    day = _yesterday()
    effective = day + timedelta(days=1)
    lives = begin(fleet, effective)
    for tenant in fleet.tenants:
        if args.tenant not in (None, tenant.name):
            continue
        seen = [
            IpObservation(life.ip, dns=DnsHealth.OK, blocklists_known=True, fresh_through=midnight(effective))
            for life in lives
            if life.ip.tenant == tenant.name
        ]
        shares = quotas(fleet, tenant.name)
        ip_decisions = plan_tenant(seen, policy, shares, day, effective)
        yield ip_decisions, policy, shares, day, effective
