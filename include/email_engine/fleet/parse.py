"""`fleet.yaml` to a `Fleet`, or one error that lists every mistake with its place."""

import re
from datetime import date

from email_engine.fleet import names
from email_engine.fleet.document import Section, read_document
from email_engine.fleet.entries import Sender, read_entry, read_ramp
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
from email_engine.fleet.ranges import parse_submitter
from email_engine.fleet.rules import Draft, Placed, check_all

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
    draft = _read(top, schedules) if top else None
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


def _read(top: Section, schedules: frozenset[str]) -> Draft:
    top.only("version", "mta_hosts", "mailwizz", "tenants")
    top.number("version", FORMAT, FORMAT)
    hosts = tuple(Placed(_mta_host(section), section.place) for section in top.sections("mta_hosts"))
    mailwizz = tuple(Placed(_mailwizz(section), section.place) for section in top.sections("mailwizz"))
    tenants: list[Placed[Tenant]] = []
    streams: list[Placed[Stream]] = []
    senders: list[Sender] = []
    for section in top.sections("tenants"):
        tenant = _tenant(section)
        tenants.append(Placed(tenant, section.place))
        for part in section.sections("streams"):
            stream, its_senders = _stream(part, tenant.name, schedules)
            streams.append(Placed(stream, part.place))
            senders.extend(its_senders)
    return Draft(tuple(tenants), tuple(streams), hosts, mailwizz, tuple(senders))


def _mta_host(section: Section) -> MtaHost:
    section.only("name", "connection", "version", "config_file", "accounting_dir", "base")
    name = section.text("name", names.name)
    file = section.text("config_file", names.file_path, MAIN_CONFIG if section.has("base") else ENGINE_CONFIG)
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
        accounting_dir=section.text("accounting_dir", names.file_path, "/var/log/pmta/done"),
        base=_base(section),
    )


def _base(host: Section) -> MtaBase | None:
    section = host.section("base")
    if section is None:
        return None
    section.only("postmaster", "listeners", "http_port", "log_file", "spool", "run_as_root")
    listeners = section.texts("listeners", names.listener)
    if not listeners and not section.has("listeners"):
        section.add("listeners", "missing", "where MailWizz hands mail over, such as 10.0.0.5:2525")
    if len(set(listeners)) < len(listeners):
        section.add("listeners", "one stands twice", "each once")
    return MtaBase(
        postmaster=section.text("postmaster", names.mailbox),
        listeners=listeners,
        http_port=section.number("http_port", 0, 65535, _BASE.http_port),
        log_file=section.text("log_file", names.file_path, _BASE.log_file),
        spool=section.text("spool", names.file_path, _BASE.spool),
        run_as_root=section.truth("run_as_root", _BASE.run_as_root),
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
        section.add("name", repr(name), "a name without dots: it is part of file markers and metric labels")
    return Tenant(
        name=name,
        title=section.text("title", names.words, name),
        mode=section.choice("mode", Mode) or Mode.OBSERVE,
        daily_quota=section.number("daily_quota", 1, HIGHEST_QUOTA),
        brand_domains=section.texts("brand_domains", names.hostname),
    )


def _stream(section: Section, tenant: str, schedules: frozenset[str]) -> tuple[Stream, tuple[Sender, ...]]:
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
    defaults = read_ramp(section, schedules, None, None)
    senders = [s for entry in section.sections("ips") for s in read_entry(entry, stream, defaults)]
    return stream, tuple(senders)
