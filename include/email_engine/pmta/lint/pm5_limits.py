"""5xx: limits, backoff, PowerMTA's own warm-up."""

import re
from collections.abc import Iterator

from email_engine.pmta.language.values import seconds
from email_engine.pmta.lint.index import Index, Line, Sender, Settings, per_second
from email_engine.pmta.lint.pm2_regexes import Told
from email_engine.pmta.lint.pm2_replies import actions_of
from email_engine.pmta.lint.rule import ERROR, INFO, MAIN, WARNING, Hit, Rule

_HOST = "  smtp-source-host 192.0.2.11 mail1.example.com\n"
_VMTA = "<virtual-mta vmta-1>\n" + _HOST + "{}</virtual-mta>\n"
_COLD = "<virtual-mta cold-1>\n  smtp-source-host 192.0.2.12 mail2.example.com\n</virtual-mta>\n"
_REPLIES = "<smtp-pattern-list replies>\n  reply /blocked/ {}\n</smtp-pattern-list>\n"
_USED = "<domain *>\n  smtp-pattern-list replies\n</domain>\n"

RATE_IN_VMTA = Rule(
    "PM501",
    ERROR,
    "max-msg-rate directly in a virtual MTA",
    "It belongs into <domain> and limits one queue. The cap of the whole IP is `max-smtp-msg-rate`.",
    "3.3.12; facts section 1.4",
    "write `max-smtp-msg-rate` for the whole IP, or move the line into `<domain *>`",
    _VMTA.format("  max-msg-rate 50/d\n"),
    _VMTA.format("  max-smtp-msg-rate 50/d\n"),
)
COLD_ALONE = Rule(
    "PM502",
    ERROR,
    "max-cold-virtual-mta-msg without cold-virtual-mta",
    "It is no quota: it says how many messages a day move from a warm virtual MTA to its cold one. Alone it does nothing.",
    "6.3.16; facts section 1.5",
    "write `max-smtp-msg-rate N/d` in the <virtual-mta>; or name a `cold-virtual-mta` there",
    _VMTA.format("  <domain *>\n    max-cold-virtual-mta-msg 50/day\n  </domain>\n"),
    _COLD
    + _VMTA.format(
        "  cold-virtual-mta cold-1\n  <domain *>\n    max-cold-virtual-mta-msg 50/day\n  </domain>\n"
    ),
)
COLD_WITHOUT_LIMIT = Rule(
    "PM503",
    WARNING,
    "cold-virtual-mta without max-cold-virtual-mta-msg",
    "The default is 0/d: nothing ever moves to the cold virtual MTA.",
    "6.3.16; facts section 1.5",
    "write `max-cold-virtual-mta-msg N/day` in a <domain> of this virtual MTA",
    MAIN + _COLD + _VMTA.format("  cold-virtual-mta cold-1\n"),
    MAIN
    + _COLD
    + _VMTA.format(
        "  cold-virtual-mta cold-1\n  <domain *>\n    max-cold-virtual-mta-msg 50/day\n  </domain>\n"
    ),
)
COLD_SELF = Rule(
    "PM504",
    ERROR,
    "cold-virtual-mta that names itself",
    "Mail is moved to where it is already: the limit does nothing. A template's trick to get a quota, which it is not.",
    "6.3.16; facts section 1.5",
    "write `max-smtp-msg-rate N/d` instead",
    _VMTA.format(
        "  cold-virtual-mta vmta-1\n  <domain *>\n    max-cold-virtual-mta-msg 50/day\n  </domain>\n"
    ),
    _VMTA.format("  max-smtp-msg-rate 50/d\n"),
)
NOTHING_OUT = Rule(
    "PM505",
    WARNING,
    "a limit of 0",
    "The guide gives 0 no meaning as `none` for `max-smtp-out`; a rate of 0 lets nothing out, and mail waits until it bounces.",
    "3.2; facts section 1.1",
    "pause the queue with `pmta pause queue` instead, or write the limit that is meant",
    "<domain *>\n  max-smtp-out 0\n</domain>\n",
    "<domain *>\n  max-smtp-out 1\n</domain>\n",
)
NO_USE = Rule(
    "PM506",
    INFO,
    "a cap that is never reached",
    "The virtual MTA's own cap is lower, so the queue's rate does nothing.",
    "3.3.12; facts section 1.4",
    "lower the rate in <domain>, or raise the virtual MTA's",
    _VMTA.format("  max-smtp-msg-rate 100/h\n  <domain *>\n    max-msg-rate 500/h\n  </domain>\n"),
    _VMTA.format("  max-smtp-msg-rate 500/h\n  <domain *>\n    max-msg-rate 100/h\n  </domain>\n"),
)
POOL_CAP = Rule(
    "PM507",
    WARNING,
    "a rate for a whole pool",
    "Legal, but the guide does not say whether the members share it or each has it.",
    "3.3.13; facts section 1.4",
    "write `max-smtp-msg-rate` in each <virtual-mta>",
    _VMTA.format("")
    + "<virtual-mta-pool pool-a>\n  virtual-mta vmta-1\n  max-smtp-msg-rate 500/d\n</virtual-mta-pool>\n",
    _VMTA.format("  max-smtp-msg-rate 500/d\n")
    + "<virtual-mta-pool pool-a>\n  virtual-mta vmta-1\n</virtual-mta-pool>\n",
)
FASTER_BACKOFF = Rule(
    "PM508",
    WARNING,
    "backoff that is faster than normal",
    "Backoff mode is meant to slow down.",
    "3.3.10; facts section 1.8",
    "write a backoff limit below the normal one",
    "<domain *>\n  max-msg-rate 30/h\n  backoff-max-msg-rate 1/s\n</domain>\n",
    "<domain *>\n  max-msg-rate 250/h\n  backoff-max-msg-rate 1/m\n</domain>\n",
)
BOUNCE_FIRST = Rule(
    "PM509",
    WARNING,
    "bounce-after not longer than retry-after",
    "A message that is deferred once bounces before it is tried again.",
    "3.3.10",
    "write a longer `bounce-after`, or a shorter `retry-after`",
    "<domain *>\n  retry-after 2h\n  bounce-after 1h\n</domain>\n",
    "<domain *>\n  retry-after 10m\n  bounce-after 24h\n</domain>\n",
)
FOR_EVER = Rule(
    "PM510",
    WARNING,
    "a source IP that is disabled for ever",
    "`disable-source-ip` defaults to never re-enabled: after one reply the IP is silent for that provider until somebody notices.",
    "3.3.15; facts section 2.3",
    "add `,reenable-after=6h`, or `reenable-source-ip-after` in the <domain>",
    MAIN + _REPLIES.format("disable-source-ip") + _USED,
    MAIN + _REPLIES.format("disable-source-ip,reenable-after=6h") + _USED,
)
BACKOFF_FOR_EVER = Rule(
    "PM511",
    WARNING,
    "backoff that never ends",
    "`backoff-to-normal-after` defaults to never and `backoff-to-normal-after-delivery` to no.",
    "3.3.10; facts section 1.8",
    "write `backoff-to-normal-after 1h` in the <domain>, or `,backoff-to-normal-after=1h` behind `mode=backoff`",
    MAIN + _REPLIES.format("mode=backoff") + _USED,
    MAIN + _REPLIES.format("mode=backoff,backoff-to-normal-after=1h") + _USED,
)

