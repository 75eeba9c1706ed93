"""`email-engine suppression`: a tenant's suppression list with its addresses, what MailWizz does not take, whom it blacklisted for a
block, and a sync by hand."""

import argparse
import csv
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from email_engine.commands.output import emit, finish_action, work_of

STEPS = """{number} people on the blacklist of MailWizz {instance} because of a block. The engine takes nobody off a blacklist. Next:
1. See that the block is over: `email-engine fleet status`, and the lists that the reasons name.
2. Read the file, and take out whom you do not want back.
3. In MailWizz's backend, under Email blacklist, search each address and delete the entry; a customer's own blacklist is another one.
4. Look at some of the subscribers: whose status is still blacklisted is set to confirmed in the list, or by the API.
5. Switch off what brought the blocks: PowerMTA's own webhook to dswh, or a bounce box that reads them."""
COLUMNS = ("address", "reason", "at", "mailwizz", "list_uid", "subscriber_uid", "status", "recipient_hash")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds `export`, `findings`, `blocked` and `sync`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    text = "whom a tenant's mail may not reach, as CSV; addresses and statuses are read from MailWizz now"
    action = actions.add_parser("export", help=text, description=text)
    action.add_argument("tenant", metavar="TENANT", help="a tenant of the fleet")
    finish_action(action, _export)
    text = "recipients that a MailWizz instance still writes to though mail to them bounced or was complained about"
    action = actions.add_parser("findings", help=text, description=text)
    action.add_argument("instance", metavar="INSTANCE", help="a MailWizz instance of the fleet")
    finish_action(action, _findings)
    text = "whom MailWizz blacklisted because a receiver blocked the sender, as CSV, and how to let them go"
    action = actions.add_parser("blocked", help=text, description=text)
    action.add_argument("instance", metavar="INSTANCE", help="a MailWizz instance of the fleet")
    finish_action(action, _blocked)
    text = "one run of suppression_sync for one instance, also when Airflow is down"
    action = actions.add_parser("sync", help=text, description=text)
    action.add_argument("instance", metavar="INSTANCE", help="a MailWizz instance of the fleet")
    action.add_argument("--again", action="store_true", help="try findings once more")
    action.add_argument("--dry-run", action="store_true", help="judge and count, write nothing")
    finish_action(action, _sync)


run = work_of


def _export(args: argparse.Namespace) -> int:
    """1 where MailWizz hides or has lost an address, or where somebody takes mail again; those are told by their status."""
    from email_engine.commands.clients import opened
    from email_engine.pipelines.suppression_sync.export import export
    from email_engine.suppression.telling import NO_MAIL

    rows = []
    with opened(args) as (store, clients):
        for one in export(store, clients, args.tenant):
            row = one.row
            values = (
                one.address, row.reason, row.at.isoformat(), row.mailwizz, row.list_uid, row.subscriber_uid, one.status,
                row.recipient,
            )  # fmt: skip
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    emit(args, {"tenant": args.tenant, "suppressed": rows}, _csv(COLUMNS, rows))
    return int(any(not row["address"] or row["status"] not in NO_MAIL for row in rows))


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def _blocked(args: argparse.Namespace) -> int:
    """1 where there is anybody; the steps stand on stderr, so that the file is the people alone."""
    from email_engine.commands.clients import opened
    from email_engine.pipelines.suppression_sync.export import blocked

    with opened(args) as (store, clients):
        rows = [
            {"email": one.email, "added": one.added.isoformat() if one.added else "", "reason": one.reason}
            for one in blocked(store, clients, args.instance)
        ]
    emit(args, {"instance": args.instance, "blocked": rows}, _csv(("email", "added", "reason"), rows))
    if rows:
        print(STEPS.format(number=len(rows), instance=args.instance), file=sys.stderr)
    return int(bool(rows))


def _findings(args: argparse.Namespace) -> int:
    from email_engine.commands.clients import opened
    from email_engine.pipelines.suppression_sync.export import open_findings

    with opened(args) as (store, _):
        found = open_findings(store, args.instance)
    rows = [asdict(one) | {"since": one.since.isoformat()} for one in found]
    lines = [
        f"{one.since:%Y-%m-%d %H:%M} {one.reason}: subscriber {one.subscriber_uid or 'unknown'}: {one.why}"
        for one in found
    ]
    emit(
        args,
        {"instance": args.instance, "findings": rows},
        "\n".join(lines) or "no finding is open: MailWizz took all that it was told",
    )
    return int(bool(found))


def _sync(args: argparse.Namespace) -> int:
    """1 where something is left open, or MailWizz did not take it."""
    from email_engine.commands.clients import opened, shell_run, tell
    from email_engine.pipelines.suppression_sync import sync

    with opened(args) as (store, clients):
        this = shell_run("suppression_sync", {"instance": args.instance, "again": args.again}, args.dry_run)
        done = sync(store, clients, args.instance, this)
        if not args.dry_run:
            tell(store, clients)
    words = ", ".join(f"{name} {value}" for name, value in done.items() if name != "instance")
    emit(args, done, f"{args.instance}: {words}")
    return int(bool(done.get("findings") or done.get("open")))
