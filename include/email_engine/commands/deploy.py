"""`email-engine deploy`: the wanted configuration on one host, also when Airflow is down."""

import argparse
from dataclasses import asdict

from email_engine.commands.clients import opened, shell_run, tell
from email_engine.commands.output import add_database, add_json, emit
from email_engine.pipelines.pmta_config_deploy.deploy import deploy


def configure(parser: argparse.ArgumentParser) -> None:
    """The host, `--reason` and `--dry-run`."""
    parser.add_argument("host", metavar="HOST", help="an MTA host of the fleet")
    parser.add_argument("--reason", default="", help="others will read it")
    parser.add_argument("--dry-run", action="store_true", help="plan and show, change nothing")
    add_database(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """What the guard objects to is refused: a person answers that in Airflow, with the difference before them."""
    with opened(args) as (store, clients):
        params = {"host": args.host, "reason": args.reason}
        done = deploy(store, clients, args.host, shell_run("pmta_config_deploy", params, args.dry_run))
        if not args.dry_run:
            tell(store, clients)
    emit(args, asdict(done), f"{args.host}: {done.summary}")
    return 0
