"""`email-engine simulate`: what policies would do to a fleet whose truth is known, side by side."""

import argparse
from dataclasses import asdict
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from email_engine.commands.output import add_json, emit
from email_engine.commands.policies import add_fleet_and_policy, chosen_fleet, chosen_policies
from email_engine.errors import InputError
from email_engine.plural import amount, excerpt
from email_engine.simulation.days import IpDay
from email_engine.simulation.events import Told, of_ip, weightiest
from email_engine.simulation.run import played, simulate
from email_engine.simulation.scenario import Scenario
from email_engine.simulation.scenario_file import load_scenario, shipped_names
from email_engine.simulation.tally import Tally, tally
from email_engine.warmup.policy import Policy

MOST_DAYS = 1_000


def configure(parser: argparse.ArgumentParser) -> None:
    """--fleet, --policy (again for each to compare), --days, --seed, --scenario, --ip, --report and --json."""
    add_fleet_and_policy(parser, several=True)
    parser.add_argument("--days", type=_days, default=60, metavar="N", help="UTC days; default 60")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="same seed, same days; default 1")
    parser.add_argument(
        "--scenario",
        default="mixed",
        metavar="FILE|NAME",
        help=f"what is true of the IPs: a file, or one of {', '.join(shipped_names())}; default mixed",
    )
    parser.add_argument(
        "--ip",
        metavar="ADDRESS",
        help="tell what was decided about this IP; default: the first stops and throttles of each stream",
    )
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="write table and plots there")
    add_json(parser)


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days from 1 to {MOST_DAYS}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Always 0: a simulation finds no fault, it compares."""
    fleet, policies = chosen_fleet(args), chosen_policies(args)
    scenario = load_scenario(args.scenario)
    runs = {
        name: simulate(fleet, policy, scenario, args.days, args.seed) for name, policy in policies.items()
    }
    tallies = {name: tally(days, policies[name].sent_day_rate) for name, days in runs.items()}
    head, rows = ("", *tallies), _rows(tallies)
    told = {name: _told(days, args.ip) for name, days in runs.items()}
    ips = len(played(fleet, scenario).ips)
    lead = f"{amount(ips, 'IP')}, {amount(args.days, 'day')}, seed {args.seed}"
    expects = f"\nExpected: {scenario.expects}." if scenario.expects else ""
    if args.report:
        _write(args.report, scenario, lead, head, rows, runs)
    emit(
        args,
        _export(args, scenario, policies, tallies, told),
        f"{scenario.title}: {lead}{expects}\n\n{_table(head, rows)}{_sentences(told)}",
    )
    return 0


def _write(
    path: Path,
    scenario: Scenario,
    lead: str,
    head: tuple[str, ...],
    rows: list[tuple[str, ...]],
    runs: dict[str, tuple[IpDay, ...]],
) -> None:
    from email_engine.simulation.report import render_report

    try:
        path.write_text(render_report(scenario.title, lead, head, rows, runs), encoding="utf-8")
    except OSError as error:
        observed = error.strerror or type(error).__name__
        raise InputError(str(path), observed, "a file that can be written", "give another place") from None


def _export(
    args: argparse.Namespace,
    scenario: Scenario,
    policies: dict[str, Policy],
    tallies: dict[str, Tally],
    told: dict[str, tuple[Told, ...]],
) -> dict[str, Any]:
    return {
        "scenario": scenario.title,
        "expects": scenario.expects,
        "days": args.days,
        "seed": args.seed,
        "policies": [
            {
                "policy": name,
                "digest": policies[name].digest,
                "median_sent_days": one.median_sent_days,
                "median_stop_days": one.median_stop_days,
                "median_good_score": one.median_good_score,
                "median_bad_score": one.median_bad_score,
            }
            | asdict(one)
            | {"told": [_event(each) for each in told[name]]}
            for name, one in tallies.items()
        ],
    }


def _told(days: tuple[IpDay, ...], address: str | None) -> tuple[Told, ...]:
    if address is None:
        return weightiest(days)
    try:
        wanted = str(ip_address(address))
    except ValueError:
        wanted = address
    if wanted not in {one.address for one in days}:
        raise InputError(
            "--ip", excerpt(address), "an IP of the fleet that the scenario plays", "name another"
        )
    return of_ip(days, wanted)


def _event(told: Told) -> dict[str, Any]:
    today = told.today
    return {
        "date": today.day.isoformat(),
        "ip": today.address,
        "tenant": today.tenant,
        "stream": today.stream,
        "event": told.kind,
        "action": str(today.action),
        "reason": today.reason,
    }


def _sentences(told: dict[str, tuple[Told, ...]]) -> str:
    """What the engine would tell people, by policy; "" where nothing happened."""
    parts = []
    for name, events in told.items():
        lines = [
            f"{one.today.day}  {one.today.address}  {one.today.stream}  {one.kind}: {one.today.reason}"
            for one in events
        ]
        parts += [f"What {name} would tell:", *lines, ""] if lines else []
    return "\n".join(["\n", *parts]).rstrip() if parts else ""


def _count(number: float | None) -> str:
    return "-" if number is None else f"{number:,.0f}" if number == int(number) else f"{number:,.1f}"


def _rows(tallies: dict[str, Tally]) -> list[tuple[str, ...]]:
    def row(label: str, *values: str) -> tuple[str, ...]:
        return (label, *values)

    every = list(tallies.values())
    return [
        row("graduated", *(f"{t.graduated} of {t.warming}" for t in every)),
        row("median sent days to graduate", *(_count(t.median_sent_days) for t in every)),
        row("false stops", *(_count(t.false_stops) for t in every)),
        row("IPs falsely stopped", *(f"{t.false_stopped} of {t.ips}" for t in every)),
        row("bad IPs stopped", *(f"{len(t.stop_days)} of {t.bad}" for t in every)),
        row("median days to stop a bad one", *(_count(t.median_stop_days) for t in every)),
        row("IPs paused for their stream's list", *(_count(t.list_stopped) for t in every)),
        row("IPs slowed by their score", *(_count(t.slowed) for t in every)),
        row("of these falsely", *(_count(t.false_slowed) for t in every)),
        row("IPs slowed at a provider", *(_count(t.provider_slowed) for t in every)),
        row("median score of good IPs", *(_count(t.median_good_score) for t in every)),
        row("median score of bad ones at the stop", *(_count(t.median_bad_score) for t in every)),
        row("sent", *(_count(t.sent) for t in every)),
        row("of it by bad IPs", *(_count(t.bad_sent) for t in every)),
        row("bounced", *(_count(t.bounced) for t in every)),
        row("complaints", *(_count(t.complained) for t in every)),
        row("mail lost to false stops", *(_count(t.withheld) for t in every)),
    ]


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    )
