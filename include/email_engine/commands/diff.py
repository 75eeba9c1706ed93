"""`email-engine diff`: what changes in meaning from one PowerMTA configuration to another."""

import argparse
from pathlib import Path

from email_engine.commands.configurations import load_configuration
from email_engine.commands.output import add_json, emit
from email_engine.pmta.language.compare import compare, lines_for_people


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds OLD and NEW."""
    parser.add_argument("old", metavar="OLD", type=Path, help="a configuration; its includes are followed")
    parser.add_argument("new", metavar="NEW", type=Path, help="the one to compare it with")
    for side in ("old", "new"):
        text = f"where absolute includes of {side.upper()} lie; default: /"
        parser.add_argument(f"--{side}-root", metavar="DIR", type=Path, help=text)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the differences; order, comments and spelling are none. 1 if there is any."""
    changes = compare(
        load_configuration(args.old, args.old_root), load_configuration(args.new, args.new_root)
    )
    text = "\n".join(lines_for_people(changes)) or "no difference in meaning"
    emit(args, {"changes": [change.as_json() for change in changes], "count": len(changes)}, text)
    return 1 if changes else 0
