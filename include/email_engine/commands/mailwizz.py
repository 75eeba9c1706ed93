"""`email-engine mailwizz`: what one MailWizz installation looks like to the engine, and the grants that the engine needs there."""

import argparse
from pathlib import Path

from email_engine.commands.output import add_json, emit, fleet_file
from email_engine.errors import InputError
from email_engine.fleet.model import MailwizzInstance
from email_engine.mailer.catalogue import Catalogue, Quote, grant_statements

MYSQL_QUOTE, STANDARD_QUOTE = Quote("`"), Quote('"')
TEXT_QUOTE = Quote("'")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds `inspect` and `grants`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text, work in (
        ("inspect", "version, columns, quotas, warm-up plans, and what login and API key may do; changes nothing", _inspect),
        ("grants", "GRANT statements for this very installation, column by column; run them as its administrator", _grants),
    ):  # fmt: skip
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("instance", metavar="INSTANCE", help="a MailWizz instance of the fleet file")
        action.add_argument("--fleet", type=Path, metavar="FILE", help="default: EMAIL_ENGINE_FLEET")
        add_json(action)
        action.set_defaults(work=work)
        if name == "grants":
            action.add_argument(
                "--account", metavar="USER@HOST",
                help="for whom (MySQL: user and host as in CREATE USER; default: the login of the connection)",
            )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Runs the chosen action."""
    return int(args.work(args))


def _inspect(args: argparse.Namespace) -> int:
    """1 where something keeps the engine from raising quotas, or a route of the API is closed to the key."""
    from email_engine.adapters.connection_source import ConnectionSource
    from email_engine.commands.clients import shell_clients
    from email_engine.pipelines.mailwizz_inspect import inspect, inspection_document, inspection_words

    seen = inspect(shell_clients(ConnectionSource()), _instance(args))
    emit(args, inspection_document(seen), inspection_words(seen))
    return 0 if seen.fine else 1


def _grants(args: argparse.Namespace) -> int:
    from email_engine.adapters.connection_source import ConnectionSource
    from email_engine.commands.clients import shell_clients
    from email_engine.pipelines.mailwizz_inspect import find_catalogue

    catalogue = find_catalogue(shell_clients(ConnectionSource()), _instance(args))
    account = quoted_account(args.account or catalogue.account, mysql=catalogue.mysql)
    quote = MYSQL_QUOTE if catalogue.mysql else STANDARD_QUOTE
    statements = list(grant_statements(catalogue, account, quote))
    emit(
        args,
        {"statements": statements, "unseen_tables": list(catalogue.unseen())},
        "\n".join([*statements, *_about_unseen(catalogue)]),
    )
    return 0


def _about_unseen(catalogue: Catalogue) -> list[str]:
    if not catalogue.unseen():
        return []
    listed = ", ".join(f"{catalogue.prefix}{name}" for name in catalogue.unseen())
    return [
        f"-- not seen with this login, so nothing is said of them: {listed}",
        "-- run this once with a login that sees them (an administrator's connection, and --account USER@HOST)",
    ]


def quoted_account(account: str, *, mysql: bool) -> str:
    """As a GRANT names it: 'user'@'host' on MySQL (no host: %), \"role\" elsewhere. Raises InputError for an empty one."""
    if not mysql:
        user, host = account, ""
    elif "@" in account:
        user, _, host = account.rpartition("@")
    else:
        user, host = account, "%"
    user, host = user.strip("'`\" "), host.strip("'`\" ")
    if not user or (mysql and not host) or any(character in user + host for character in "\\\0\r\n"):
        raise InputError("account", repr(account), "USER@HOST", "name the login that the engine uses")
    return f"{TEXT_QUOTE(user)}@{TEXT_QUOTE(host)}" if mysql else STANDARD_QUOTE(user)


def _instance(args: argparse.Namespace) -> MailwizzInstance:
    from email_engine.fleet.read import read_fleet

    known = {instance.name: instance for instance in read_fleet(fleet_file(args.fleet)).mailwizz_instances}
    if args.instance not in known:
        listed = ", ".join(known) or "none"
        raise InputError(
            f"MailWizz {args.instance}", "not in the fleet file", f"one of: {listed}", "correct the name"
        )
    return known[args.instance]
