"""A MailWizz of the lab with a few subscribers, and accounting files that speak of them: for tests of suppression."""

import itertools
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import insert, make_url, select, update

from email_engine.accounting.policy import shipped_accounting_policy
from email_engine.accounting.recipients import recipient_hash
from email_engine.accounting.sealing import Sealer
from email_engine.adapters import connections, mailwizz_api
from email_engine.adapters.connection_fields import Fields
from email_engine.adapters.mailwizz_api import MailwizzApi
from email_engine.adapters.mailwizz_database import MailwizzDatabase
from email_engine.adapters.mailwizz_db import MailwizzDb
from email_engine.fleet.providers import shipped_providers
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.run import Run
from email_engine.pipelines.suppression_sync import sync
from email_engine.store import schema as s
from email_engine.store.accounting.delivery import AccountingFile, Reading, take_file
from email_engine.store.engine import Store
from email_engine.suppression.policy import shipped_suppression_policy
from lab.testing import API_KEY, RunningLab

KEY = "sixteen bytes at least"
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
CAMPAIGN, SECOND = "so5554wgk2cd6", "second554cd66"
HEADER = "type,timeLogged,rcpt,bounceCat,dsnStatus,dsnDiag,dlvSourceIp,vmta,header_Message-Id,header_X-Job,feedbackType"
GONE = ("bad-mailbox", "5.1.1", "smtp;550 5.1.1 The email account that you tried to reach does not exist.")
FULL = ("quota-issues", "4.2.2", "smtp;452 4.2.2 The recipient's mailbox is full")
TABLES = (
    "campaign_bounce_log", "campaign_complain_log", "campaign_delivery_log", "campaign_delivery_log_archive", "campaign_track_unsubscribe", "email_blacklist",
    "list_subscriber",
)  # fmt: skip
_numbers = itertools.count(1)


def instance(name: str, database_url: str, **options: Any) -> dict[str, Any]:
    """An entry of a world's `mailwizz`: two campaigns, each with a list of its own; `second_owner`: the customer of the second."""
    second = {"customer_id": options.pop("second_owner", 1)}
    prefix = options.pop("table_prefix", f"{name[3:]}_")
    return {
        "name": name, "port": 0, "api_key": API_KEY, "database_url": database_url, "table_prefix": prefix,
        "servers": [],
        "campaigns": [
            {"uid": uid, "daily_demand": 0, "mail_from": "news@aurora-mail.example", "audience": 1, **owner}
            for uid, owner in ((CAMPAIGN, {}), (SECOND, second))
        ],
        "options": options,
    }  # fmt: skip


