"""What an unknown name may have meant in its place."""

import re
from difflib import SequenceMatcher

from email_engine.pmta.language.grammar import Grammar
from email_engine.pmta.language.tree import GLOBAL

LONGEST = 60
_NAME = re.compile(r"[A-Za-z<*][A-Za-z0-9_.-]*")
_DOMAINS = re.compile(r"(?:[*$]?[\w-]+\.[\w.$-]*\w)(?:,[*$]?[\w.$-]+)*,?", re.ASCII)
_TYPING_ERROR = 0.85
"""So alike must a name be that stands elsewhere."""
_MEANT: tuple[tuple[str, frozenset[str], str], ...] = tuple(
    (names, frozenset(scopes.split()), remedy)
    for names, scopes, remedy in (
        (r"(smtp-)?(helo|ehlo)(-\w+)*|hostname|helo|greeting|fqdn|rdns", "virtual-mta global",
         "write `smtp-source-host IP HOST`: its second word is the name that HELO says"),
        (r"ip|ip-?addr(ess)?|source(-ip)?|address|interface|bind(-\w+)?|outgoing-ip|local-ip", "virtual-mta",
         "write `smtp-source-host IP HOST`"),
        (r"(max-)?(smtp-)?(connections?|conns?|concurren\w+|sessions?|threads)(-\w+)?|max-concurrent-\w+",
         "domain virtual-mta virtual-mta-pool", "write `max-smtp-out N`: it limits connections at one time"),
        (r"(max-)?(msgs?|messages?|mails?|emails?|rcpts?)-?(per|an?)-?\w+|(max-|msg-|send-|rate-)?(rate|limit|throttle)",
         "domain", "write `max-msg-rate 250/h`"),
        (r"(max-)?(msgs?|messages?|mails?|emails?)-?(per|a)-?day|(daily-|max-|msg-|send-)?(rate|limit|quota|throttle)",
         "virtual-mta virtual-mta-pool", "write `max-smtp-msg-rate N/d`"),
        (r"retr(y|ies)(-(interval|time|delay|every|schedule))?|max-retries", "domain", "write `retry-after 10m`"),
        (r"(message-|queue-|max-)?(ttl|lifetime|expir\w*|max-age|age)(-\w+)?|bounce-time(out)?", "domain",
         "write `bounce-after 4d12h`"),
        (r"(enable-|smtp-|use-)?(tls|ssl|starttls)(-mode)?", "domain", "write `use-starttls yes`"),
        (r"(enable-|use-)?(dkim|sign(ing)?|domainkeys?)", "domain", "write `dkim-sign yes`"),
        (r"(log-?)?rotat\w+(-\w+)?|rotate|roll-?over|max-file-size|interval|archive", "acct-file",
         "write `max-size 250M`, or `move-to DIR` with `move-interval 1h`"),
        (r"fields?|columns?|record-field", "acct-file", "write `record-fields TYPE *,header_Message-Id`"),
        (r"types?|events?|record(-types?)?|log", "acct-file", "write `records d,b,t`"),
        (r"members?|vmtas?|mtas?|virtual-mtas|include-vmta", "virtual-mta-pool",
         "write `virtual-mta NAME`, one line for each member"),
        (r"(allow-)?relay(ing)?|allow|trusted", "source", "write `always-allow-relaying yes`"),
        (r"(process-|use-)?(x-)?(vmta|virtual-mta)(-header)?", "source", "write `process-x-virtual-mta yes`"),
        (r"listen(-\w+)?|smtp-port|port|bind(-\w+)?", "global", "write `smtp-listener ADDRESS:PORT`"),
        (r"log|logfile|log-path|log-dir", "global", "write `log-file PATH`"),
        (r"pass(wd|word)?|secret", "smtp-user", "write `password TEXT`"),
        (r"user(name)?|login", "domain", "write `auth-username NAME` and `auth-password TEXT`"),
        (r"pattern|match|regex|code|response|smtp-reply", "smtp-pattern-list", "write `reply /REGEX/ ACTION`"),
        (r"addr|email|mail|rcpt|to", "address-list", "write `address EMAIL` or `domain DOMAIN`"),
    )
)  # fmt: skip


def shown_name(name: str) -> str:
    """A name as it may be told: a domain or a word; anything else may be a secret on a line of its own."""
    if len(name) <= LONGEST and (_NAME.fullmatch(name) or _DOMAINS.fullmatch(name)):
        return name
    return f"{name[:1]}..."


def replacement(name: str, scope: str) -> str | None:
    """What to write for a name that other programs have for the same thing; None: not known."""
    for names, scopes, remedy in _MEANT:
        if scope in scopes and re.fullmatch(names, name.lower()):
            return f"{remedy}, if that is meant"
    return None


def meant(grammar: Grammar, name: str, scope: str) -> tuple[str, str | None]:
    """The end of a message about an unknown directive and the remedy; empty and None where nothing comes near."""
    lower = name.lower()
    instead = replacement(lower, scope)
    if instead is not None:
        return "", instead
    longer = [f"`{one}`" for one in grammar.beginning_with(f"{lower}-", scope)[:4]]
    if longer:
        stand = "stand" if len(longer) > 1 else "stands"
        return f"; here {stand} {', '.join(longer)}", _write(" or ".join(longer))
    near, far = grammar.nearest(lower, scope), grammar.nearest(lower, cutoff=_TYPING_ERROR)
    if far in grammar.directives and far != near and _likeness(lower, far) > _likeness(lower, near):
        scopes_of = sorted({one for rule in grammar.directives[far] for one in rule.scopes})
        places = " or ".join("at global level" if one == GLOBAL else f"in <{one}>" for one in scopes_of)
        return f"; `{far}` stands {places}", _write(f"`{far}` {places}")
    if near is None:
        return "", None
    told = f"`{near}`" if near not in grammar.tags else f"the tag <{near}>"
    return f"; the nearest known one is {told}", _write(told)


def _write(what: str) -> str:
    return f"write {what} if that is meant, else delete the line"


def _likeness(name: str, other: str | None) -> float:
    return SequenceMatcher(None, other, name).ratio() if other else 0.0
