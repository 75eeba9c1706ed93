"""`email-engine dkim`: which key signs for which domain, the public halves as records, and a rotation when Airflow is down."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from email_engine.commands.output import add_database, add_json, database_url, emit
from email_engine.dkim.key import SigningKey
from email_engine.dkim.stages import KeyStage
from email_engine.errors import EngineError

ACTIONS = ("advance", "start", "start due", "back", "cancel")
SHOWN = tuple(stage for stage in KeyStage if stage is not KeyStage.REMOVED)


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds `status`, `keys` and `rotate`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (
        ("status", "every key with its stage, and since when"),
        ("keys", "public keys by domain and selector, as `fleet records --keys` takes them with --json"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("--tenant", metavar="NAME", help="of this tenant alone")
        action.add_argument("--domain", metavar="DOMAIN", help="of this domain alone")
        add_database(action)
        add_json(action)
        action.set_defaults(work=_show)
    text = "one run of dkim_rotate, also when Airflow is down; a deployment follows by Airflow, or by `email-engine deploy HOST`"
    action = actions.add_parser("rotate", help=text, description=text)
    action.add_argument("what", metavar="WHAT", choices=ACTIONS, help=", ".join(ACTIONS))
    action.add_argument("--tenant", metavar="NAME", help="of this tenant alone")
    action.add_argument("--domain", metavar="DOMAIN", help="of this domain alone")
    action.add_argument("--reason", default="", help="others will read it")
    action.add_argument(
        "--dry-run", action="store_true", help="look and say what would happen, write nothing"
    )
    add_database(action)
    add_json(action)
    action.set_defaults(work=_rotate)


def run(args: argparse.Namespace) -> int:
    """Runs the chosen action."""
    return int(args.work(args))


def _rotate(args: argparse.Namespace) -> int:
    """1 where a step of a tenant went wrong; the others were done."""
    from email_engine.commands.clients import opened, shell_run, tell
    from email_engine.pipelines.dkim_rotate.steps import STEPS, chosen_tenants, step

    params = {"action": args.what, "tenant": args.tenant, "domain": args.domain, "reason": args.reason}
    this = shell_run("dkim_rotate", params, args.dry_run)
    done: dict[str, dict[str, Any]] = {}
    failed = 0
    with opened(args) as (store, clients):
        for tenant in chosen_tenants(store, this):
            done[tenant] = {}
            for name in STEPS:
                try:
                    done[tenant][name] = step(name, store, clients, tenant, this)
                except EngineError as error:
                    done[tenant][name], failed = {"error": str(error)}, 1
        if not args.dry_run:
            tell(store, clients)
    lines = [
        f"{tenant} {name}: {_words(said)}" for tenant, steps in done.items() for name, said in steps.items()
    ]
    emit(args, {"run_id": this.run_id, "tenants": done}, "\n".join(lines) or "no tenant has sending domains")
    return failed


def _words(said: Mapping[str, Any]) -> str:
    return (
        ", ".join(f"{key} {value}" for key, value in said.items() if key != "tenant" and value)
        or "nothing to do"
    )


def _show(args: argparse.Namespace) -> int:
    """Reads the engine's database and nothing else."""
    from email_engine.store import dkim_keys
    from email_engine.store.engine import connect

    store = connect(database_url(args))
    try:
        with store.session(tenant=args.tenant or "*") as conn:
            found = dkim_keys.load(conn, tenant=args.tenant, domain=args.domain, stages=SHOWN)
    finally:
        store.dispose()
    if args.action == "keys":
        emit(args, public_keys(found), "\n".join(map(_record, found)) or "no key is known yet")
    else:
        emit(
            args,
            {"keys": [_plain(key) for key in found]},
            "\n".join(map(_line, found)) or "no key is known yet",
        )
    return 0


def public_keys(keys: Sequence[SigningKey]) -> dict[str, dict[str, str]]:
    """By domain and selector: what p= must be; "" for a key whose record is to be empty, or is."""
    found: dict[str, dict[str, str]] = {}
    for key in keys:
        if key.public_key:
            gone = key.stage in (KeyStage.REVOKING, KeyStage.REVOKED)
            found.setdefault(key.domain, {})[key.selector] = "" if gone else key.public_key
    return found


def _record(key: SigningKey) -> str:
    value = public_keys([key]).get(key.domain, {}).get(key.selector)
    return (
        f"{key.record_name}  not made yet"
        if value is None
        else f"{key.record_name}  v=DKIM1; k=rsa; p={value}"
    )


def _plain(key: SigningKey) -> dict[str, object]:
    return {
        "domain": key.domain, "tenant": key.tenant, "selector": key.selector, "stage": key.stage.value,
        "since": key.since.isoformat(), "bits": key.bits, "hosts": list(key.hosts), "key_path": key.key_path,
        "made_at": key.made_at.isoformat() if key.made_at else None,
    }  # fmt: skip


def _line(key: SigningKey) -> str:
    made = f", {key.bits} bits, made or first seen {key.made_at:%Y-%m-%d}" if key.made_at else ""
    return f"{key.domain}  {key.selector}  {key.stage} since {key.since:%Y-%m-%d}{made}, on {', '.join(key.hosts) or 'no host'}"
