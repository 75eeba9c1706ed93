"""`email-engine stop`: the brake in a person's hand, also when Airflow is down."""

import argparse
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from email_engine.commands.clients import opened, shell_run, tell
from email_engine.commands.output import add_database, add_json, emit
from email_engine.errors import EngineError
from email_engine.pipelines.brakes.enforce import Enforced, enforce
from email_engine.pipelines.brakes.left_without import foresee
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.emergency_stop import left_over, pull
from email_engine.pipelines.run import Run
from email_engine.store.engine import Store

AT_ONCE = 8
"""Hosts that are told at the same time."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The scope, `--reason` and `--dry-run`."""
    parser.add_argument("scope", metavar="SCOPE", help="an IP, TENANT/STREAM, TENANT, or `all`")
    parser.add_argument("--reason", default="", help="others will read it")
    parser.add_argument("--dry-run", action="store_true", help="only list the IPs that are meant")
    add_database(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """1 where something does not stand as asked yet: what is written down goes on being tried by Airflow, or by the next call."""
    return act(args, release=False)


def act(args: argparse.Namespace, *, release: bool) -> int:
    scope, name = scope_of(args.scope)
    params = {"scope": scope, "name": name, "reason": args.reason, "release": release}
    this = shell_run("emergency_stop", params, args.dry_run)
    with opened(args) as (store, clients):
        hosts = pull(store, this)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            done = list(pool.map(lambda host: _enforced(store, clients, host, this), hosts))
        left = [] if args.dry_run else left_over(store, this)
        without = foresee(store, clients, this) if args.dry_run and not release else []
        if not args.dry_run:
            tell(store, clients)
    lines = (
        [
            f"not {'released' if release else 'stopped'} yet, another session holds their rows: {', '.join(left)}"
        ]
        if left
        else []
    )
    missing = [one for one in done if one.incomplete is not None]
    lines += [_line(one, release) for one in done] or [
        "nothing was done" if args.dry_run else "nothing to do on any host"
    ]
    lines += without
    if not args.dry_run:
        lines.append(
            "caps and quotas follow by Airflow, or by `email-engine deploy HOST` and `email-engine sync INSTANCE`"
        )
    emit(
        args,
        {"run_id": this.run_id, "hosts": [one.as_json() for one in done], "left_without": without},
        "\n".join(lines),
    )
    return 1 if missing or left else 0


def scope_of(text: str) -> tuple[str, str | None]:
    """`198.51.100.7` -> ("ip", ...), `aurora/news` -> ("stream", ...), `aurora` -> ("tenant", ...), `all` -> ("all", None)."""
    if text == "all":
        return "all", None
    try:
        return "ip", str(ip_address(text))
    except ValueError:
        return ("stream" if "/" in text else "tenant"), text


def _enforced(store: Store, clients: Clients, host: str, this: Run) -> Enforced:
    """One host's surprise keeps no other from being stopped."""
    try:
        return enforce(store, clients, host, this)
    except EngineError as error:
        return Enforced(host, incomplete=error)


def _line(done: Enforced, release: bool) -> str:
    if done.incomplete is not None:
        return f"{done.host}: {done.incomplete}"
    count = done.released if release else done.held
    return (
        f"{done.host}: {count} {'released' if release else 'stand still'}, read back in PowerMTA and MailWizz"
    )
