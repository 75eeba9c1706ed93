"""The sentences of a decision because of counts: days and numbers that convince, what weighs most, what to do now. The only place
that makes them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from email_engine.fleet.providers import OTHER
from email_engine.fleet.traffic import Days
from email_engine.plural import amount
from email_engine.quoted import quoted
from email_engine.reputation.counted import Row
from email_engine.reputation.evidence import GateJudgement, GateVerdict, day_evidence
from email_engine.reputation.gates import BLOCKS, BOUNCES, COMPLAINTS, DEFERRALS
from email_engine.warmup.observation import IpObservation, WorstMail

NEXT = "Next: "
LONGEST = 600
"""Characters of a whole decision; what weighs most gives way first, the next step never."""
LONGEST_TOLD = 390
"""Of what happened: a line of a message in a chat."""
SHOWN_DAYS = 3
CAMPAIGN, REPLY = 40, 100
_THINGS = {
    BOUNCES: ("bounce", "bounces", "message"),
    COMPLAINTS: ("complaint", "complaints", "message"),
    BLOCKS: ("block", "blocks", "message"),
    DEFERRALS: ("deferral or block", "deferrals and blocks", "attempt"),
}


class Evidence(NamedTuple):
    """What a decision goes by. `days`: those that convince; `providers`: those that it is about, none for all of the IP's mail;
    `worst`: the provider that weighs most, where the sentence does not name one already."""

    gate: str
    days: tuple[date, ...]
    providers: tuple[str, ...] = ()
    worst: str = ""


def handed_less(observation: IpObservation, day: date, enough: int) -> str:
    """What kept MailWizz from handing an IP its mail, where fewer than `enough` messages were sent on the day; else empty."""
    if observation.handover is None or observation.days.on(day).sent >= enough:
        return ""
    return f". Its delivery server in MailWizz: {observation.handover}"


def bad_count(gate: str, number: int) -> str:
    """`1 bounce`, `60 deferrals and blocks`."""
    one, many, _ = _THINGS[gate]
    return f"{number} {one if number == 1 else many}"


def whole_count(gate: str, number: int) -> str:
    """`50 messages`, `160 attempts`."""
    return amount(number, _THINGS[gate][2])


def convincing(row: Row, limits: Sequence[float], proven: Collection[date] = ()) -> tuple[date, ...]:
    """At most three days, oldest first: of `proven`, else of those above their limit since the evidence began to grow: the newest, and
    the strongest of the others."""
    bad, messages = np.array(row.bad, np.int64)[: len(row.day)], np.array(row.messages, np.int64)
    messages = messages[: len(row.day)]
    if not len(row.day) or not bad.any():
        return ()
    borne = np.array(limits, np.float64)
    evidence = np.log(
        np.maximum(day_evidence(np.minimum(bad, messages)[None], messages[None], borne[None])[0], 1e-300)
    )
    grown = np.cumsum(evidence[::-1])[::-1]
    begins = int(np.argmax(grown)) if grown.max() > 0 else 0
    above = [at for at in range(begins, len(row.day)) if bad[at] > borne[at] * messages[at]]
    places = [at for at in range(len(row.day)) if row.day[at] in proven] or above
    places = places or [at for at in range(len(row.day)) if bad[at]]
    newest, others = places[-1], places[:-1]
    strongest = sorted(others, key=lambda at: (-evidence[at], -int(bad[at]), -at))[: SHOWN_DAYS - 1]
    return tuple(row.day[at] for at in sorted({newest, *strongest}))


def tally(gate: str, row: Row, days: Collection[date], where: str = "") -> str:
    """`40 of 100 messages on 2026-11-19 and 30 of 90 on 2026-11-20 (75 of 800 since 2026-11-01)`. `where`: ` at gmail`."""
    shown, whole = _shown(row, days)
    if not shown:
        return f"{sum(row.bad)} of {whole_count(gate, sum(row.messages))}{where}"
    (day, bad, messages), *others = shown
    parts = [f"{bad} of {whole_count(gate, messages)}{where} on {day}"]
    parts += [f"{some} of {of} on {on}" for on, some, of in others]
    behind = "" if whole else f" ({sum(row.bad)} of {sum(row.messages)} since {row.day[0]})"
    return f"{', '.join(parts[:-1])}{' and ' if others else ''}{parts[-1]}{behind}"


def counted(gate: str, row: Row, days: Collection[date], where: str = "", *, sums_first: bool = False) -> str:
    """The same with what is counted: `9 complaints of 800 messages on 2026-11-19`; the sums before the days where they are what
    convinces."""
    shown, whole = _shown(row, days)
    bad, messages = sum(row.bad), sum(row.messages)
    if shown and sums_first and not (whole and len(shown) == 1):
        named = ", ".join(f"{some} of {of} on {day}" for day, some, of in shown)
        since = "" if whole else f" since {row.day[0]}"
        return f"{bad_count(gate, bad)} of {whole_count(gate, messages)}{where}{since} ({named})"
    told = tally(gate, row, days, where)
    number, _, rest = told.partition(" ")
    return f"{bad_count(gate, int(number))} {rest}"


def _shown(row: Row, days: Collection[date]) -> tuple[list[tuple[date, int, int]], bool]:
    """The rows of the days, and are they all that there is?"""
    shown = [each for each in zip(row.day, row.bad, row.messages, strict=False) if each[0] in days]
    whole = sum(each[1] for each in shown) == sum(row.bad)
    return shown, whole and sum(each[2] for each in shown) == sum(row.messages)


def verdict_clause(
    gate: str, row: Row, judged: GateJudgement, limit: float, days: Collection[date], where: str = ""
) -> str:
    """What a gate says, as the middle of a sentence."""
    one = judged.bad == 1
    proven = judged.verdict is GateVerdict.REGRESS
    count = counted(gate, row, days, where, sums_first=not proven)
    if judged.verdict in (GateVerdict.INSUFFICIENT, GateVerdict.PASS):
        count = f"{bad_count(gate, judged.bad)} of {whole_count(gate, judged.messages)}{where}"
    return {
        GateVerdict.REGRESS: f"{count} {'proves' if one else 'prove'} a rate above {limit:.1%}",
        GateVerdict.HOLD: f"{count} {'is' if one else 'are'} at the limit of {limit:.1%} or above",
        GateVerdict.INSUFFICIENT: f"{count} {'does' if one else 'do'} not yet prove a rate below {limit:.1%}",
        GateVerdict.PASS: f"{count} {'proves' if one else 'prove'} a rate below {limit:.1%}",
    }[judged.verdict]


def worst_provider(gate: str, providers: Mapping[str, Days], days: Collection[date]) -> str:
    """`gmail (150 of 300 messages)`: the provider with most of the bad mail on the days; "" where only one is known."""
    if len(providers) < 2:
        return ""
    counts = counts_by_provider(gate, providers, days)
    name = max(sorted(counts), key=lambda each: (counts[each][0], each != OTHER))
    bad_here, messages_here = counts[name]
    return f"{named(name)} ({bad_here} of {whole_count(gate, messages_here)})" if bad_here else ""


def counts_by_provider(
    gate: str, providers: Mapping[str, Days], days: Collection[date]
) -> dict[str, tuple[int, int]]:
    """Bad messages and those that they are of, on the days."""
    counts = {}
    for name, known in providers.items():
        bad, messages = {
            BOUNCES: (known.failed, known.sent),
            COMPLAINTS: (known.complained, known.delivered),
            BLOCKS: (known.blocked, known.sent),
            DEFERRALS: (known.pressure, known.attempts),
        }[gate]
        at = [place for place, day in enumerate(known.day) if day in days]
        counts[name] = sum(bad[place] for place in at), sum(messages[place] for place in at)
    return counts


def named(provider: str) -> str:
    """As a sentence names a mailbox provider."""
    return "the group of other providers" if provider == OTHER else provider


def weighs_most(
    evidence: Iterable[Evidence], worst: Sequence[WorstMail], *, campaign: bool = True, reply: bool = True
) -> str:
    """A sentence that names provider, campaign and reply, as far as they are known; "" where nothing is."""
    parts: list[str] = []
    for each in evidence:
        mail = next((one for one in worst if one.gate == each.gate), None)
        parts += [each.worst] if each.worst else []
        if mail is None:
            continue
        name, said = quoted(mail.campaign, CAMPAIGN), quoted(mail.reply, REPLY)
        if campaign and name:
            parts.append(f"campaign {name} ({bad_count(each.gate, mail.campaign_bad)})")
        if reply and said:
            often = (
                f" ({mail.reply_bad} times)" if mail.reply_bad > 1 else " (once)" if mail.reply_bad else ""
            )
            parts.append(f"reply {said}{often}")
    return f"Weighs most: {', '.join(dict.fromkeys(parts))}." if parts else ""


def bounded(told: str) -> str:
    """What happened, cut where parts of it were long."""
    return (
        told
        if len(told) <= LONGEST_TOLD
        else f"{told[: LONGEST_TOLD - 3].rpartition(' ')[0].rstrip(';,(')} ..."
    )


def next_step(advice: str) -> str:
    """`Next: clean the recipient list.`"""
    return f"{NEXT}{advice}." if advice else ""


def whole_reason(told: str, evidence: Sequence[Evidence], worst: Sequence[WorstMail], advice: str) -> str:
    """The decision's text of at most LONGEST characters. `told`: what happened, with its full stop."""
    told = bounded(told)
    for campaign, reply in ((True, True), (True, False), (False, False)):
        weighs = weighs_most(evidence, worst, campaign=campaign, reply=reply)
        text = " ".join(part for part in (told, weighs, next_step(advice)) if part)
        if len(text) <= LONGEST:
            return text
    return " ".join(part for part in (told, next_step(advice)) if part)[:LONGEST]
