"""Sending: rates, retries, expiry. Works off an interval of time at once and hands out accounting records."""

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heapreplace

from lab.mail import Message
from lab.powermta.accounting import Record
from lab.powermta.config_model import DEFAULT_VMTA
from lab.powermta.config_values import seconds
from lab.powermta.delivery_records import Sequels, delivery_row, queue_row
from lab.powermta.dkim import Mailbox, Signer, sender_domain
from lab.powermta.mail_queue import Mail, Queue
from lab.powermta.mailbox_providers import Reply, provider_of
from lab.powermta.queue_book import QueueBook
from lab.powermta.rate_windows import Window
from lab.powermta.recipients import Recipients
from lab.powermta.sending_state import DisabledSource

GONE = Reply(
    "b",
    "failed",
    "5.3.5 (system incorrectly configured)",
    "smtp;550 5.3.5 virtual MTA no longer configured",
    "bad-configuration",
)
EXPIRED = Reply("b", "failed", "4.4.7 (delivery time expired)", "", "message-expired")
NO_BIND = Reply(
    "tq", "delayed", "4.4.1 (no answer from host)", "smtp;cannot bind to local address", "bad-connection"
)
NO_ANSWER = Reply(
    "tq", "delayed", "4.4.1 (no answer from host)", "smtp;connection timed out", "no-answer-from-host"
)


