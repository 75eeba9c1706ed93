"""One MailWizz: its API, its database, grants, and the delivery servers that the fleet names."""

from collections.abc import Iterator, Sequence

from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.doctor.finding import DoctorFinding, Named, not_seen, ok, wrong
from email_engine.fleet.model import MailwizzInstance, SendingIp
from email_engine.mailer.learning import servers_naming
from email_engine.mailer.model import GOVERNED, Warmup
from email_engine_airflow.doctor.stored import tested
from email_engine_airflow.hooks.mailwizz import MailwizzHook
from email_engine_airflow.hooks.mailwizz_db import MailwizzDbHook

SHOWN = 5


def mailwizz_checks(
    instance: MailwizzInstance, ips: Sequence[SendingIp], known: tuple[str, ...]
) -> Iterator[Named]:
    api, db = instance.api_connection, instance.db_connection
    names = {
        key: f"{instance.name}: {text}"
        for key, text in (("api", f"connection {api}"), ("db", f"connection {db}"), ("grants", "grants"),
                          ("servers", "delivery servers"), ("headers", "x-virtual-mta"))
    }  # fmt: skip
    works: list[bool] = []

    def database() -> DoctorFinding:
        found = tested(
            names["db"], db, "mailwizz_db", known, lambda: MailwizzDbHook(db).test_connection()
        )  # fmt: skip
        works.append(found.state == "ok")
        return found

    def inside(key: str) -> DoctorFinding:
        if not (works and works[0]):
            return not_seen(names[key], "the database connection does not work", "mend the connection first")
        with MailwizzDbHook(db).get_conn() as mailwizz:
            if key == "grants":
                return grants(mailwizz, names[key])
            return (
                servers(mailwizz, ips, names[key]) if key == "servers" else headers(mailwizz, ips, names[key])
            )

    yield Named(
        names["api"], lambda: tested(names["api"], api, "mailwizz", known, lambda: MailwizzHook(api).test_connection())
    )  # fmt: skip
    yield Named(names["db"], database)
    yield Named(names["grants"], lambda: inside("grants"))
    yield Named(names["servers"], lambda: inside("servers"))
    yield Named(names["headers"], lambda: inside("headers"))


def grants(mailwizz: MailwizzDb, subject: str) -> DoctorFinding:
    unread = mailwizz.catalogue().unread()
    if unread:
        prefix = mailwizz.database.table_prefix
        listed = "; ".join(f"{', '.join(columns)} of {prefix}{name}" for name, columns in unread.items())
        return wrong(subject, f"no SELECT on {listed}", "`email-engine mailwizz grants` prints what to grant")
    lacking = mailwizz.columns_not_writable()
    if not lacking:
        return ok(subject, "quotas, status and last_updated of the delivery servers may be written")
    table = f"{mailwizz.database.table_prefix}delivery_server"
    return wrong(
        subject, f"no UPDATE on {', '.join(lacking)} of {table}",
        f"as administrator: GRANT UPDATE ({', '.join(lacking)}) ON {table} TO the engine's user",
    )  # fmt: skip


def servers(mailwizz: MailwizzDb, ips: Sequence[SendingIp], subject: str) -> DoctorFinding:
    """Every server of the fleet is there and in the engine's hand."""
    there = {server.server_id: server for server in mailwizz.servers()}
    faults = []
    for ip in ips:
        if ip.mailwizz_server_id is None:
            if not servers_naming(ip.vmta, there.values()):
                faults.append(f"none for {ip.address}: no header x-virtual-mta: {ip.vmta}")
            continue
        server = there.get(ip.mailwizz_server_id)
        if server is None:
            faults.append(f"{ip.mailwizz_server_id} ({ip.address}) is not there")
        elif server.warmup is Warmup.RUNNING:
            faults.append(f"{ip.mailwizz_server_id} has a warm-up plan of MailWizz's own")
        elif server.setting.status not in GOVERNED:
            faults.append(f"{ip.mailwizz_server_id} is {server.setting.status}")
    if not faults:
        return ok(subject, f"all {len(ips)} of the fleet are there")
    return wrong(
        subject, _some(faults), "correct mailwizz_server_id in the fleet file; end warm-up plans and set servers active in MailWizz"
    )  # fmt: skip


def headers(mailwizz: MailwizzDb, ips: Sequence[SendingIp], subject: str) -> DoctorFinding:
    """Each names the virtual MTA of its IP, and that one alone."""
    there = {server.server_id: server.vmtas for server in mailwizz.servers()}
    faults = [
        f"server {ip.mailwizz_server_id} names {_names(there[ip.mailwizz_server_id])} instead of {ip.vmta}"
        for ip in ips
        if ip.mailwizz_server_id is not None
        and ip.mailwizz_server_id in there
        and there[ip.mailwizz_server_id] != (ip.vmta,)
    ]
    if not faults:
        return ok(subject, f"every delivery server of its {len(ips)} IPs names its virtual MTA")
    return wrong(
        subject, _some(faults), "in MailWizz, edit the server: additional header x-virtual-mta with that virtual MTA"
    )  # fmt: skip


def _names(vmtas: tuple[str, ...] | None) -> str:
    return "what cannot be read" if vmtas is None else " and ".join(vmtas) or "none"


def _some(faults: Sequence[str]) -> str:
    more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    return "; ".join(faults[:SHOWN]) + more
