"""The brake under every answer to what the vendor's documents leave open, with mail in the queue and mail that comes.

Does a pause outlive a reload or a restart? Does `*/VMTA` cover queues that appear later? Does a disabled source outlive a
reload or a restart? Whatever the answers, no accounting record may be later than the look that follows."""

import csv
import io
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count, product

import pytest

from tests.whole_lab import OPEN_QUESTIONS, Whole

ANSWERS = list(product([True, False], repeat=3))
NAMES = count()
LOOK = timedelta(minutes=14)
"""How long nobody looks: `mta_health` comes every 15 minutes."""


@pytest.fixture
def whole(whole: Whole) -> Iterator[Whole]:
    yield whole
    with whole.ssh() as mta:
        mta.pmta("delete", "--queue=*/*", "--no-accounting")
    whole.later(hours=25)  # no cap of a day is used up for the next test


def records_of(whole: Whole, number: int, since: datetime) -> list[datetime]:
    """When mail of one IP left after `since`, out of the accounting files as an ingest reads them."""
    whole.lab.knob("rotate_accounting")
    times = []
    with whole.ssh() as mta:
        for file in mta.listdir("/var/log/pmta/done"):
            text = (mta.read(f"/var/log/pmta/done/{file.name}") or b"").decode()
            for row in csv.DictReader(io.StringIO(text, newline="")):
                if row.get("dlvSourceIp") == f"198.51.100.{number}":
                    times.append(datetime.fromisoformat(row["timeLogged"]))
    return [time for time in times if time > since]


def reload(whole: Whole) -> None:
    with whole.ssh() as mta:
        mta.reload()


def restart(whole: Whole) -> None:
    whole.lab.knob("restart")


def wait(whole: Whole, time: timedelta) -> None:
    whole.lab.advance(whole.now + time)


@pytest.mark.parametrize("answers", ANSWERS, ids=lambda a: " ".join("yes" if each else "no" for each in a))
def test_no_mail_leaves_after_the_look_that_follows(whole: Whole, answers: tuple[bool, bool, bool]) -> None:
    for knob, on in zip(OPEN_QUESTIONS, answers, strict=True):
        whole.lab.knob(knob, on=on)
    pause_stays, covers_new, source_stays = answers
    for number in (1, 2):
        whole.mail(number, 2_000)
    began = whole.now
    whole.engage(1)
    whole.brake()
    braked = looked = whole.now
    wait(whole, LOOK)
    whole.mail(1, 30, domain=f"new{next(NAMES)}.example")
    wait(whole, LOOK)
    assert records_of(whole, 1, braked) == []
    events: tuple[Callable[[Whole], None], ...] = (reload, restart, reload)
    for event in events:
        event(whole)
        whole.mail(1, 30, domain=f"new{next(NAMES)}.example")
        wait(whole, LOOK)
        if source_stays:
            assert records_of(whole, 1, looked) == [], "the source alone must have held what appeared later"
        whole.brake()
        looked = whole.now
        held = whole.host
        assert all(q["paused"] for q in held["queues"] if q["name"].endswith("/aurora-1"))
        assert "198.51.100.1" in whole.disabled_sources()
        whole.mail(1, 30, domain=f"later{next(NAMES)}.example")
        wait(whole, LOOK)
        assert records_of(whole, 1, looked) == []
    leaks = not source_stays and not (pause_stays and covers_new)
    assert bool(records_of(whole, 1, braked)) is leaks, (
        "where nothing was remembered, mail must really have left"
    )
    assert records_of(whole, 2, began), "the neighbour must go on sending, or nothing was shown"


@pytest.mark.parametrize("answers", ANSWERS, ids=lambda a: " ".join("yes" if each else "no" for each in a))
def test_a_deployment_holds_again_what_its_own_reload_let_go(
    whole: Whole, answers: tuple[bool, bool, bool]
) -> None:
    for knob, on in zip(OPEN_QUESTIONS, answers, strict=True):
        whole.lab.knob(knob, on=on)
    whole.mail(1, 500)
    whole.engage(1)
    whole.brake()
    whole.allow(2000, 2)
    assert whole.deploy()["status"] == "verified"
    at = whole.now
    whole.mail(1, 30, domain="yahoo.com")
    wait(whole, LOOK)
    assert records_of(whole, 1, at) == []
