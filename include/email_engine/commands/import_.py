"""`email-engine import`: an operator's PowerMTA configuration to a draft of fleet.yaml."""

import argparse
import re
import sys
from dataclasses import asdict
from pathlib import Path

from email_engine.adoption.adopt import Adoption, Wishes, adopt
from email_engine.commands.configurations import load_configuration
from email_engine.commands.output import add_json, emit
from email_engine.errors import InputError
from email_engine.fleet import names
from email_engine.plural import amount
from email_engine.pmta.config.deploy_policy import deploy_policy


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds CONFIG and how to name what it does not name."""
    parser.add_argument(
        "config", metavar="CONFIG", type=Path, help="PowerMTA's main file; its includes are followed"
    )
    parser.add_argument(
        "--host", metavar="NAME", help="of the MTA host; default: host-name there, else mta-1"
    )
    parser.add_argument(
        "--connection", metavar="ID", help="Airflow connection of the host; default: powermta_HOST"
    )
    parser.add_argument(
        "--tenant", metavar="NAME", help="to whom belongs what cannot be told apart; default: a blank"
    )
    parser.add_argument("--root", metavar="DIR", type=Path, help="where absolute includes lie; default: /")
    parser.add_argument("--single", action="store_true", help="an entry for each IP instead of ranges")
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="a new file for the draft; default: stdout"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """The draft on stdout, what was not understood on stderr. 1 if there is any of that."""
    for option, check in (("host", names.name), ("connection", names.connection), ("tenant", _tenant)):
        given = getattr(args, option)
        if given is not None and (allowed := check(given)):
            raise InputError(f"--{option}", repr(given), allowed, "name it so")
    wishes = Wishes(
        deploy_policy().head_room_percent, args.host, args.connection, args.tenant, not args.single
    )
    adoption = adopt(load_configuration(args.config, args.root), wishes)
    if args.output:
        _save(args.output, adoption.fleet)
    value = {
        "fleet": adoption.fleet,
        "not_understood": [gap.as_json() for gap in adoption.gaps],
        "kept": [asdict(kept) for kept in adoption.kept],
        "notes": list(adoption.notes),
        "host": adoption.host,
        "output": str(args.output) if args.output else None,
        "fill_in": dict(adoption.fill_in),
        **{
            name: getattr(adoption, name)
            for name in ("tenants", "streams", "ips", "vmtas", "pools", "blanks")
        },
    }
    emit(args, value, _summary(adoption) if args.output else adoption.fleet.rstrip("\n"))
    if not args.json:
        print(_told(adoption, not args.output), file=sys.stderr)
    return 1 if adoption.gaps else 0


def _tenant(text: str) -> str | None:
    good = re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", text)
    return None if good else "1-63 of a-z 0-9 _ -, starting with a letter or digit"


def _save(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(
            str(path), "is there already", "a new file", "name another, or move it away"
        ) from None
    except OSError as error:
        raise InputError(
            str(path), error.strerror or "cannot be written", "a new file", "correct the name"
        ) from error


def _summary(adoption: Adoption) -> str:
    return (
        f"{amount(adoption.ips, 'IP')} of {amount(adoption.vmtas, 'virtual MTA')} and {amount(adoption.pools, 'pool')}, "
        f"in {amount(adoption.streams, 'stream')}; {amount(adoption.blanks, 'blank')} still FILL IN{_by_key(adoption)}, "
        f"{amount(len(adoption.gaps), 'thing')} not understood"
    )


def _by_key(adoption: Adoption) -> str:
    return (
        f" ({', '.join(f'{key}: {count}' for key, count in adoption.fill_in.items())})"
        if adoption.fill_in
        else ""
    )


def _told(adoption: Adoption, summary: bool) -> str:
    lines = [_summary(adoption)] if summary else []
    if adoption.gaps:
        lines += ["Not understood, and therefore not in the draft as it is there:"]
        lines += [f"  {gap}" for gap in adoption.gaps]
    lines += [f"Note: {note}" for note in adoption.notes]
    return "\n".join(lines)
