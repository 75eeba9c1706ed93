"""`email-engine explain IP [DATE]`: why the warm-up decided what it did, and whether it would again."""

import argparse
from datetime import date
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from email_engine.commands.output import add_database, add_json, database_url, emit
from email_engine.errors import InputError
from email_engine.lifecycle.scope import nearest
from email_engine.plural import excerpt

PIPELINES = ("warmup_advance", "reputation_guard")

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from email_engine.warmup.explain import Again, Recorded
    from email_engine.warmup.policy import Policy


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds IP and DATE, the database and `--json`."""
    parser.add_argument("ip", metavar="IP", help="a sending IP of the fleet")
    parser.add_argument(
        "date",
        metavar="DATE",
        nargs="?",
        help="the UTC day that the decision closed, such as 2026-11-21; default: the newest one about this IP",
    )
    add_database(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the decision, its inputs, and the same decision made again from them; 1 if it comes out otherwise. One of an earlier
    release's rules is shown as it was."""
    from email_engine.store.engine import connect
    from email_engine.store.judgement import decisions, policies
    from email_engine.warmup.explain import decide_again
    from email_engine.warmup.snapshot import RULES

    wanted = None if args.date is None else _day(args.date)
    args.ip = _address(args.ip)
    store = connect(database_url(args))
    try:
        with store.session(tenant="*") as conn:
            day = _decided(conn, args.ip, wanted)
            parties = [decisions.of_day(conn, pipeline, args.ip, day) for pipeline in PIPELINES]
            mine = [(row, party) for party in parties for row in party if row.subject == args.ip]
            others = decisions.others_of_day(conn, PIPELINES, args.ip, day)
            documents = {row.policy_digest: policies.find(conn, row.policy_digest) for row, _ in mine}
    finally:
        store.dispose()
    found: list[tuple[Recorded, Again | None]] = []
    for row, party in mine:
        if row.rules not in (0, RULES):
            found.append((row, None))
            continue
        policy = _policy(args.ip, day, row.policy_digest, documents[row.policy_digest])
        found.append((row, decide_again(row, party, policy)))
    values = [_value(*one) for one in found]
    told = [
        {"pipeline": pipeline, "action": action, "reason": reason, "at": at.isoformat()}
        for pipeline, action, reason, at in others
    ]
    texts = [_text(*one) for one in found]
    texts += [
        f"{pipeline} at {at:%Y-%m-%d %H:%M} UTC\n{args.ip}: {action.replace('_', ' ')}. {reason}"
        for pipeline, action, reason, at in others
    ]
    emit(
        args,
        (values[0] if values else {}) | {"during_the_day": values[1:], "by_others": told},
        "\n\n".join(texts),
    )
    return 0 if all(again is None or again.agrees for _, again in found) else 1


def _address(text: str) -> str:
    """As the decisions name it: `2001:DB8:0::1` is `2001:db8::1`. What is no address is left as it is: it is not found."""
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        return text


def _decided(conn: "Connection", ip: str, wanted: date | None) -> date:
    """The day to explain; InputError names what there is instead, if nothing was decided about the IP (on that day)."""
    from email_engine.store.fleet import ips
    from email_engine.store.judgement import decisions

    days = decisions.days_of(conn, PIPELINES, ip)
    if wanted in days:
        return wanted
    if not days:
        known = [str(address) for address in ips.addresses(conn)]
        if ip not in known:
            raise InputError(f"IP {excerpt(ip)}", "not in the fleet", nearest(known, ip), "name one of these")
        raise InputError(
            f"decision about {ip}", "nothing was decided about it yet", "an IP that a closed day was decided for",
            "wait for the next run of warmup_advance, or trigger it",
        )  # fmt: skip
    if wanted is None:
        return days[-1]
    around = [
        max((day for day in days if day < wanted), default=None),
        min((day for day in days if day > wanted), default=None),
    ]
    near = " or ".join(str(day) for day in around if day)
    raise InputError(
        f"decision about {ip} on {wanted}", "there is none", f"a UTC day such as {near}",
        f"name one of them, or none for the newest, {days[-1]}",
    )  # fmt: skip


def _policy(ip: str, day: date, digest: str, document: "dict[str, Any] | None") -> "Policy":
    from email_engine.warmup.snapshot import policy_of

    try:
        if document is not None:
            return policy_of(document)
        seen = "is not in table policies"
    except ValueError:
        seen = "is of another release"
    raise InputError(
        f"decision about {ip} on {day}",
        f"policy {digest[:12]} {seen}",
        "a decision of this release",
        "read its inputs in table decisions; it cannot be made again",
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError("DATE", excerpt(text), "a day such as 2026-11-21", "correct it") from None


def _value(recorded: "Recorded", again: "Again | None") -> dict[str, Any]:
    return {
        "ip": recorded.subject,
        "day": recorded.day.isoformat(),
        "pipeline": recorded.pipeline,
        "at": recorded.run_key,
        "action": recorded.action,
        "reason": recorded.reason,
        "allowance": recorded.inputs.get("allowance"),
        "verdicts": dict(recorded.verdicts),
        "inputs": {name: value for name, value in recorded.inputs.items() if name != "observed"},
        "policy": recorded.policy_digest,
        "run": recorded.run_id,
        "rules": recorded.rules,
        "agrees": again.agrees if again else None,
        "differences": [
            {"field": name, "then": then, "now": now}
            for name, then, now in (again.differences if again else ())
        ],
    }


def _score(score: dict[str, Any]) -> str:
    if score.get("value") is None:
        return "score: unknown, too little mail"
    lost = ", ".join(f"{name} {points:g}" for name, points in score["lost"].items() if points)
    return f"score: {score['value']} ({score['low']} to {score['high']})" + (
        f", lost by {lost}" if lost else ""
    )


def _text(recorded: "Recorded", again: "Again | None") -> str:
    told_apart = ("observed", "score", "bounds", "paces", "allowance")
    inputs = {k: v for k, v in recorded.inputs.items() if k not in told_apart and v not in (None, [], "")}
    bounds = ", ".join(f"{n} a day to {name}" for name, n in (recorded.inputs.get("bounds") or {}).items())
    lines = [
        f"{recorded.pipeline} at {recorded.run_key}"
        if recorded.pipeline != PIPELINES[0]
        else "At the end of the day",
        f"{recorded.subject}, {recorded.day}: {recorded.action.replace('_', ' ')}. {recorded.reason}",
        f"allowance {recorded.inputs.get('allowance')} a day from {recorded.inputs.get('effective')} on"
        + (f", at most {bounds}" if bounds else ""),
        _score(recorded.inputs.get("score") or {}),
        *(
            f"{gate}: {judged['verdict']}, {judged['bad']} of {judged['messages']} (evidence {judged['evidence']:g})"
            for gate, judged in recorded.verdicts.items()
        ),
        "looked at: " + ", ".join(f"{name} {value}" for name, value in inputs.items()),
        f"policy {recorded.policy_digest[:12]}, run {recorded.run_id}",
    ]
    if again is None:
        told = f"It was decided by rules {recorded.rules} of an earlier release, so it is shown as it was and not made again."
        return "\n".join([*lines, told])
    if again.agrees:
        return "\n".join([*lines, "Made again from its stored inputs it comes out the same."])
    others = (f"{name} was {then!r} and would be {now!r}" for name, then, now in again.differences)
    return "\n".join([*lines, "Made again it comes out otherwise: " + "; ".join(others)])
