"""What follows next for a key: nothing signs before its record is seen, nothing is revoked while anybody may need it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from email_engine.dkim.key import SigningKey
from email_engine.dkim.policy import parse_dkim_policy, shipped_dkim_policy
from email_engine.dkim.rotation import (
    HostKeysInUse,
    Look,
    Sight,
    after_look,
    due_at,
    is_quiet,
    look_at,
    may_sign,
    new_selector,
    overlap_ends,
    queue_life,
)
from email_engine.dkim.stages import KeyEvent, KeyStage
from email_engine.dns_answers import Absence, Answer, Found, NotFound, Unknown
from email_engine.fleet.mistakes import FileInvalid
from tests.dkim_keys import spki

NOW = datetime(2026, 11, 10, 7, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = shipped_dkim_policy()
P = spki()
OURS = Found((f"v=DKIM1; k=rsa; p={P}",), 3600)
OTHERS = Found((f"v=DKIM1; k=rsa; p={spki(2048, 1)}",), 3600)
EMPTY = Found(("v=DKIM1; p=",), 3600)
TWO = Found((f"v=DKIM1; p={P}", f"v=DKIM1; p={P}"))
GONE = NotFound(Absence.NXDOMAIN)
SILENT = Unknown("timeout")
RUBBISH = Found(("hello",))


def key(stage: KeyStage, **fields: Any) -> SigningKey:
    known: dict[str, Any] = {"public_key": P, "bits": 2048, "hosts": ("mta-1",), "made_at": NOW - 3 * DAY}
    return SigningKey(1, "aurora", "news1.example", "s2", "/k.pem", stage, NOW - DAY, **known | fields)


@pytest.mark.parametrize(
    ("resolver", "servers", "sight"),
    [
        (OURS, [], Sight.THERE),
        (OURS, [OURS, OURS], Sight.THERE),
        (OURS, [OURS, SILENT], Sight.THERE),
        (OURS, [OURS, GONE], Sight.OTHER),
        (OURS, [OTHERS], Sight.OTHER),
        (GONE, [OURS], Sight.OTHER),
        (SILENT, [OURS], Sight.UNKNOWN),
        (SILENT, [], Sight.UNKNOWN),
        (OTHERS, [], Sight.OTHER),
        (TWO, [], Sight.OTHER),
        (RUBBISH, [], Sight.OTHER),
        (GONE, [], Sight.ABSENT),
        (Found(()), [], Sight.ABSENT),
        (EMPTY, [EMPTY], Sight.REVOKED),
        (EMPTY, [GONE], Sight.REVOKED),
        (EMPTY, [OURS], Sight.OTHER),
        (EMPTY, [SILENT], Sight.REVOKED),
        (SILENT, [EMPTY], Sight.UNKNOWN),
    ],
)
def test_the_resolver_and_the_zones_own_servers_must_agree(
    resolver: Answer, servers: list[Answer], sight: Sight
) -> None:
    assert look_at(resolver, servers, P).sight is sight


@pytest.mark.parametrize(
    ("stage", "sight", "event"),
    [
        (KeyStage.MADE, Sight.THERE, KeyEvent.SHOW),
        (KeyStage.MADE, Sight.OTHER, None),
        (KeyStage.MADE, Sight.UNKNOWN, None),
        (KeyStage.SEEN, Sight.THERE, None),
        (KeyStage.SEEN, Sight.UNKNOWN, None),
        (KeyStage.SEEN, Sight.ABSENT, KeyEvent.VANISH),
        (KeyStage.SEEN, Sight.OTHER, KeyEvent.VANISH),
        (KeyStage.REVOKING, Sight.REVOKED, KeyEvent.WITHDRAW),
        (KeyStage.REVOKING, Sight.ABSENT, KeyEvent.WITHDRAW),
        (KeyStage.REVOKING, Sight.THERE, None),
        (KeyStage.REVOKING, Sight.OTHER, None),
        (KeyStage.REVOKING, Sight.UNKNOWN, None),
        (KeyStage.SIGNING, Sight.ABSENT, None),
    ],
)
def test_answers_move_a_key_and_silence_moves_none(
    stage: KeyStage, sight: Sight, event: KeyEvent | None
) -> None:
    assert after_look(key(stage), Look(sight)) is event


@pytest.mark.parametrize(
    ("stage", "seen", "ttl", "sight", "may"),
    [
        (KeyStage.SEEN, POLICY.seen_for, 3600, Sight.THERE, True),
        (KeyStage.SEEN, POLICY.seen_for - timedelta(seconds=1), 3600, Sight.THERE, False),
        (KeyStage.SEEN, DAY, 86_401, Sight.THERE, False),
        (KeyStage.SEEN, 2 * DAY, 172_800, Sight.THERE, True),
        (KeyStage.SEEN, 9 * DAY, 3600, Sight.UNKNOWN, False),
        (KeyStage.SEEN, 9 * DAY, 3600, Sight.OTHER, False),
        (KeyStage.SEEN, None, 3600, Sight.THERE, False),
        (KeyStage.MADE, 9 * DAY, 3600, Sight.THERE, False),
    ],
)
def test_a_key_signs_only_when_it_was_seen_for_its_ttl_and_is_seen_now(
    stage: KeyStage, seen: timedelta | None, ttl: int, sight: Sight, may: bool
) -> None:
    waiting = key(stage, seen_at=NOW - seen if seen else None)
    assert may_sign(waiting, Look(sight, ttl), NOW, POLICY) is may


OLD = SigningKey(
    2, "aurora", "news1.example", "s1", "/k1.pem", KeyStage.OVERLAP, NOW, P
)  # fmt: skip
CURRENT = key(KeyStage.SIGNING)
NEW_ONLY = HostKeysInUse("mta-1", frozenset({("news1.example", "s2")}))


@pytest.mark.parametrize(
    ("hosts", "quiet"),
    [
        ([NEW_ONLY], True),
        ([NEW_ONLY, HostKeysInUse("mta-2")], True),
        ([NEW_ONLY, HostKeysInUse("mta-2", frozenset({("news1.example", "s1")}))], False),
        ([HostKeysInUse("mta-1", frozenset({("news1.example", "s1"), ("news1.example", "s2")}))], False),
        ([NEW_ONLY, HostKeysInUse("mta-2", unread=("/etc/pmta/config",))], None),
        ([NEW_ONLY, HostKeysInUse("mta-2", frozenset({("*", "s1")}))], None),
        ([HostKeysInUse("mta-1")], False),
        ([], None),
    ],
)
def test_a_key_is_quiet_only_when_every_host_was_read(hosts: list[HostKeysInUse], quiet: bool | None) -> None:
    assert is_quiet(OLD, CURRENT, hosts) is quiet


@pytest.mark.parametrize(
    ("bounce_after", "days"),
    [(timedelta(0), 14.0), (timedelta(days=10), 14.0), (timedelta(days=13, hours=1), 14 + 1 / 24), (timedelta(days=30), 31.0)],
)  # fmt: skip
def test_the_old_record_outlives_every_queue(bounce_after: timedelta, days: float) -> None:
    life = queue_life([HostKeysInUse("mta-1", bounce_after=bounce_after), HostKeysInUse("mta-2")])
    assert life >= timedelta(days=4, hours=12)
    assert (overlap_ends(NOW, life, POLICY) - NOW).total_seconds() == pytest.approx(days * 86400)


def test_a_key_is_due_by_its_age_and_at_once_where_it_is_short() -> None:
    assert due_at(key(KeyStage.SIGNING), POLICY) == NOW - 3 * DAY + 180 * DAY
    assert due_at(key(KeyStage.SIGNING, bits=1024), POLICY) == NOW - DAY


def test_selectors_bear_the_month_and_never_come_twice() -> None:
    assert new_selector(NOW, {"s1"}) == "s202611"
    assert new_selector(NOW, {"s202611"}) == "s202611b"
    taken: set[str] = set()
    for _ in range(26):
        taken.add(new_selector(NOW, taken))
    assert len(taken) == 26
    with pytest.raises(ValueError, match="2026-11"):
        new_selector(NOW, taken)


def test_an_overlap_below_seven_days_is_no_policy() -> None:
    text = "rotate_after_days: 180\nseen_hours: 24\noverlap_days: 3\nremind_days: 7\n"
    with pytest.raises(FileInvalid, match="overlap_days"):
        parse_dkim_policy(text)
