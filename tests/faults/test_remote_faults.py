"""A host, MailWizz, Telegram or DNS that is away or refuses us: one clear error, nothing half-done, mended by the next run."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import make_url

from email_engine.adapters import mailwizz_api, telegram
from email_engine.errors import AccessDenied, EngineError, HostKeyChanged, NotVerified, Unreachable
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.telling import alerts
from email_engine_airflow.operators.accounting_ingest import IngestHost
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.dns_validate import CheckDns
from email_engine_airflow.operators.pmta_config_deploy import DeployHost, PlanDeploy
from email_engine_airflow.operators.rbl_sweep import ConfirmListings, ProbeLists, SweepLists
from lab.testing import API_KEY, RunningLab
from tests.faults.evidence import everything, failure
from tests.postgres_fixtures import PASSWORD
from tests.whole_lab import Whole, connections, prepare

POWERMTA = "AIRFLOW_CONN_POWERMTA_MTA-1"
MAILWIZZ_API = "AIRFLOW_CONN_MAILWIZZ_API_MW-AURORA"
MAILWIZZ_DB = "AIRFLOW_CONN_MAILWIZZ_DB_MW-AURORA"
TELEGRAM = "AIRFLOW_CONN_TELEGRAM_ALERTS_DEFAULT"
DNS = "AIRFLOW_CONN_DNS_RESOLVER_DEFAULT"
WRONG_API_KEY = "f" * 40
WRONG_TOKEN = "654321:A-wrong-token_of_nobody"
WRONG_PASSWORD = "a-wrong-password"


def ssh_key() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


STRANGE_KEY = ssh_key()


@dataclass
class Bench:
    """The lab with its fleet, and the means to break a connection."""

    whole: Whole
    good: dict[str, str]
    patch: pytest.MonkeyPatch
    nowhere: str
    log: pytest.LogCaptureFixture

    def change(self, name: str, **fields: Any) -> None:
        """`extra` is merged, everything else replaced."""
        document = json.loads(self.good[name])
        extra = (document.get("extra") or {}) | fields.pop("extra", {})
        self.patch.setenv(name, json.dumps(document | fields | {"extra": extra}))

    def mend(self) -> None:
        for name, value in self.good.items():
            self.patch.setenv(name, value)
        self.whole.lab.knob("up")
        self.whole.lab.knob("change_host_key", restore=True)
        self.whole.lab.knob("silence_dns", on=False)
        self.whole.lab.knob("telegram.calm")
        self.whole.lab.knob("mailwizz.offline", on=False)

    @property
    def secrets(self) -> list[str]:
        keys = [json.loads(self.good[POWERMTA])["extra"]["private_key"], STRANGE_KEY]
        lines = [line for key in keys for line in key.splitlines() if line and "-----" not in line]
        mailwizz = make_url(self.whole.lab.world["mailwizz"][0]["database_url"]).password
        token = self.whole.lab.world["telegram"]["token"]
        return [*lines, API_KEY, WRONG_API_KEY, str(mailwizz), PASSWORD, token, WRONG_TOKEN, WRONG_PASSWORD]


@pytest.fixture
def bench(
    lab: RunningLab, store: Store, engine_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Bench]:  # fmt: skip
    monkeypatch.setattr(telegram, "BACK_OFF", (0.01,))
    monkeypatch.setattr(mailwizz_api, "BACK_OFF", (0.01,))
    caplog.set_level(logging.DEBUG)
    whole = prepare(lab, store, engine_database_url, monkeypatch)
    made = Bench(whole, connections(lab, engine_database_url), monkeypatch, str(tmp_path), caplog)
    yield made
    made.mend()


@dataclass(frozen=True)
class Work:
    """`ready` runs while all is well and gives what `run` needs; `proof` looks at the result of the run that healed.

    `may_write`: tables that the failed run may have written to."""

    run: Callable[[Whole, Any], Any]
    proof: Callable[[Whole, Any], bool]
    ready: Callable[[Whole], Any] = lambda whole: None
    kind: type[EngineError] | None = None
    may_write: tuple[Any, ...] = (s.alerts, s.incidents)


def plan(whole: Whole, _: Any = None) -> dict[str, Any]:
    return PlanDeploy(task_id="plan", mta_host="mta-1").execute(whole.context("pmta_config_deploy"))


def apply(whole: Whole, planned: dict[str, Any]) -> dict[str, Any]:
    return DeployHost(task_id="canary", plan=planned).execute(whole.context("pmta_config_deploy"))


def ingest(whole: Whole, _: Any) -> dict[str, Any]:
    return IngestHost(task_id="ingest", mta_host="mta-1").execute(whole.context("accounting_ingest"))


def make_records(whole: Whole) -> None:
    whole.deploy()
    whole.mail(1, 20)
    whole.later()
    whole.lab.knob("rotate_accounting")


PLAN = Work(plan, lambda whole, done: done["changed"], may_write=(s.alerts, s.incidents, s.fleet_versions))
APPLY = Work(
    apply,
    lambda whole, done: done["status"] == "verified" and whole.rows(s.deployments)[-1].status == "verified",
    plan,
)
INGEST = Work(ingest, lambda whole, done: done["records"] >= 20, make_records)
HOLD = Work(
    lambda whole, _: whole.brake(),
    lambda whole, done: done["held"] == 1 and whole.disabled_sources() == ["198.51.100.1"],
    lambda whole: whole.engage(1),
    NotVerified,
    (s.alerts, s.incidents, s.brakes, s.quota_syncs, s.silences),
)
SYNC = Work(
    lambda whole, _: whole.sync(),
    lambda whole, done: done["changed"] == 3 and whole.server(1) == (1000, 100, "active"),
    lambda whole: whole.mailwizz("UPDATE {server} SET daily_quota = 10, hourly_quota = 1"),
)
SEND = Work(
    lambda whole, _: SendAlerts(task_id="tell").execute(whole.context("rbl_sweep")),
    lambda whole, done: done["sent"] == 1,
    lambda whole: raise_alert(whole),
)


def raise_alert(whole: Whole) -> None:
    with whole.db.session(tenant="*") as conn:
        alerts.raise_alert(conn, "listings", "aurora", "listed", "critical", "198.51.100.1 is listed")


def use_strange_key(bench: Bench) -> None:
    bench.change(POWERMTA, extra={"private_key": STRANGE_KEY})


@dataclass(frozen=True)
class Fault:
    """`names` must stand in the error's subject (or in its text, where one error speaks for several things)."""

    kind: type[EngineError]
    names: str
    says: str
    next: str
    break_it: Callable[[Bench], Any]


