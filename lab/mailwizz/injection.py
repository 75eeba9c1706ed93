"""The send-campaigns command: hands the campaigns' mail to PowerMTA hosts under the delivery servers' quotas."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from lab.mail import Message

from .audience import Audience, Subscriber
from .config import InstanceConfig
from .database import Database
from .demand import due_between, moments
from .quota import QuotaLeft, ServerRow
from .routing import ANYTHING, Routing, load_campaigns, load_routing
from .send_log import SendLog
from .worker import Batch, load_servers

LONGEST_SPAN = timedelta(days=1)


class Mta(Protocol):
    """What MailWizz needs of a PowerMTA host: an SMTP reply for a message."""

    def submit(self, message: Message) -> str: ...


@dataclass(slots=True)
class Campaign:
    """What the world adds to a campaign's row. `waiting`: messages that were due while no server had quota left."""

    uid: str
    daily_demand: int
    mail_from: str
    domain: str
    waiting: int = 0
    campaign_id: int = 0
    list_id: int = 0
    audience: Audience | None = None
    excluded: frozenset[int] = frozenset()
    routing: Routing = ANYTHING


class CampaignEngine:
    """`tick` hands over what fell due since the last tick, message by message at its own time.

    One tick is one worker's batch; with `batch_size` in the configuration a batch is that many messages, over as
    many ticks as it takes."""

    def __init__(
        self,
        config: InstanceConfig,
        database: Database,
        hosts: Mapping[str, Mta],
        quotas: QuotaLeft,
        log: SendLog,
    ) -> None:
        self._config = config
        self._database = database
        self._hosts = hosts
        self._quotas = quotas
        self._log = log
        self._since: datetime | None = None
        self._batch: Batch | None = None
        self.campaigns = {
            c.uid: Campaign(c.uid, c.daily_demand, c.mail_from, c.mail_from.rpartition("@")[2])
            for c in config.campaigns
        }

    def start_at(self, now: datetime) -> None:
        """Mail falls due from here on (aware UTC)."""
        self._since = now

    def forget_audiences(self) -> None:
        """Call when subscribers came or went."""
        for campaign in self.campaigns.values():
            campaign.audience = None

    def tick(self, now: datetime) -> int:
        """The number of messages that the hosts accepted. `now`: aware UTC. A gap longer than a day is cut to one."""
        since = max(self._since or now, now - LONGEST_SPAN)
        if now <= since:
            self._since = now
            return 0
        begin, end = since.timestamp(), now.timestamp()
        queue = sorted(
            (
                (at, campaign)
                for campaign, count in self._due(since, now)
                for at in moments(count, begin, end)
            ),
            key=lambda item: item[0],
        )
        if queue and self._batch is None:
            self._batch = self._next_batch(begin)
        self._since = now
        rng = random.Random(f"{self._config.seed}/{self._config.name}/{begin}")
        accepted = 0
        try:
            for at, campaign in queue:
                accepted += self._send_one(campaign, at, rng)
        finally:
            self._log.flush()
            if self._config.batch_size is None:
                self._batch = None
        return accepted

    def _due(self, since: datetime, now: datetime) -> list[tuple[Campaign, int]]:
        due = []
        for row in load_campaigns(self._database, self._config.version):
            campaign = self.campaigns.get(row["campaign_uid"])
            if campaign is None or row["status"] not in ("sending", "processing"):
                continue
            campaign.routing = load_routing(self._database, row)
            campaign.campaign_id, campaign.list_id = row["campaign_id"], row["list_id"]
            count = due_between(campaign.daily_demand, since, now) + campaign.waiting
            if count:
                self._load_readers(campaign, since)
            campaign.waiting = 0
            due.append((campaign, min(count, campaign.daily_demand)))
        return due

    def _load_readers(self, campaign: Campaign, since: datetime) -> None:
        if campaign.audience is None:
            rows = self._database.rows(
                "SELECT subscriber_id, subscriber_uid, email FROM {list_subscriber} WHERE list_id = %s"
                " ORDER BY subscriber_id",
                campaign.list_id,
            )
            readers = [Subscriber(row["subscriber_id"], row["subscriber_uid"], row["email"]) for row in rows]
            campaign.audience = Audience(readers, since.toordinal() * campaign.daily_demand)
        out = self._database.rows(
            "SELECT subscriber_id FROM {list_subscriber} WHERE list_id = %s AND status <> 'confirmed'"
            " UNION SELECT s.subscriber_id FROM {list_subscriber} s JOIN {email_blacklist} b USING (email)"
            " WHERE s.list_id = %s",
            campaign.list_id,
            campaign.list_id,
        )
        campaign.excluded = frozenset(row["subscriber_id"] for row in out)

    def _next_batch(self, since: float) -> Batch:
        servers = load_servers(self._database)
        if any(server.limits for server in servers):
            self._log.recount(since)
        return Batch(servers, self._config.batch_size)

    def _send_one(self, campaign: Campaign, at: float, rng: random.Random) -> bool:
        if self._batch is None or self._batch.messages_left == 0:
            self._log.flush()
            self._batch = self._next_batch(at)
        batch = self._batch
        may_send = campaign.routing.open_at(at)
        server = batch.pick(rng, self._quotas, at, campaign.routing.servers) if may_send else None
        reader = campaign.audience.draw(campaign.excluded) if server and campaign.audience else None
        if server is None or reader is None:
            campaign.waiting += 1
            return False
        if batch.messages_left is not None:
            batch.messages_left -= 1
        message_id = f"{int(at * 1000):x}.{reader.uid}@{campaign.domain}"
        reply = self._submit(server, campaign, reader, message_id)
        status = self._log.record(server, campaign.campaign_id, reader.subscriber_id, message_id, reply, at)
        if status == "temporary-error":
            campaign.waiting += 1
        else:
            self._quotas.spend(server, at)
        return status == "success"

    def _submit(self, server: ServerRow, campaign: Campaign, reader: Subscriber, message_id: str) -> str:
        host = self._hosts.get(server.hostname)
        if host is None:
            return f"421 {server.hostname}: connection refused"
        job = server.job.replace("[CAMPAIGN_UID]", campaign.uid) if server.job else ""
        return host.submit(Message(message_id, campaign.mail_from, reader.email, server.virtual_mta, job))
