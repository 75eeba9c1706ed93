"""`email-engine fleet adopt`: a fleet file for a fleet that sends already, by its connections or from files that were brought."""

import argparse
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from email_engine.adoption.request import FORM, HostAsked
from email_engine.commands.output import add_json, emit
from email_engine.errors import InputError
from email_engine.fleet import names

if TYPE_CHECKING:
    from collections.abc import Callable

    from email_engine.adapters.powermta import PowerMta
    from email_engine.pipelines.fleet_adopt.sources import HostSource

_HELP = {
    "hosts": "MTA hosts, with commas: mta-1, or mta-1=CONNECTION (default: powermta_HOST)",
    "mailwizz": "MailWizz instances, with commas: mw-aurora=aurora, the tenant behind; their databases are connections mailwizz_db_NAME",
    "tenant": "to whom belongs what nothing else tells apart",
    "stream": "the name of a stream whose IPs are in no pool today",
    "purpose": "what is sent: one answer for all streams, or newsletter=...; prospects=...",
    "consent": "how the recipients agreed, such as double opt-in; likewise",
    "risk_class": "protected or standard; likewise",
    "schedule": "the warm-up schedule (default: six_week); likewise",
    "public": "behind NAT: 10.0.0.5=198.51.100.5, 10.0.0.6-9=198.51.100.6, or HOST/10.0.0.5=...; or a file with one a line",
    "config_file": "PowerMTA's main file on the hosts (default: /etc/pmta/config)",
    "days": "of accounting, 60 at most (default: 30)",
}


def configure_adopt(parser: argparse.ArgumentParser) -> None:
    """A flag for each field of the form, those for brought files, `--output` and `--json`."""
    for key in FORM:
        flag = f"--{key.replace('_', '-')}"
        parser.add_argument(flag, dest=f"form_{key}", metavar="TEXT", help=_HELP[key])
    for flag, meta, text in (
        ("--config", "HOST=FILE", "this host's configuration lies here; its connection is not used; again for each host"),
        ("--accounting", "HOST=FOLDER", "the accounting files of a host with --config lie here"),
        ("--pmta-version", "HOST=VERSION", "what `pmta show version` says on a host with --config"),
    ):  # fmt: skip
        parser.add_argument(flag, metavar=meta, action="append", default=[], help=text)
    parser.add_argument(
        "--root", metavar="DIR", type=Path, help="where absolute includes of --config lie; default: /"
    )
    parser.add_argument(
        "--output", metavar="DIR", type=Path, help="a folder for fleet.draft.yaml and report.md; default: nothing is written"
    )  # fmt: skip
    parser.add_argument(
        "--as-of", metavar="DAY", type=date_of, help="the UTC day up to which the days go; default: today"
    )
    add_json(parser)


def date_of(text: str) -> datetime:
    """A UTC day as its last moment that counts: its own midnight, when the day before is over."""
    try:
        return datetime.fromisoformat(text).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day such as 2026-11-30") from None


def adopt_command(args: argparse.Namespace) -> int:
    """Exit 1 while there are blanks or findings, 0 where the file is ready."""
    from email_engine.adapters.connection_source import ConnectionSource
    from email_engine.adoption.request import read_request
    from email_engine.commands.clients import shell_clients
    from email_engine.pipelines.fleet_adopt.papers import DRAFT, write_adoption
    from email_engine.pipelines.fleet_adopt.proposal import propose_adoption
    from email_engine.pipelines.fleet_adopt.report import render_report, report_json
    from email_engine.warmup.policy_file import load_policy

    brought = {
        key: _by_host(f"--{key.replace('_', '-')}", getattr(args, key))
        for key in ("config", "accounting", "pmta_version")
    }
    given = {key: getattr(args, f"form_{key}") for key in FORM}
    hosts = [given["hosts"] or "", *(name for name in brought["config"])]
    given["hosts"] = ", ".join(filter(None, hosts))
    given["public"] = _public(given["public"])
    request = read_request(given, frozenset(load_policy().schedules))
    clients = shell_clients(ConnectionSource())
    _refuse_strangers(brought)
    sources = [_source(host, brought, args.root, clients.mta) for host in request.hosts]
    made = propose_adoption(request, sources, clients.mailwizz_db, args.as_of or datetime.now(UTC))
    report = render_report(made, DRAFT)
    value = report_json(made) | {"fleet": made.fleet, "output": None}
    text = f"{report}\n{'-' * 20} the draft of the fleet file\n{made.fleet.rstrip()}"
    if args.output:
        draft, told = write_adoption(args.output, made.fleet, report)
        value["output"] = str(args.output)
        text = f"{report}\nWritten: {draft}, {told}"
    emit(args, value, text)
    return 1 if made.blanks or made.findings or made.gaps else 0


def _by_host(flag: str, given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        host, _, value = text.partition("=")
        if not value or names.name(host) or host in found:
            raise InputError(flag, repr(text), "HOST=VALUE, each host once", "correct it")
        found[host] = value
    return found


def _refuse_strangers(brought: dict[str, dict[str, str]]) -> None:
    strangers = {*brought["accounting"], *brought["pmta_version"]} - set(brought["config"])
    if strangers:
        raise InputError(
            f"host {min(strangers)}", "no --config for it", "--config, --accounting and --pmta-version together",
            "bring its configuration too, or name it with --hosts alone",
        )  # fmt: skip


def _public(text: str | None) -> str | None:
    """The text, or what a file of that name holds."""
    from email_engine.fleet.config_file import read_text

    if text is None or "=" in text:
        return text
    return read_text(Path(text), "addresses behind NAT")


def _source(
    host: HostAsked,
    brought: dict[str, dict[str, str]],
    root: Path | None,
    open_host: "Callable[[str], PowerMta]",
) -> "HostSource":
    from email_engine.commands.configurations import load_configuration
    from email_engine.pipelines.fleet_adopt.sources import BroughtHost, RemoteHost

    file = brought["config"].get(host.name)
    if file is None:
        return RemoteHost(host, open_host)
    folder = brought["accounting"].get(host.name)
    return BroughtHost(
        host, partial(load_configuration, Path(file), root), Path(folder) if folder else None, brought["pmta_version"].get(host.name)
    )  # fmt: skip