RULES = (
    RATE_IN_VMTA,
    COLD_ALONE,
    COLD_WITHOUT_LIMIT,
    COLD_SELF,
    NOTHING_OUT,
    NO_USE,
    POOL_CAP,
    FASTER_BACKOFF,
    BOUNCE_FIRST,
    FOR_EVER,
    BACKOFF_FOR_EVER,
)

_COLD_LIMIT = "max-cold-virtual-mta-msg"
_ZERO = frozenset(("max-smtp-out", "backoff-max-smtp-out", "total-max-smtp-out"))
_ZERO_RATES = frozenset(("max-msg-rate", "max-smtp-msg-rate", "backoff-max-msg-rate", "max-connect-rate"))
JUDGED = _ZERO | _ZERO_RATES
"""Directives that `judge_value` has something to say about."""
_FASTER = ("max-msg-rate", "max-connect-rate", "max-smtp-out")


def judge_value(name: str, value: str) -> list[Told]:
    """Limits that one line shows to be strange."""
    if (name in _ZERO and value.strip("0") == "") or (
        name in _ZERO_RATES and re.fullmatch("0+(/.*)?", value)
    ):
        return [(NOTHING_OUT, f"`{name} {value}` is a limit of 0", None, None)]
    return []


def check_limits(index: Index) -> Iterator[Hit]:
    """Limits that work against one another, or do nothing."""
    for line, settings in index.all_domains:
        yield from _domain(line, settings)
    for vmta in index.vmtas:
        if vmta.domains or "cold-virtual-mta" in vmta.lines:
            yield from _sender(index, vmta)
    for pool in index.pools:
        for directive in pool.lines.get("max-smtp-msg-rate", ()):
            yield POOL_CAP.hit(
                pool.line + directive.offset, f"`max-smtp-msg-rate` in the pool {pool.name} as a whole"
            )
    yield from _cold_for_nobody(index)
    yield from _replies(index)


