"""`fleet.yaml` to a `Fleet`, or one error that lists every mistake with its place."""

import re
from collections.abc import Sequence
from datetime import date
from itertools import accumulate

from email_engine.fleet import names
from email_engine.fleet.document import Section, read_document
from email_engine.fleet.entries import Defaults, read_entry, read_ramp, size_of
from email_engine.fleet.mistakes import FleetInvalid, Mistakes
from email_engine.fleet.model import (
    Fleet,
    IpAddress,
    MailwizzInstance,
    Mode,
    MtaBase,
    MtaHost,
    RiskClass,
    Stream,
    Tenant,
)
from email_engine.fleet.ranges import LARGEST_FLEET, parse_submitter
from email_engine.fleet.rules import Draft, Placed, check_all
from email_engine.plural import excerpt

SCHEDULES = frozenset({"six_week", "classic", "double"})
HIGHEST_QUOTA = 1_000_000_000
FORMAT = 1
MAIN_CONFIG = "/etc/pmta/config"
ENGINE_CONFIG = "/etc/pmta/email-engine.conf"
_BASE = MtaBase("", ())


def parse_fleet(
    text: str, source: str, schedules: frozenset[str] = SCHEDULES, today: date | None = None
) -> Fleet:
    """Reads a fleet file (the example include/config/fleet.yaml explains the format).

    Args:
        text: YAML.
        source: the file's name, as it shall stand in messages.
        schedules: names of the warm-up schedules that exist.
        today: the UTC day after which no `warmed_on` may be; None where nobody asks.

    Raises:
        FleetInvalid: with every mistake in the file, in order.
    """
    mistakes = Mistakes()
    top = read_document(text, source, mistakes)
    draft = read_draft(top, schedules) if top else None
    if draft:
        check_all(draft, mistakes, today)
    if mistakes.found or draft is None:
        raise FleetInvalid(source, mistakes.found)
    return Fleet(
        tenants=tuple(t.item for t in draft.tenants),
        streams=tuple(s.item for s in draft.streams),
        mta_hosts=tuple(h.item for h in draft.mta_hosts),
        mailwizz_instances=tuple(m.item for m in draft.mailwizz),
        ips=tuple(sender.ip for sender in draft.senders),
    )


def read_draft(top: Section, schedules: frozenset[str]) -> Draft:
    """What the file says, before its parts are held against each other; mistakes are noted."""
    top.only("version", "mta_hosts", "mailwizz", "tenants")
    top.number("version", FORMAT, FORMAT)
    hosts = tuple(Placed(_mta_host(section), section.place) for section in top.sections("mta_hosts"))
    mailwizz = tuple(Placed(_mailwizz(section), section.place) for section in top.sections("mailwizz"))
    tenants: list[Placed[Tenant]] = []
    streams: list[Placed[Stream]] = []
    entries: list[tuple[Section, Stream, Defaults]] = []
    for section in top.sections("tenants"):
        tenant = _tenant(section)
        tenants.append(Placed(tenant, section.place))
        for part in section.sections("streams"):
            stream, defaults = _stream(part, tenant.name, schedules)
            streams.append(Placed(stream, part.place))
            entries.extend((entry, stream, defaults) for entry in part.sections("ips"))
    few = _few_enough([entry for entry, _, _ in entries])
    senders = [sender for parts in entries for sender in read_entry(*parts)] if few else []
    return Draft(tuple(tenants), tuple(streams), hosts, mailwizz, tuple(senders))


def _few_enough(entries: list[Section]) -> bool:
    """Counted before anything is expanded; notes the entry that makes them too many."""
    counts = [size_of(entry) for entry in entries]
    over = next((n for n, total in enumerate(accumulate(counts)) if total > LARGEST_FLEET), None)
    if over is not None:
        seen = f"the file means {sum(counts):,} IPs"
        entries[over].mistakes.add(entries[over].place, seen, f"at most {LARGEST_FLEET:,} in a fleet")
    return over is None


def _mta_host(section: Section) -> MtaHost:
    section.only("name", "connection", "version", "config_file", "accounting_dir", "base", "room_for")
    name = section.text("name", names.name)
    file = section.text("config_file", _config_file, MAIN_CONFIG if section.has("base") else ENGINE_CONFIG)
    if file == MAIN_CONFIG and not section.has("base"):
        section.add(
            "config_file",
            f"{file} is the operator's own file, and the engine would overwrite it",
            f"{ENGINE_CONFIG} with a line `include {ENGINE_CONFIG}` in {file}, or a `base` if nobody keeps one there",
        )
    elif file == f"{MAIN_CONFIG}-defaults":
        section.add("config_file", f"package upgrades overwrite {file}", "a file of the engine's own")
    return MtaHost(
        name=name,
        connection=section.text("connection", names.connection, f"powermta_{name}"),
        version=section.text("version", names.version, "5.0"),
        config_file=file,
        accounting_dir=section.text("accounting_dir", names.data_folder, "/var/log/pmta/done"),
        base=_base(section),
        room_for=section.number("room_for", 1, LARGEST_FLEET) if section.has("room_for") else None,
    )