class Sending:
    """Works through the queues of a book. `addresses` are the host's own; a VMTA without a source uses `primary`. PowerMTA knows and
    records those; receivers see what `nat` makes of them, and only that stands in their reports."""

    def __init__(
        self,
        book: QueueBook,
        addresses: frozenset[str],
        primary: str,
        recipients: Recipients,
        nat: Mapping[str, str] | None = None,
    ) -> None:
        self._nat = dict(nat or {})
        self._book, self._addresses, self._primary, self._recipients = book, addresses, primary, recipients
        self.kinds: frozenset[str] = frozenset()
        self.sequels = Sequels()
        self.last_record: dict[str, float] = {}
        self.sent = 0
        self.mailbox = Mailbox()
        self.signers: dict[str, tuple[Signer, ...]] = {}

    def plumb(self, addresses: Iterable[str]) -> None:
        """The host gets further addresses; none is ever taken away."""
        self._addresses |= frozenset(addresses)

    def run(self, start: float, now: float) -> list[Record]:
        """Sends what may be sent in (start, now]. Returns the records in the order of time."""
        records: list[Record] = []
        for vmta, queues in self._book.by_vmta.items():
            busy = [queue for queue in queues.values() if queue.fresh or queue.retries]
            if busy:
                self._run_vmta(vmta, busy, start, now, records)
        self._book.switches.forget_reenabled(now)
        records += self.sequels.due(now, self.kinds)
        records.sort(key=lambda record: record[0])
        return records

    def _run_vmta(
        self, vmta: str, busy: list[Queue], start: float, now: float, records: list[Record]
    ) -> None:
        exists = vmta in self._book.model.vmtas or vmta == DEFAULT_VMTA
        heap: list[tuple[float, int, Queue]] = []
        sources: dict[str, list[str]] = {}
        for number, queue in enumerate(busy):
            self._book.prepare(queue, start, now)
            sources[queue.name], opens = self._book.sources(queue, self._primary, start)
            due = queue.next_due()
            if queue.paused or due is None:
                continue
            heap.append((max(due, start, opens, queue.free_at), number, queue))
        heapify(heap)
        if not exists:
            self._bounce_gone(heap, now, records)
        window = self._book.window(vmta)
        while heap:
            moment, number, queue = heap[0]
            if moment > now:
                break
            if window is not None and (allowed := window.earliest(moment)) > moment:
                if allowed > now:
                    break
                heapreplace(heap, (allowed, number, queue))
                continue
            if queue.window is not None and (allowed := queue.window.earliest(moment)) > moment:
                heapreplace(heap, (allowed, number, queue))
                continue
            mail = queue.take(moment)
            if moment >= mail.queued + queue.settings.bounce_after:
                self._finish(queue, mail, EXPIRED, "", moment, records)
            else:
                self._attempt(queue, mail, sources[queue.name], moment, window, records)
            due = queue.next_due()
            if due is None:
                heappop(heap)
                continue
            opens = moment
            if self._book.switches.disabled:
                sources[queue.name], opens = self._book.sources(queue, self._primary, moment)
            heapreplace(heap, (max(due, opens, queue.free_at), number, queue))
        for queue in busy:
            for mail in queue.take_expired(now):
                moment = max(start, mail.queued + queue.settings.bounce_after)
                self._finish(queue, mail, EXPIRED, "", moment, records)

    def _attempt(
        self,
        queue: Queue,
        mail: Mail,
        sources: list[str],
        moment: float,
        window: Window | None,
        records: list[Record],
    ) -> None:
        address = sources[queue.turn % len(sources)] if len(sources) > 1 else sources[0]
        queue.turn += 1
        if trouble := self._trouble(address, mail.domain):
            self._defer_queue(queue, mail, trouble, address, moment, records)
            return
        if window is not None:
            window.take(moment)
        if queue.window is not None:
            queue.window.take(moment)
        queue.free_at = moment + queue.settings.gap
        message = mail.message
        seen = self._nat.get(address, address)
        answer = self._recipients.answer(seen, mail.domain, message.message_id, message.rcpt, mail.attempts)
        reply = answer.reply
        if not mail.first:
            mail.first = moment
        if answer.follow_up:
            self.sequels.add(moment + answer.delay, answer.follow_up, mail, seen, queue)
        self._finish(queue, mail, reply, address, moment, records)
        self.sent += 1
        if reply.record == "d":
            if self.mailbox.keep:
                self._keep(queue, mail, moment)
            if queue.backoff_until is not None and queue.settings.normal_after_delivery:
                queue.set_backoff(None, self._book.rules)
            return
        queue.events.append((moment, reply.diagnostic))
        if reply.record == "t":
            self._retry_later(queue, mail, moment)
        if queue.settings.reply_list:
            self._act_on(queue, reply.diagnostic, address, moment)

    def signer(self, vmta: str, domain: str, message: Message) -> Signer | None:
        """Who signs such a message now: PowerMTA does where `dkim-sign` says so, with the first key that fits its sender."""
        sender = sender_domain(message)
        found = next((one for one in self.signers.get(vmta, ()) if one.signs_for(sender)), None)
        signs = found and self._book.effective(domain, vmta).get("dkim-sign") in {"yes", "true"}
        return found if signs else None

    def _keep(self, queue: Queue, mail: Mail, moment: float) -> None:
        signer = (
            mail.signer if self.mailbox.at_receipt else self.signer(queue.vmta, queue.domain, mail.message)
        )
        self.mailbox.put(mail.message, queue.vmta, mail.queued, moment, signer)

    def _trouble(self, address: str, domain: str) -> Reply | None:
        if address not in self._addresses:
            return NO_BIND
        if self._recipients.unreachable and provider_of(domain).name in self._recipients.unreachable:
            return NO_ANSWER
        return None

    def _defer_queue(
        self, queue: Queue, mail: Mail, trouble: Reply, address: str, moment: float, records: list[Record]
    ) -> None:
        """The connection failed: nobody was attempted, the whole queue waits."""
        wait = queue.settings.retry_after[0]
        queue.free_at = moment + wait
        queue.put_back(mail, moment + wait)
        queue.events.append((moment, trouble.diagnostic))
        if "tq" in self.kinds and "tq" not in queue.settings.no_records:
            records.append((moment, "tq", queue_row(queue, trouble, address, moment), queue.name))

    def _retry_later(self, queue: Queue, mail: Mail, moment: float) -> None:
        waits = queue.settings.backoff_retry_after if queue.backoff else queue.settings.retry_after
        wait = waits[min(mail.attempts, len(waits) - 1)]
        mail.attempts += 1
        queue.put_back(mail, min(moment + wait, mail.queued + queue.settings.bounce_after))

    def _act_on(self, queue: Queue, diagnostic: str, address: str, moment: float) -> None:
        """What the queue's smtp-pattern-list asks for after such an answer."""
        text = diagnostic.removeprefix("smtp;")
        rules = self._book.model.reply_lists.get(queue.settings.reply_list, ())
        actions = next((rule.actions for rule in rules if rule.pattern.search(text)), ())
        values = dict(action.partition("=")[::2] for action in actions)
        if values.get("mode") == "backoff" and not queue.backoff:
            after = values.get("backoff-to-normal-after")
            until = moment + (seconds(after) if after else queue.settings.to_normal_after)
            queue.set_backoff(until, self._book.rules)
        elif values.get("mode") == "normal" and queue.backoff:
            queue.set_backoff(None, self._book.rules)
        if "disable-source-ip" in values:
            after = values.get("reenable-after")
            until = moment + (seconds(after) if after else queue.settings.reenable_source_after)
            self._book.switches.disable(DisabledSource(address, queue.name, moment, until))

    def _bounce_gone(self, heap: list[tuple[float, int, Queue]], now: float, records: list[Record]) -> None:
        """Mail whose VMTA the configuration no longer has bounces when its delivery is due."""
        for moment, _, queue in heap:
            while (due := queue.next_due()) is not None and max(due, moment) <= now:
                self._finish(queue, queue.take(due), GONE, "", max(due, moment), records)
        heap.clear()

    def _finish(
        self, queue: Queue, mail: Mail, reply: Reply, address: str, moment: float, records: list[Record]
    ) -> None:
        if address:
            self.last_record[address] = moment
        if reply.record in self.kinds and reply.record not in queue.settings.no_records:
            records.append(
                (moment, reply.record, delivery_row(queue, mail, reply, address, moment), queue.name)
            )
