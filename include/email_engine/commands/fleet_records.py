"""The arguments of `email-engine fleet records`; the work is imported only when it is asked for."""

import argparse
from pathlib import Path

from email_engine.commands.output import add_json
from email_engine.commands.resolver import add_resolver


def configure_records(parser: argparse.ArgumentParser) -> None:
    """Adds FILE, the forms, the narrowing, what the operator chooses, and the resolver."""
    parser.add_argument(
        "file", metavar="FILE", nargs="?", type=Path, help="default: EMAIL_ENGINE_FLEET, else the example"
    )
    parser.add_argument("--format", choices=("table", "csv", "zone", "octodns"), default="table")
    parser.add_argument("--out", metavar="DIR", type=Path, help="write files there in place of printing")
    parser.add_argument("--force", action="store_true", help="with --out: also over files of others")
    parser.add_argument("--tenant", metavar="NAME", help="of this tenant alone")
    parser.add_argument("--stream", metavar="NAME", help="of this stream alone")
    parser.add_argument("--domain", metavar="NAME", help="of this sending domain alone")
    parser.add_argument("--ip", metavar="ADDRESS", help="of this IP alone")
    parser.add_argument(
        "--keys", metavar="FILE", type=Path, help='public DKIM keys: {"DOMAIN": {"SELECTOR": "BASE64"}}'
    )
    parser.add_argument(
        "--mx",
        metavar="HOST",
        action="append",
        default=[],
        help="takes bounces of the sending domains; again for a second one",
    )
    parser.add_argument("--rua", metavar="ADDRESS", help="where DMARC reports go")
    parser.add_argument(
        "--name-server",
        metavar="NAME",
        action="append",
        default=[],
        help="with --format zone: whole zones, with SOA and NS",
    )
    parser.add_argument("--missing", action="store_true", help="only what is not published yet; asks DNS")
    add_resolver(parser, asks_by_itself=False)
    add_json(parser)


def records(args: argparse.Namespace) -> int:
    """With --missing 0 if all is published, 1 if something is missing or unknown; else 0."""
    from email_engine.commands.record_files import write_records

    return write_records(args)
