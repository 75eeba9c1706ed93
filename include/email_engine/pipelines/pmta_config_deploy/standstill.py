"""Which virtual MTAs of a host must stand still and which may run, by what the database says at this moment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from sqlalchemy import Connection

from email_engine.adapters.powermta_holds import HeldSource
from email_engine.fleet.model import IpRecord, Mode
from email_engine.pipelines.brakes.providers import kept_queues
from email_engine.pipelines.run import Run
from email_engine.pmta.config.deploy_policy import DeployPolicy, deploy_policy
from email_engine.pmta.config.inventory import read_inventory
from email_engine.pmta.config.routing import must_be_held
from email_engine.store.deployment import deployments
from email_engine.store.engine import ALL_TENANTS, Store
from email_engine.store.fleet.ips import load_ips
from email_engine.store.judgement import decisions
from email_engine.store.stops import brakes


@dataclass(frozen=True, slots=True)
class Standstill:
    """Of the virtual MTAs whose tenant acts: which must be held, if a text may define them, and which must be free, if it does."""

    held: tuple[HeldSource, ...]
    free: tuple[HeldSource, ...]


def read_standstill(store: Store, name: str, run: Run, text: str) -> Standstill:
    """What the database says at this moment: a brake may have come since the plan was made."""
    with store.session(tenant=ALL_TENANTS) as conn:
        records, modes = fleet_on(conn, name, run)
        removed_ips = read_removed_ips(conn, name)
        kept = kept_queues(brakes.engaged(conn, mta_host=name, providers=True))
    return standstill(records, modes, removed_ips, text, deploy_policy(), kept)


def read_removed_ips(conn: Connection, name: str) -> tuple[HeldSource, ...]:
    """IPs that left the fleet file, or move to another host, and are held until the host runs their virtual MTAs no more."""
    return tuple(
        HeldSource(brake.vmta, str(brake.local_address))
        for brake in brakes.engaged(conn, mta_host=name)
        if (brake.removed or brake.moving_to)
        and not brake.successor
        and brake.release_asked_at is None
        and brake.mode is Mode.ACT
    )


def standstill(
    records: Sequence[IpRecord],
    modes: Mapping[str, Mode],
    removed_ips: Sequence[HeldSource],
    text: str,
    policy: DeployPolicy,
    kept: Mapping[str, frozenset[str]] | None = None,
) -> Standstill:
    """As `read_standstill`, from what was read. `kept`: by virtual MTA, domains and roll-ups of suspended providers."""
    inventory = read_inventory(text)
    ours = [r for r in records if modes.get(r.tenant) is Mode.ACT and inventory.may_define(r.vmta)]
    still = {r.vmta for r in must_be_held(records, policy)}
    return Standstill(
        (
            *_sources(r for r in ours if r.vmta in still),
            *(one for one in removed_ips if inventory.may_send(one.vmta, ip_address(one.address))),
        ),
        _sources((r for r in ours if r.vmta not in still and r.vmta in inventory.vmtas), kept),
    )


def fleet_on(conn: Connection, name: str, run: Run) -> tuple[tuple[IpRecord, ...], dict[str, Mode]]:
    """The IPs of a host with their allowances of the run's UTC day or later, and the mode of each tenant there; without those that move away."""
    day = run.no_earlier_than(decisions.newest(conn)).as_of.date()
    modes = {tenant: Mode(mode) for tenant, mode in deployments.load_modes(conn, name).items()}
    here = (ip for ip in load_ips(conn, day=day, mta_host=name) if ip.moving_to is None)
    return tuple(here), modes


def _sources(
    records: Iterable[IpRecord], kept: Mapping[str, frozenset[str]] | None = None
) -> tuple[HeldSource, ...]:
    keep = kept or {}
    return tuple(HeldSource(r.vmta, str(r.local_address), keep.get(r.vmta, frozenset())) for r in records)
