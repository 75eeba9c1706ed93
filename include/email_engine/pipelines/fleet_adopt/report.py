"""The one report of an adoption, in Markdown and as JSON: what is known, what the engine would have done, what a person should look at."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from email_engine.adoption.draft import Blank, Sender
from email_engine.adoption.findings import Topic
from email_engine.adoption.gaps import printable
from email_engine.adoption.reading import VMTA
from email_engine.adoption.servers import listed_briefly
from email_engine.fleet.model import IpState
from email_engine.pipelines.fleet_adopt.proposal import AdoptionProposal
from email_engine.plural import amount
from email_engine.simulation.hindsight import Hindsight

MOST_ALONE = 200
"""IPs whose days are told one by one."""
CONFLICTS = (Topic.QUOTAS, Topic.CAMPAIGNS)


def summary(made: AdoptionProposal) -> list[str]:
    """What a newcomer reads first, a sentence a line."""
    states = Counter(str(s.state) if isinstance(s.state, IpState) else "not known" for s in made.senders)
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    rows = sum(host.files.rows for host in made.hosts if host.files)
    files = sum(host.files.files for host in made.hosts if host.files)
    with_ips = len({sender.host for sender in made.senders})
    of_all = "" if with_ips == len(made.hosts) else f"{with_ips} of "
    lines = [
        f"{amount(len(made.senders), 'IP')} on {of_all}{amount(len(made.hosts), 'host')}: {told}.",
        *_left_out(made),
        f"Read: {amount(files, 'accounting file')} with {rows:,} records, {made.first} to {made.last}.",
        _past_in_short(made, rows),
    ]
    conflicts = sum(one.topic in CONFLICTS for one in made.findings)
    others = len(made.findings) - conflicts
    lines.append(
        f"{amount(conflicts, 'conflict')} between MailWizz and PowerMTA, {amount(others, 'other finding')}."
    )
    if made.mistakes:
        lines.append(
            f"{amount(made.mistakes, 'thing')} that no fleet file may have, whatever is filled in: see Configuration."
        )
    if made.blanks:
        by_key = ", ".join(f"{key}: {count}" for key, count in made.fill_in.items())
        lines.append(
            f"{amount(made.blanks, 'blank')} that only you can fill in ({by_key}): look for FILL IN."
        )
    elif not made.mistakes:
        lines.append("Nothing is left to fill in: `email-engine fleet check` takes the file as it is.")
    return lines


def _left_out(made: AdoptionProposal) -> Iterator[str]:
    """What the configurations have and the draft has not."""
    if not made.gaps:
        return
    carried = {(sender.host, sender.known_as) for sender in made.senders}
    gone = [
        vmta for host in made.hosts for vmta in host.read.configuration.blocks[VMTA] if (host.name, vmta) not in carried
    ]  # fmt: skip
    whom = (
        f", {amount(len(gone), 'virtual MTA')} among them: {listed_briefly(list(map(printable, gone)))}"
        if gone
        else ""
    )
    yield f"{amount(len(made.gaps), 'place')} of the configurations not carried over{whom}: see the end of the report."


def _past_in_short(made: AdoptionProposal, rows: int) -> str:
    known = [one for one in made.past if one is not None]
    if not known:
        why = "what was read holds no whole one of these days" if rows else "no accounting could be read"
        return f"What the engine would have done is not known: {why}."
    alone = sum(one.words() == "nothing" for one in known)
    stopped = [one for one in known if one.stopped]
    held = sum("hold" in one.counts for one in known if not one.stopped)
    text = f"In these days the engine would have stopped {len(stopped)} of {amount(len(known), 'IP')}"
    if stopped:
        worst = min(stopped, key=lambda one: (str(one.first_stop), one.address))
        text += f" ({worst.address} first, on {worst.first_stop})"
    others = len(known) - len(stopped) - held - alone
    return f"{text}, held {held}, only advanced or slowed {others}, left {alone} as they are."


def render_report(made: AdoptionProposal, name: str) -> str:
    """`name`: of the draft beside it."""
    return "\n".join(_lines(made, name)).rstrip() + "\n"


def _lines(made: AdoptionProposal, name: str) -> Iterator[str]:
    yield f"# Adoption, {made.first} to {made.last}"
    yield ""
    yield from (f"- {line}" for line in summary(made))
    yield ""
    yield "## What to do next"
    yield ""
    for number, step in enumerate(next_steps(made, name), 1):
        yield f"{number}. {step}"
    yield from _table(made)
    yield from _past(made)
    yield from _conflicts(made)
    yield from _findings(made)
    if made.gaps:
        yield from ("", "## Left in your own configuration, or not understood", "")
        for host in made.hosts:
            yield from (f"- host {host.name}, {gap}" for gap in host.read.gaps)


def next_steps(made: AdoptionProposal, name: str) -> list[str]:
    """The way from here to `mode: act`."""
    steps = (
        []
        if not made.blanks
        else [f"Write an answer in place of each `<...>` in `{name}` ({amount(made.blanks, 'blank')})."]
    )
    return [
        *steps,
        f"`email-engine fleet check {name}`, and copy it to where EMAIL_ENGINE_FLEET points.",
        "`email-engine fleet plan`, then `fleet apply`: the engine begins in observe; it reads, decides and records, and changes nothing.",
        "Read for some days what it would do (`fleet status`, `explain IP`), and settle the findings below.",
        "Write `mode: act` for one tenant. From then on PowerMTA's caps and MailWizz's quotas follow its decisions.",
    ]


def _cell(text: object) -> str:
    return str(text).replace("|", "/").replace("\n", " ")


def shown_address(sender: Sender) -> str:
    """The public address, else the one that its host binds."""
    return str(sender.bind_address if isinstance(sender.address, Blank) else sender.address)


def _table(made: AdoptionProposal) -> Iterator[str]:
    yield from (
        "",
        "## The IPs",
        "",
        "| IP | virtual MTA | server | state | daily target | why |",
        "|---|---|---|---|---|---|",
    )
    for sender in made.senders:
        state = str(sender.state) if isinstance(sender.state, IpState) else "?"
        if sender.state is IpState.WARMING:
            state += f" phase {sender.phase}"
        if sender.warmed_on is not None:
            state += f" since {sender.warmed_on}"
        why = "; ".join(filter(None, (sender.remarks.get("state"), sender.remarks.get("phase"))))
        if isinstance(sender.state, Blank):
            why = sender.state.hint
        target = sender.target if isinstance(sender.target, int) else "?"
        server = sender.server if isinstance(sender.server, int) else "none"
        cells = (shown_address(sender), sender.known_as, server, state, target, why)
        yield f"| {' | '.join(map(_cell, cells))} |"


def _past(made: AdoptionProposal) -> Iterator[str]:
    yield from ("", f"## What the engine would have done, {made.first} to {made.last}", "")
    yield "Each IP begins as it stood on the first of these days. Block lists cannot be asked about the past, and DNS is taken as right."
    yield ""
    pairs = [(sender, one) for sender, one in zip(made.senders, made.past, strict=True) if one is not None]
    if not pairs:
        yield "Nothing is known: no accounting of these days."
    graver = sorted(pairs, key=lambda pair: (-len(pair[1].told), not pair[1].stopped))
    shown = {id(one) for _, one in graver[:MOST_ALONE]}
    for sender, one in pairs:
        if id(one) in shown:
            yield from _one(sender, one)
    if len(pairs) > MOST_ALONE:
        yield f"- and {len(pairs) - MOST_ALONE} more IPs with less to tell"


def _one(sender: Sender, one: Hindsight) -> Iterator[str]:
    score = "" if one.score is None else f", score {one.score}"
    yield f"- {shown_address(sender)} ({sender.known_as}), {one.sent:,} messages{score}: {one.words()}"
    yield from (f"  - {_cell(told)}" for told in one.told)
    if one.more:
        yield f"  - and {one.more} more"


def _conflicts(made: AdoptionProposal) -> Iterator[str]:
    yield from ("", "## Conflicts between MailWizz and PowerMTA", "")
    found = [one for one in made.findings if one.topic in CONFLICTS]
    yield from (f"- {_cell(one)}" for one in found)
    fine = [one for one in made.campaigns if not one.too_large]
    yield from (f"- {one.words()}" for one in fine)
    if not found and not fine:
        yield "None was found."


def _findings(made: AdoptionProposal) -> Iterator[str]:
    yield from ("", "## Findings", "")
    others = [one for one in made.findings if one.topic not in CONFLICTS]
    if not others:
        yield "None."
    for topic in Topic:
        mine = [one for one in others if one.topic is topic]
        if mine:
            yield f"### {topic[:1].upper()}{topic[1:]}"
            yield ""
            yield from (f"- {_cell(one)}" for one in mine)
            yield ""


def report_json(made: AdoptionProposal) -> dict[str, Any]:
    """The same for machines."""
    return {
        "first": str(made.first),
        "last": str(made.last),
        "summary": summary(made),
        "fill_in": dict(made.fill_in),
        "ips": [
            {
                "address": shown_address(sender),
                "vmta": sender.known_as,
                "host": sender.host,
                "mailwizz_server_id": sender.server if isinstance(sender.server, int) else None,
                "state": str(sender.state) if isinstance(sender.state, IpState) else None,
                "phase": sender.phase if sender.state is IpState.WARMING else None,
                "warmed_on": sender.warmed_on and str(sender.warmed_on),
                "daily_target": sender.target if isinstance(sender.target, int) else None,
                "why": dict(sender.remarks),
                "would_have": one.as_json() if one else None,
            }
            for sender, one in zip(made.senders, made.past, strict=True)
        ],
        "findings": [one.as_json() for one in made.findings],
        "campaigns": [one.as_json() for one in made.campaigns],
        "not_understood": [
            {"host": host.name, **gap.as_json()} for host in made.hosts for gap in host.read.gaps
        ],
    }
