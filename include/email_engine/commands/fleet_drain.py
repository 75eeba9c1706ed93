"""`email-engine fleet drain` and `fleet host-is-off`: an MTA host that is to be emptied, or that is gone."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from email_engine.commands.output import add_database, add_json, emit
from email_engine.fleet.config_file import read_text
from email_engine.onboarding.drain import DrainPlan, plan_drain
from email_engine.onboarding.policy import shipped_onboard_policy
from email_engine.plural import amount

NAMED = 20


def configure_drain(parser: argparse.ArgumentParser) -> None:
    """Adds HOST, FILE, `--to`, `--write` and `--json`."""
    parser.add_argument("host", metavar="HOST", help="the MTA host that is to carry nothing any more")
    parser.add_argument(
        "file", metavar="FILE", nargs="?", type=Path, help="default: EMAIL_ENGINE_FLEET, else the example"
    )
    parser.add_argument("--to", action="append", default=[], metavar="HOST", help="only there, in this order")
    parser.add_argument(
        "--write", action="store_true", help="write the fleet file; without it the change is only shown"
    )
    add_json(parser)


def configure_off(parser: argparse.ArgumentParser) -> None:
    """Adds HOST, `--reason`, the database and `--json`."""
    parser.add_argument("host", metavar="HOST", help="it can send no more and never will again")
    parser.add_argument("--reason", default="", help="others will read it")
    add_database(parser)
    add_json(parser)


def drain(args: argparse.Namespace) -> int:
    """Prints where each IP goes and how the fleet file changes; 1 while that is not written."""
    text, today = read_text(args.file, "fleet file"), datetime.now(UTC).date()
    plan = plan_drain(text, args.file.name, args.host, args.to, today, shipped_onboard_policy().ips_per_host)
    written = bool(args.write and plan.moves)
    if written:
        from email_engine.pipelines.fleet_onboard.fleet_file import replace_text

        replace_text(args.file, plan.before, plan.text)
    emit(args, _document(plan, written), _words(plan, written))
    return 0 if written or not plan.moves else 1


def _document(plan: DrainPlan, written: bool) -> dict[str, object]:
    return {
        "host": plan.host, "written": written, "diff": plan.diff, "notes": list(plan.notes),
        "moves": [
            {"ip": str(move.ip.address), "tenant": move.ip.tenant, "stream": move.ip.stream, "vmta": move.ip.vmta, "to": move.to}
            for move in plan.moves
        ],
    }  # fmt: skip


def _words(plan: DrainPlan, written: bool) -> str:
    counts = ", ".join(f"{count} to {name}" for name, count in plan.counts.items())
    lines = [f"{plan.host}: {amount(len(plan.moves), 'IP')} to move{f' ({counts})' if counts else ''}"]
    lines += [
        f"  {move.ip.address} {move.ip.tenant}/{move.ip.stream} -> {move.to}" for move in plan.moves[:NAMED]
    ]
    lines += [f"  ... and {len(plan.moves) - NAMED} more"] if len(plan.moves) > NAMED else []
    lines += [plan.diff] if plan.diff else []
    lines += [f"Then {note}." if plan.moves else f"{note}." for note in plan.notes]
    if plan.moves:
        lines.append(
            "Written. The next run brakes them at the old host and moves them when it sends from them no more."
            if written
            else "Nothing was written; --write does, or change the file by hand."
        )
    return "\n".join(lines)


def host_is_off(args: argparse.Namespace) -> int:
    """Moves what waits to move away from a host that cannot be read any more."""
    from email_engine.commands.clients import opened, shell_run
    from email_engine.pipelines.host_moves import host_is_off as arrive_all

    run = shell_run("fleet", {"reason": args.reason}, False)
    with opened(args) as (store, _), store.session(tenant="*") as conn:
        moved = arrive_all(conn, args.host, run)
    lines = [
        f"{one.address} ({one.vmta}) is at {one.moving_to} now, braked until a person releases it"
        for one in moved
    ]
    emit(
        args,
        {"host": args.host, "moved": [{"ip": one.address, "to": one.moving_to} for one in moved]},
        "\n".join(lines or [f"no IP waits to move away from {args.host}"]),
    )
    return 0
