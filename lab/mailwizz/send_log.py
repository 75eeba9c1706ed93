"""What MailWizz writes down about each message: usage log, delivery log, the campaign's counters."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from .config import InstanceConfig
from .database import Database
from .quota import ServerRow, UsageCounts, window_start

_STATUS = {"2": "success", "4": "temporary-error"}
_NULL = "\\N"
_NEWEST = "SELECT max(log_id) FROM {delivery_server_usage_log}"


def _stamp(unix_time: float) -> str:
    return datetime.fromtimestamp(int(unix_time), UTC).strftime("%Y-%m-%d %H:%M:%S")


def _copy_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", " ").replace("\r", " ").replace("\n", " ")


class SendLog:
    """Keeps the rows of a batch and writes them with one COPY a table.

    `usage` is the same count as the usage log's, in memory. `logging` False is MW_PERF_LVL_DISABLE_DS_LOG_USAGE."""

    def __init__(self, config: InstanceConfig, database: Database, usage: UsageCounts) -> None:
        self._config = config
        self._database = database
        self._usage = usage
        self.logging = True
        self._usage_rows: list[str] = []
        self._delivery_rows: list[str] = []
        self._outcomes: Counter[tuple[int, str]] = Counter()
        self._counted_since: int | None = None
        self._newest_row = -1
        self._minute = -1
        self._minute_text = ""

    def record(
        self, server: ServerRow, campaign_id: int, subscriber_id: int, message_id: str, reply: str, at: float
    ) -> str:
        """The delivery log's status for PowerMTA's reply. Only an accepted message counts as usage."""
        status = _STATUS.get(reply[:1], "giveup")
        minute, second = divmod(int(at), 60)
        if minute != self._minute:
            self._minute, self._minute_text = minute, _stamp(at)[:-2]
        stamp = f"{self._minute_text}{second:02d}"
        if status == "success" and self.logging and (server.limits or self._config.countable):
            self._usage.sent(server.server_id, at)
            countable = "yes" if self._config.countable else "no"
            self._usage_rows.append(
                f"{server.server_id}\t{self._config.customer_id}\tcampaign\t{countable}\t{stamp}"
            )
        text = "OK" if status == "success" else _copy_text(reply)
        self._delivery_rows.append(
            f"{campaign_id}\t{subscriber_id}\t{server.server_id}\t{text}\tyes\t{message_id}\t{status}\t{stamp}"
        )
        self._outcomes[campaign_id, status] += 1
        return status

    def flush(self) -> None:
        usage, deliveries, outcomes = self._usage_rows, self._delivery_rows, self._outcomes
        self._usage_rows, self._delivery_rows, self._outcomes = [], [], Counter()
        if not deliveries:
            return
        with self._database.transaction():
            self._database.copy(
                "COPY {delivery_server_usage_log} "
                "(server_id, customer_id, delivery_for, customer_countable, date_added) FROM STDIN",
                self._without_deleted(usage),
            )
            self._database.copy(
                "COPY {campaign_delivery_log} (campaign_id, subscriber_id, server_id, message, processed,"
                " email_message_id, status, date_added) FROM STDIN",
                deliveries,
            )
            for campaign_id in {campaign_id for campaign_id, _ in outcomes}:
                success, error = outcomes[campaign_id, "success"], outcomes[campaign_id, "giveup"]
                self._database.run(
                    "UPDATE {campaign_option} SET processed_count = processed_count + %s, delivery_success_count ="
                    " delivery_success_count + %s, delivery_error_count = delivery_error_count + %s"
                    " WHERE campaign_id = %s",
                    success + error,
                    success,
                    error,
                    campaign_id,
                )
            newest = self._database.number(_NEWEST)
            if newest == self._newest_row + len(usage):
                self._newest_row = newest

    def _without_deleted(self, usage: list[str]) -> list[str]:
        """A server that was deleted while a worker still had it leaves rows without a server."""
        there = {
            str(row["server_id"]) for row in self._database.rows("SELECT server_id FROM {delivery_server}")
        }
        split = [row.partition("\t") for row in usage]
        return [f"{server_id if server_id in there else _NULL}\t{rest}" for server_id, _, rest in split]

    def recount(self, since: float) -> None:
        """Reads the usage log again if somebody else wrote to it: from the UTC day of `since` on, the first time from its
        month on."""
        newest = self._database.number(_NEWEST)
        if newest == self._newest_row:
            return
        self._newest_row = newest
        first = window_start("daily" if self._counted_since else "monthly", since)
        self._counted_since = first
        rows = self._database.rows(
            "SELECT server_id, extract(epoch FROM date_trunc('hour', date_added))::bigint AS hour, count(*) AS messages"
            " FROM {delivery_server_usage_log} WHERE date_added >= %s AND server_id IS NOT NULL GROUP BY 1, 2",
            datetime.fromtimestamp(first, UTC).replace(tzinfo=None),
        )
        self._usage.replace_since(first, ((row["server_id"], row["hour"], row["messages"]) for row in rows))

    def purge(self, now: datetime, keep: timedelta) -> None:
        """Deletes log rows older than `keep`; the counts of the current month stay in memory."""
        limit = (now - keep).replace(tzinfo=None)
        self._database.run("DELETE FROM {delivery_server_usage_log} WHERE date_added < %s", limit)
        self._database.run("DELETE FROM {campaign_delivery_log} WHERE date_added < %s", limit)
        self._usage.forget_before((now - timedelta(days=32)).timestamp())
