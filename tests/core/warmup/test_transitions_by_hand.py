"""What a person may ask of an IP, what follows, and what is refused with its reasons."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from email_engine.errors import InputError
from email_engine.fleet.model import IpState, Pause
from email_engine.fleet.traffic import DayCounts
from email_engine.lifecycle.machine import TABLE, Cause, Event
from email_engine.warmup.observation import DnsHealth, IpObservation
from email_engine.warmup.plan import Quotas
from email_engine.warmup.policy import Schedule
from email_engine.warmup.policy_file import load_policy
from email_engine.warmup.transition_request import Request, read_request
from email_engine.warmup.transitions_by_hand import Answer, answer
from tests.core.warmup.worlds import observation, sent

TODAY = date(2026, 11, 21)
NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
POLICY = load_policy()
QUOTA = Quotas(30_000)


def ip(state: str = "warming", days: float = 20, number: int = 1, **changes: Any) -> IpObservation:
    """An IP that is fine, `days` in its state."""
    fields = {
        "state": IpState(state),
        "state_since": NOW - timedelta(days=days),
        "allowance": changes.pop("allowance", 0),
        "phase": changes.pop("phase", 3),
        "pause": changes.pop("pause", None),
        "quarantine_until": changes.pop("quarantine_until", None),
        "blacklisted_on": changes.pop("listed", ()),
    }
    return observation(changes.pop("days_sent", ()), number=number, ip=fields, **changes)


def ask(event: str, *seen: IpObservation, quota: Quotas = QUOTA, others: int = 0, **form: Any) -> Answer:
    """`others`: so many of the last observations belong to the tenant and are not meant."""
    defaults = {"event": event, "reason": "asked for.", "cause": None, "until": None}
    if event in ("release", "reenter"):
        defaults["cause"] = "a bought list"
    if event == "pause":
        defaults["until"] = "2026-11-25"
    request = read_request(defaults | form, TODAY)
    meant = {one.ip.ip_id for one in seen[: len(seen) - others]}
    return answer(seen, meant, request, POLICY, quota, NOW)


MINOR: dict[str, Any] = {"minor_listing": True, "quarantined_from": IpState.WARMING}
PAUSED = NOW + timedelta(days=3)


@pytest.mark.parametrize(
    ("event", "seen", "to", "allowance", "phase", "words"),
    [
        pytest.param("start", ip("standby"), "warming", 50, 1, "It warms from phase 1 at 50 a day", id="start"),
        pytest.param("pause", ip(allowance=250), "warming", 0, 3, "paused until 2026-11-25", id="pause"),
        pytest.param("pause", ip("retiring"), "retiring", 0, 3, "paused until", id="pause a warm-down"),
        pytest.param("resume", ip(pause=Pause(PAUSED)), "warming", 250, 3, "in phase 3 at 250", id="resume"),
        pytest.param(
            "resume", ip("retiring", 4, pause=Pause(PAUSED)), "retiring", 2500, 3, "with 2500", id="resume a warm-down"
        ),
        pytest.param("quarantine", ip("active"), "quarantine", 0, 3, "until 2026-11-28", id="quarantine"),
        pytest.param("release", ip("quarantine"), "resting", None, 1, "rests 30 days", id="release"),
        pytest.param("reenter", ip("quarantine", **MINOR), "warming", 50, 1, "in phase 1 at 50", id="reenter"),
        pytest.param(
            "reenter", ip("quarantine", **MINOR | {"quarantined_from": IpState.ACTIVE}), "warming", 1000, 5,
            "in phase 5 at 1000", id="reenter from active",
        ),
        pytest.param("retire", ip("active", allowance=8000), "retiring", 5000, 3, "from 5000 a day", id="retire"),
        pytest.param("retire", ip("active", allowance=700), "retiring", 700, 3, "from 700", id="never above what it has"),
        pytest.param("retire", ip("active"), "retiring", 0, 3, "sends nothing", id="retire to nothing"),
        pytest.param("abandon", ip("quarantine", 1), "abandoned", 0, 3, "for good", id="abandon"),
    ],
)  # fmt: skip
def test_a_person_moves_an_ip(
    event: str, seen: IpObservation, to: str, allowance: int | None, phase: int, words: str
) -> None:
    done = ask(event, seen)
    assert done.refused == ()
    (move,) = done.moves
    assert (move.transition.to, move.allowance, move.proposal.phase) == (to, allowance, phase)
    assert move.reason.startswith("asked for. ")
    assert words in move.reason
    assert move.stops is (allowance == 0)


def proven(daily: int, days_ago: int = 1) -> tuple[DayCounts, ...]:
    """Five days on which it sent so much, the last of them `days_ago`."""
    return sent(5, daily, TODAY - timedelta(days=days_ago))


@pytest.mark.parametrize(
    ("event", "state", "changes", "allowance"),
    [
        ("resume", "active", {"days_sent": proven(2000)}, 10_000),
        ("resume", "active", {"days_sent": proven(20_000)}, 40_000),
        ("resume", "active", {"days_sent": proven(40_000)}, 50_000),
        ("resume", "active", {"days_sent": proven(40_000, 8)}, 10_000),
        ("resume", "retiring", {"days_sent": proven(2000)}, 10_000),
        ("resume", "warming", {"schedule": "steep", "days_sent": proven(2000)}, 10_000),
        ("retire", "active", {"dealt": False}, 10_000),
        ("retire", "active", {"dealt": False, "warmed_to": 50_000}, 25_000),
    ],
    ids=["resume", "proven", "its target", "long ago", "a warm-down", "warming", "retire undealt", "retire warmed"],
)  # fmt: skip
def test_nobody_gets_by_hand_what_it_never_proved(
    event: str, state: str, changes: dict[str, Any], allowance: int
) -> None:
    schedules = {**POLICY.schedules, "steep": Schedule((50, 1000, 50_000), 7)}
    seen = ip(state, 1, days_sent=changes.pop("days_sent", ()), standing=0)
    paused = None if event == "retire" else Pause(PAUSED)
    seen = replace(seen, ip=replace(seen.ip, daily_target=50_000, pause=paused, **changes))
    other = ip("active", 40, 2, allowance=50_000)
    request = read_request({"event": event, "reason": "asked for"}, TODAY)
    policy = replace(POLICY, schedules=schedules)
    (move,) = answer([seen, other], {1}, request, policy, Quotas(5_000_000), NOW).moves
    assert move.allowance == allowance


@pytest.mark.parametrize(
    ("event", "seen", "reasons"),
    [
        pytest.param("start", ip("standby", 6), ["its 7 clean days end on 2026-11-22 10:00 UTC"], id="too early"),
        pytest.param(
            "start", ip("standby", last_listed_at=NOW - timedelta(days=2)), ["end on 2026-11-26"], id="listed lately"
        ),
        pytest.param(
            "start", ip("standby", 1, dns=DnsHealth.UNKNOWN, blocklists_known=False, held_by="ops (x)"),
            ["its brake is held by ops (x)", "its DNS was not checked", "no block list answered", "its 7 clean days"],
            id="all at once",
        ),
        pytest.param("start", ip("standby", trouble="its clock is off"), ["its clock is off"], id="signals not trusted"),
        pytest.param(
            "start", ip("standby", dns=DnsHealth.BROKEN, dns_broken=("spf",)), ["its DNS is broken (spf)"], id="DNS"
        ),
        pytest.param("pause", ip(pause=Pause(NOW + timedelta(days=9))), ["paused until 2026-11-30"], id="shorter"),
        pytest.param("resume", ip(), ["it is not paused"], id="not paused"),
        pytest.param(
            "resume", ip(pause=Pause(PAUSED), last_stop_at=PAUSED - timedelta(days=7)), ["no cause is named"],
            id="stopped by rates",
        ),
        pytest.param("resume", ip(pause=Pause(PAUSED), listed=("zen",)), ["it is listed on zen"], id="listed"),
        pytest.param("release", ip("quarantine", 6), ["its quarantine lasts until 2026-11-22"], id="quarantine lasts"),
        pytest.param(
            "release", ip("quarantine", quarantine_until=NOW + timedelta(days=1), listed=("zen",), blocklists_known=False),
            ["lasts until 2026-11-22", "it is listed on zen", "no block list answered"], id="not off the lists",
        ),
        pytest.param("reenter", ip("quarantine"), ["more than one minor listing"], id="not minor"),
        pytest.param("reenter", ip("quarantine", dns=DnsHealth.UNKNOWN, **MINOR), ["DNS was not"], id="DNS unknown"),
    ],
)  # fmt: skip
def test_a_guard_refuses_with_all_its_reasons(event: str, seen: IpObservation, reasons: list[str]) -> None:
    done = ask(event, seen)
    assert done.moves == ()
    (error,) = done.refused
    assert error.subject == f"{event} of ip 198.51.100.1 ({seen.ip.state})"
    for reason in reasons:
        assert reason in error.observed
    assert error.allowed
    assert error.next_step


def test_a_cause_lets_an_ip_go_on_that_its_rates_stopped_and_it_goes_one_phase_back() -> None:
    stopped = ip(pause=Pause(PAUSED), last_stop_at=PAUSED - timedelta(days=7))
    (move,) = ask("resume", stopped, cause="an old segment, removed").moves
    assert (move.proposal.phase, move.allowance, move.proposal.new_phase) == (2, 100, True)
    assert move.reason.endswith("Cause: an old segment, removed.")


@pytest.mark.parametrize("state", IpState, ids=str)
@pytest.mark.parametrize("event", sorted({row.event for row in TABLE if row.by is not Cause.ENGINE}), ids=str)
def test_every_pair_is_in_the_table_or_refused_by_what_is_allowed(state: IpState, event: Event) -> None:
    seen = ip(state, pause=Pause(PAUSED) if event is Event.RESUME else None, **MINOR)
    done = ask(event, seen)
    row = next((row for row in TABLE if (row.state, row.event) == (state, event)), None)
    if row is None:
        (error,) = done.refused
        persons = [row.event for row in TABLE if row.state is state and row.by is not Cause.ENGINE]
        assert error.allowed == (", ".join(persons) or "no event: the state is final")
    else:
        assert [move.transition for move in done.moves] == [row]


def test_an_active_ip_goes_on_at_the_level_of_its_pool_within_the_quota() -> None:
    paused = ip("active", pause=Pause(PAUSED))
    peers = [ip("active", number=n, allowance=700) for n in (2, 3)]
    assert ask("resume", paused, *peers, others=2).moves[0].allowance == 700
    assert ask("resume", paused, *peers, others=2, quota=Quotas(1500)).moves[0].allowance == 100
    assert ask("resume", paused).moves[0].allowance == 2000


def test_the_quota_is_dealt_to_warming_ips_first_and_a_start_beyond_it_is_refused() -> None:
    warming = ip(number=9, allowance=2000)
    busy = ip("active", number=8, allowance=8000)
    standby = [ip("standby", number=n) for n in (1, 2)]
    done = ask("start", *standby, warming, busy, others=2, quota=Quotas(10_020))
    assert [move.allowance for move in done.moves] == [20, 0]
    assert "20 are left of today's quota, the rest is dealt at midnight" in done.moves[0].reason
    assert not done.moves[1].stops
    (error,) = ask("start", *standby, warming, others=1, quota=Quotas(2060)).refused
    assert "of the quota 10 a day are not promised to warming IPs, and it needs 50" in error.observed


def test_of_several_ips_those_that_do_not_know_the_event_are_left_alone() -> None:
    done = ask("pause", ip(number=1), ip("standby", number=2), ip("active", number=3))
    assert [str(move.observation.ip.address) for move in done.moves] == ["198.51.100.1", "198.51.100.3"]
    assert [str(one.ip.address) for one in done.untouched] == ["198.51.100.2"]


def test_every_refusal_is_told_at_once() -> None:
    done = ask("start", *(ip("standby", 1, number=n) for n in (1, 2, 3)))
    assert len(done.refused) == 3


@pytest.mark.parametrize(
    ("form", "told"),
    [
        pytest.param(
            {"event": "clean"}, "event 'clean' is none of start, pause, resume", id="the engine's event"
        ),
        pytest.param({"event": "start", "reason": " "}, "reason is empty", id="no reason"),
        pytest.param({"event": "pause"}, "until is empty: a pause has an end", id="a pause without end"),
        pytest.param(
            {"event": "pause", "until": "soon"}, "until 'soon' is no date such as 2026-11-28", id="no date"
        ),
        pytest.param({"event": "pause", "until": "2026-11-21"}, "is not after today", id="today"),
        pytest.param({"event": "pause", "until": "2027-03-01"}, "more than 90 days away", id="too long"),
        pytest.param(
            {"event": "retire", "until": "2026-12-01"}, "only pause and quarantine have one", id="no use"
        ),
        pytest.param(
            {"event": "release"}, "cause is empty: release needs what led", id="release without cause"
        ),
        pytest.param(
            {"event": "pause", "until": "20261128"}, "'20261128' is no date", id="a date without dashes"
        ),
        pytest.param({"event": "pause", "until": "2026-W48-6"}, "is no date", id="a week"),
        pytest.param({"event": "start", "reason": "..."}, "reason has fewer than 3 letters", id="no letters"),
        pytest.param({"event": "start", "reason": "\u200b" * 3}, "cannot be seen", id="zero width"),
        pytest.param({"event": "start", "reason": "a\0b c"}, "cannot be seen", id="NUL"),
        pytest.param({"event": "start", "reason": "a\ud800bc"}, "cannot be seen", id="a surrogate"),
        pytest.param({"event": "start", "reason": "one\ntwo"}, "more than one line", id="two lines"),
        pytest.param(
            {"event": "start", "reason": "x" * 501},
            "501 characters, and 500 are the most",
            id="too long a text",
        ),
        pytest.param(
            {"event": "start", "cause": "--"}, "cause has fewer than 3 letters", id="a cause without letters"
        ),
    ],
)
def test_a_form_that_says_too_little_is_refused(form: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match="form of ip_transition") as refused:
        read_request({"reason": "because", "until": None, "cause": None} | form, TODAY)
    assert told in refused.value.observed


def test_every_mistake_of_the_form_is_told_at_once() -> None:
    with pytest.raises(InputError) as refused:
        read_request({"event": "reenter", "reason": "", "until": "never", "cause": ""}, TODAY)
    assert refused.value.observed.count(";") == 2


def test_a_longer_quarantine_is_a_persons_to_ask() -> None:
    (move,) = ask("quarantine", ip(), until="2026-12-24").moves
    assert move.proposal.quarantine_until == datetime(2026, 12, 24, tzinfo=UTC)
    assert read_request({"event": "abandon", "reason": "sold"}, TODAY) == Request(Event.ABANDON, "sold")
