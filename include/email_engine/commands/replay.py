"""`email-engine replay ACCT...`: what the engine would have decided, from real accounting files; nothing is stored."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from email_engine.accounting.read_files import read_all
from email_engine.commands.output import add_json
from email_engine.commands.policies import add_fleet_and_policy, chosen_fleet, chosen_policies
from email_engine.errors import InputError
from email_engine.simulation.days import IpDay
from email_engine.simulation.file_traffic import FileTraffic
from email_engine.simulation.replay import replay
from email_engine.warmup.proposal import Action

MOST_DAYS = 400


def configure(parser: argparse.ArgumentParser) -> None:
    """ACCT..., --late, --fleet, --policy and --json."""
    parser.add_argument(
        "files", metavar="ACCT", nargs="+", type=Path, help="accounting file (CSV with header)"
    )
    parser.add_argument(
        "--late", metavar="ACCT=DATE", action="append", default=[], type=_late,
        help="an accounting file that arrived on this UTC day, such as acct-9.csv=2026-11-11; again for each",
    )  # fmt: skip
    add_fleet_and_policy(parser, several=False)
    add_json(parser)


def _late(text: str) -> tuple[Path, date]:
    file, _, day = text.rpartition("=")
    try:
        return Path(file or ""), date.fromisoformat(day if file else "")
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no file with the day of its arrival: ACCT=2026-11-11"
        ) from None


def run(args: argparse.Namespace) -> int:
    """Exit 1 if rows were unreadable or named a source that the fleet does not have; both are told on stderr."""
    fleet, (policy,) = chosen_fleet(args), chosen_policies(args).values()
    arrived: dict[Path, date] = dict(args.late)
    seen = FileTraffic(fleet)
    late = {day: FileTraffic(fleet) for day in sorted(set(arrived.values()))}
    for file in read_all(list(dict.fromkeys([*args.files, *arrived]))):
        (late[arrived[file.path]] if file.path in arrived else seen).take(file)
    every = (seen, *late.values())
    _refuse_gaps(every, late)
    days = replay(fleet, policy, seen.accounting(), {day: some.accounting() for day, some in late.items()})
    if args.json:
        for one in days:
            print(json.dumps(_export(one), ensure_ascii=False))
    else:
        _print(days)
    findings = [line for some in every for line in some.findings()]
    for line in (*findings, *(line for some in every for line in some.copies)):
        print(line, file=sys.stderr)
    return 1 if findings else 0


def _refuse_gaps(files: Iterable[FileTraffic], late: Iterable[date]) -> None:
    """A wrong clock in one row would make years of empty days."""
    every = sorted({*late, *(day for some in files for days in some.counts.values() for day in days)})
    if every and (every[-1] - every[0]).days >= MOST_DAYS:
        raise InputError(
            "accounting files", f"{every[0]} to {every[-1]}", f"{MOST_DAYS} days at most",
            "replay a part of the files, and look for rows of a wrong clock",
        )  # fmt: skip


def _export(one: IpDay) -> dict[str, Any]:
    """`score` and `band` are null where there is too little mail, or where nothing is judged."""
    return {
        "date": one.day.isoformat(),
        "ip": one.address,
        "state": one.state,
        "stage": one.stage,
        "allowance": one.allowance,
        "sent": one.counts.sent,
        "verdict": one.verdict and str(one.verdict),
        "score": one.score.value,
        "band": [one.score.low, one.score.high] if one.score.known else None,
        "action": str(one.action),
        "gates": {gate: str(verdict) for gate, verdict in one.gates.items()},
        "paces": dict(one.throttle_factors),
        "reason": one.reason,
    }


def _print(days: Iterable[IpDay]) -> None:
    """Days on which something else than staying was decided, and how often what was."""
    actions: Counter[str] = Counter()
    for one in days:
        actions[str(one.action)] += 1
        if one.action is not Action.STAY:
            where = f"{one.state} {one.stage}, allowed {one.allowance}, sent {one.counts.sent}"
            print(f"{one.day}  {one.address}  {one.action}  ({where}): {one.reason}")
    told = ", ".join(f"{count} {action.replace('_', ' ')}" for action, count in sorted(actions.items()))
    print(f"{actions.total()} decisions: {told}" if actions else "No mail of this fleet, nothing to decide.")
