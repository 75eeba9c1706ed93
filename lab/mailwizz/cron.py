"""MailWizz's console commands as its cron starts them, and the history that it keeps of them."""

from datetime import datetime

from .database import Database

KEPT = 10
"""Runs of each command that stay in the history."""
SEND, HOURLY, WARMUP, DAILY = "send-campaigns", "hourly", "delivery-servers-warmup-handler", "daily"


class Cron:
    """Notes runs; `stopped`: somebody took the crontab away, and nothing runs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.stopped = False

    def note(self, command: str, now: datetime) -> None:
        """A run of a command that began and ended `now` (naive UTC)."""
        command_id = self._id(command, now)
        self._database.run(
            "INSERT INTO {console_command_history} (command_id, start_time, end_time) VALUES (%s, %s, %s)",
            command_id, now, now,
        )  # fmt: skip
        self._database.run(
            """DELETE FROM {console_command_history} WHERE command_id = %s AND history_id NOT IN
            (SELECT history_id FROM {console_command_history} WHERE command_id = %s ORDER BY history_id DESC LIMIT %s)""",
            command_id, command_id, KEPT,
        )  # fmt: skip

    def _id(self, command: str, now: datetime) -> int:
        query = "SELECT command_id FROM {console_command} WHERE command = %s"
        return self._database.number(query, command) or self._database.number(
            "INSERT INTO {console_command} (command, date_added) VALUES (%s, %s) RETURNING command_id",
            command,
            now,
        )
