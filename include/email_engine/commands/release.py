"""`email-engine release`: lets go what `email-engine stop` or `emergency_stop` holds."""

import argparse

from email_engine.commands import stop


def configure(parser: argparse.ArgumentParser) -> None:
    """As for `stop`."""
    stop.configure(parser)


def run(args: argparse.Namespace) -> int:
    """1 where something is not let go yet."""
    return stop.act(args, release=True)
