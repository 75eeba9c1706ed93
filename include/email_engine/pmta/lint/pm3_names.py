"""311 to 324: virtual MTAs, pools and their names."""

import re
from collections.abc import Iterator

from email_engine.pmta.language.checks import BadValue
from email_engine.pmta.language.values import ip
from email_engine.pmta.lint.index import Index, Sender, first_word
from email_engine.pmta.lint.rule import ERROR, INFO, WARNING, Hit, Rule, short

_HOST = "  smtp-source-host 192.0.2.{} mail1.example.com\n"
_TUNED = "  <domain *>\n    max-smtp-out {}\n  </domain>\n"


def _vmta(name: str = "vmta-1", last: int = 11) -> str:
    return f"<virtual-mta {name}>\n{_HOST.format(last)}</virtual-mta>\n"


def _pool(*members: str, name: str = "pool-a", more: str = "") -> str:
    lines = "".join(f"  virtual-mta {member}\n" for member in members)
    return f"<virtual-mta-pool {name}>\n{lines}{more}</virtual-mta-pool>\n"


ONE_NAME = Rule(
    "PM311",
    ERROR,
    "virtual MTA and pool of one name",
    "Both share one space of names: a pool named like a virtual MTA is refused.",
    "3.3.13; facts section 1.2",
    "give the pool another name",
    _vmta() + _pool("vmta-1", name="vmta-1"),
    _vmta() + _pool("vmta-1"),
)
CASE = Rule(
    "PM312",
    WARNING,
    "names that differ only in case",
    "Whether upper and lower case count is not documented.",
    "facts section 1.2",
    "give one another name; write all in lower case",
    _vmta() + _vmta("VMTA-1", 12),
    _vmta() + _vmta("vmta-2", 12),
)
EMPTY_POOL = Rule(
    "PM313",
    ERROR,
    "pool with no member",
    "Mail for the pool has nowhere to go.",
    "3.3.13",
    "name at least one `virtual-mta`, or delete the pool",
    _pool(),
    _vmta() + _pool("vmta-1"),
)
TWO_TUNED_POOLS = Rule(
    "PM314",
    ERROR,
    "a virtual MTA in two pools that both hold <domain>",
    "Its queues could inherit from either, so PowerMTA refuses it.",
    "3.3.13; facts section 1.6",
    "take it out of one pool, or move the <domain> blocks into the <virtual-mta>",
    _vmta() + _pool("vmta-1", more=_TUNED.format(2)) + _pool("vmta-1", name="pool-b", more=_TUNED.format(4)),
    _vmta() + _pool("vmta-1", more=_TUNED.format(2)) + _pool("vmta-1", name="pool-b"),
)
LISTED_TWICE = Rule(
    "PM315",
    WARNING,
    "a member listed twice in a pool",
    "What it means is not documented; it is no weight that you can rely on.",
    "facts section 1.6",
    "list each member once",
    _vmta() + _pool("vmta-1", "vmta-1"),
    _vmta() + _pool("vmta-1"),
)
NO_POOL = Rule(
    "PM316",
    INFO,
    "virtual MTA in no pool",
    "Only mail that names it (x-virtual-mta, a pattern list, a source) goes over it. Right for IPs that warm up.",
    "3.3.13",
    "add it to a pool if it should share that pool's mail",
    _vmta(),
    _vmta() + _pool("vmta-1"),
)
NO_HOST = Rule(
    "PM317",
    WARNING,
    "virtual MTA without smtp-source-host",
    "It sends from the global source hosts, or from whatever address the system picks.",
    "3.3.12; facts section 1.3",
    "write `smtp-source-host IP HOST`",
    "<virtual-mta vmta-1>\n  max-smtp-out 10\n</virtual-mta>\n",
    _vmta(),
)
RESERVED = Rule(
    "PM318",
    ERROR,
    "reserved name",
    "Names that start with { are PowerMTA's own: {default}, {pickup}, {auth}, {bounce}, {feedbackLoop}, {sparkpost}.",
    "facts section 1.2",
    "choose a name of letters, digits, dot, dash and underscore",
    _vmta("{mine}"),
    _vmta("mine"),
)
UNSAFE = Rule(
    "PM319",
    WARNING,
    "a name that is not safe",
    "The guide prints no rule for names. Letters, digits, dot, dash and underscore, at most 63, are in wide use; others meet "
    "trouble in queue names, headers and shells.",
    "facts section 1.2",
    "choose a name of letters, digits, dot, dash and underscore, beginning with a letter or digit",
    _vmta("mta:1"),
    _vmta("mta-1"),
)
POOL_IN_POOL = Rule(
    "PM320",
    ERROR,
    "a pool in a pool",
    "Members are virtual MTAs.",
    "3.3.13",
    "list the virtual MTAs of that pool",
    _vmta() + _pool("vmta-1") + _pool("pool-a", name="pool-b"),
    _vmta() + _pool("vmta-1") + _pool("vmta-1", name="pool-b"),
)
SAME_IP = Rule(
    "PM321",
    WARNING,
    "one source IP in two virtual MTAs",
    "Each has its own caps, so the IP may send the sum of both; its reputation is shared.",
    "3.3.12",
    "give each virtual MTA its own IP",
    _vmta() + _vmta("vmta-2"),
    _vmta() + _vmta("vmta-2", 12),
)
NOT_ON_HOST = Rule(
    "PM322",
    ERROR,
    "IP not on the host",
    "PowerMTA cannot send from an address that the machine does not have.",
    "facts section 2.1",
    "add the address to the host, or correct the line",
    _vmta(last=99),
    _vmta(last=11),
    host_ips=("192.0.2.11", "192.0.2.12"),
)

