"""Everything that an adoption reads, host by host and MailWizz by MailWizz; what cannot be read is named, and the rest goes on."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from email_engine.adapters.mailwizz_adoption import known_ids, read_waiting, sender_domains
from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.adoption.acct_files import AcctFile, accounting_folder, acct_findings, read_acct_files
from email_engine.adoption.adopt import HostRead, Wishes, read_host
from email_engine.adoption.findings import AdoptionFinding, Topic
from email_engine.adoption.gaps import printable
from email_engine.adoption.request import AdoptRequest, InstanceAsked
from email_engine.adoption.servers import InstanceSeen, owners_of
from email_engine.errors import EngineError, InputError
from email_engine.fleet import names
from email_engine.fleet.model import Fleet, MtaHost
from email_engine.mailer.unreadable import Unreadable
from email_engine.mailer.waiting import WaitingCampaign
from email_engine.pipelines.fleet_adopt.files import FilesRead, read_files
from email_engine.pipelines.fleet_adopt.message_ids import message_id_findings
from email_engine.pipelines.fleet_adopt.sources import HostSource
from email_engine.plural import amount, excerpt
from email_engine.pmta.config.deploy_policy import deploy_policy
from email_engine.pmta.language.assembly import Assembly
from email_engine.simulation.file_traffic import FileTraffic

log = logging.getLogger(__name__)
OpenDatabase = Callable[[str], MailwizzDb]
MENDED = "mend it and run fleet_adopt again"


@dataclass(slots=True)
class HostSeen:
    """One host whose configuration was read. `traffic`: its accounting; `files` None: nothing of it could be read."""

    source: HostSource
    read: HostRead
    acct_files: tuple[AcctFile, ...]
    version: str | None = None
    files: FilesRead | None = None
    traffic: FileTraffic | None = None

    @property
    def name(self) -> str:
        return self.source.asked.name


@dataclass(slots=True)
class Seen:
    """`waiting`: live campaigns by instance."""

    hosts: list[HostSeen] = field(default_factory=list)
    instances: list[InstanceSeen] = field(default_factory=list)
    waiting: dict[str, tuple[WaitingCampaign, ...]] = field(default_factory=dict)
    findings: list[AdoptionFinding] = field(default_factory=list)

    def add(self, topic: Topic, subject: str, observed: str, next_step: str) -> None:
        self.findings.append(AdoptionFinding(topic, subject, observed, next_step))


def look_at_instances(request: AdoptRequest, open_database: OpenDatabase, seen: Seen) -> None:
    """Servers, customers and campaigns of every instance."""
    if not request.instances:
        seen.add(
            Topic.UNREAD, "MailWizz", "none was named: no delivery server, quota or campaign is known",
            "name it (`mailwizz`) and run fleet_adopt again",
        )  # fmt: skip
    for asked in request.instances:
        instance = _instance(asked, open_database, seen)
        seen.instances.append(instance)


def _instance(asked: InstanceAsked, open_database: OpenDatabase, seen: Seen) -> InstanceSeen:
    subject = f"MailWizz {asked.name}"
    try:
        with open_database(asked.connection) as database:
            servers = database.servers()
            senders = database.senders()
            waiting = read_waiting(database)
            domains = sender_domains(database)
            host = database.database.url.host or ""
    except EngineError as error:
        log.warning("%s", error)
        return InstanceSeen(asked.name, asked.tenant, why=f"{error.observed}; {error.next_step}")
    if isinstance(waiting, Unreadable):
        seen.add(Topic.UNREAD, subject, f"campaigns: {waiting.told}", waiting.next_step or MENDED)
    else:
        seen.waiting[asked.name] = waiting
    if senders.customers is None:
        step = (
            "grant it as `email-engine mailwizz grants` prints it; until then the quota is what the IPs carry"
        )
        seen.add(Topic.UNREAD, subject, "customers and their quotas cannot be read with this login", step)
    return InstanceSeen(asked.name, asked.tenant, servers, senders, host=host, domains=domains)


def look_at_hosts(request: AdoptRequest, sources: Sequence[HostSource], seen: Seen) -> None:
    """Configurations and versions. Raises the first EngineError if no host could be read at all."""
    owners = owners_of(seen.instances)
    failures = []
    for source in sources:
        try:
            assembly = source.configuration(request.config_file)
        except EngineError as error:
            failures.append(error)
            step = f"{error.next_step}; its IPs are not in the draft until then"
            seen.add(Topic.UNREAD, f"host {source.asked.name}", error.observed, step)
            continue
        seen.hosts.append(_host(source, assembly, request, owners, seen))
    if failures and not seen.hosts:
        raise failures[0]
    if not seen.hosts:
        raise InputError("fleet adopt", "no host", "one host at least", "name it")


def _host(
    source: HostSource, assembly: Assembly, request: AdoptRequest, owners: dict[str, str], seen: Seen
) -> HostSeen:
    asked = source.asked
    beside = {one.host: one.tenant for one in seen.instances if one.host and one.tenant}
    wishes = Wishes(
        deploy_policy().head_room_percent, asked.name, asked.connection, request.tenant, False, owners, beside
    )
    host = HostSeen(source, read_host(assembly, wishes), read_acct_files(assembly))
    usual = MtaHost("", "").accounting_dir
    folder = accounting_folder(host.acct_files)
    if folder and folder != usual:
        host.read.draft.hosts[0].accounting_dir = folder
    seen.findings += acct_findings(asked.name, host.acct_files)
    for file in host.acct_files:
        if file.folder and file.folder == (folder or usual):
            told = f"<acct-file {printable(file.path)}> ({file.place}) goes when the engine's own writes to {file.folder}: else each record is told twice"
            host.read.draft.notes.append(told)
    try:
        said = source.version()
        if said is not None and (allowed := names.version(said)):
            raise InputError("pmta show version", excerpt(said), allowed, "write it into the draft")
        host.version = said
    except EngineError as error:
        seen.add(Topic.UNREAD, f"host {asked.name}", f"its version: {error.observed}", error.next_step)
    return host


def look_at_accounting(seen: Seen, fleet: Fleet, first: date, now: datetime) -> None:
    """`fleet`: all IPs of the draft; `first`: the UTC day with which the days begin."""
    for host in seen.hosts:
        subject = f"host {host.name}"
        own = replace(fleet, ips=tuple(ip for ip in fleet.ips if ip.mta_host == host.name))
        traffic = FileTraffic(own, first)
        try:
            with host.source.accounting(accounting_folder(host.acct_files)) as source:
                files = None if source is None else read_files(source, traffic, first, now)
        except EngineError as error:
            seen.add(Topic.UNREAD, subject, f"its accounting: {error.observed}", error.next_step)
            continue
        if files is None or not files.files:
            seen.add(
                Topic.UNREAD,
                subject,
                "no accounting file of these days was found",
                "name the folder where its closed files lie, and run again",
            )
        if files is not None:
            host.files = files
            host.traffic = traffic if files.files else None
            seen.findings += _file_findings(host.name, files, traffic, now)


def _file_findings(host: str, files: FilesRead, traffic: FileTraffic, now: datetime) -> list[AdoptionFinding]:
    found = []

    def add(subject: str, observed: str, next_step: str) -> None:
        found.append(AdoptionFinding(Topic.ACCOUNTING, f"host {host}{subject}", observed, next_step))

    for name, why in sorted(files.passed_over)[:5]:
        add(f", {name}", f"was passed over: {why}", "what it tells is missing here; look at it")
    if len(files.passed_over) > 5:
        add("", f"{len(files.passed_over) - 5} more files were passed over", "look at the folder")
    if files.ended:
        add(
            "",
            f"reading ended early, {files.ended}",
            "what those files tell is missing here: evidence is thinner than it could be",
        )
    if traffic.unreadable:
        add(
            "",
            f"{amount(traffic.unreadable, 'row')} could not be read",
            "`email-engine ingest FILE` names their lines",
        )
    if traffic.unknown_sources:
        names = ", ".join(
            f"{name} ({count} records)" for name, count in traffic.unknown_sources.most_common(3)
        )
        add(
            "",
            f"mail left by sources that the draft does not have: {names}",
            "are they IPs that belong in the fleet?",
        )
    if files.last is not None and now - files.last > STALE:
        add(
            "",
            f"its accounting ends on {files.last.date()}",
            "nothing is known of the days since: see that files still arrive there",
        )
    return found


STALE = timedelta(days=2)
"""So long ago the last mail of a host may be before its days count as not known."""


def look_for_message_ids(request: AdoptRequest, open_database: OpenDatabase, seen: Seen) -> None:
    """Are the newest Message-Ids of accounting in some MailWizz's delivery log?"""
    readable = [one for one in seen.instances if one.servers is not None]
    connections = {asked.name: asked.connection for asked in request.instances}

    def ask(name: str, ids: Sequence[str]) -> dict[str, int | None] | Unreadable:
        try:
            with open_database(connections[name]) as database:
                found = known_ids(database, ids)
        except EngineError as error:
            return Unreadable(error.observed, error.next_step)
        return found if isinstance(found, Unreadable) else dict(found)

    for host in seen.hosts:
        if host.files is not None:
            seen.findings += message_id_findings(host.name, host.files, [one.name for one in readable], ask)
