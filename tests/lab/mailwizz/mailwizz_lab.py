"""A MailWizz of the lab for tests: its world, its hosts, and somebody who calls and waits."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from lab.clock import Clock
from lab.mail import Message
from lab.mailwizz import MailWizz

START = datetime(2026, 11, 1, tzinfo=UTC)
KEY = "k" * 40
CAMPAIGN = "camp-aurora-news"


class AcceptingHost:
    """A PowerMTA host that remembers what it took; `reply` is what it says."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.reply = "250 2.6.0 message received"

    def submit(self, message: Message) -> str:
        self.taken.append(message)
        return self.reply


class Lab:
    """A MailWizz with a manual clock and two hosts; `get`, `put`, ... call its API without a socket."""

    def __init__(self, mailwizz: MailWizz, clock: Clock, hosts: dict[str, AcceptingHost]) -> None:
        self.mailwizz, self.clock, self.hosts = mailwizz, clock, hosts
        self.turn = mailwizz.knobs()

    def call(self, method: str, path: str, key: str | None = KEY, **more: Any) -> httpx.Response:
        headers = {**({"X-Api-Key": key} if key else {}), **more.pop("headers", {})}

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.mailwizz.asgi)
            async with httpx.AsyncClient(transport=transport, base_url="http://mw.example") as client:
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(send())

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.call("GET", path, **more)

    def put(self, path: str, **more: Any) -> httpx.Response:
        return self.call("PUT", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.call("POST", path, **more)

    def advance(self, hours: float = 1) -> int:
        """Hour by hour, as the lab's control does it; the messages that were accepted."""
        accepted = 0
        while hours > 0:
            self.clock.advance_to(self.clock.now() + timedelta(hours=min(hours, 1)))
            accepted += self.mailwizz.tick()
            hours -= 1
        return accepted

    def sql(self, statement: str, *values: object) -> int:
        """What somebody else does to MailWizz's tables."""
        return self.mailwizz.database.run(statement, *values)

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        return self.mailwizz.database.rows(statement, *values)

    def used(self, server_id: int) -> int:
        query = "SELECT count(*) FROM {delivery_server_usage_log} WHERE server_id = %s"
        return self.mailwizz.database.number(query, server_id)


def world(url: str, prefix: str, servers: int = 2, demand: int = 2400, **more: Any) -> dict[str, Any]:
    """The world entry of one MailWizz; servers from 101 on, odd ones on mta-1 and even ones on mta-2."""
    return {
        "name": "mw-aurora",
        "port": 0,
        "api_key": KEY,
        "database_url": url,
        "table_prefix": prefix,
        "customer_id": 1,
        "servers": [
            {
                "server_id": 100 + n,
                "name": f"aurora-{n}",
                "hostname": f"mta-{2 - n % 2}",
                "vmta": f"aurora-{n}",
            }
            for n in range(1, servers + 1)
        ],
        "campaigns": [
            {
                "uid": CAMPAIGN,
                "daily_demand": demand,
                "mail_from": "bounce@news.aurora-mail.example",
                "providers": {"gmail.com": 0.5, "outlook.com": 0.3, "yahoo.com": 0.2},
                "audience": 300,
            }
        ],
        **more,
    }