HOST = "PowerMTA host pmta@127.0.0.1:"
FAULTS = {
    "wrong SSH key": Fault(
        AccessDenied, HOST, "the host refused key SHA256:", "add this key's public half to ~/.ssh/authorized_keys", use_strange_key
    ),
    "broken SSH key": Fault(
        EngineError, HOST, "the connection's `private_key` holds a private key without its END line", "take the key's text from its BEGIN line",
        lambda bench: bench.change(POWERMTA, extra={"private_key": STRANGE_KEY[:-80]}),
    ),
    "changed host key": Fault(
        HostKeyChanged, HOST, "host key ssh-ed25519 SHA256:", "nothing was sent; compare with the key on the host's console",
        lambda bench: bench.whole.lab.knob("change_host_key"),
    ),
    "host down": Fault(
        Unreachable, HOST, "the connection was refused", "see whether sshd runs", lambda bench: bench.whole.lab.knob("down")
    ),
    "wrong API key": Fault(
        AccessDenied, "MailWizz mailwizz_api_mw-aurora", "400 to GET delivery-servers", "check the API key",
        lambda bench: bench.change(MAILWIZZ_API, password=WRONG_API_KEY),
    ),
    "API in maintenance": Fault(
        Unreachable, "MailWizz mailwizz_api_mw-aurora", "503 to GET delivery-servers", "bring MailWizz's API back online",
        lambda bench: bench.whole.lab.knob("mailwizz.offline"),
    ),
    "API away": Fault(
        Unreachable, "MailWizz mailwizz_api_mw-aurora at http://127.0.0.1:1/api", "no answer (ConnectionError)", "see that MailWizz runs",
        lambda bench: bench.change(MAILWIZZ_API, host="http://127.0.0.1:1/api"),
    ),
    "MailWizz database away": Fault(
        Unreachable, "MailWizz database mailwizz_db_mw-aurora", "connection", "see that the database runs",
        lambda bench: bench.change(MAILWIZZ_DB, host=bench.nowhere),
    ),
    "MailWizz database refuses the password": Fault(
        AccessDenied, "MailWizz database mailwizz_db_mw-aurora", "password authentication failed", "check login, password and grants",
        lambda bench: bench.change(MAILWIZZ_DB, password=WRONG_PASSWORD),
    ),
    "Telegram away": Fault(
        Unreachable, "Telegram chat -1001 at http://127.0.0.1:1", "no answer ConnectError", "alerts stay pending",
        lambda bench: bench.change(TELEGRAM, extra={"base_url": "http://127.0.0.1:1"}),
    ),
    "Telegram fails": Fault(
        Unreachable, "Telegram chat -1001", "500", "alerts stay pending", lambda bench: bench.whole.lab.knob("telegram.fail", calls=9)
    ),
    "wrong bot token": Fault(
        AccessDenied, "Telegram chat -1001", "401 Unauthorized", "check the password of the telegram_alerts connection",
        lambda bench: bench.change(TELEGRAM, password=WRONG_TOKEN),
    ),
}  # fmt: skip
SSH = ("wrong SSH key", "changed host key", "host down")
CASES = [
    *((fault, name, work) for fault in SSH for name, work in (("plan", PLAN), ("deploy", APPLY), ("ingest", INGEST), ("brake", HOLD))),
    ("broken SSH key", "ingest", INGEST),
    *((fault, "quota sync", SYNC) for fault in FAULTS if fault.startswith("MailWizz")),
    *((fault, "brake", HOLD) for fault in FAULTS if fault.startswith("MailWizz")),
    *((fault, "alerts", SEND) for fault in ("Telegram away", "Telegram fails", "wrong bot token")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "work"), [(FAULTS[f], w) for f, _, w in CASES], ids=[f"{f} - {name}" for f, name, _ in CASES]
)
def test_one_clear_error_nothing_half_done_and_the_next_run_heals(
    bench: Bench, fault: Fault, work: Work
) -> None:
    whole = bench.whole
    given = work.ready(whole)
    before, servers = everything(whole.db, *work.may_write), [whole.server(n) for n in (1, 2, 3)]
    running = whole.lab.get("/powermta/mta-1/running")
    fault.break_it(bench)

    error = failure(lambda: work.run(whole, given), bench.secrets, lambda: bench.log.text)

    assert isinstance(error, work.kind or fault.kind)
    if work.kind is None:
        assert error.subject.startswith(fault.names)
    for words in (fault.names, fault.says, fault.next):
        assert words in str(error)
    assert everything(whole.db, *work.may_write) == before
    assert whole.lab.get("/powermta/mta-1/running") == running
    if work is not HOLD:
        assert [whole.server(n) for n in (1, 2, 3)] == servers
    told = [row for row in whole.rows(s.alerts) if row.sent_at is None and row.severity != "info"]
    assert len({(row.event, row.object) for row in told}) <= 1, "one alert at most"
    for row in [*told, *whole.rows(s.brakes)]:
        assert not [secret for secret in bench.secrets if secret in repr(row)]

    bench.mend()
    assert work.proof(whole, work.run(whole, given))