def _domain(line: Line, settings: Settings) -> Iterator[Hit]:
    for name in _FASTER:
        slow, fast = settings.get(name), settings.get(f"backoff-{name}")
        if slow and fast and _number(fast) > _number(slow):
            at = line + settings.offset(f"backoff-{name}")
            yield FASTER_BACKOFF.hit(at, f"`backoff-{name} {fast}` is above `{name} {slow}`")
    after, retry = settings.get("bounce-after"), settings.get("retry-after").partition(",")[0]
    if after and retry:
        try:
            if 0 < seconds(after) <= seconds(retry):
                at = line + settings.offset("bounce-after")
                yield BOUNCE_FIRST.hit(at, f"`bounce-after {after}` is not longer than `retry-after {retry}`")
        except ValueError:
            return


def _number(text: str) -> float:
    if text.isdecimal():
        return float(text)
    found = per_second(text)
    return found[0] if found else float("inf")


def _sender(index: Index, vmta: Sender) -> Iterator[Hit]:
    shape = vmta.shape
    cap = vmta.lines.get("max-smtp-msg-rate")
    own = per_second(cap[-1].value) if cap else None
    if own and own[0] < shape.fastest.get(own[1], 0.0):
        yield from _above(vmta, own)
    cold = [directive.value for directive in vmta.lines.get("cold-virtual-mta", ())]
    if shape.cold and not cold and not index.may_hold_more(vmta) and not _pools_are_warm(index, vmta.name):
        for offset, settings in vmta.domains:
            if _COLD_LIMIT in settings.values:
                at = vmta.line + offset + settings.offset(_COLD_LIMIT)
                yield COLD_ALONE.hit(at, f"`{_COLD_LIMIT}`, but {vmta.name} has no `cold-virtual-mta`")
    if not cold:
        return
    at = vmta.line + vmta.lines["cold-virtual-mta"][0].offset
    if vmta.name in cold:
        yield COLD_SELF.hit(at, f"{vmta.name} names itself as its cold virtual MTA")
    elif not shape.cold and not _limit_elsewhere(index, vmta):
        severity = None if index.whole and index.complete else INFO
        yield COLD_WITHOUT_LIMIT.hit(
            at, f"no <domain> sets `{_COLD_LIMIT}` for {vmta.name}: nothing moves", severity
        )


def _above(vmta: Sender, own: tuple[float, str]) -> Iterator[Hit]:
    for offset, settings in vmta.domains:
        inner = per_second(settings.get("max-msg-rate"))
        if inner and inner[1] == own[1] and inner[0] > own[0]:
            at = vmta.line + offset + settings.offset("max-msg-rate")
            text = settings.get("max-msg-rate")
            yield NO_USE.hit(at, f"`max-msg-rate {text}` is above the `max-smtp-msg-rate` of {vmta.name}")


def _pools_are_warm(index: Index, name: str) -> bool:
    return any("cold-virtual-mta" in pool.lines for pool, _ in index.members.get(name, ()))


def _limit_elsewhere(index: Index, vmta: Sender) -> bool:
    pools = [pool.domains for pool, _ in index.members.get(vmta.name, ())]
    return any(_COLD_LIMIT in s.values for domains in (index.domains, *pools) for _, s in domains)


def _cold_for_nobody(index: Index) -> Iterator[Hit]:
    some = any("cold-virtual-mta" in sender.lines for sender in (*index.vmtas, *index.pools))
    if some:
        return
    sure = index.complete and (index.whole or bool(index.vmtas))
    for line, settings in [
        *index.domains,
        *((pool.line + offset, s) for pool in index.pools for offset, s in pool.domains),
    ]:
        if _COLD_LIMIT in settings.values:
            at = line + settings.offset(_COLD_LIMIT)
            message = f"`{_COLD_LIMIT}`, but no virtual MTA has a `cold-virtual-mta`"
            yield COLD_ALONE.hit(at, message, None if sure else INFO)


def _replies(index: Index) -> Iterator[Hit]:
    every = [settings for _, settings in index.all_domains]
    enabled = any(s.get("reenable-source-ip-after") not in ("", "never") for s in every)
    normal = any(
        s.get("backoff-to-normal-after") not in ("", "never")
        or s.get("backoff-to-normal-after-delivery") in ("yes", "true")
        for s in every
    )
    severity = None if index.whole and index.complete else INFO
    for line, block in index.of("smtp-pattern-list"):
        for directive in block.directives("reply"):
            actions = actions_of(directive.value)
            names = [action.partition("=")[0] for action in actions]
            at = line + directive.offset
            if "disable-source-ip" in names and "reenable-after" not in names and not enabled:
                yield FOR_EVER.hit(at, "`disable-source-ip` without `reenable-after`: never again", severity)
            if "mode=backoff" in actions and "backoff-to-normal-after" not in names and not normal:
                message = "`mode=backoff` without a way back to normal"
                yield BACKOFF_FOR_EVER.hit(at, message, severity)