PROXIED_TOO = Rule(
    "PM323",
    ERROR,
    "smtp-proxy-source-host beside another source",
    "In one virtual MTA it excludes `smtp-source-host` and `use-proxy`.",
    "3.3.12",
    "keep one of them; give the other way a virtual MTA of its own",
    _vmta().replace(
        "</", "  smtp-proxy-source-host 192.0.2.11 203.0.113.9:1080 203.0.113.9 mail1.example.com\n</"
    ),
    _vmta(),
)

RULES = (
    ONE_NAME,
    CASE,
    EMPTY_POOL,
    TWO_TUNED_POOLS,
    LISTED_TWICE,
    NO_POOL,
    NO_HOST,
    RESERVED,
    UNSAFE,
    POOL_IN_POOL,
    SAME_IP,
    NOT_ON_HOST,
    PROXIED_TOO,
)


def _canonical(address: str) -> str:
    try:
        return ip(address)
    except BadValue:
        return address


_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def check_names(index: Index) -> Iterator[Hit]:
    """Names of virtual MTAs and pools, and what a pool holds."""
    pools = {pool.name: pool for pool in reversed(index.pools)}
    lower: dict[str, str] = {}
    for sender in (*index.vmtas, *index.pools):
        name = sender.name
        if not _SAFE.fullmatch(name):
            yield from _bad_name(sender)
        other = lower.setdefault(name.lower(), name)
        if other != name:
            yield CASE.hit(sender.line, f"`{short(name)}` and `{short(other)}` differ only in case")
    vmtas = {vmta.name: vmta.line for vmta in reversed(index.vmtas)}
    for name, pool in pools.items():
        if name in vmtas:
            above = index.flat.place(vmtas[name])
            yield ONE_NAME.hit(
                pool.line, f"the pool `{short(name)}` is named like the virtual MTA at {above}"
            )
    for pool in index.pools:
        yield from _pool_members(index, pool, pools, vmtas)
    yield from _senders(index)


def _bad_name(sender: Sender) -> Iterator[Hit]:
    if sender.name.startswith("{"):
        yield RESERVED.hit(sender.line, f"`{short(sender.name)}` is a reserved name")
    elif sender.name and "=" not in sender.name:
        yield UNSAFE.hit(sender.line, f"`{short(sender.name)}` is no safe name")


def _pool_members(
    index: Index, pool: Sender, pools: dict[str, Sender], vmtas: dict[str, int]
) -> Iterator[Hit]:
    members = pool.lines.get("virtual-mta", ())
    if not members and not index.may_hold_more(pool):
        yield EMPTY_POOL.hit(pool.line, f"the pool `{short(pool.name)}` has no member")
    seen: set[str] = set()
    for member in members:
        at = pool.line + member.offset
        if member.value in seen:
            yield LISTED_TWICE.hit(at, f"`{short(member.value)}` is listed twice")
        elif member.value in pools and member.value not in vmtas:
            yield POOL_IN_POOL.hit(at, f"`{short(member.value)}` is a pool")
        seen.add(member.value)


def _senders(index: Index) -> Iterator[Hit]:
    members = index.members
    tuned = {id(pool) for pool in index.pools if pool.domains}
    for name, found in members.items():
        both = [pool.name for pool, _ in found if id(pool) in tuned]
        if len(set(both)) > 1:
            message = f"`{short(name)}` is in {' and '.join(dict.fromkeys(both))}, which both hold <domain>"
            yield TWO_TUNED_POOLS.hit(found[-1][1], message)
    owners: dict[str, Sender] = {}
    proxied = "smtp-proxy-source-host"
    cold = {
        one.value
        for sender in (*index.vmtas, *index.pools)
        for one in sender.lines.get("cold-virtual-mta", ())
    }
    for vmta in index.vmtas:
        hosts = vmta.lines.get("smtp-source-host")
        if vmta.name not in members and vmta.name not in cold:
            yield NO_POOL.hit(vmta.line, f"`{short(vmta.name)}` is in no pool")
        if proxied in vmta.lines and (hosts or "use-proxy" in vmta.lines):
            at = vmta.line + vmta.lines[proxied][0].offset
            other = "smtp-source-host" if hosts else "use-proxy"
            yield PROXIED_TOO.hit(at, f"`{proxied}` and `{other}` in one virtual MTA")
        if not hosts:
            if proxied not in vmta.lines and not index.may_hold_more(vmta):
                yield NO_HOST.hit(vmta.line, f"`{short(vmta.name)}` has no `smtp-source-host`")
            continue
        for host in hosts:
            address = first_word(host.value)[0]
            if ":" in address:
                address = _canonical(address)
            first = owners.setdefault(address, vmta)
            at = vmta.line + host.offset
            if first.name != vmta.name:
                message = f"{short(address)} is also the source of `{short(first.name)}`"
                yield SAME_IP.hit(at, f"{message} ({index.flat.place(first.line)})")
            if index.host_ips is not None and address not in index.host_ips and "/" not in address:
                yield NOT_ON_HOST.hit(at, f"{short(address)} is not on the host")
