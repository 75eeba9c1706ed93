"""What a person can turn on a host: faults, traffic, mail, and the questions that the vendor leaves open."""

from collections.abc import Callable
from dataclasses import asdict
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar

from lab.mail import Message
from lab.powermta.closed_files import put_beside
from lab.powermta.config_model import DEFAULT_VMTA
from lab.powermta.mailbox_providers import PROVIDERS
from lab.powermta.rate_windows import DailyWindow

if TYPE_CHECKING:
    from lab.powermta.host import Host

N = TypeVar("N", int, float)


def knobs(host: "Host") -> dict[str, Callable[..., Any]]:
    """Name to function; the first line of its docstring is its help."""
    panel = HostKnobs(host)
    names = [name for name in vars(HostKnobs) if not name.startswith("_")]
    return {name: getattr(panel, name) for name in names}


class HostKnobs:
    """The knobs of one host. What is switched on stays on until it is switched off."""

    def __init__(self, host: "Host") -> None:
        self._host = host
        self._injected = 0

    def refuse_test_config(self, text: str = "") -> str:
        """Every `pmta test config` fails with this text ('': it tells the truth again)."""
        if text and not text.startswith("Error in line"):
            text = f"Error in line 1 of /etc/pmta/config: {text}"
        self._host.faults.test_config_refusal = text
        return text

    def fail_reload(self, times: int = 1) -> int:
        """The next reloads fail and what runs goes on running (0: none)."""
        self._host.faults.reload_failures = _not_negative(times)
        return times

    def hang_command(self, seconds: float = 0, command: str = "") -> float:
        """Commands (those that contain this text, or all) answer only after so many seconds (0: at once)."""
        self._host.faults.hang_seconds = _not_negative(seconds)
        self._host.faults.hang_command = command
        return seconds

    def slow(self, seconds: float = 0) -> float:
        """Every command and every opening of a file takes so many seconds longer (0: no longer)."""
        self._host.faults.slow_seconds = _not_negative(seconds)
        return seconds

    def plumb(self, addresses: list[str]) -> str:
        """The host gets further local addresses, as `ip addr add` gives them."""
        given = [str(ip_address(address)) for address in addresses]
        self._host.sending.plumb(given)
        return f"{len(given)} addresses more"

    def command_missing(self, on: bool = True) -> bool:
        """`pmta` is not installed: exit status 127."""
        self._host.faults.command_missing = on
        return on

    def disk_full(self, on: bool = True) -> bool:
        """Writing by SFTP fails: no space left on the device."""
        self._host.faults.disk_full = on
        return on

    def disk_free(self, percent: float | None = None) -> float | None:
        """How much of its disk the host says is free, in percent (empty: as it is)."""
        self._host.faults.disk_free_percent = percent
        return percent

    def permission_denied(self, on: bool = True) -> bool:
        """Writing, renaming and removing by SFTP are refused."""
        self._host.faults.permission_denied = on
        return on

    def change_host_key(self, restore: bool = False) -> str:
        """New connections see another host key (restore: the old one again); gives its fingerprint."""
        return self._host.door.change_host_key(restore)

    def down(self) -> None:
        """The host is unreachable: SSH listener closed, connections cut. PowerMTA itself goes on sending."""
        self._host.door.down()

    def up(self) -> None:
        """The host is reachable again, on the same port."""
        self._host.door.up()

    def restart(self) -> str:
        """PowerMTA restarts from the installed files; gives '' or the mistake that keeps it from starting."""
        self._host.tick()
        self._host.restart()
        return self._host.start_error

    def version(self, version: str) -> str:
        """Another PowerMTA release (such as 4.5, 5.0r1, 5.5): other directives, no --json before 5.0. Loads at once."""
        old = self._host.version
        self._host.version = version
        try:
            self.restart()
        except ValueError:
            self._host.version = old
            raise
        return version

    def traffic(
        self,
        ip: str,
        provider: str = "",
        hard_bounce_rate: float | None = None,
        block_rate: float | None = None,
        deferral_rate: float | None = None,
        complaint_rate: float | None = None,
    ) -> dict[str, float]:
        """Sets how recipients treat an IP (`*`: all), at one provider or domain or at all; rates are 0..1."""
        rates = self._host.recipients.set_rates(
            ip,
            provider,
            hard_bounce_rate=hard_bounce_rate,
            block_rate=block_rate,
            deferral_rate=deferral_rate,
            complaint_rate=complaint_rate,
        )
        return asdict(rates)

    def clear_traffic(self, ip: str) -> None:
        """An IP is treated like any other again."""
        self._host.recipients.clear_rates(ip)

    def unreachable(self, provider: str, on: bool = True) -> list[str]:
        """A mailbox provider (gmail, microsoft, yahoo, apple, other) answers no connection: whole queues wait."""
        names = [one.name for one in PROVIDERS] + ["other"]
        if provider not in names:
            raise ValueError(f"provider is {provider!r}, allowed: {', '.join(names)}")
        (self._host.recipients.unreachable.add if on else self._host.recipients.unreachable.discard)(provider)
        return sorted(self._host.recipients.unreachable)

    def put_mail_in_queue(self, vmta: str, domain: str, n: int, mail_from: str = "") -> int:
        """Injects so many messages for a domain into a virtual MTA or pool (from a sender); gives how many were taken."""
        taken = 0
        for _ in range(_not_negative(n)):
            self._injected += 1
            name = f"{self._host.name}-{self._injected}"
            message = Message(
                f"<{name}@lab.example>",
                mail_from or f"bounce@{self._host.name}.lab.example",
                f"reader-{name}@{domain}",
                "" if vmta == DEFAULT_VMTA else vmta,
                "put-mail-in-queue",
            )
            reply = self._host.submit(message)
            if not reply.startswith("250"):
                raise ValueError(reply)
            taken += 1
        return taken

    def keep_delivered(self, n: int = 1000) -> int:
        """Keeps the newest n messages as receivers got them, signatures and all (0: none)."""
        self._host.sending.mailbox.keep = _not_negative(n)
        return n

    def delivered(self) -> list[dict[str, str]]:
        """Gives the kept messages (at, queued, vmta, text) and empties the mailbox."""
        self._host.tick()
        return self._host.sending.mailbox.empty()

    def signs_at_receipt(self, on: bool = True) -> bool:
        """Mail is signed when it comes in (off: when it is sent): no document says which; of what comes while mail is kept."""
        self._host.sending.mailbox.at_receipt = on
        return on

    def rotate_accounting(self) -> int:
        """Closes the open accounting files now; gives how many."""
        return self._host.rotate_accounting()

    def put_accounting(self, file: str, text: str = "", kind: str = "file") -> str:
        """Puts a file, directory, link or nothing (kind) beside the closed accounting files; %FF in its name is a byte."""
        return put_beside(self._host.root, file, text, kind, self._host.clock.now().timestamp())

    def daily_window(self, kind: DailyWindow, utc_offset_hours: float = 0) -> str:
        """How `/d` is counted; `utc_offset_hours` is for fixed-local midnight."""
        self._host.book.set_daily_window(kind, int(utc_offset_hours * 3600))
        return kind.value

    def pause_survives_reload(self, on: bool = True) -> bool:
        """Whether paused queues stay paused over a reload or a restart."""
        self._host.pause_survives_reload = on
        return on

    def disabled_source_survives_reload(self, on: bool = True) -> bool:
        """Whether disabled sources stay disabled over a reload or a restart."""
        self._host.disabled_source_survives_reload = on
        return on

    def pause_covers_new_queues(self, on: bool = True) -> bool:
        """Whether `pause queue '*/VMTA'` also holds for queues that appear later."""
        self._host.book.pause_covers_new_queues = on
        return on

    def holds_need_no_queue(self, on: bool = True) -> bool:
        """Whether a pause or a disabled source may name one queue (`domain/VMTA`) that is not there."""
        self._host.holds_need_no_queue = on
        return on

    def complaints_name_the_ip(self, on: bool = True) -> bool:
        """Whether feedback reports carry the source IP (dlvSourceIp of f records) or leave it empty."""
        self._host.sending.sequels.source_ip_in_complaints = on
        return on


def _not_negative(number: N) -> N:
    if number < 0:
        raise ValueError(f"{number} is negative")
    return number
