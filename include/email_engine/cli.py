"""The command `email-engine`: people's text by default, JSON with `--json`; exit 0 fine, 1 findings, 2 usage or input
error (its text on stderr). Each subcommand is a module of `email_engine.commands`, imported only when it is asked for."""

import argparse
import importlib
import keyword
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from email_engine.errors import EngineError

COMMANDS: dict[str, str] = {
    "fleet": "the fleet: its file (check, plan, apply, export), how every IP stands, what quotas carry",
    "doctor": "everything a new operator must get right: a checklist with the next step of each",
    "stop": "stop an IP, a stream, a tenant or all, at once; works when Airflow is down",
    "release": "let go what was stopped by hand",
    "deploy": "the wanted configuration on one PowerMTA host; refuses what the guard objects to",
    "sync": "delivery-server quotas of one MailWizz instance follow the allowances",
    "mailwizz": "one MailWizz installation: what is to be seen of it, and the grants that the engine needs there",
    "suppression": "a tenant's suppression list, what MailWizz does not take, and a sync by hand",
    "hygiene": "recipient lists: addresses that cannot take mail and people who are silent, and a look by hand",
    "migrate": "bring the engine's tables to this release",
    "ingest": "PowerMTA accounting files to a summary",
    "explain": "why the warm-up decided what it did about an IP, made again from its inputs",
    "simulate": "policies against a simulated fleet whose truth is known",
    "replay": "what the engine would have decided, from accounting files",
    "lint": "PowerMTA configurations: errors and warnings with line numbers",
    "render": "the PowerMTA configuration of one host",
    "import": "a draft of the fleet file from a running PowerMTA configuration",
    "diff": "what changes from one PowerMTA configuration to another, in meaning",
    "sweep": "IPs against DNS block lists",
    "dns": "SPF, DKIM, DMARC, PTR and MX of a sending domain",
    "dkim": "DKIM keys: which one signs, how far a rotation is, the public halves",
}
"""Name and help line. A new command: a line here, and a module `email_engine.commands.NAME` (dashes become
underscores, a keyword of Python gets one behind it) with `configure(parser)` and `run(args) -> int`;
`email_engine.commands.output` prints."""

FINE, FINDINGS, USAGE = 0, 1, 2


def build_parser(chosen: str | None) -> argparse.ArgumentParser:
    """The whole parser, with the arguments of the chosen command only."""
    parser = argparse.ArgumentParser(
        prog="email-engine",
        description="What the pipelines do, from a terminal: one look or one step, without Airflow.",
    )
    parser.add_argument("--version", action="version", version=f"email-engine {version('email-engine')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name == chosen:
            file = name.replace("-", "_") + ("_" if keyword.iskeyword(name) else "")
            module = importlib.import_module(f"email_engine.commands.{file}")
            module.configure(command)
            command.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    chosen = next((word for word in words if not word.startswith("-")), None)
    args = build_parser(chosen).parse_args(words)
    try:
        return int(args.run(args))
    except EngineError as error:
        print(error, file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
