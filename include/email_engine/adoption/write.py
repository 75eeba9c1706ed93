"""A draft to the text of fleet.yaml. Blanks are `<...>`, which no check takes, with a FILL IN beside them."""

import re
from collections import Counter
from collections.abc import Iterator

from email_engine.adoption.draft import (
    Blank,
    FleetDraft,
    Number,
    Run,
    Sender,
    StreamDraft,
    TenantDraft,
    Text,
)
from email_engine.adoption.ranges import compress
from email_engine.fleet.mistakes import BLANK
from email_engine.fleet.model import IpState
from email_engine.fleet.rules import UNWARMED_MOST
from email_engine.fleet.scalars import scalar
from email_engine.plural import cut

LONGEST_REMARK, LONGEST_NOTE = 300, 800
_BLANK = re.compile(r"^ *(?:- )?(\w+): (?:<\.\.\.>|\[\]) # FILL IN:", re.MULTILINE)


def write_fleet(draft: FleetDraft, ranges: bool = True) -> str:
    """The whole file; `ranges` False: one entry for each IP."""
    lines = [*_head(draft), *_hosts(draft), *_mailwizz(draft), "", "tenants:"]
    if not any(tenant.streams for tenant in draft.tenants):
        lines[-1] = "tenants: [] # FILL IN: no virtual MTA could be taken over"
    for tenant in draft.tenants:
        if tenant.streams:
            lines += [*_tenant(draft, tenant, ranges), ""]
    if draft.kept:
        lines += ["# Left where it is, like all that is no virtual MTA, pool or address of MailWizz:"]
        lines += [f"# - {kept.text} ({kept.file}:{kept.line}): {kept.why}" for kept in draft.kept]
    if draft.notes:
        lines += [
            "# To know before the engine may act:",
            *(f"# - {cut(note, LONGEST_NOTE)}" for note in draft.notes),
        ]
    return "\n".join(lines).rstrip("\n") + "\n"


def blanks_in(text: str) -> dict[str, int]:
    """How many blanks a draft has, by key, in the order of their first one."""
    return dict(Counter(found[1] for found in _BLANK.finditer(text)))


def _head(draft: FleetDraft) -> list[str]:
    return [
        f"# A draft, made from {draft.source} by `{draft.made_by}`. Every FILL IN wants an answer that a PowerMTA",
        f"# configuration does not hold: put it in place of {BLANK}. Then `email-engine fleet check` this file.",
        "version: 1",
    ]


def _line(indent: int, key: str, value: Text | Number, remark: str = "") -> str:
    if isinstance(value, Blank):
        return f"{' ' * indent}{key}: {BLANK} # FILL IN: {value.hint}"
    text = scalar(value) if isinstance(value, str) else str(value)
    return f"{' ' * indent}{key}: {text}" + (f" # {cut(remark, LONGEST_REMARK)}" if remark else "")


def _hosts(draft: FleetDraft) -> Iterator[str]:
    yield from ("", "mta_hosts:")
    for host in draft.hosts:
        yield _line(2, "- name", host.name)
        yield _line(4, "connection", host.connection, "Airflow connection of type powermta")
        yield _line(4, "version", host.version, "pmta show version" if isinstance(host.version, str) else "")
        if host.accounting_dir:
            yield _line(4, "accounting_dir", host.accounting_dir, "where its <acct-file> moves closed files")


def mailwizz_name(tenant: TenantDraft) -> str:
    """The instance of a tenant, as far as a draft can name it."""
    if tenant.mailwizz:
        return tenant.mailwizz
    return f"mw-{tenant.name}" if isinstance(tenant.name, str) else "mailwizz"


def _mailwizz(draft: FleetDraft) -> list[str]:
    lines = ["", "mailwizz: # Airflow connections mailwizz_api_NAME and mailwizz_db_NAME"]
    for tenant in draft.tenants:
        name = mailwizz_name(tenant)
        lines += [_line(2, "- name", name), _line(4, "tenant", tenant.name)]
        if tenant.submitters:
            lines.append(
                "    addresses: # these may relay; their <source> blocks in your own configuration go then"
            )
        lines += [
            f"      - {scalar(str(address))} # {origin}" for address, origin in tenant.submitters.items()
        ]
    return lines


def _tenant(draft: FleetDraft, tenant: TenantDraft, ranges: bool) -> Iterator[str]:
    targets = [sender.target for stream in tenant.streams for sender in stream.senders]
    known = sum(target for target in targets if isinstance(target, int))
    without = sum(isinstance(target, Blank) for target in targets)
    hint = f"messages a UTC day over its {len(targets)} IPs; the daily targets below add up to {known}"
    hint += f", {without} have none yet" if without else ""
    yield _line(2, "- name", tenant.name)
    yield "    mode: observe # decides and records, changes nothing, until you write act"
    known_quota: Number = Blank(hint) if tenant.daily_quota is None else tenant.daily_quota
    yield _line(4, "daily_quota", known_quota, tenant.quota_remark)
    yield "    # brand_domains: [example.com] # domains that never send"
    yield "    streams:"
    for stream in tenant.streams:
        yield from _stream(draft, tenant, stream, ranges)


