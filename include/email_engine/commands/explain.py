"""`email-engine explain IP DATE`: why the warm-up decided what it did, and whether it would again."""

import argparse
from datetime import date
from typing import TYPE_CHECKING, Any

from email_engine.commands.output import add_database, add_json, database_url, emit
from email_engine.errors import InputError

PIPELINES = ("warmup_advance", "reputation_guard")

if TYPE_CHECKING:
    from email_engine.warmup.explain import Again, Recorded
    from email_engine.warmup.policy import Policy


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds IP and DATE."""
    parser.add_argument("ip", metavar="IP", help="a sending IP of the fleet")
    parser.add_argument(
        "date", metavar="DATE", help="the UTC day that the decision closed, such as 2026-11-21"
    )
    add_database(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the decision, its inputs, and the same decision made again from them; 1 if it comes out otherwise."""
    from email_engine.store import decisions, policies
    from email_engine.store.engine import connect
    from email_engine.warmup.explain import decide_again

    day = _day(args.date)
    store = connect(database_url(args))
    try:
        with store.session(tenant="*") as conn:
            parties = [decisions.of_day(conn, pipeline, args.ip, day) for pipeline in PIPELINES]
            mine = [(row, party) for party in parties for row in party if row.subject == args.ip]
            others = decisions.others_of_day(conn, PIPELINES, args.ip, day)
            documents = {row.policy_digest: policies.find(conn, row.policy_digest) for row, _ in mine}
    finally:
        store.dispose()
    if not mine and not others:
        raise InputError(
            f"decision about {args.ip} on {day}",
            "there is none",
            "an IP of the fleet and a UTC day on which anything was decided about it",
            "look at table decisions (`run_key` is the day)",
        )
    found = []
    for row, party in mine:
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
    return 0 if all(again.agrees for _, again in found) else 1


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
        raise InputError("DATE", repr(text), "a day such as 2026-11-21", "correct it") from None


def _value(recorded: "Recorded", again: "Again") -> dict[str, Any]:
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
        "agrees": again.agrees,
        "differences": [{"field": name, "then": then, "now": now} for name, then, now in again.differences],
    }


def _score(score: dict[str, Any]) -> str:
    if score.get("value") is None:
        return "score: unknown, too little mail"
    lost = ", ".join(f"{name} {points:g}" for name, points in score["lost"].items() if points)
    return f"score: {score['value']} ({score['low']} to {score['high']})" + (
        f", lost by {lost}" if lost else ""
    )


def _text(recorded: "Recorded", again: "Again") -> str:
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
    if again.agrees:
        return "\n".join([*lines, "Made again from its stored inputs it comes out the same."])
    told = (f"{name} was {then!r} and would be {now!r}" for name, then, now in again.differences)
    return "\n".join([*lines, "Made again it comes out otherwise: " + "; ".join(told)])
