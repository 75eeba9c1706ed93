"""One MailWizz of the lab: web side, cron commands and database behind one name."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import psycopg

from lab.clock import Clock
from lab.ports import LOOPBACK

from .app import Web
from .config import InstanceConfig, parse_instance
from .cron import DAILY, HOURLY, SEND, WARMUP, Cron
from .database import Database
from .faults import Faults
from .injection import CampaignEngine, Mta
from .knobs import Knobs
from .protocol import Site
from .quota import QuotaLeft, UsageCounts, window_start
from .seed import list_uid, seed_tables
from .send_log import SendLog
from .serving import HttpServer
from .tables import create_tables
from .warmup import handle_warmups

log = logging.getLogger(__name__)
REAL_TIME_LOGS = timedelta(days=90)
SHOWN = (
    "server_id",
    "customer_id",
    "name",
    "hostname",
    "status",
    "probability",
    "second_quota",
    "minute_quota",
    "hourly_quota",
    "daily_quota",
    "monthly_quota",
    "pause_after_send",
    "use_for",
    "warmup_plan_id",
)


class MailWizz:
    """`config`: an entry of the world's `mailwizz` list (see `config.parse_instance`; ValueError lists its mistakes).
    `hosts`: PowerMTA hosts by the name that delivery servers have as hostname.

    `tick()` and the request handlers are synchronous and run in the event loop's thread; their statements are short."""

    def __init__(self, config: Mapping[str, Any], clock: Clock, hosts: Mapping[str, Mta]) -> None:
        self.config: InstanceConfig = parse_instance(config)
        self.clock = clock
        self.port = 0
        self.trouble = ""
        self.database = Database(self.config.database_url, self.config.table_prefix)
        self.cron = Cron(self.database)
        self.usage = UsageCounts()
        self.quotas = QuotaLeft(self.usage)
        self.sends = SendLog(self.config, self.database, self.usage)
        self.engine = CampaignEngine(self.config, self.database, hosts, self.quotas, self.sends)
        self.faults = Faults()
        self.site = Site(self.config, self.database, self.now, self.engine.forget_audiences)
        self.asgi = Web(self.site, self.faults).asgi
        self._server = HttpServer(self.asgi)
        self._prepared = False
        self._ticked: datetime | None = None

    @property
    def name(self) -> str:
        return self.config.name

    def now(self) -> datetime:
        """The lab's time as MailWizz writes it: naive UTC, whole seconds."""
        return self.clock.now().replace(tzinfo=None, microsecond=0)

    def list_uid(self, campaign_uid: str) -> str:
        """The uid of the list that a campaign of the world writes to."""
        return list_uid(self.config, campaign_uid)

    def prepare(self) -> None:
        """Makes and seeds the tables where they are absent; campaigns send from now on. Safe to call again."""
        if self._prepared:
            return
        create_tables(self.database, self.config.version, self.config.table_prefix)
        seed_tables(self.database, self.config, self.now())
        self._ticked = self.clock.now()
        self.engine.start_at(self._ticked)
        self.sends.recount(self._ticked.timestamp())
        self._prepared = True

    async def start(self, port: int, host: str = LOOPBACK) -> int:
        """Prepares the database and listens on `host` (port 0: a free one). Returns the port."""
        self.prepare()
        self.port = await self._server.start(port, host)
        return self.port

    async def close(self) -> None:
        await self._server.close()
        self.database.close()

    def tick(self) -> int:
        """Runs the cron commands up to the clock's time; the number of messages that PowerMTA accepted.

        A database in trouble costs this tick, as it would cost MailWizz this minute's cron: see `trouble`."""
        try:
            self.prepare()
            if self.cron.stopped:
                return 0
            now, before = self.clock.now(), self._ticked or self.clock.now()
            if _hour(now) > _hour(before):
                self._hourly()
            accepted = self.engine.tick(now)
            if _minute(now) > _minute(before):
                self.cron.note(SEND, self.now())
            if now.date() > before.date():
                keep = timedelta(days=self.config.keep_days) if self.clock.manual else REAL_TIME_LOGS
                self.sends.purge(now, keep)
                self.cron.note(DAILY, self.now())
            self._ticked = now
        except psycopg.Error as trouble:
            self.trouble = f"{now_text(self.now())} {type(trouble).__name__}: {trouble}".strip()
            log.warning("MailWizz %s: database: %s", self.name, trouble)
            return 0
        self.trouble = ""
        return accepted

    def _hourly(self) -> None:
        self.cron.note(HOURLY, self.now())
        if self.config.version >= (2, 1, 10):
            handle_warmups(self.database, self.now())
            self.cron.note(WARMUP, self.now())

    def knobs(self) -> dict[str, Callable[..., Any]]:
        """Name to function; each takes JSON-like keyword arguments and says in its docstring what it does."""
        self.prepare()
        return Knobs(
            self.database,
            self.site,
            self.faults,
            self.quotas,
            self.sends,
            self.engine,
            self.config,
            self.cron,
        ).all()

    def state(self) -> dict[str, Any]:
        """Servers with quotas, status, usage of the UTC day and what the cache believes is left; campaigns."""
        self.prepare()
        at = self.clock.now().timestamp()
        day = window_start("daily", at)
        self.sends.recount(at)
        rows = self.database.rows("SELECT * FROM {delivery_server} ORDER BY server_id")
        statuses = {
            row["campaign_uid"]: row["status"]
            for row in self.database.rows("SELECT campaign_uid, status FROM {campaign}")
        }
        return {
            "name": self.name,
            "port": self.port,
            "trouble": self.trouble,
            "servers": [
                {
                    **{name: row[name] for name in SHOWN if name in row},
                    "used_today": self.usage.used(row["server_id"], day),
                    "left": self.quotas.left(row["server_id"], at),
                }
                for row in rows
            ],
            "campaigns": [
                {
                    "uid": campaign.uid,
                    "status": statuses.get(campaign.uid, "deleted"),
                    "daily_demand": campaign.daily_demand,
                    "waiting": campaign.waiting,
                    "list_uid": self.list_uid(campaign.uid),
                }
                for campaign in self.engine.campaigns.values()
            ],
        }


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def now_text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
