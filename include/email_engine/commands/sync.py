"""`email-engine sync`: the delivery servers of one MailWizz instance follow the allowances, also when Airflow is down."""

import argparse

from email_engine.commands.clients import opened, shell_run, tell
from email_engine.commands.output import add_database, add_json, emit
from email_engine.pipelines.mailwizz_quota_sync import sync


def configure(parser: argparse.ArgumentParser) -> None:
    """The instance, and `--dry-run`."""
    parser.add_argument("instance", metavar="INSTANCE", help="a MailWizz instance of the fleet")
    parser.add_argument("--dry-run", action="store_true", help="plan and show, write nothing")
    add_database(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """0 when every server is as planned; an error names those that are not."""
    with opened(args) as (store, clients):
        this = shell_run("mailwizz_quota_sync", {"instance": args.instance}, args.dry_run)
        done = sync(store, clients, args.instance, this)
        if not args.dry_run:
            tell(store, clients)
    words = ", ".join(f"{name} {value}" for name, value in done.items() if isinstance(value, int))
    plan = [f"  {change}" for change in done.get("plan", ())]
    emit(args, done, "\n".join([f"{args.instance}: {words}", *plan]))
    return 0
