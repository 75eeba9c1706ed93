"""`email-engine fleet`: the fleet file against itself, and against the engine's database."""

import argparse
import contextlib
import getpass
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from email_engine.commands.fleet_adopt import adopt_command, configure_adopt
from email_engine.commands.fleet_drain import configure_drain, configure_off, drain, host_is_off
from email_engine.commands.fleet_onboard import configure_onboard, onboard
from email_engine.commands.fleet_records import configure_records, records
from email_engine.commands.fleet_state import (
    capacity,
    configure_capacity,
    configure_growth,
    configure_status,
    growth,
    status,
)
from email_engine.commands.output import add_database, add_json, database_url, emit, fleet_file
from email_engine.errors import GuardBreach, InputError
from email_engine.fleet.export import export_fleet
from email_engine.fleet.inventory import InventoryPlan, export_plan, plan_inventory, render_plan
from email_engine.fleet.mistakes import FleetInvalid
from email_engine.fleet.model import Fleet, IpState
from email_engine.fleet.read import read_fleet
from email_engine.plural import amount

if TYPE_CHECKING:
    from sqlalchemy import Connection


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds `check`, `plan`, `apply`, `export`, `status`, `capacity`, `growth`, `records`, `drain`, `host-is-off`, `onboard` and `adopt`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text, work in (
        ("check", "is the file right? exit 1 and every mistake with its line if not", _check),
        ("plan", "what `apply` would change; exit 1 if there is anything", _plan),
        ("apply", "bring the engine's database to the file", _apply),
        ("export", "the expanded fleet, for other tools", _export),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument(
            "file", metavar="FILE", nargs="?", type=Path, help="default: EMAIL_ENGINE_FLEET, else the example"
        )
        add_json(action)
        if name in ("plan", "apply"):
            add_database(action)
        if name == "apply":
            action.add_argument("--force", action="store_true", help="also if many IPs disappear at once")
        action.set_defaults(work=work)
    for name, text, configure_it, work in (
        ("status", "who needs a look, and the rest summed up; --all: every IP with state, allowance, score, graduation", configure_status, status),
        ("capacity", "what each tenant's quota can carry: who warms, who waits, why, until when; exit 1 if an IP warms "
         "without enough mail", configure_capacity, capacity),
        ("growth", "so many new IPs a month: who starts when, what waits and why, what volume is there when; exit 1 if fewer can start",
         configure_growth, growth),
        ("records", "every DNS record that the fleet needs, as a table, zone files or octoDNS YAML; --missing: what is not published "
         "yet, exit 1 if there is anything", configure_records, records),
        ("drain", "where each IP of an MTA host could go, and the change of the fleet file that moves them; exit 1 while it is not written",
         configure_drain, drain),
        ("host-is-off", "a person says that an MTA host can send no more: IPs that wait to move away from it arrive, still braked",
         configure_off, host_is_off),
        ("onboard", "a range of new IPs: what it adds to the file, and where; --apply: write it, with DNS records and delivery servers "
         "beside it", configure_onboard, onboard),
        ("adopt", "a fleet that sends already: its fleet file in observe, by configuration, MailWizz and 30 days of accounting, and what the "
         "engine would have done", configure_adopt, adopt_command),
    ):  # fmt: skip
        action = actions.add_parser(name, help=text, description=text)
        configure_it(action)
        action.set_defaults(work=work)


def run(args: argparse.Namespace) -> int:
    """Runs the chosen action."""
    if args.action == "adopt":
        return adopt_command(args)
    named = getattr(args, "file", None)
    if named is None and args.action == "apply" and not os.environ.get("EMAIL_ENGINE_FLEET"):
        raise InputError(
            "fleet apply",
            "no file",
            "the fleet file to bring the database to",
            "name it, or set EMAIL_ENGINE_FLEET",
        )
    args.file = fleet_file(named)
    return int(args.work(args))


def _check(args: argparse.Namespace) -> int:
    try:
        fleet = read_fleet(args.file, datetime.now(UTC).date())
    except FleetInvalid as error:
        mistakes = [
            {
                "file": m.place.source,
                "line": m.place.line,
                "path": m.place.path,
                "observed": m.observed,
                "allowed": m.allowed,
            }
            for m in error.mistakes
        ]
        emit(args, {"valid": False, "mistakes": mistakes}, str(error))
        return 1
    emit(args, {"valid": True, "mistakes": []} | _counts(fleet), _describe(args.file, fleet))
    return 0


def _counts(fleet: Fleet) -> dict[str, int]:
    return {
        "tenants": len(fleet.tenants),
        "streams": len(fleet.streams),
        "mta_hosts": len(fleet.mta_hosts),
        "mailwizz_instances": len(fleet.mailwizz_instances),
        "ips": len(fleet.ips),
    }


_ONE = {
    "tenants": "tenant", "streams": "stream", "mta_hosts": "MTA host", "mailwizz_instances": "MailWizz instance", "ips": "IP",
}  # fmt: skip


def _describe(path: Path, fleet: Fleet) -> str:
    lines = [
        f"{path.name} is right: {', '.join(amount(n, _ONE[what]) for what, n in _counts(fleet).items())}"
    ]
    for tenant in fleet.tenants:
        own = [ip for ip in fleet.ips if ip.tenant == tenant.name]
        states = {state: sum(ip.initial_state is state for ip in own) for state in IpState}
        named = ", ".join(f"{count} {state}" for state, count in states.items() if count)
        hosts = ", ".join(sorted({ip.mta_host for ip in own}))
        lines.append(
            f"  {tenant.name} ({tenant.mode}): {amount(len(own), 'IP')} on {hosts}; new ones start as: {named}; "
            f"{tenant.daily_quota} messages a day"
        )
    return "\n".join(lines)


@contextlib.contextmanager
def _session(args: argparse.Namespace) -> Iterator["Connection"]:
    from email_engine.store.engine import connect

    store = connect(database_url(args))
    try:
        with store.session(tenant="*") as conn:
            yield conn
    finally:
        store.dispose()


def _planned(conn: "Connection", fleet: Fleet) -> InventoryPlan:
    from email_engine.store.dkim_keys import selectors
    from email_engine.store.fleet.inventory import load_fleet, load_removed, lock

    lock(conn)
    return plan_inventory(fleet, load_fleet(conn), load_removed(conn), selectors(conn))


def _plan(args: argparse.Namespace) -> int:
    fleet = read_fleet(args.file, datetime.now(UTC).date())
    with _session(args) as conn:
        plan = _planned(conn, fleet)
    refused = ""
    try:
        plan.raise_if_unsafe()
    except GuardBreach as breach:
        refused = str(breach)
    text = render_plan(plan) + (f"\nRefused as it stands: {refused}" if refused else "")
    emit(args, export_plan(plan) | {"refused": refused or None}, text)
    return 0 if plan.empty else 1


def _apply(args: argparse.Namespace) -> int:
    from email_engine.store.fleet.inventory import apply_inventory

    fleet = read_fleet(args.file, datetime.now(UTC).date())
    with _session(args) as conn:
        plan = _planned(conn, fleet)
        changed = apply_inventory(
            conn,
            plan,
            as_of=datetime.now(UTC),
            dag_id=None,
            run_id=None,
            actor=getpass.getuser(),
            force=args.force,
        )
    emit(
        args, export_plan(plan) | {"changed": changed}, render_plan(plan) + ("\nApplied." if changed else "")
    )
    return 0


def _export(args: argparse.Namespace) -> int:
    fleet = read_fleet(args.file)
    rows = "\n".join(
        f"{ip.address}\t{ip.hostname}\t{ip.domain}\t{ip.tenant}/{ip.stream}\t{ip.vmta}\t{ip.mta_host}"
        for ip in fleet.ips
    )
    emit(args, export_fleet(fleet), rows)
    return 0
