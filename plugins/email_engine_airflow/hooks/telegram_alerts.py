"""Connection type `telegram_alerts`: password = bot token; extras `chat_id`, `base_url`, `thread_id`."""

from typing import Any

from airflow.sdk import BaseHook, Connection

from email_engine.adapters.telegram import BASE_URL, Telegram, TelegramEndpoint
from email_engine.addresses import HTTP, parse_address
from email_engine.errors import EngineError, InputError
from email_engine_airflow.hooks.naming import called, reading


class TelegramAlertsHook(BaseHook):
    """Gives a `Telegram` client for the chat that the connection names."""

    conn_name_attr = "telegram_alerts_conn_id"
    default_conn_name = "telegram_alerts_default"
    conn_type = "telegram_alerts"
    hook_name = "Telegram alerts"

    def __init__(self, telegram_alerts_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.conn_id = telegram_alerts_conn_id
        self._testing = False

    def get_conn(self) -> Telegram:
        """Raises InputError when the connection cannot be one (no token, no chat)."""
        with reading(self.conn_id):
            return Telegram(endpoint(self.get_connection(self.conn_id), self._testing))

    async def aget_conn(self) -> Telegram:
        """Like `get_conn`, for the triggerer."""
        with reading(self.conn_id):
            return Telegram(endpoint(await self.aget_connection(self.conn_id)))

    def test_connection(self) -> tuple[bool, str]:
        """Asks Telegram for the bot and the chat; sends nothing."""
        self._testing = True
        try:
            client = self.get_conn()
            return True, f"@{client.who()} may be used and knows the chat {client.chat()!r}"
        except EngineError as error:
            return False, str(error)


def endpoint(connection: Connection, testing: bool = False) -> TelegramEndpoint:
    subject = called(connection, testing)
    extra: dict[str, Any] = connection.extra_dejson
    thread = str(extra.get("thread_id") or "")
    try:
        thread_id = int(thread) if thread else None
    except ValueError:
        raise InputError(
            subject, f"thread_id {thread!r}", "a whole number or nothing",
            "set thread_id to the topic's number",
        ) from None  # fmt: skip
    server = str(extra.get("base_url") or "").strip()
    address = parse_address(subject, server or BASE_URL, connection.port if server else None, HTTP)
    return TelegramEndpoint(
        token=(connection.password or "").strip(),
        chat_id=str(extra.get("chat_id") or "").strip(),
        base_url=address.url("https"),
        thread_id=thread_id,
    )
