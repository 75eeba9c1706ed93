"""Connection type `telegram_alerts`: password = bot token; extras `chat_id`, `base_url`, `thread_id`."""

from airflow.providers.telegram.hooks.telegram import TelegramHook
from airflow.sdk import BaseHook

from email_engine.adapters import connections
from email_engine.adapters.telegram import Telegram
from email_engine.errors import EngineError
from email_engine_airflow.hooks.fields import fields_of


class TelegramAlertsHook(TelegramHook):
    """Gives a `Telegram` client for the chat that the connection names.

    The provider's hook gives connection and form. The client is the engine's own: the provider's passes by `retry_after`."""

    conn_name_attr = "telegram_alerts_conn_id"
    default_conn_name = "telegram_alerts_default"
    conn_type = "telegram_alerts"
    hook_name = "Telegram alerts"

    def __init__(self, telegram_alerts_conn_id: str = default_conn_name) -> None:
        BaseHook.__init__(self)  # the provider's own would ask for a token here
        self.conn_id = telegram_alerts_conn_id
        self._testing = False

    def get_conn(self) -> Telegram:  # type: ignore[override]
        """Raises InputError when the connection cannot be one (no token, no chat)."""
        return Telegram(connections.telegram(fields_of(self.get_connection(self.conn_id), self._testing)))

    async def aget_conn(self) -> Telegram:
        """Like `get_conn`, for the triggerer."""
        return Telegram(connections.telegram(fields_of(await self.aget_connection(self.conn_id))))

    def test_connection(self) -> tuple[bool, str]:
        """Asks Telegram for the bot and the chat; sends nothing."""
        self._testing = True
        try:
            client = self.get_conn()
            return True, f"@{client.who()} may be used and knows the chat {client.chat()!r}"
        except EngineError as error:
            return False, str(error)
