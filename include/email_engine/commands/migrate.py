"""`email-engine migrate`: the engine's tables, brought to this release."""

import argparse

from email_engine.commands.output import add_database, add_json, database_url, emit


def configure(parser: argparse.ArgumentParser) -> None:
    """Only the database."""
    add_database(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Safe to repeat, and safe when two start at once."""
    from email_engine.store.engine import connect
    from email_engine.store.migrate import upgrade

    url = database_url(args)
    upgrade(url)
    emit(args, {"migrated": True}, f"{connect(url)!r} has this release's tables")
    return 0