@dataclass
class Bench:
    """`sql` on MailWizz's database; `store` is the engine's."""

    lab: RunningLab
    store: Store
    url: str
    name: str = "mw-aurora"
    ip: str = "198.51.100.1"
    vmta: str = "aurora-1"
    prefix: str = "aurora_"
    keys: tuple[str, ...] = (API_KEY,)

    def sql(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Tables by `{list_subscriber}` and the like."""
        names = {table: self.prefix + table for table in (*TABLES, "list", "campaign")}
        url = make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
            done = connection.execute(statement.format(**names), values)  # type: ignore[arg-type]
            return done.fetchall() if done.description else []

    def clean(self) -> None:
        for table in TABLES:
            self.sql(f"DELETE FROM {{{table}}}")

    def subscriber(self, email: str, status: str = "confirmed", campaign: str = CAMPAIGN) -> str:
        """One more in the list of a campaign; its uid."""
        uid = f"ab{next(_numbers):011}"
        self.sql(
            "INSERT INTO {list_subscriber} (subscriber_uid, list_id, email, status, date_added)"
            " SELECT %s, list_id, %s, %s, now() FROM {campaign} WHERE campaign_uid = %s",
            uid, email, status, campaign,
        )  # fmt: skip
        return uid

    def sent(self, email: str, campaign: str = CAMPAIGN, message_id: str = "") -> str:
        """A message of the campaign in MailWizz's delivery log; its id."""
        message_id = message_id or f"m{next(_numbers)}@aurora-mail.example"
        self.sql(
            "INSERT INTO {campaign_delivery_log} (campaign_id, subscriber_id, message, email_message_id, date_added)"
            " SELECT c.campaign_id, s.subscriber_id, 'OK', %s, now() FROM {campaign} c JOIN {list_subscriber} s"
            " USING (list_id) WHERE c.campaign_uid = %s AND s.email = %s",
            message_id, campaign, email,
        )  # fmt: skip
        return message_id

    def mailed(self, email: str, **fields: Any) -> str:
        """A new subscriber who got a message; the message's id."""
        self.subscriber(email)
        return self.sent(email, **fields)

    def statuses(self, email: str) -> list[str]:
        found = self.sql(
            "SELECT status FROM {list_subscriber} WHERE email = %s ORDER BY subscriber_id", email
        )
        return [row["status"] for row in found]

    def bounce(
        self,
        email: str,
        message_id: str,
        words: tuple[str, str, str] = GONE,
        at: datetime = NOON,
        kind: str = "b",
        job: str = CAMPAIGN,
    ) -> str:
        """A row of an accounting file."""
        category, status, reply = words
        told = f'{kind},{at:%Y-%m-%d %H:%M:%S}+0000,{email},{category},{status},"{reply}"'
        return f"{told},{self.ip},{self.vmta},<{message_id}>,{job},"

    def complaint(self, email: str, message_id: str, at: datetime = NOON, job: str = CAMPAIGN) -> str:
        return f"f,{at:%Y-%m-%d %H:%M:%S}+0000,{email},,,,{self.ip},{self.vmta},<{message_id}>,{job},abuse"

    def delivery(self, email: str, at: datetime) -> str:
        return f"d,{at:%Y-%m-%d %H:%M:%S}+0000,{email},,2.0.0,ok,{self.ip},{self.vmta},<d{next(_numbers)}@x.example>,{CAMPAIGN},"

    def ingest(self, *rows: str, key: str | None = KEY) -> None:
        """An accounting file with these rows, taken as the ingest takes it."""
        given = None if key is None else key.encode()
        reading = Reading(
            shipped_providers(), shipped_accounting_policy(), given and partial(recipient_hash, given), None,
            given and Sealer(given),
        )  # fmt: skip
        data = "\r\n".join([HEADER, *rows, ""]).encode()
        with tempfile.TemporaryDirectory() as folder, self.store.session(tenant="*") as conn:
            path = Path(folder) / "file"
            path.write_bytes(data)
            file = AccountingFile("mta-1", f"acct-{next(_numbers)}.csv", len(data), 1)
            taken = take_file(conn, file, path, reading, dag_id="accounting_ingest", run_id="r")
            assert taken.status == "taken", taken

    def sync(
        self, run_id: str = "run-1", as_of: datetime = NOON + timedelta(minutes=15), **params: Any
    ) -> dict[str, Any]:
        dry = bool(params.pop("dry_run", False))
        run = Run("suppression_sync", run_id, as_of, dry, "suppression_sync", params)
        return sync(self.store, self.clients(), self.name, run)

    def mode(self, mode: str) -> None:
        with self.store.session(tenant="*") as conn:
            conn.execute(update(s.tenants).values(mode=mode))

    def decided(self) -> list[tuple[bool, str]]:
        with self.store.session(tenant="*") as conn:
            return [(row.applied, row.reason) for row in conn.execute(select(s.decisions))]

    def other(self, name: str) -> "Bench":
        """Another MailWizz of the lab, which takes the place of the first one in the fleet."""
        with self.store.session(tenant="*") as conn:
            values = {"api_connection": "other_api", "db_connection": "other_db", "tenant": "aurora"}
            conn.execute(insert(s.mailwizz_instances).values(name=name, **values))
            conn.execute(update(s.streams).values(mailwizz=name))
            conn.execute(update(s.ips).values(mailwizz=name))
        made = Bench(self.lab, self.store, self.url, name, prefix=f"{name[3:]}_")
        made.clean()
        return made

    def clients(self) -> Clients:
        def api(_: str) -> MailwizzApi:
            url = f"http://127.0.0.1:{self.lab.ready['mailwizz'][self.name]}/api"
            fields = Fields(
                self.name,
                "mailwizz",
                url,
                password=self.keys[0],
                extra={"more_api_keys": " ".join(self.keys[1:])},
            )
            return connections.mailwizz_api(fields)

        def database(_: str) -> MailwizzDb:
            return MailwizzDb(MailwizzDatabase(self.name, make_url(self.url), self.prefix))

        nothing: Any = None
        return Clients(nothing, database, api, nothing, nothing, nothing)

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        """Of table suppressions, in the order in which they came."""
        names = columns or ("reason", "state")
        with self.store.session(tenant="*") as conn:
            query = select(*(s.suppressions.c[name] for name in names)).order_by(s.suppressions.c.id)
            return [tuple(row) for row in conn.execute(query)]


COUNTS: Mapping[str, int] = dict.fromkeys(
    (
        "hard",
        "soft",
        "complaint",
        "held",
        "excused",
        "posted",
        "stored",
        "already",
        "not_ours",
        "findings",
        "open",
    ),
    0,
)


def counts(**given: int) -> dict[str, Any]:
    """What a run tells of mw-aurora: 0 unless given."""
    return {"instance": "mw-aurora", **COUNTS, **given}


def hurry(monkeypatch: Any) -> None:
    """No waiting between requests."""
    quick = replace(shipped_suppression_policy(), requests_per_second=1000)
    for name in ("sync", "export"):
        # the package gives the name of the first to its function
        module = import_module(f"email_engine.pipelines.suppression_sync.{name}")
        monkeypatch.setattr(module, "shipped_suppression_policy", lambda: quick)
    monkeypatch.setattr(mailwizz_api, "BACK_OFF", (0.01, 0.01))
    monkeypatch.setenv("EMAIL_ENGINE_RECIPIENT_KEY", KEY)


@contextmanager
def killed_at(monkeypatch: Any, owner: Any, name: str, *, after: bool) -> Iterator[None]:
    """The process dies in the first call of a method or function: before anything of it, or after all of it."""
    original = getattr(owner, name)

    def dies(*args: Any, **words: Any) -> Any:
        if after:
            original(*args, **words)
        raise KeyboardInterrupt(name)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, dies)
        yield