def _stream(draft: FleetDraft, tenant: TenantDraft, stream: StreamDraft, ranges: bool) -> Iterator[str]:
    known = Counter(sender.target for sender in stream.senders if isinstance(sender.target, int))
    usual: Number = known.most_common(1)[0][0] if known else stream.senders[0].target
    yield _line(6, "- name", stream.name)
    yield _line(8, "purpose", stream.purpose)
    yield _line(8, "consent", stream.consent)
    yield _line(8, "risk_class", stream.risk_class)
    yield _line(8, "pool", stream.pool)
    yield _line(8, "mailwizz", mailwizz_name(tenant))
    yield _line(8, "schedule", stream.schedule, "for IPs that warm up")
    told = any("daily_target" in sender.remarks for sender in stream.senders)
    what = "of most of its IPs" if told else "today's cap less head-room"
    yield _line(8, "daily_target", usual, f"messages a UTC day of one IP, fully warmed: {what}")
    yield "        ips:"
    entries = compress(stream.senders) if ranges else iter(stream.senders)
    for entry in entries:
        first = entry.senders[0] if isinstance(entry, Run) else entry
        yield from _range(draft, entry) if isinstance(entry, Run) else _single(draft, entry)
        if first.target != usual and not (isinstance(usual, Blank) and isinstance(first.target, Blank)):
            yield _line(12, "daily_target", first.target, _target_remark(first, usual))
        if isinstance(entry, Sender):
            yield from _evidence(entry)
        senders = entry.senders if isinstance(entry, Run) else (entry,)
        unsaid = (s for s in senders if s.state is IpState.ACTIVE and s.warmed_on is None)
        if any(_is_high(sender.target) for sender in unsaid):
            yield _line(12, "warmed_on", Blank("the day since which it really sends so much, as YYYY-MM-DD"))


def _evidence(sender: Sender) -> Iterator[str]:
    """What accounting proved about an IP."""
    if sender.state is IpState.WARMING:
        yield _line(12, "phase", sender.phase, sender.remarks.get("phase", ""))
    if sender.state is IpState.ACTIVE and sender.warmed_on is not None:
        yield _line(12, "warmed_on", str(sender.warmed_on), sender.remarks.get("warmed_on", ""))


def _is_high(target: Number) -> bool:
    return isinstance(target, int) and target > UNWARMED_MOST


def _target_remark(first: Sender, usual: Number) -> str:
    if "daily_target" in first.remarks:
        return first.remarks["daily_target"]
    low = isinstance(usual, int) and isinstance(first.target, int) and first.target * 2 < usual
    step = "a step of a warm-up? Then state warming, its phase, and the target that it shall reach"
    return f"{first.remark}; {step}" if low else first.remark


def _dkim(selector: Text, path: Text) -> list[str]:
    return ["            dkim:", _line(14, "selector", selector), _line(14, "key_path", path)]


def _single(draft: FleetDraft, sender: Sender) -> Iterator[str]:
    if isinstance(sender.address, Blank):
        yield _line(10, "- address", sender.address)
        yield _line(12, "bind_address", str(sender.bind_address), sender.remark)
    else:
        yield _line(10, "- address", str(sender.address), sender.remarks.get("address", sender.remark))
        if sender.bind_address is not None:
            yield _line(12, "bind_address", str(sender.bind_address), sender.remark)
    yield _line(12, "hostname", sender.hostname)
    yield _line(12, "domain", sender.domain)
    yield _line(12, "vmta", sender.vmta)
    yield _line(12, "host", sender.host or draft.host)
    told = sender.remarks.get("mailwizz_server_id", "")
    if sender.server is None:
        yield f"            # mailwizz_server_id: {cut(told, LONGEST_REMARK) or 'found by its header x-virtual-mta'}"
    else:
        yield _line(12, "mailwizz_server_id", sender.server, told)
    yield from _dkim(sender.selector, sender.key_path)
    state: Text = sender.state.value if isinstance(sender.state, IpState) else sender.state
    as_if = "as if fully warmed" if state == IpState.ACTIVE else ""
    yield _line(12, "state", state, sender.remarks.get("state", as_if))


def _range(draft: FleetDraft, run: Run) -> Iterator[str]:
    first = run.senders[0]
    yield _line(10, "- first", str(first.address), first.remark)
    yield _line(12, "count", len(run.senders))
    if run.number_from != 1:
        yield _line(12, "number_from", run.number_from)
    yield _line(12, "hostname", _by_number(run.hostname))
    yield _line(12, "domain", _by_number(run.domain))
    if run.prefixes:
        yield f"            prefixes: [{', '.join(scalar(prefix) for prefix in run.prefixes)}]"
    yield _line(12, "vmta", run.vmta)
    yield f"            hosts: [{scalar(draft.host)}]"
    hint = "id of the first one's delivery server; the others follow it one by one, else import with --single"
    yield _line(12, "mailwizz_first_server_id", Blank(hint))
    yield from _dkim(first.selector, run.key_path)
    yield from _states(run)


def _by_number(text: Text) -> Text:
    return Blank(f"{text.hint}; with {{n}} for the number") if isinstance(text, Blank) else text


def _states(run: Run) -> Iterator[str]:
    by_state: dict[IpState | Blank, list[int]] = {}
    for n, sender in enumerate(run.senders, run.number_from):
        by_state.setdefault(sender.state, []).append(n)
    yield "            states: # numbers that are not named stand by"
    for state, numbers in by_state.items():
        told = _spans(numbers)
        if isinstance(state, Blank):
            said = f"of {told}, the warming ones; then the others by active: or standby: ({state.hint})"
            yield _line(14, "warming", Blank(said))
        else:
            yield f'              {state.value}: "{told}" # as if fully warmed'


def _spans(numbers: list[int]) -> str:
    spans: list[list[int]] = []
    for n in numbers:
        if spans and n == spans[-1][1] + 1:
            spans[-1][1] = n
        else:
            spans.append([n, n])
    return ", ".join(f"{a}-{b}" if a != b else str(a) for a, b in spans)
