"""Reading a host's accounting for an adoption: bounded, newest first, and never stopped by one file."""

import itertools
import os
import shutil
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from email_engine.adapters.powermta_listing import RemoteFile
from email_engine.adoption.as_fleet import as_fleet
from email_engine.adoption.draft import FleetDraft, HostDraft, Sender, StreamDraft, TenantDraft
from email_engine.errors import Refused, Unreachable
from email_engine.fleet.model import IpAddress, IpState
from email_engine.fleet.ranges import parse_address
from email_engine.pipelines.fleet_adopt.files import FilesRead, LocalFolder, read_files
from email_engine.simulation.file_traffic import FileTraffic
from tests.adopted_fleet import FIRST, NOW, HandIp, write_accounting

IP = HandIp("news-1", "198.51.100.1", sent=(40,))


def traffic() -> FileTraffic:
    address: IpAddress = parse_address(IP.address)
    sender = Sender(address, IP.vmta, "", "", "", "", 1, IpState.ACTIVE, known_as=IP.vmta)
    draft = FleetDraft([HostDraft("mta-1", "x")], "", [TenantDraft("t", [StreamDraft("s", "p", [sender])])])
    return FileTraffic(as_fleet(draft), FIRST)


def sent(seen: FileTraffic) -> int:
    return sum(counts.sent for day in seen.counts[IP.address].values() for counts in day.values())


@dataclass
class Wire:
    """A folder behind a line that breaks, or hides a file."""

    folder: LocalFolder
    breaks_after: int = 1000
    hidden: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)

    def entries(self) -> tuple[RemoteFile, ...]:
        return self.folder.entries()

    def fetch(self, name: str, target: Path) -> bool:
        self.asked.append(name)
        if len(self.asked) > self.breaks_after:
            raise Unreachable("PowerMTA mta-1", "the line broke", "an answer", "see the host")
        if name in self.hidden:
            raise Refused("PowerMTA mta-1", "permission denied", "a readable file", "chmod")
        return name not in self.gone and self.folder.fetch(name, target)


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    write_accounting(tmp_path, (IP,))
    return LocalFolder(tmp_path)


def read(source: object, seen: FileTraffic, **more: object) -> FilesRead:
    return read_files(source, seen, FIRST, NOW, **more)  # type: ignore[arg-type]


def test_all_of_it_newest_first(folder: LocalFolder) -> None:
    wire, seen = Wire(folder), traffic()
    done = read(wire, seen)
    assert (done.files, done.rows, sent(seen), done.ended) == (30, 1_200, 1_200, "")
    assert wire.asked == sorted(wire.asked, reverse=True)
    assert done.ids is not None
    assert done.ids.sample[0].message_id == "news-1-2026-11-29-39@mail.example"


def test_a_line_that_breaks_leaves_what_came_before(folder: LocalFolder) -> None:
    seen = traffic()
    done = read(Wire(folder, breaks_after=10), seen)
    assert (done.files, sent(seen), done.ended) == (10, 400, "the line broke: 20 files were not read")


def test_one_file_that_is_refused_or_gone_stops_nothing(folder: LocalFolder) -> None:
    seen = traffic()
    one, other = "acct-2026-11-10-0000.csv", "acct-2026-11-11-0000.csv"
    done = read(Wire(folder, hidden=frozenset({one}), gone=frozenset({other})), seen)
    assert (done.files, sent(seen)) == (28, 1_120)
    assert done.passed_over == [(one, "permission denied")]


def test_bytes_and_time_are_bounded_and_the_newest_are_read(folder: LocalFolder) -> None:
    size = folder.entries()[0].size
    seen = traffic()
    done = read(folder, seen, most_bytes=size * 5 + 100)
    assert done.files == 5
    assert done.ended == "after 0 GB: 25 older files were not read"
    assert min(seen.counts[IP.address]) == FIRST + timedelta(days=25)
    ticks = itertools.count(0, 400)
    slow = read(folder, traffic(), clock=lambda: next(ticks))
    assert 0 < slow.files < 30
    assert "after 60 minutes" in slow.ended


def test_a_file_that_grew_counts_once_in_either_order(tmp_path: Path) -> None:
    (path,) = write_accounting(tmp_path, (replace(IP, sent=(400,)),), first=FIRST, last=FIRST)
    whole = path.read_bytes()
    half = whole[: whole.index(b"\n", len(whole) // 2) + 1]
    for younger, older in ((half, whole), (whole, half)):
        shutil.rmtree(tmp_path / "x", ignore_errors=True)
        (tmp_path / "x").mkdir()
        for name, data, age in (("a.csv", older, 100_000), ("b.csv", younger, 50_000)):
            copy = tmp_path / "x" / name
            copy.write_bytes(data)
            moment = NOW.timestamp() - age
            os.utime(copy, (moment, moment))
        seen = traffic()
        done = read_files(LocalFolder(tmp_path / "x"), seen, FIRST, NOW)
        assert (sent(seen), done.copies) == (400, 1)


def test_what_may_still_grow_and_what_is_old_waits(folder: LocalFolder) -> None:
    done = read_files(folder, traffic(), FIRST + timedelta(days=10), NOW)
    assert done.files == 22  # a day before, for what was written around midnight
    young = sorted(folder.folder.iterdir())[-1]
    moment = NOW.timestamp() - 1
    os.utime(young, (moment, moment))
    assert read_files(folder, traffic(), FIRST, NOW).files == 29
