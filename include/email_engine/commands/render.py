"""`email-engine render`: the PowerMTA configuration that the engine would put on a host."""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from email_engine.commands.output import add_database, add_json, database_url, emit, fleet_file
from email_engine.errors import InputError
from email_engine.fleet.model import Fleet, IpRecord, IpState, Mode, MtaHost, SendingIp
from email_engine.fleet.providers import shipped_providers
from email_engine.fleet.read import read_fleet
from email_engine.pmta.config.deploy_policy import deploy_policy
from email_engine.pmta.config.inventory import read_inventory
from email_engine.pmta.config.layout import compose, digest
from email_engine.pmta.config.render import render_host
from email_engine.warmup.policy import Policy
from email_engine.warmup.policy_file import load_policy


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds `--fleet`, `--host` and `--live`."""
    parser.add_argument(
        "--fleet", metavar="FILE", type=Path, help="default: EMAIL_ENGINE_FLEET, else the example"
    )
    parser.add_argument(
        "--host", metavar="NAME", help="an MTA host of the fleet; may be left out if there is one"
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="states and allowances in force today, from the engine's database; without it every IP is rendered as "
        "the fleet file starts it",
    )
    add_database(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the configuration; every tenant is rendered, whatever its mode."""
    fleet = read_fleet(fleet_file(args.fleet))
    host = _host(fleet, args.host)
    records = _live(args, host) if args.live else tuple(_as_in_file(fleet, host, load_policy()))
    sections = render_host(host, records, shipped_providers(), deploy_policy())
    text = compose(sections, None, {record.tenant: Mode.ACT for record in records})
    inventory = read_inventory(text)
    value = {
        "host": host.name,
        "file": host.config_file,
        "digest": digest(text),
        "vmtas": {block.name: block.cap for block in inventory.vmtas.values()},
        "pools": {name: list(members) for name, members in inventory.pools.items()},
        "text": text,
    }
    emit(args, value, text.rstrip("\n"))
    return 0


def _host(fleet: Fleet, name: str | None) -> MtaHost:
    known = {host.name: host for host in fleet.mta_hosts}
    if name is None and len(known) == 1:
        return fleet.mta_hosts[0]
    if name not in known:
        observed = "not given" if name is None else f"{name} is not in the fleet"
        raise InputError("--host", observed, f"one of {', '.join(known)}", "name one of them")
    return known[name]


def _live(args: argparse.Namespace, host: MtaHost) -> tuple[IpRecord, ...]:
    from email_engine.store.engine import connect
    from email_engine.store.fleet.ips import load_ips

    store = connect(database_url(args))
    try:
        with store.session(tenant="*") as conn:
            return load_ips(conn, day=datetime.now(UTC).date(), mta_host=host.name)
    finally:
        store.dispose()


def _as_in_file(fleet: Fleet, host: MtaHost, policy: Policy) -> Iterator[IpRecord]:
    """As if every IP were new: its first state, and the allowance that this state starts with."""
    modes = {tenant.name: tenant.mode for tenant in fleet.tenants}
    risks = {(stream.tenant, stream.name): stream.risk_class for stream in fleet.streams}
    submitters = {instance.name: instance.addresses for instance in fleet.mailwizz_instances}
    for number, ip in enumerate(fleet.ips, 1):
        if ip.mta_host != host.name:
            continue
        yield IpRecord(
            ip_id=number,
            address=ip.address,
            bind_address=ip.bind_address,
            hostname=ip.hostname,
            domain=ip.domain,
            tenant=ip.tenant,
            mode=modes[ip.tenant],
            stream=ip.stream,
            risk_class=risks[ip.tenant, ip.stream],
            vmta=ip.vmta,
            pool=ip.pool,
            mta_host=ip.mta_host,
            mailwizz=ip.mailwizz,
            mailwizz_server_id=ip.mailwizz_server_id,
            dkim_selector=ip.dkim_selector,
            dkim_key_path=ip.first_key_file,
            state=ip.initial_state,
            state_since=datetime.min.replace(tzinfo=UTC),
            allowance=_first_allowance(ip, policy),
            daily_target=ip.daily_target,
            schedule=ip.schedule,
            phase=ip.initial_phase,
            sent_days_in_phase=0,
            mailwizz_addresses=submitters[ip.mailwizz],
        )


def _first_allowance(ip: SendingIp, policy: Policy) -> int:
    if ip.initial_state is IpState.ACTIVE:
        return ip.daily_target
    if ip.initial_state is not IpState.WARMING:
        return 0
    stages = policy.schedules[ip.schedule].stages
    return stages[min(ip.initial_phase, len(stages)) - 1]
