"""A host of the lab on a clock that stands still, and short ways to configure it and to read what it wrote."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab.clock import Clock
from lab.mail import Message
from lab.powermta.command_output import Output
from lab.powermta.commands import run_command
from lab.powermta.host import Host
from lab.powermta.recipients import Recipients

START = datetime(2026, 11, 1, tzinfo=UTC)
ADDRESSES = tuple(f"198.51.100.{n}" for n in range(1, 10))
PERFECT = {
    "*": {
        "hard_bounce_rate": 0,
        "block_rate": 0,
        "deferral_rate": 0,
        "complaint_rate": 0,
        "remote_bounce_rate": 0,
        "remote_status_rate": 0,
    }
}
ACCOUNTING = """
<acct-file /var/log/pmta/acct.csv>
 records d,b,t,tq,r,f,rb,rs
 record-fields d *,header_Message-Id
 record-fields b *,header_Message-Id
 record-fields t *,header_Message-Id
 record-fields f *,header_Message-Id
 move-to /var/log/pmta/done
 move-interval 5m
</acct-file>
"""


@dataclass
class Bench:
    """A host under test. Mail is perfect (always delivered) unless a test says otherwise."""

    host: Host
    clock: Clock
    root: Path
    sent: int = 0
    replies: list[str] = field(default_factory=list)

    def write(self, text: str, file: str = "/etc/pmta/email-engine.conf") -> None:
        path = self.root / file.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def load(self, text: str, accounting: str = ACCOUNTING) -> None:
        """Puts a configuration in force."""
        self.write(text + accounting)
        self.host.reload()

    def vmtas(self, *names: str, inside: str = "", after: str = "") -> None:
        """Loads virtual MTAs 198.51.100.1, .2, ... of these names, each with `inside`."""
        blocks = [
            f"<virtual-mta {name}>\n smtp-source-host {ADDRESSES[at]} mail{at}.example.com\n{inside}\n</virtual-mta>\n"
            for at, name in enumerate(names)
        ]
        self.load("".join(blocks) + after)

    def submit(
        self, count: int = 1, vmta: str = "", domain: str = "example.org", job: str = "camp-1"
    ) -> list[str]:
        """Hands over messages; returns the SMTP replies."""
        self.replies = []
        for _ in range(count):
            self.sent += 1
            message = Message(f"<{self.sent}@x>", "bounce@mail.example", f"r{self.sent}@{domain}", vmta, job)
            self.replies.append(self.host.submit(message))
        return self.replies

    def pass_time(self, **time: float) -> None:
        """Moves the clock as timedelta(**time) and lets the host send."""
        self.clock.advance_to(self.clock.now() + timedelta(**time))
        self.host.tick()

    def pmta(self, *arguments: str) -> Output:
        return run_command(self.host, arguments)

    def records(self, *kinds: str) -> list[dict[str, str]]:
        """All accounting records written so far, of these types or all, in the order of time."""
        rows: list[dict[str, str]] = []
        for file in sorted((self.root / "var/log/pmta").rglob("*.csv")):
            with file.open(newline="", encoding="utf-8") as lines:
                rows += list(csv.DictReader(lines))
        return sorted(
            (row for row in rows if not kinds or row["type"] in kinds), key=lambda row: row["timeLogged"]
        )

    def waiting(self, pattern: str = "") -> int:
        return sum(len(queue) for queue in self.host.book.queues() if pattern in queue.name)


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes a host; `traffic` are base rates, `version` the PowerMTA release; `nat`: then it has only those addresses."""
    made: list[Host] = []

    def make(
        traffic: dict[str, dict[str, float]] | None = None,
        version: str = "5.0r5",
        nat: dict[str, str] | None = None,
    ) -> Bench:
        clock = Clock(START)
        root = tmp_path / f"host-{len(made) + 1}"
        root.mkdir()
        recipients = Recipients(traffic=traffic or PERFECT)
        host = Host(f"mta-{len(made) + 1}", root, nat or ADDRESSES, version, clock, recipients, nat)
        made.append(host)
        return Bench(host, clock, root)

    yield make
    for host in made:
        host.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()
