"""PowerMTA over SSH: its command line and the files that the engine owns on a host."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

from email_engine.adapters.powermta_listing import RemoteFile
from email_engine.adapters.powermta_reply import (
    DisabledSource,
    Queue,
    Reply,
    parse_disabled_sources,
    parse_queues,
    parse_reply,
    parse_settings,
    parse_version,
)
from email_engine.adapters.powermta_session import Session
from email_engine.adapters.powermta_ssh import CommandResult, PowerMtaEndpoint, command_line, run
from email_engine.errors import InputError, NotVerified, Refused
from email_engine.plural import amount

__all__ = ["CommandResult", "DisabledSource", "Hold", "PowerMta", "PowerMtaEndpoint", "Queue", "RemoteFile"]

VMTA_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
QUEUE_NAME = re.compile(
    r"(?:\*|\{?[A-Za-z0-9*][A-Za-z0-9.*_-]{0,254}\}?)/(?:\*|\{?[A-Za-z0-9][A-Za-z0-9._-]{0,62}\}?)"
)
MAX_ITEMS = 100_000


@dataclass(frozen=True, slots=True)
class Hold:
    """What reading back showed about one virtual MTA.

    `unpaused`: queues that are not shown as paused (unknown counts as not paused); `source_disabled` None where
    the host could not say."""

    vmta: str
    address: str
    queues: int
    recipients: int
    unpaused: tuple[str, ...]
    source_disabled: bool | None

    @property
    def holds(self) -> bool:
        """Nothing can leave: the source is disabled and no queue is shown running."""
        return self.source_disabled is True and not self.unpaused

    @property
    def free(self) -> bool:
        """Nothing of ours is in the way any more."""
        return self.source_disabled is False and len(self.unpaused) == self.queues

    @property
    def summary(self) -> str:
        source = {True: "disabled", False: "enabled", None: "unknown"}[self.source_disabled]
        return (
            f"{self.vmta}: {self.queues - len(self.unpaused)} of {amount(self.queues, 'queue')} paused"
            f" ({amount(self.recipients, 'recipient')}), source {self.address} {source}"
        )


class PowerMta(Session):
    """One SSH session to one host; use as a context manager. Every failure is an EngineError that names the host."""

    def __init__(self, endpoint: PowerMtaEndpoint) -> None:
        super().__init__(endpoint)
        self._format: str | None = None

    def pmta(self, *args: str) -> CommandResult:
        """Runs `pmta ARGS`; never raises for what pmta itself says."""
        line = command_line(self.endpoint.pmta_command, args, self.endpoint.subject)
        return run(self._session(), line, self.endpoint.command_timeout, self.endpoint.subject)

    def ask(self, *args: str) -> Reply:
        """Runs `pmta --json ARGS` (`--xml` before 5.0). Success is exit 0 and status success; else raises Refused."""
        fmt = self._format or "--json"
        result = self.pmta(fmt, *args)
        reply = parse_reply(result.stdout)
        if self._format is None and reply.ok is None and result.exit_status != 0:
            second = self.pmta("--xml", *args)
            if parse_reply(second.stdout).ok is not None:
                fmt, result, reply = "--xml", second, parse_reply(second.stdout)
        if reply.ok is not None:
            self._format = fmt
        text_error = reply.ok is None and re.search(r"(?i)\berror\b|\bunknown\b|\bfailed\b", result.words)
        if result.exit_status != 0 or reply.ok is False or text_error:
            said = reply.message or result.words or f"exit status {result.exit_status} and no word"
            raise Refused(
                self.endpoint.subject,
                f"`pmta {' '.join(args)}` said: {said}",
                "exit status 0 and status success",
                "read PowerMTA's words above; on the host, /var/log/pmta/log tells more"
                if result.exit_status != 127
                else "PowerMTA is not on the path there: put its full path into the connection's `pmta_command`",
            )
        return reply

    def version(self) -> str:
        """Such as `5.0r5`."""
        reply = self.ask("show", "version")
        found = parse_version(reply.data)
        if found is None:
            raise Refused(
                self.endpoint.subject,
                "`pmta show version` tells no version",
                "such as 5.0r5",
                "try it by hand there",
            )
        return found

    def knows_test_config(self) -> bool:
        """Does this release have `pmta test config`? 4.5 has not; there the reload is the test."""
        said = self.pmta("--help")
        return said.exit_status != 0 or not said.stdout.strip() or "test config" in said.stdout

    def test_config(self) -> str:
        """`pmta test config` on the installed files (5.0 and later); returns its words."""
        return self.ask("test", "config").message

    def reload(self) -> str:
        """`pmta reload`; a refused reload leaves the old configuration running."""
        return self.ask("reload").message

    def queues(self, pattern: str = "*/*") -> tuple[Queue, ...]:
        """Queues that match; where the listing does not tell `paused`, a second one asks for the paused ones."""
        found = parse_queues(self.ask("show", "queues", f"--maxitems={MAX_ITEMS}", self._queue(pattern)).data)
        if len(found) >= MAX_ITEMS:
            raise NotVerified(
                self.endpoint.subject,
                f"{len(found)} queues match {pattern} and the listing ends there",
                f"fewer than {MAX_ITEMS}",
                "ask for fewer queues at once",
            )
        if all(q.paused is not None for q in found):
            return found
        asked = self.ask("show", "queues", "--paused", f"--maxitems={MAX_ITEMS}", self._queue(pattern))
        paused = {q.name for q in parse_queues(asked.data)}
        return tuple(replace(q, paused=q.name in paused) for q in found)

    def pause(self, vmta: str, domain: str = "*") -> None:
        """Pauses every queue of one virtual MTA, or that of one recipient domain or roll-up."""
        self.ask("pause", "queue", self._queue_of(vmta, domain))

    def resume(self, vmta: str, domain: str = "*") -> None:
        """Lets every queue of one virtual MTA go again, or that of one recipient domain or roll-up."""
        self.ask("resume", "queue", self._queue_of(vmta, domain))

    def disable_source(self, address: str, vmta: str, domain: str = "*") -> None:
        """Holds a source IP for the queues of one virtual MTA until it is enabled by hand."""
        self.ask("disable", "source", self._address(address), self._queue_of(vmta, domain))

    def enable_source(self, address: str, vmta: str, domain: str = "*") -> None:
        """The opposite of `disable_source`."""
        self.ask("enable", "source", self._address(address), self._queue_of(vmta, domain))

    def disabled_sources(self) -> tuple[DisabledSource, ...]:
        """Sources that are disabled now, ours and PowerMTA's own."""
        return parse_disabled_sources(self.ask("show", "disabled", "sources").data)

    def hold(self, address: str, vmta: str) -> Hold:
        """The brake: pauses the queues, disables the source (for queues that appear later), and reads both back."""
        self.pause(vmta)
        self.disable_source(address, vmta)
        return self.held(address, vmta)

    def let_go(self, address: str, vmta: str, keep: Collection[str] = ()) -> Hold:
        """Releases what `hold` did, and reads it back; the queues of the domains and roll-ups in `keep` stay paused.

        The source is enabled last: nothing leaves from a queue in `keep` in between."""
        self.resume(vmta)
        if keep:
            for queue in self.queues(self._queue_of(vmta)):
                if queue.domain in keep:
                    self.pause(vmta, queue.domain)
        self.enable_source(address, vmta)
        return self.held(address, vmta, keep)

    def held(self, address: str, vmta: str, apart: Collection[str] = ()) -> Hold:
        """Only reads: what holds this virtual MTA now; queues of the domains and roll-ups in `apart` are left out."""
        wanted = self._address(address)
        found = [q for q in self.queues(self._queue_of(vmta)) if q.domain not in apart]
        disabled = any(
            s.address == wanted and s.queue.rpartition("/")[2] == vmta and s.queue.startswith("*/")
            for s in self.disabled_sources()
        )
        return Hold(
            vmta=vmta,
            address=wanted,
            queues=len(found),
            recipients=sum(q.recipients for q in found),
            unpaused=tuple(q.name for q in found if q.paused is not True),
            source_disabled=disabled,
        )

    def vmta_settings(self, name: str) -> dict[str, Any]:
        """`show vmta-settings NAME` as the host prints it: source address, host and keys as loaded."""
        return parse_settings(self.ask("show", "vmta-settings", self._vmta(name)).data)

    def settings(self, queue: str) -> dict[str, Any]:
        """`show settings dom/vmta`: the effective settings of one queue."""
        return parse_settings(self.ask("show", "settings", self._queue(queue)).data)

    def _vmta(self, name: str) -> str:
        return self._word(name, VMTA_NAME, "virtual MTA name")

    def _queue(self, name: str) -> str:
        return self._word(name, QUEUE_NAME, "queue name")

    def _queue_of(self, vmta: str, domain: str = "*") -> str:
        return self._queue(f"{domain}/{self._vmta(vmta)}")

    def _word(self, text: str, pattern: re.Pattern[str], what: str) -> str:
        if not pattern.fullmatch(text):
            raise InputError(
                self.endpoint.subject,
                f"{what} {text!r}",
                "letters, digits, dot, dash, underscore",
                "correct fleet.yaml",
            )
        return text

    def _address(self, text: str) -> str:
        try:
            return str(ip_address(text))
        except ValueError as error:
            raise InputError(
                self.endpoint.subject, f"address {text!r}", "an IP address", "correct it"
            ) from error
