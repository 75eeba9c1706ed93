"""Which resolver a command asks, and how patiently."""

import argparse
import math
import os
from typing import TYPE_CHECKING

from email_engine.errors import InputError

if TYPE_CHECKING:
    from email_engine.adapters.dns_resolver import Resolver

RESOLVER = "EMAIL_ENGINE_RESOLVER"
MOST_SECONDS, MOST_TRIES = 60, 20


def default_resolver() -> str:
    """`ADDRESS:PORT` of the environment, else of this machine."""
    return os.environ.get(RESOLVER, "127.0.0.1:53")


def add_resolver(parser: argparse.ArgumentParser, asks_by_itself: bool = True) -> None:
    """The flags `--resolver`, `--timeout` and `--tries`. Without `asks_by_itself` the default is nobody."""
    parser.add_argument(
        "--resolver",
        metavar="ADDRESS:PORT",
        default=default_resolver() if asks_by_itself else None,
        help=f"default: {RESOLVER}, else 127.0.0.1:53"
        if asks_by_itself
        else f"asks what stands in DNS; with --missing alone: {RESOLVER}, else 127.0.0.1:53",
    )
    parser.add_argument("--timeout", type=float, default=2.0, help="seconds for one try (default 2)")
    parser.add_argument("--tries", type=int, default=3, help="before an answer is unknown (default 3)")


def resolver_of(args: argparse.Namespace) -> "Resolver":
    """The resolver of those flags. Raises InputError for what they may not be."""
    from email_engine.adapters.dns_resolver import Resolver
    from email_engine.adapters.nameservers import parse_nameserver

    nameserver = parse_nameserver(args.resolver, "--resolver")
    within("--timeout", args.timeout, 0, MOST_SECONDS, "seconds")
    if not 1 <= args.tries <= MOST_TRIES:
        raise InputError("--tries", str(args.tries), f"1 to {MOST_TRIES}", "correct the flag")
    return Resolver([nameserver], timeout=args.timeout, tries=args.tries)


def within(flag: str, given: float, least: float, most: float, unit: str, zero: bool = False) -> None:
    """Raises InputError for a number out of range; 0 only where `zero` says so."""
    if not math.isfinite(given) or given > most or given < least or (given == 0 and not zero):
        allowed = f"{'0' if zero else 'more than 0'} to {most:g} {unit}"
        raise InputError(flag, f"{given:g}", allowed, "correct the flag")