@pytest.mark.parametrize("fault", ["wrong API key", "API in maintenance", "API away"])
def test_the_api_is_optional_for_quotas_and_one_alert_says_what_is_wrong_with_it(
    bench: Bench, fault: str
) -> None:
    whole, given = bench.whole, FAULTS[fault]
    SYNC.ready(whole)
    given.break_it(bench)
    assert SYNC.proof(whole, SYNC.run(whole, None)), "what the database takes is written"
    (told,) = [row for row in whole.rows(s.alerts) if row.event == "quota-api" and row.cleared_at is None]
    assert given.says in told.text
    assert not [secret for secret in bench.secrets if secret in told.text or secret in bench.log.text]
    bench.mend()
    whole.sync()
    assert [row for row in whole.rows(s.alerts) if row.event == "quota-api" and row.cleared_at is None] == []


def lists(whole: Whole) -> list[dict[str, Any]]:
    context = whole.context("rbl_sweep", confirm_after=0, lists=["zen-lab", "bl-lab"])
    health = ProbeLists(task_id="probe").execute(context)
    first = SweepLists(task_id="sweep", health=health).execute(context)
    return ConfirmListings(task_id="confirm", first=first).execute(context)


def check_dns(whole: Whole) -> dict[str, Any]:
    return CheckDns(task_id="check", tenant="aurora").execute(whole.context("dns_validate"))


