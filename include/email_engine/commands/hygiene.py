"""`email-engine hygiene`: what was found in recipient lists, and a look by hand."""

import argparse
from typing import Any

from email_engine.commands.output import emit, finish_action, work_of

NUMBERS = (
    "subscribers", "engaged", "engaged_lately", "silent", "machines_alone", "unjudged", "bad_syntax", "special_domain", "null_mx",
    "dead_domain", "unknown_domain", "unsubscribed",
)  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds `report` and `look`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    text = "the newest report of each recipient list in numbers, and the file of its addresses with a finding"
    action = actions.add_parser("report", help=text, description=text)
    action.add_argument(
        "instance", metavar="INSTANCE", nargs="?", help="a MailWizz instance of the fleet; all"
    )
    finish_action(action, _report)
    text = (
        "one run of list_hygiene for one instance, also when Airflow is down; it changes nothing in MailWizz"
    )
    action = actions.add_parser("look", help=text, description=text)
    action.add_argument("instance", metavar="INSTANCE", help="a MailWizz instance of the fleet")
    action.add_argument("--dry-run", action="store_true", help="look and count, write neither rows nor files")
    finish_action(action, _look)


run = work_of


def _report(args: argparse.Namespace) -> int:
    """1 where a list has addresses that cannot take mail."""
    from email_engine.commands.clients import opened
    from email_engine.hygiene.report import CANNOT
    from email_engine.pipelines.list_hygiene.files import file_name, folder_of
    from email_engine.pipelines.mailwizz_instance import known_instance
    from email_engine.store.engine import ALL_TENANTS
    from email_engine.store.hygiene import newest

    with opened(args) as (store, _):
        if args.instance:
            known_instance(store, args.instance)
        with store.session(tenant=ALL_TENANTS) as conn:
            rows = newest(conn, args.instance)
    lists: list[dict[str, Any]] = []
    for row in rows:
        file = folder_of(row.mailwizz) / file_name(row.list_uid)
        lists.append(
            {"tenant": row.tenant, "mailwizz": row.mailwizz, "list_uid": row.list_uid, "name": row.name, "day": row.day.isoformat()}
            | {name: getattr(row, name) for name in NUMBERS}
            | {"why_unknown": row.why_unknown, "file": str(file) if file.exists() else None}
        )  # fmt: skip
    emit(args, {"lists": lists}, "\n".join(_words(one) for one in lists) or "no list was looked at yet")
    return int(any(one[name] for one in lists for name in CANNOT))


def _words(one: dict[str, Any]) -> str:
    numbers = ", ".join(
        f"{name.replace('_', ' ')} {'not known' if one[name] is None else one[name]}"
        for name in NUMBERS
        if one[name] or name in ("subscribers", "engaged", "silent")
    )
    lines = [f"{one['mailwizz']} {one['name']} ({one['list_uid']}), {one['day']}: {numbers}"]
    if one["why_unknown"]:
        lines.append(f"  {one['why_unknown']}")
    if one["file"]:
        lines.append(f"  addresses: {one['file']}")
    return "\n".join(lines)


def _look(args: argparse.Namespace) -> int:
    """1 where lists were left, or could not be read."""
    from email_engine.commands.clients import opened, shell_run, tell
    from email_engine.pipelines.list_hygiene import look

    with opened(args) as (store, clients):
        this = shell_run("list_hygiene", {"instance": args.instance}, args.dry_run)
        done = look(store, clients, args.instance, this)
        if not args.dry_run:
            tell(store, clients)
    words = ", ".join(
        f"{name} {'not known' if value is None else value}"
        for name, value in done.items()
        if name != "instance"
    )
    emit(args, done, f"{args.instance}: {words}")
    return int(bool(done.get("left") or done.get("unknown")))
