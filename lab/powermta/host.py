"""One PowerMTA host of the lab: its files, the running configuration, the mail, the doors to it."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.clock import Clock
from lab.mail import Message
from lab.ports import LOOPBACK
from lab.powermta import knobs as host_knobs
from lab.powermta.accounting import Accounting, Record
from lab.powermta.config_build import build_model
from lab.powermta.config_model import Model
from lab.powermta.config_reader import ConfigurationError, read_configuration
from lab.powermta.delivery_records import receipt_row
from lab.powermta.dkim import signers_of
from lab.powermta.faults import Faults
from lab.powermta.grammar import Grammar
from lab.powermta.host_files import ENGINE_FILE, furnish
from lab.powermta.mail_queue import Mail, Queue
from lab.powermta.queue_book import QueueBook
from lab.powermta.recipients import Recipients
from lab.powermta.routing import Refusal, Router
from lab.powermta.sending import Sending
from lab.powermta.ssh import SshDoor
from lab.powermta.traffic_counters import TrafficCounters

PRIMARY_ADDRESS = "127.0.0.1"
_NEEDS_QUOTES = re.compile(r'[",\r\n]').search
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


class Host:
    """A PowerMTA with an SSH door. `ips` are the local addresses, `root` the directory that SFTP shows as `/`; `nat`: as what the
    world sees a local address, where that differs."""

    def __init__(
        self,
        name: str,
        root: Path,
        ips: Iterable[str],
        version: str,
        clock: Clock,
        recipients: Recipients,
        nat: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.root, self.clock, self.recipients = name, Path(root), clock, recipients
        self.ips = tuple(str(ip) for ip in ips)
        self.version = version
        self.faults = Faults()
        self.counters = TrafficCounters()
        self.pause_survives_reload = True
        self.disabled_source_survives_reload = True
        self.holds_need_no_queue = True
        self.started_at = clock.now()
        self.loaded_at: datetime | None = None
        self.last_reload_error = ""
        self.start_error = ""
        self.model: Model | None = None
        self.book = QueueBook()
        self.sending = Sending(
            self.book, frozenset((*self.ips, PRIMARY_ADDRESS)), PRIMARY_ADDRESS, recipients, nat
        )
        self._accounting = Accounting((), self.root)
        self._router: Router | None = None
        self._receipts: list[tuple[Mail, Queue]] = []
        self._tick_at = clock.now().timestamp()
        self._door = SshDoor(self)
        furnish(self.root, name)
        self.restart()

    def read_installed(self) -> Model:
        """Reads the installed files by the grammar of this release. Raises ConfigurationError."""
        return build_model(read_configuration(self.root, Grammar(self.version)))

    def restart(self) -> None:
        """Starts the service anew from the installed files; a mistake in them keeps it from starting."""
        self._flush()
        self._accounting.rotate(self._tick_at)
        self.started_at = self.clock.now()
        self.start_error = ""
        self._forget()
        try:
            self._put_in_force(self.read_installed())
        except ConfigurationError as error:
            self.model = self._router = None
            self.start_error = str(error)

    def reload(self) -> None:
        """Loads the installed files. Raises ConfigurationError and then keeps what was running."""
        self.tick()
        try:
            model = self.read_installed()
        except ConfigurationError as error:
            self.last_reload_error = str(error)
            raise
        self._forget()
        self._put_in_force(model)

    def _forget(self) -> None:
        """What no document says: does a reload or a restart keep pauses and disabled sources?"""
        if not self.pause_survives_reload:
            self.book.resume("*/*")
        if not self.disabled_source_survives_reload:
            self.book.switches.disabled.clear()

    def _put_in_force(self, model: Model) -> None:
        now = self.clock.now()
        changed = self.model is None or self.model.acct_files != model.acct_files
        self.model, self._router = model, Router(model)
        self.book.load(model, now.timestamp())
        self.sending.signers = signers_of(model, self.root)
        if changed:
            self._accounting.rotate(now.timestamp())
            self._accounting = Accounting(model.acct_files, self.root)
            self.sending.kinds = self._accounting.kinds
        self.loaded_at, self.last_reload_error = now, ""

    def submit(self, message: Message) -> str:
        """Takes a message as SMTP would; returns the reply: `250 ...`, `550 5.5.0 ...` (unknown virtual MTA), `421 ...`."""
        if self._router is None:
            return "421 4.3.2 service not available"
        try:
            route = self._router.route(message)
        except Refusal as refusal:
            return str(refusal)
        rcpt = message.rcpt
        if not _ADDRESS.fullmatch(rcpt):
            return "501 5.1.3 bad destination mailbox address syntax"
        domain = rcpt[rcpt.rindex("@") + 1 :].lower()
        if not self._router.process_job and message.job:
            message = Message(message.message_id, message.mail_from, rcpt, message.virtual_mta, "")
        unsafe = _NEEDS_QUOTES(f"{rcpt}{message.mail_from}{message.message_id}{message.job}") is not None
        now = self.clock.now().timestamp()
        mail = Mail(now, message, domain, route.pool, unsafe)
        queue = self.book.queue(domain, route.next_member())
        if self.sending.mailbox.keep:
            mail.signer = self.sending.signer(queue.vmta, queue.domain, message)
        queue.fresh.append(mail)
        self.counters.received += 1
        if "r" in self.sending.kinds:
            self._receipts.append((mail, queue))
        return "250 2.6.0 message received"

    def tick(self) -> None:
        """Brings sending up to the clock and writes the accounting of it."""
        now = self.clock.now().timestamp()
        if now <= self._tick_at:
            return
        start, self._tick_at = self._tick_at, now
        if self.model is None:
            return
        records = self.sending.run(start, now)
        if self._receipts:
            records = sorted([*self._taken_receipts(), *records], key=lambda record: record[0])
        self._accounting.write(records)
        self._accounting.rotate_due(now)
        self.counters.count(now, self.sending.sent)

    def _taken_receipts(self) -> list[Record]:
        receipts, self._receipts = self._receipts, []
        return [(mail.queued, "r", receipt_row(mail, queue.vmta), queue.name) for mail, queue in receipts]

    def _flush(self) -> None:
        self._accounting.write(self._taken_receipts())

    def rotate_accounting(self, only: str = "") -> int:
        """Closes the open accounting files and moves them; returns how many."""
        self.tick()
        self._flush()
        return self._accounting.rotate(self.clock.now().timestamp(), only)

    def write_records(self, records: list[Record]) -> None:
        """Writes records that did not come from sending (mail deleted by hand)."""
        self._accounting.write(records)

    async def start_ssh(
        self,
        port: int,
        host_key_file: Path | str,
        authorized_key: str,
        username: str,
        address: str = LOOPBACK,
    ) -> int:
        """Opens the SSH and SFTP door on `address`; makes the host key if it is missing. Returns the port (for port 0)."""
        return await self._door.open(port, Path(host_key_file), authorized_key, username, address)

    @property
    def door(self) -> SshDoor:
        return self._door

    def close(self) -> None:
        """Ends the SSH door and the accounting files. Sends nothing more."""
        self._door.close()
        self._flush()
        self._accounting.rotate(self.clock.now().timestamp())

    def knobs(self) -> dict[str, Callable[..., Any]]:
        """What a person can turn on this host; each with a docstring."""
        return host_knobs.knobs(self)

    def running(self) -> dict[str, Any]:
        """Which configuration is in force: SHA-256 of the engine's file as loaded, when, and what went wrong last."""
        model = self.model
        return {
            "name": self.name,
            "version": self.version,
            "service": "running" if model else "stopped",
            "start_error": self.start_error,
            "digest": model.digests.get(ENGINE_FILE) if model else None,
            "digests": dict(model.digests) if model else {},
            "loaded_at": self.loaded_at.isoformat() if self.loaded_at else None,
            "last_reload_error": self.last_reload_error,
        }

    def state(self) -> dict[str, Any]:
        """What runs and what waits, as plain data for the control API. Times are ISO 8601 in UTC."""
        now = self.clock.now().timestamp()
        book, sending = self.book, self.sending
        return self.running() | {
            "ssh": {"port": self._door.port, "open": self._door.is_open},
            "vmtas": {vmta: self._vmta_state(vmta, now) for vmta in book.model.vmtas},
            "pools": {pool.name: list(pool.members) for pool in book.model.pools.values()},
            "queues": [
                {
                    "name": queue.name,
                    "recipients": len(queue),
                    "paused": queue.paused,
                    "mode": "backoff" if queue.backoff else "normal",
                }
                for queue in book.shown_queues()
            ],
            "pauses": list(book.switches.pauses),
            "disabled_sources": [
                {
                    "ip": one.address,
                    "queue": one.pattern,
                    "until": _iso(one.until) if one.until < float("inf") else None,
                }
                for one in book.switches.disabled
            ],
            "last_accounting": {ip: _iso(moment) for ip, moment in sorted(sending.last_record.items())},
            "messages": {
                "received": self.counters.received,
                "attempted": sending.sent,
                "waiting": book.waiting(),
            },
        }

    def _vmta_state(self, name: str, now: float) -> dict[str, Any]:
        vmta = self.book.model.vmtas[name]
        return {
            "sources": [source.address for source in vmta.sources],
            "hosts": [source.host for source in vmta.sources],
            "max_smtp_msg_rate": vmta.rate_text,
            "attempts_in_window": self.book.used_today(name, now),
            "domain_rates": {
                block.written: dict(block.settings)["max-msg-rate"]
                for block in vmta.domains
                if "max-msg-rate" in dict(block.settings)
            },
            "queued": sum(len(queue) for queue in self.book.by_vmta.get(name, {}).values()),
        }


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
