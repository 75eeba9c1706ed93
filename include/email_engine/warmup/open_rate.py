"""The policy `open_rate`: off unless a person switched it on, and then it only holds."""

from email_engine.plural import amount
from email_engine.warmup.observation import IpObservation
from email_engine.warmup.policy import Policy


def unopened(seen: IpObservation, policy: Policy) -> str | None:
    """Why too few opens forbid to advance, in a few words; None if they do not, or nobody asks."""
    rule = policy.open_rate
    if not rule.hold:
        return None
    opens = seen.opens
    if opens is None:
        return f"nobody knows what was opened of its mail of the last {amount(rule.days, 'day')} (policy open_rate)"
    if opens.delivered < rule.min_messages or opens.opened >= rule.least * opens.delivered:
        return None
    machines = f", {opens.machine_opened} more by machines alone" if opens.machine_opened else ""
    return (
        f"{opens.opened} of {amount(opens.delivered, 'message')} delivered were opened by people{machines}, less than {rule.least:.0%}"
        " (policy open_rate)"
    )
