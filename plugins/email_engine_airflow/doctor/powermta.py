"""One PowerMTA host: login, version, the include line, folders, rights, headers, clock."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from fnmatch import fnmatchcase

from email_engine.adapters.powermta import PowerMta
from email_engine.adapters.powermta_health import OPERATORS_FILE, read_status
from email_engine.doctor.finding import DoctorFinding, Named, not_seen, ok, wrong
from email_engine.fleet.model import MtaHost
from email_engine.health.policy import shipped_health_policy
from email_engine.pmta.language.grammar import keyword
from email_engine.pmta.language.parse import parse
from email_engine.pmta.language.tree import Directive, walk
from email_engine.pmta.language.values import unquoted
from email_engine.pmta.release import Release
from email_engine_airflow.doctor.stored import tested
from email_engine_airflow.hooks.powermta import PowerMtaHook

_YES = frozenset({"yes", "true", "1", "on"})
Look = Callable[[PowerMta, MtaHost, str], DoctorFinding]


def powermta_checks(host: MtaHost, known: tuple[str, ...]) -> Iterator[Named]:
    """The connection first; the others only look where that one works."""
    subject = f"{host.name}: connection {host.connection}"
    works: list[bool] = []

    def connection() -> DoctorFinding:
        found = tested(
            subject,
            host.connection,
            "powermta",
            known,
            lambda: PowerMtaHook(host.connection).test_connection(),
        )
        works.append(found.state == "ok")
        return found

    yield Named(subject, connection)
    for what, look in LOOKS.items():
        name = f"{host.name}: {what}"
        yield Named(name, lambda name=name, look=look: _look(host, name, look, bool(works and works[0])))  # type: ignore[misc]


def _look(host: MtaHost, subject: str, look: Look, works: bool) -> DoctorFinding:
    if not works:
        return not_seen(subject, "the connection does not work", "mend the connection first")
    with PowerMtaHook(host.connection).get_conn() as mta:
        return look(mta, host, subject)


def version(mta: PowerMta, host: MtaHost, subject: str) -> DoctorFinding:
    runs = mta.version()
    installed, said = Release.read(runs), Release.read(host.version)
    if installed and said and said.covers(installed):
        return ok(subject, f"{runs}, as in the fleet file")
    return wrong(
        subject, f"{runs} runs, the fleet file says {host.version}", f"correct `version` of {host.name} there"
    )


def include_line(mta: PowerMta, host: MtaHost, subject: str) -> DoctorFinding:
    if host.base is not None:
        return ok(subject, f"none needed: the engine writes the whole of {host.config_file}")
    data = mta.read(OPERATORS_FILE)
    if data is None:
        return wrong(
            subject, f"{OPERATORS_FILE} is not there", "see that PowerMTA is installed, or use `base` in the fleet file"
        )  # fmt: skip
    names = _values(data.decode("utf-8", "replace"), "include")
    if any(fnmatchcase(host.config_file, name) for name in names):
        return ok(subject, f"{OPERATORS_FILE} includes {host.config_file}")
    return wrong(
        subject, f"{OPERATORS_FILE} does not include {host.config_file}: what is deployed would have no effect",
        f"add the line `include {host.config_file}` there and create that file empty",
    )  # fmt: skip


def folder_and_clock(mta: PowerMta, host: MtaHost, subject: str) -> DoctorFinding:
    """A file is written beside the engine's own and removed again; its time shows the host's clock."""
    offset = mta.clock_offset(host.config_file)
    limit = shipped_health_policy().clock_warning
    if abs(offset) > limit:
        return wrong(
            subject, f"writable, but the host's clock is {_off(offset)}",
            "let chrony or systemd-timesyncd keep both clocks (`timedatectl`)",
        )  # fmt: skip
    return ok(subject, f"the folder of {host.config_file} is writable; clocks agree")


def _off(offset: timedelta) -> str:
    seconds = offset.total_seconds()
    return f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} this machine's"


def accounting(mta: PowerMta, host: MtaHost, subject: str) -> DoctorFinding:
    where = host.accounting_dir
    if not mta.exists(where):
        return wrong(
            subject, f"{where} is not there", "create it, owned by pmta, on the volume of /var/log/pmta; or correct `accounting_dir`"
        )  # fmt: skip
    count = len(mta.listdir(where))
    if count:
        return ok(subject, f"{where} holds {count} closed file{'s' * (count > 1)}")
    if read_status(mta).sent:
        return wrong(
            subject, f"{where} is empty though mail was sent", "see `acct-file` in PowerMTA's configuration: closed files must move there"
        )  # fmt: skip
    return ok(subject, f"{where} is there and empty; no mail was sent yet")


def rights(mta: PowerMta, host: MtaHost, subject: str) -> DoctorFinding:
    """Whoever may test the configuration may reload it: both go through PowerMTA's own door. Nothing is reloaded."""
    read_status(mta)
    if not mta.knows_test_config():
        return not_seen(
            subject, "this release has no `pmta test config`; `pmta show status` may be run", "the first deployment will show it"
        )  # fmt: skip
    mta.test_config()
    return ok(subject, "`pmta show status` and `pmta test config` may be run, and the configuration is sound")


def headers(mta: PowerMta, host: MtaHost, subject: str) -> DoctorFinding:
    """Mail names its virtual MTA in a header that PowerMTA must obey."""
    texts = [
        (mta.read(path) or b"").decode("utf-8", "replace")
        for path in dict.fromkeys((OPERATORS_FILE, host.config_file))
    ]
    said = [value.lower() for text in texts for value in _values(text, "process-x-virtual-mta")]
    if any(word in _YES for word in said):
        return ok(subject, "a source says process-x-virtual-mta yes")
    step = "put `process-x-virtual-mta yes` into the <source> that MailWizz injects through"
    others = [
        name for text in texts for name in _values(text, "include")
        if not fnmatchcase(host.config_file, name) and name != OPERATORS_FILE
    ]  # fmt: skip
    if others and not said:
        return not_seen(
            subject,
            f"no process-x-virtual-mta here; other files are included ({', '.join(others[:3])})",
            f"see there; or {step}",
        )
    return wrong(subject, "no source has process-x-virtual-mta yes: mail would leave by any IP", step)


def _values(text: str, name: str) -> list[str]:
    """Of every directive of that name, in whatever block."""
    nodes = (node for _, _, node in walk(parse(text).root) if isinstance(node, Directive))
    return [unquoted(node.value) for node in nodes if keyword(node.name) == name and node.value]


LOOKS: dict[str, Look] = {
    "version": version,
    "include line": include_line,
    "folder and clock": folder_and_clock,
    "accounting": accounting,
    "right to run pmta": rights,
    "x-virtual-mta": headers,
}