def _config_file(text: str) -> str | None:
    """PowerMTA's own two files are talked about later, with their own advice."""
    return None if text in (MAIN_CONFIG, f"{MAIN_CONFIG}-defaults") else names.engine_file(text)


def _base(host: Section) -> MtaBase | None:
    section = host.section("base")
    if section is None:
        return None
    section.only(*MtaBase.__dataclass_fields__)
    listeners = section.texts("listeners", names.listener)
    if not listeners and not section.has("listeners"):
        section.add("listeners", "missing", "where MailWizz hands mail over, such as 10.0.0.5:2525")
    if len(set(listeners)) < len(listeners):
        section.add("listeners", "one stands twice", "each once")
    postmaster = section.text("postmaster", names.mailbox)
    complaints, bounces = (
        section.texts(key, names.mailbox) for key in ("complaint_addresses", "bounce_addresses")
    )
    _check_reports(section, postmaster, listeners, complaints, bounces)
    return MtaBase(
        complaint_addresses=complaints,
        bounce_addresses=bounces,
        postmaster=postmaster,
        listeners=listeners,
        http_port=section.number("http_port", 0, 65535, _BASE.http_port),
        log_file=section.text("log_file", names.data_file, _BASE.log_file),
        spool=section.text("spool", names.data_folder, _BASE.spool),
        run_as_root=section.truth("run_as_root", _BASE.run_as_root),
    )


def _check_reports(
    base: Section,
    postmaster: str,
    listeners: Sequence[str],
    complaints: Sequence[str],
    bounces: Sequence[str],
) -> None:
    """Reports come from outside, and each address is read by one processor; the postmaster gets what is no report."""
    key = "complaint_addresses" if complaints else "bounce_addresses"
    outer = [one for one in listeners if one.endswith(":25") and not one.startswith("127.")]
    if (complaints or bounces) and listeners and not outer:
        base.add(
            key,
            "no listener on port 25 of an outer address, where reports come in",
            "such a listener, or none of them",
        )
    given = [one.lower() for one in (*complaints, *bounces)]
    if twice := next((one for one in given if given.count(one) > 1), None):
        base.add(key, f"{excerpt(twice)} stands twice", "each once, as one of both")
    if postmaster.lower() in given:
        base.add(
            key, f"{excerpt(postmaster)} is the postmaster, who gets what is no report", "another address"
        )


def _mailwizz(section: Section) -> MailwizzInstance:
    section.only("name", "tenant", "api_connection", "db_connection", "addresses")
    name = section.text("name", names.name)
    return MailwizzInstance(
        name=name,
        tenant=section.text("tenant", names.name),
        api_connection=section.text("api_connection", names.connection, f"mailwizz_api_{name}"),
        db_connection=section.text("db_connection", names.connection, f"mailwizz_db_{name}"),
        addresses=_addresses(section),
    )


def _addresses(section: Section) -> tuple[IpAddress, ...]:
    found = set()
    for text in section.texts("addresses", names.words):
        try:
            found.add(parse_submitter(text))
        except ValueError as error:
            section.add("addresses", str(error), "single IP addresses, no ranges")
    return tuple(sorted(found, key=lambda address: (address.version, int(address))))


def _tenant(section: Section) -> Tenant:
    section.only("name", "title", "mode", "daily_quota", "brand_domains", "streams")
    name = section.text("name", names.name)
    if name and not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        section.add(
            "name", excerpt(name), "a name without dots: it is part of file markers and metric labels"
        )
    return Tenant(
        name=name,
        title=section.text("title", names.words, name),
        mode=section.choice("mode", Mode) or Mode.OBSERVE,
        daily_quota=section.number("daily_quota", 1, HIGHEST_QUOTA),
        brand_domains=section.texts("brand_domains", names.hostname),
    )


def _stream(section: Section, tenant: str, schedules: frozenset[str]) -> tuple[Stream, Defaults]:
    section.only(
        "name", "purpose", "consent", "risk_class", "pool", "mailwizz", "schedule", "daily_target", "daily_quota", "ips"
    )  # fmt: skip
    name = section.text("name", names.name)
    stream = Stream(
        tenant=tenant,
        name=name,
        purpose=section.text("purpose", names.words, name),
        consent=section.text("consent", names.words),
        risk_class=section.choice("risk_class", RiskClass) or RiskClass.STANDARD,
        pool=section.text("pool", names.name, f"{tenant}-{name}"),
        mailwizz=section.text("mailwizz", names.name),
        daily_quota=section.number("daily_quota", 1, HIGHEST_QUOTA) if section.has("daily_quota") else None,
    )
    return stream, read_ramp(section, schedules, None, None)