def silence(bench: Bench) -> None:
    bench.whole.lab.knob("silence_dns")


def wrong_port(bench: Bench) -> None:
    bench.change(DNS, port=1)


@pytest.mark.parametrize("break_it", [silence, wrong_port], ids=["resolver silent", "no resolver there"])
class TestDnsAway:
    """UNKNOWN is no error of a task: it changes nothing, and people are told once what to look at."""

    def test_no_list_is_believed_and_a_listing_is_neither_opened_nor_closed(
        self, bench: Bench, break_it: Callable[[Bench], None]
    ) -> None:
        whole = bench.whole
        whole.lab.knob("list_ip", ip="198.51.100.1", zone="zen.lab.example")
        try:
            before = everything(whole.db, s.alerts)
            break_it(bench)
            for _ in range(2):
                assert lists(whole) == []
            assert everything(whole.db, s.alerts) == before
            (alert,) = whole.rows(s.alerts)
            assert (alert.event, alert.severity) == ("list_health", "critical")
            assert "look at the resolver first" in alert.text
            bench.mend()
            (found,) = lists(whole)
            assert [x["list"] for x in found["listed"]] == ["zen-lab"]
            assert whole.rows(s.alerts)[0].cleared_at is not None
        finally:
            whole.lab.knob("delist_ip", ip="198.51.100.1", zone="zen.lab.example")

    def test_dns_checks_are_unknown_not_broken(self, bench: Bench, break_it: Callable[[Bench], None]) -> None:
        whole = bench.whole
        break_it(bench)
        for _ in range(2):
            found = check_dns(whole)
            assert (found["unknown"], found["broken"]) == (3, 0)
        (alert,) = whole.rows(s.alerts)
        assert (alert.event, alert.severity) == ("dns_unknown", "warning")
        assert "connection dns_resolver_default" in alert.text
        bench.mend()
        assert check_dns(whole)["unknown"] == 0
        assert whole.rows(s.alerts)[0].cleared_at is not None


def test_a_public_resolver_is_refused_by_name_before_anything_is_asked(bench: Bench) -> None:
    bench.change(DNS, host="8.8.8.8")
    error = failure(lambda: lists(bench.whole), bench.secrets)
    assert "dns_resolver_default" in error.subject
    assert "8.8.8.8" in str(error)


def test_the_secrets_that_are_looked_for_are_the_ones_in_use(bench: Bench) -> None:
    assert len(bench.secrets) > 12
    with closing(bench.whole.ssh()) as mta:
        assert mta.version()
