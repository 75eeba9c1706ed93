"""Pending alerts leave for Telegram: leased, sent outside of any transaction, marked message by message."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import DBAPIError

from email_engine.adapters.telegram import Telegram, Throttled, Unanswered
from email_engine.adapters.telegram_text import Block, Message, escape, link, pack, render_alert
from email_engine.errors import EngineError, Refused
from email_engine.pipelines.trouble import log_url
from email_engine.store.engine import ALL_TENANTS, Store
from email_engine.store.telling import alerts
from email_engine.store.telling.alerts import Alert
from email_engine.store.telling.owed import tell_overdue

LEASE = timedelta(minutes=10)
"""Longer than any sender lives; a killed one's alerts are free again afterwards."""
DOUBTFUL = 2
"""An alert that may have arrived so often without an answer is tried once an hour only."""
DOUBT_WAIT = timedelta(hours=1)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Alerts sent, messages they made, alerts that wait; `failure`: why they do, unless Telegram named a time."""

    sent: int = 0
    messages: int = 0
    waiting: int = 0
    failure: EngineError | None = None


def deliver(
    store: Store,
    open_telegram: Callable[[], Telegram],
    base_url: str,
    *,
    also_quiet: bool = False,
    lease: timedelta = LEASE,
    limit: int = 500,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    of_run: tuple[str, str] | None = None,
) -> Delivery:
    """Sends what is pending and not another sender's. Quiet alerts leave with others, or by themselves where `also_quiet`. `of_run`: DAG
    and run that sends; what other runs told within the last minute is left to them.

    Raises EngineError only where the database is away."""
    now = clock()
    try:
        tell_overdue(store)
    except (DBAPIError, EngineError) as error:  # what can be sent is sent
        log.warning("what killed runs owe could not be looked for: %s", type(error).__name__)
    with store.session(tenant=ALL_TENANTS) as conn:
        leased = alerts.lease(conn, now, now + lease, also_quiet=also_quiet, limit=limit, of_run=of_run)
    if not leased:
        return Delivery()
    sender = _Sender(store, {a.id: a for a in leased}, base_url, clock)
    try:
        telegram = open_telegram()
        sender.send_all(telegram, pack(_header(len(leased)), [sender.block(a) for a in leased]))
    except Throttled as error:
        until = clock() + timedelta(seconds=error.retry_after)
        log.warning("%s; %d alerts wait until %s", error, len(sender.left), f"{until:%H:%M:%S} UTC")
        sender.keep(str(error), until)
        return Delivery(sender.sent, sender.messages, len(sender.left))
    except EngineError as error:
        sender.keep(str(error), None)
        return Delivery(sender.sent, sender.messages, len(sender.left), error)
    except BaseException:
        sender.keep("the sender was stopped", None)
        raise
    return Delivery(sender.sent, sender.messages, len(sender.left))


class _Sender:
    """`left`: leased alerts that are not sent, by id."""

    def __init__(
        self, store: Store, left: dict[int, Alert], base_url: str, clock: Callable[[], datetime]
    ) -> None:
        self.store, self.left, self.base_url, self.clock = store, left, base_url, clock
        self.sent = self.messages = 0

    def send_all(self, telegram: Telegram, messages: Sequence[Message]) -> None:
        for message in messages:
            try:
                self._send(telegram, message)
            except Refused:
                # one of them is poison: each goes alone, so that it holds up no other
                for number in message.completes:
                    self._send_alone(telegram, self.left[number])

    def _send_alone(self, telegram: Telegram, alert: Alert) -> None:
        (message,) = pack(_header(1), [self.block(alert)])
        try:
            self._send(telegram, message)
        except Refused as refused:
            log.error("alert %d of event %s is refused: %s", alert.id, alert.event, refused)
            known = f"An alert could not be shown here: number {alert.id} in table alerts"
            url = _url(self.base_url, alert)
            lines = [*_header(1), escape(known), *([link(url, "more")] if url else [])]
            self._send(telegram, Message("\n".join(lines), (alert.id,)))

    def _send(self, telegram: Telegram, message: Message) -> None:
        ids = message.completes
        with self.store.session(tenant=ALL_TENANTS) as conn:
            alerts.trying(conn, ids)
        try:
            telegram.send(message.html)
        except Unanswered as error:
            doubtful = [n for n in ids if self.left[n].sends + 1 >= DOUBTFUL]
            self._give_back(ids, str(error), None)
            self._give_back(doubtful, str(error), self.clock() + DOUBT_WAIT)
            for number in ids:
                del self.left[number]
            raise
        except EngineError as error:
            self._give_back(ids, str(error), self.clock() + LEASE, not_sent=ids)
            raise
        with self.store.session(tenant=ALL_TENANTS) as conn:
            alerts.mark_sent(conn, ids, self.clock())
        self.messages += 1
        self.sent += len(ids)
        for number in ids:
            del self.left[number]

    def keep(self, failure: str, until: datetime | None) -> None:
        """What was not sent is free for the next sender, from `until` on."""
        self._give_back(tuple(self.left), failure, until)

    def _give_back(
        self, ids: Sequence[int], failure: str, until: datetime | None, not_sent: Sequence[int] = ()
    ) -> None:
        if ids:
            with self.store.session(tenant=ALL_TENANTS) as conn:
                alerts.give_back(conn, ids, failure, until, not_sent=not_sent)

    def block(self, alert: Alert) -> Block:
        url = _url(self.base_url, alert)
        return render_alert(alert.id, alert.severity, alert.text, alert.tenant, alert.cleared_at, url)


def _url(base: str, alert: Alert) -> str | None:
    if not base or not alert.dag_id or not alert.run_id:
        return None
    return log_url(base, alert.dag_id, alert.run_id, alert.task_id, alert.map_index)


def _header(count: int) -> list[str]:
    return ["<b>email-engine</b>" + (f": {count} messages" if count > 1 else "")]
