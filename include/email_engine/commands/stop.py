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
from email_engine.plural import amount
from email_engine.store.engine import Store

AT_ONCE = 8
"""Hosts that are told at the same time."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The scope, `--reason` and `--dry-run`."""
    parser.add_argument("scope", metavar="SCOPE", help="an IP, TENANT/STREAM, TENANT, or `all`")
    parser.add_argument("--reason", default="", help="others will read it")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only list the IPs that are meant, and whom it leaves without a delivery server",
    )
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
        left = left_over(store, this)
        without = foresee(store, clients, this) if args.dry_run and not release else []
        if not args.dry_run:
            tell(store, clients)
    verb = "released" if release else "stopped"
    told = {"run_id": this.run_id, "hosts": [one.as_json() for one in done], "left_without": without}
    if args.dry_run:
        meant = (
            f"{amount(len(left), 'IP')} would be {verb}: {', '.join(left)}"
            if left
            else f"would be {verb}: {name}"
        )
        emit(args, told | {"meant": left}, "\n".join([meant, *without, "nothing was done"]))
        return 0
    lines = [f"not {verb} yet, another session holds their rows: {', '.join(left)}"] if left else []
    lines += [_line(one, release) for one in done] or ["nothing to do on any host"]
    lines.append(
        "caps and quotas follow by Airflow, or by `email-engine deploy HOST` and `email-engine sync INSTANCE`"
    )
    emit(args, told, "\n".join(lines))
    return 1 if left or any(one.incomplete is not None for one in done) else 0


def scope_of(text: str) -> tuple[str, str | None]:
    """`198.51.100.7` -> ("ip", ...), `aurora/news` -> ("stream", ...), `aurora` -> ("tenant", ...), `all` -> ("all", None)."""
    if text == "all":
        return "all", None
    try:
        return "ip", str(ip_address(text))
    except ValueError:
        if ":" in text or (text.count(".") == 3 and not text.strip("0123456789.")):  # mistyped
            return "ip", text
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
