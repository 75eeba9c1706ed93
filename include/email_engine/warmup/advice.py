"""What a person does now, by cause: one step, as it stands behind `Next: `."""

from collections.abc import Iterable

from email_engine.plural import brief
from email_engine.reputation.gates import BLOCKS, BOUNCES, COMPLAINTS, DEFERRALS

_OWN = {
    BOUNCES: "compare its recipients with those of the other IPs of its stream, and remove those that bounced",
    COMPLAINTS: "stop the campaign that is complained about, and mail only people who asked for it",
    BLOCKS: "read what the receivers answer, and ask them to lift it before the IP sends again",
    DEFERRALS: "send less there for some days, or wait: each good day gives some of the speed back",
}
_STREAM = {
    BOUNCES: "stop the campaign, remove the recipients that bounced, and ask where the recipient list came from",
    COMPLAINTS: "stop the campaign that is complained about, and mail only people who asked for it",
    BLOCKS: "stop the campaign that is refused, and look at its text, its links and its sending domain",
}
_PROVIDER = {
    COMPLAINTS: "leave out the recipients at {} who never open, and look at what they were sent",
    BLOCKS: "read what {} answers, and ask its postmaster to lift it; a few messages a day try it meanwhile",
    DEFERRALS: "wait, or send less to {}: each good day gives some of the speed back",
}
_ONE_PROVIDER = "see first whether {} has an outage, since hardly any mail bounced elsewhere; remove nobody before its answers are read"
OUTAGE = "remove nobody for it: its mail waits, and a few messages a day try whether it knows its users again; ask its postmaster if it lasts"
BAD_DAY = "find out what was sent on that day and to whom, and stop it before it is sent again"
FEW_COMPLAINTS = "ask what these few people were sent and why, before it sends again"
SCORE = "mend what costs it most points; `email-engine fleet status` shows it by provider"
SLOWED = "wait: each good day gives some of the speed back, if nothing new comes"
SUSPENDED = "wait: a few messages a day try whether it takes mail again"
MANY_NAMED = "look at what the named IPs have in common: mail, range, DNS"


def own(gates: Iterable[str]) -> str:
    """For what the IP's own mail proves: the first gate says it."""
    return next((_OWN[gate] for gate in gates if gate in _OWN), "")


def stream(gate: str) -> str:
    """For a problem of all IPs of a stream."""
    return _STREAM.get(gate, _STREAM[BOUNCES])


def provider(gate: str, name: str) -> str:
    """For what one mailbox provider does alone."""
    return _PROVIDER.get(gate, _PROVIDER[DEFERRALS]).format(name)


def one_provider(name: str) -> str:
    """For bounces nearly all of which come from one mailbox provider."""
    return _ONE_PROVIDER.format(name)


def named(block_list: str) -> str:
    """For a block list that receivers name."""
    return f"look the IP up at {brief(block_list, 60)}, and ask for removal if it is listed there"


def overrun(host: str) -> str:
    """For mail past the engine's caps."""
    return f"find out what sends through {host} past MailWizz's quotas and the caps in PowerMTA, and stop it"
