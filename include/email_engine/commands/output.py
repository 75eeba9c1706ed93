"""How every command prints, and where it finds the engine's database."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from email_engine.errors import InputError
from email_engine.paths import fleet_path

DATABASE = "EMAIL_ENGINE_DATABASE_URL"
_HOW = (
    f'set {DATABASE} or give --database-url; beside `make up`: export {DATABASE}="$(make -s url)"; '
    "elsewhere it is the database of Airflow's connection email_engine_db (docs/operating.md, section 2)"
)


def add_json(parser: argparse.ArgumentParser) -> None:
    """The flag `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def emit(args: argparse.Namespace, value: Any, text: str) -> None:
    """Prints `value` as JSON where that was asked for, else `text`; JSON in many lines only where a person looks on."""
    indent = 2 if sys.stdout.isatty() else None
    print(json.dumps(value, indent=indent, ensure_ascii=False) if args.json else text)


def fleet_file(given: Path | None) -> Path:
    """The file that was named, else the one of EMAIL_ENGINE_FLEET, else the example; only the last is worth a word."""
    if given is None and not os.environ.get("EMAIL_ENGINE_FLEET"):
        print(
            f"no fleet file was named and EMAIL_ENGINE_FLEET is not set: this is the example, {fleet_path()}",
            file=sys.stderr,
        )
    return given or fleet_path()


def add_database(parser: argparse.ArgumentParser) -> None:
    """The option `--database-url`."""
    parser.add_argument(
        "--database-url",
        metavar="URL",
        help=f"the engine's database; default: environment {DATABASE}, or the file that {DATABASE}_FILE names; both keep "
        "the password out of `ps`",
    )


def database_url(args: argparse.Namespace) -> str:
    """From the option, the environment or the file that it names; InputError when none is there or it is no URL."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    url = args.database_url or os.environ.get(DATABASE) or _from_file(os.environ.get(f"{DATABASE}_FILE"))
    example = "postgresql://USER:PASSWORD@HOST/DATABASE"
    if not url:
        raise InputError("engine database", "no address", example, _HOW)
    try:
        make_url(url)
    except (ArgumentError, ValueError):
        raise InputError("engine database", "the address is no URL", example, f"correct {DATABASE}") from None
    return str(url)


def _from_file(name: str | None) -> str | None:
    """A secret that a container engine mounts; the line break at its end is none of the address."""
    if not name:
        return None
    try:
        return Path(name).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "no text"
        raise InputError(
            "engine database",
            f"{name}: {why}",
            "a readable file that holds the address",
            f"mount it there, or correct {DATABASE}_FILE",
        ) from None


def finish_action(action: argparse.ArgumentParser, work: Callable[[argparse.Namespace], int]) -> None:
    """An action of a command that reads the engine's database; `work_of` runs it."""
    add_database(action)
    add_json(action)
    action.set_defaults(work=work)


def work_of(args: argparse.Namespace) -> int:
    """Runs the chosen action."""
    return int(args.work(args))
