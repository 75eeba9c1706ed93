"""Accounting files are counted exactly once, whole or not at all, in a real PostgreSQL."""

import random
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Row, func, select, text, update

from email_engine.accounting import group_counts
from email_engine.accounting.policy import shipped_accounting_policy
from email_engine.accounting.recipients import recipient_hash
from email_engine.accounting.summarize import Counts
from email_engine.fleet.providers import shipped_providers
from email_engine.store import schema as s
from email_engine.store.accounting.counts import add_counts
from email_engine.store.accounting.delivery import AccountingFile, Reading, Taken, seen_files, take_file
from email_engine.store.engine import Store
from tests.fleet_rows import add_host, add_ip, add_tenant

HEADER = "type,timeLogged,rcpt,bounceCat,dlvSourceIp,vmta"
HASH = partial(recipient_hash, b"sixteen bytes at least")
READING = Reading(shipped_providers(), shipped_accounting_policy(), HASH)
HOUR = datetime(2026, 11, 1, 10, tzinfo=UTC)


@pytest.fixture
def fleet(store: Store) -> Store:
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        add_host(conn)
        add_host(conn, "mta-2")
        for number in (1, 2):
            add_ip(conn, number)
    return store


def row(
    kind: str = "d",
    rcpt: str = "a@gmail.com",
    category: str = "",
    ip: str = "198.51.100.1",
    vmta: str = "aurora-1",
) -> str:
    return f"{kind},2026-11-01 10:15:00+0000,{rcpt},{category},{ip},{vmta}"


def content(*rows: str) -> bytes:
    return "\r\n".join([HEADER, *rows, ""]).encode()


def take(
    store: Store, data: bytes, name: str = "acct-1.csv", host: str = "mta-1", modified: int = 1
) -> Taken:
    with store.session(tenant="*") as conn:
        return take_in(conn, data, name, host, modified)


def take_in(
    conn: Connection,
    data: bytes,
    name: str,
    host: str = "mta-1",
    modified: int = 1,
    reading: Reading = READING,
) -> Taken:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        file = AccountingFile(host, name, len(data), modified)
        return take_file(conn, file, path, reading, dag_id="accounting_ingest", run_id="r")


def stats(store: Store) -> Sequence[tuple[object, ...]]:
    c = s.delivery_stats.c
    columns = (
        s.ips.c.vmta_name,
        c.provider,
        c.attempts,
        c.delivered,
        c.bounced,
        c.deferred,
        c.complained,
        c.bounce_categories,
    )
    with store.session(tenant="aurora") as conn:
        query = (
            select(*columns)
            .join(s.ips, s.ips.c.id == c.ip_id)
            .order_by(s.ips.c.vmta_name, c.provider, c.hour)
        )
        return [tuple(r) for r in conn.execute(query)]


def alerts(store: Store) -> list[str]:
    with store.session(tenant="*") as conn:
        return list(conn.execute(select(s.alerts.c.text)).scalars())


def test_two_files_add_up_by_ip_provider_and_hour(fleet: Store) -> None:
    first = take(
        fleet, content(row(), row("b", category="bad-mailbox"), row("t"), row("f"), row(rcpt="x@yahoo.com"))
    )
    take(
        fleet,
        content(row(), row("b", category="bad-mailbox"), row("b", category="quota-issues")),
        "acct-2.csv",
    )
    assert first == Taken("taken", 5, 0)
    assert stats(fleet) == [
        ("aurora-1", "gmail", 6, 2, 3, 1, 1, {"bad-mailbox": 2, "quota-issues": 1}),
        ("aurora-1", "yahoo", 1, 1, 0, 0, 0, {}),
    ]
    with fleet.session(tenant="aurora") as conn:
        assert set(conn.execute(select(s.delivery_stats.c.hour)).scalars()) == {HOUR}


def test_what_receivers_meant_adds_up_word_by_word(fleet: Store) -> None:
    c = s.delivery_stats.c
    words = (c.bounce_meanings, c.deferral_meanings, c.named_lists)
    for more in ({"rate": 4}, {}, {"rate": 1, "system": 1}):
        with fleet.session(tenant="*") as conn:
            ip_id = conn.execute(select(func.min(s.ips.c.id))).scalar_one()
            counts = Counts(0, 1, 5, 0, {"other": 1}, {"address": 1}, more, {"zen.spamhaus.org": 2})
            add_counts(conn, {(ip_id, "aurora", "gmail", HOUR): counts})
    with fleet.session(tenant="aurora") as conn:
        assert tuple(conn.execute(select(*words)).one()) == (
            {"address": 3},
            {"rate": 5, "system": 1},
            {"zen.spamhaus.org": 6},
        )


@pytest.mark.parametrize(
    ("name", "modified"), [("acct-1.csv", 1), ("acct-1.csv", 2), ("copy-of-acct-1.csv", 1)]
)
def test_the_same_content_again_is_a_duplicate_whatever_it_is_called(
    fleet: Store, name: str, modified: int
) -> None:
    take(fleet, content(row()))
    again = take(fleet, content(row()), name, modified=modified)
    assert again.status == "duplicate"
    assert again.message == "same content as acct-1.csv, taken before"
    assert stats(fleet)[0][2] == 1
    with fleet.session(tenant="*") as conn:
        assert (name, len(content(row())), modified) in seen_files(conn, "mta-1")
    assert take(fleet, content(row()), name, modified=modified).status == "duplicate"


def test_the_same_content_on_another_host_is_another_file(fleet: Store) -> None:
    assert [take(fleet, content(row()), host=host).status for host in ("mta-1", "mta-2")] == [
        "taken",
        "taken",
    ]
    assert stats(fleet)[0][2] == 2


def test_two_takers_at_once_count_once(fleet: Store) -> None:
    results: list[str] = []
    ready = threading.Barrier(2)

    def work() -> None:
        ready.wait()
        results.append(take(fleet, content(row())).status)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == ["duplicate", "taken"]
    assert stats(fleet)[0][2] == 1


def test_a_crash_before_the_commit_leaves_no_trace(fleet: Store) -> None:
    data = content(row())

    def killed_after_taking() -> None:
        with fleet.session(tenant="*") as conn:
            assert take_in(conn, data, "acct-1.csv").status == "taken"
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        killed_after_taking()
    assert stats(fleet) == []
    assert take(fleet, data).status == "taken"


def test_up_to_one_percent_of_unreadable_rows_is_taken_and_counted_as_rejected(fleet: Store) -> None:
    taken = take(fleet, content(*[row()] * 99, "x"))
    assert (taken.status, taken.records, taken.rejected) == ("taken", 99, 1)
    assert taken.message == "1 unreadable rows, first in line 101: 1 fields, the header has 6"
    assert alerts(fleet) == []


def test_more_than_one_percent_refuses_the_whole_file_with_one_alert(fleet: Store) -> None:
    data = content(*[row()] * 98, "x", "y")
    refused = take(fleet, data)
    assert (refused.status, refused.rejected) == ("refused", 2)
    assert stats(fleet) == []
    (text,) = alerts(fleet)
    assert "mta-1: accounting file acct-1.csv refused" in text
    assert "line 100: 1 fields" in text
    assert take(fleet, data).status == "duplicate"
    assert len(alerts(fleet)) == 1


def test_rows_of_sources_outside_the_fleet_are_rejected_and_named_and_refuse_nothing(fleet: Store) -> None:
    taken = take(fleet, content(row(), *[row(ip="192.0.2.9", vmta="other")] * 3))
    assert (taken.status, taken.records, taken.rejected) == ("taken", 4, 3)
    assert taken.message == "3 rows of 1 sources outside the fleet: 192.0.2.9 (3)"
    assert stats(fleet)[0][2] == 1


def test_an_ip_behind_nat_is_found_by_its_virtual_mta(fleet: Store) -> None:
    take(fleet, content(row(ip="10.0.0.7", vmta="Aurora-2"), row("b", ip="", vmta="aurora-2")))
    assert stats(fleet) == [("aurora-2", "gmail", 2, 1, 1, 0, 0, {"unknown": 1})]


def test_an_ip_behind_nat_is_found_by_what_its_own_host_binds(fleet: Store) -> None:
    with fleet.session(tenant="*") as conn:
        add_ip(conn, 3, bind_address="10.0.0.5")
        add_ip(conn, 4, mta_host="mta-2", bind_address="10.0.0.5")
    take(fleet, content(row(ip="10.0.0.5", vmta=""), row("t", ip="198.51.100.3", vmta="")))
    take(fleet, content(row(ip="10.0.0.5", vmta="")), name="acct-2.csv", host="mta-2")
    assert [one[:3] for one in stats(fleet)] == [("aurora-3", "gmail", 2), ("aurora-4", "gmail", 1)]


def test_a_private_address_that_passed_to_another_ip_counts_for_the_virtual_mta_of_its_row(
    fleet: Store,
) -> None:
    with fleet.session(tenant="*") as conn:
        add_ip(conn, 3, bind_address="10.0.0.6")
        add_ip(conn, 4, bind_address="10.0.0.5")
    take(fleet, content(row(ip="10.0.0.5", vmta="aurora-3"), row(ip="10.0.0.9", vmta="other")))
    assert [one[:3] for one in stats(fleet)] == [("aurora-3", "gmail", 1)]


def test_of_a_removed_ip_and_its_heir_the_heir_has_the_private_address(fleet: Store) -> None:
    with fleet.session(tenant="*") as conn:
        add_ip(conn, 3, bind_address="10.0.0.5", removed=True)
        add_ip(conn, 4, bind_address="10.0.0.5")
    take(fleet, content(row(ip="10.0.0.5", vmta=""), row("b", ip="10.0.0.5", vmta="aurora-3")))
    assert [one[:3] for one in stats(fleet)] == [("aurora-3", "gmail", 1), ("aurora-4", "gmail", 1)]


def test_what_a_host_binds_is_no_removed_ip_s_although_it_was_its_public_address(fleet: Store) -> None:
    with fleet.session(tenant="*") as conn:
        add_ip(conn, 3, removed=True)
        add_ip(conn, 4, bind_address="198.51.100.3")
    take(fleet, content(row(ip="198.51.100.3", vmta="aurora-4"), row(ip="198.51.100.3", vmta="")))
    assert [one[:3] for one in stats(fleet)] == [("aurora-4", "gmail", 2)]


WHOLE = content(
    *(
        row("dbt"[n % 3], rcpt=f"u{n}@gmail.com", ip=f"198.51.100.{n % 2 + 1}", category="x" * (n % 3 == 1))
        for n in range(30)
    )
)
BOUNCE = WHOLE.index(b"\nb,", 700) + 1
"""Where one row begins that has something in every column."""


def cuts() -> list[int]:
    """Each kind of place: in the header and behind it, where the start of a file that is compared ends, of one row before and behind
    each comma, in each value and in its line break, at the end; and some more by chance."""
    end = WHOLE.index(b"\n", BOUNCE) + 1
    commas = [at for at in range(BOUNCE, end) if WHOLE[at] == ord(",")]
    values = [(first + last) // 2 for first, last in pairwise([BOUNCE, *commas, end])]
    row = {BOUNCE, *commas, *(at + 1 for at in commas), *values, end - 2, end - 1, end}
    whole = {len(HEADER) + 2, len(HEADER) + 3, 200, 201, 255, 256, 257, len(WHOLE) - 2, len(WHOLE) - 1}
    return sorted(row | whole | set(random.Random(5).sample(range(len(HEADER) + 4, len(WHOLE) - 2), 4)))


@pytest.mark.parametrize("name", ["acct-1.csv", "other.csv"])
def test_of_a_shorter_copy_and_then_the_whole_file_each_record_counts_once_wherever_it_was_cut(
    fleet: Store, name: str
) -> None:
    take(fleet, WHOLE, host="mta-2")
    wanted = stats(fleet)
    for cut in cuts():
        with fleet.session(tenant="*") as conn:
            conn.execute(text("TRUNCATE email_engine.delivery_stats, email_engine.accounting_files CASCADE"))
        first, rest = take(fleet, WHOLE[:cut], name), take(fleet, WHOLE, modified=2)
        if first.status == "refused":
            assert rest.message == "", cut
        said = (
            "duplicate" if cut >= len(WHOLE) - 2 else "taken"
        )  # but for its line break all of it came first
        assert (rest.status, stats(fleet)) == (said, wanted), cut
        assert len(events(fleet)) == 10, cut
        assert take(fleet, WHOLE[: len(WHOLE) - 40], modified=3).status == "duplicate", (
            "and a shorter one again"
        )


def test_a_file_that_grows_three_times_counts_each_record_once(fleet: Store) -> None:
    for end in (300, 700, len(WHOLE)):
        take(fleet, WHOLE[:end], modified=end)
    assert sum(r[2] for r in stats(fleet)) == 30
    with fleet.session(tenant="*") as conn:
        records = select(func.sum(s.accounting_files.c.records))
        assert conn.execute(records).scalar_one() == 30


def test_bounces_and_complaints_are_kept_without_an_address(fleet: Store) -> None:
    header = f"{HEADER},dsnStatus,jobId,header_Message-Id,header_Date,feedbackType"
    rows = [
        row("b", "Ann.Lee@gmail.com", "bad-mailbox") + ",5.1.1 (no),camp-1,<m1@aurora>,,",
        row("f", "ann.lee@gmail.com", ip="", vmta="") + ",,,<m1@aurora>,,abuse",
        row("f", "bob.ray@gmail.com")
        + ',,camp-1,<bob.ray=gmail.com@aurora>,"Sat, 24 Oct 2026 08:30:00 +0000",abuse',
        row("f", "eve@gmail.com") + ",,camp-2,,,abuse",
    ]
    assert take(fleet, "\n".join([header, *rows, ""]).encode()).rejected == 0
    found = events(fleet)
    assert [(e.kind, e.campaign, e.counted_by, e.category, e.status) for e in found] == [
        ("bounce", "camp-1", "record", "bad-mailbox", "5.1.1"),
        ("complaint", "", "message", "abuse", ""),
        ("complaint", "camp-1", "header", "abuse", ""),
        ("complaint", "camp-2", "report", "abuse", ""),
    ]
    assert found[0].recipient_hash == found[1].recipient_hash == HASH("ann.lee@gmail.com")
    assert found[2].counted_at == datetime(2026, 10, 24, 8, 30, tzinfo=UTC)
    assert not [e for e in found if "bob" in repr(e) or "ann" in repr(e) or "eve" in repr(e)]
    with fleet.session(tenant="aurora") as conn:
        rows = conn.execute(select(s.delivery_stats.c.hour, s.delivery_stats.c.complained)).all()
    assert sorted((f"{hour:%m-%d %H}", count) for hour, count in rows) == [("10-24 08", 1), ("11-01 10", 2)]
    with fleet.session(tenant="borealis") as conn:
        assert conn.execute(select(func.count()).select_from(s.delivery_events)).scalar_one() == 0


def test_unreadable_rows_go_to_the_quarantine_with_file_line_reason_and_hash(fleet: Store) -> None:
    good = [row(rcpt=f"u{n}@gmail.com") for n in range(250)]
    bad = [row(rcpt="ann@gmail.com").replace("2026-11-01", "ann@gmail.com"), "x"]
    take(fleet, content(*good, *bad))
    assert quarantined(fleet) == [
        ("acct-1.csv", 252, "unreadable time", HASH("ann@gmail.com")),
        ("acct-1.csv", 253, "1 fields, the header has 6", None),
    ]
    take(fleet, content(*good[:1], *["y"] * 300), "acct-2.csv")
    assert len(quarantined(fleet)) == 102, "of a refused file the first hundred"


def quarantined(store: Store) -> list[tuple[object, ...]]:
    q, f = s.accounting_quarantine.c, s.accounting_files
    query = select(f.c.name, q.line, q.reason, q.recipient_hash).join(f, f.c.id == q.file_id).order_by(q.id)
    with store.session(tenant="*") as conn:
        return [tuple(r) for r in conn.execute(query)]


REPLIES = f"{HEADER},dsnStatus,dsnDiag"


def replied(*rows: tuple[str, str, str], start: int = 0) -> bytes:
    """Bounces and deferrals with (status, reply, category)."""
    lines = [
        row("b" if status[0] == "5" else "t", f"u{start + n}@gmail.com", category) + f",{status},{reply}"
        for n, (status, reply, category) in enumerate(rows)
    ]
    return "\r\n".join([REPLIES, *lines, ""]).encode()


GONE = ("5.1.1 (bad)", "smtp;550 5.1.1 u7 is not here", "bad-mailbox")
SLOW = ("4.7.28", "smtp;421-4.7.28 unusual rate of unsolicited mail from 192.0.2.1", "spam-related")
LISTED = ("5.7.1", "smtp;554 5.7.1 blocked using zen.spamhaus.org", "spam-related")
NEW = ("5.7.1", "smtp;550 5.7.1 Your mail displeases us: ref 20261101101530", "policy-related")


def test_replies_count_by_what_they_mean_and_by_the_list_that_they_name(fleet: Store) -> None:
    assert take(fleet, replied(GONE, GONE, SLOW, LISTED, NEW)).records == 5
    c, f = s.delivery_stats.c, s.accounting_files.c
    with fleet.session(tenant="*") as conn:
        found = conn.execute(select(c.bounce_meanings, c.deferral_meanings, c.named_lists)).one()
        file = conn.execute(select(f.failures, f.unknown_failures, f.strangers)).one()
    assert tuple(found) == ({"address": 2, "reputation": 2}, {"rate": 1}, {"zen.spamhaus.org": 1})
    assert tuple(file) == (5, 1, 0)


def test_each_wording_is_kept_once_without_anybody_in_it(fleet: Store) -> None:
    odd = ("5.1.1", "smtp;550 5.1.1 <u1@gmail.com>: u1 or ann@x.example is not here", "bad-mailbox")
    take(fleet, replied(GONE, odd, NEW))
    take(fleet, replied(NEW, odd, start=100), "acct-2.csv")
    t = s.reply_texts.c
    with fleet.session(tenant="*") as conn:
        rows = conn.execute(
            select(t.provider, t.outcome, t.text, t.meaning, t["count"]).order_by(t.text)
        ).all()
        assert "@" not in repr(conn.execute(select(s.reply_texts)).all())
        assert set(conn.execute(select(t.first_seen_at)).scalars()) == {HOUR}
    assert ("gmail", "bounce", "5.7.1 smtp;550 5.7.1 your mail displeases us: ref #", "reputation", 2) in [
        tuple(r) for r in rows
    ]
    assert sum(r[4] for r in rows) == 5


def test_too_many_unknown_replies_call_people_once_until_they_are_known_again(fleet: Store) -> None:
    take(fleet, replied(*[GONE] * 14, *[NEW] * 5), "few.csv")
    assert alerts(fleet) == []
    take(fleet, replied(*[GONE] * 18, *[NEW] * 2, start=100), "a.csv")
    take(fleet, replied(*[GONE] * 10, *[NEW] * 10, start=200), "b.csv")
    (told,) = alerts(fleet)
    assert told.startswith(
        "mta-1: 2 of 20 bounces and deferrals have replies that no one knows\ngmail bounce"
    )
    assert "your mail displeases us: ref #' (2)" in told
    take(fleet, replied(*[GONE] * 19, NEW, start=300), "c.csv")
    with fleet.session(tenant="*") as conn:
        assert conn.execute(select(func.count(s.alerts.c.cleared_at))).scalar_one() == 1


@pytest.mark.parametrize(("minute", "status"), [(50, "taken"), (49, "refused")])
def test_rows_of_a_clock_that_runs_ahead_are_bad_rows(fleet: Store, minute: int, status: str) -> None:
    now = HOUR.replace(hour=9, minute=minute)
    with fleet.session(tenant="*") as conn:
        taken = take_in(conn, content(row()), "acct-1.csv", reading=replace(READING, now=now))
    assert taken.status == status
    assert status == "taken" or "dated in the future" in alerts(fleet)[0]


LONG = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=3_000))


@pytest.mark.parametrize("kind", ["b", "f", "rb"])
def test_an_identifier_longer_than_an_index_takes_is_cut(fleet: Store, kind: str) -> None:
    header = f"{HEADER},header_Message-Id,header_X-job,dsnStatus\r\n".encode()
    data = header + f"{row(kind, category=LONG)},{LONG},{LONG},{LONG}\r\n".encode()
    assert take(fleet, data).status == "taken"
    (event,) = events(fleet)
    assert (event.message_id, event.campaign, event.status) == (LONG[:500],) * 3


@pytest.mark.parametrize(
    "logged", ["2026-11-01 24:00:00", "29026-11-01 10:15:00", "9999-12-31 23:59:59-0500"]
)
def test_an_impossible_time_goes_to_the_quarantine_and_the_next_file_is_taken(
    fleet: Store, logged: str
) -> None:
    rows = [f"{kind},{logged},a@gmail.com,,198.51.100.1,aurora-1" for kind in "bfd"]
    assert take(fleet, content(*rows, *[row()] * 400)).rejected == 3
    assert len(quarantined(fleet)) == 3
    assert take(fleet, content(row()), "acct-2.csv").status == "taken"


def test_a_file_that_brings_the_reader_down_is_refused_with_an_alert_and_the_next_is_taken(
    fleet: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("ann@gmail.com")

    with monkeypatch.context() as patch:
        patch.setattr(group_counts, "scan", broken)
        taken = take(fleet, content(row()))
    assert (taken.status, "RuntimeError" in taken.message, "ann" in taken.message) == ("refused", True, False)
    assert len(alerts(fleet)) == 1
    assert take(fleet, content(row(), row()), "acct-2.csv").status == "taken"


@pytest.mark.parametrize(
    "ip", ["::ffff:198.51.100.1", "[198.51.100.1]", " 198.51.100.1 ", "::FFFF:c633:6401"]
)
def test_an_ip_is_known_however_a_row_writes_it(fleet: Store, ip: str) -> None:
    assert take(fleet, content(row(ip=ip, vmta=""), row(vmta=""))).rejected == 0
    assert attempted(fleet) == 2


def numbered(*numbers: int) -> list[str]:
    return [row(rcpt=f"u{n}@gmail.com") for n in numbers]


def attempted(store: Store) -> int:
    with store.session(tenant="*") as conn:
        return int(conn.execute(select(func.sum(s.delivery_stats.c.attempts))).scalar_one() or 0)


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ([content()[:40], content(*numbered(1, 2)), content(*numbered(3))], 3),
        ([content()[:-2], content(*numbered(1, 2)), content(*numbered(3)), content(*numbered(4))], 4),
        ([content(), content(*numbered(1, 2)), content(*numbered(3))], 3),
        ([content(*numbered(*range(50))), content(*numbered(*range(20)))], 50),
        ([content(*numbered(*range(50))), content(*numbered(*range(20)))[:-30]], 50),
        ([content(*numbered(*range(20))), content(*numbered(*range(50))), content(*numbered(*range(30)))], 50),
    ],
    ids=["cut in the header", "a header without its line break", "a header alone", "a shorter copy", "cut in a row",
         "shorter, whole, shorter"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["acct.csv", "acct-{}.csv"], ids=["one name", "other names"])
def test_each_record_counts_once_whatever_was_cut_before_or_comes_again(
    fleet: Store, files: list[bytes], wanted: int, name: str
) -> None:
    for number, data in enumerate(files):
        take(fleet, data, name.format(number), modified=number)
    assert attempted(fleet) == wanted


@pytest.mark.parametrize("columns", [1, 20, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 60])
def test_other_content_is_no_duplicate_however_long_the_header_is(fleet: Store, columns: int) -> None:
    header = HEADER + "".join(f",extra_column_{n:02}" for n in range(columns))
    for number in range(3):
        rows = [
            f"d,2026-11-01 10:15:0{number}+0000,u{n}@gmail.com,,198.51.100.1,{',' * columns}"
            for n in range(3 - number)
        ]
        taken = take(fleet, "\r\n".join([header, *rows, ""]).encode(), "acct.csv", modified=number)
        assert taken.status == "taken"
    assert attempted(fleet) == 6


def test_a_name_used_again_for_a_file_that_goes_on_otherwise_is_no_duplicate(fleet: Store) -> None:
    take(fleet, content(*numbered(*range(500))))
    assert take(fleet, content(*numbered(*range(7), *range(900, 905))), modified=2).status == "taken"


def test_the_rest_of_a_file_is_judged_by_all_of_its_rows(fleet: Store) -> None:
    assert take(fleet, content(*numbered(*range(495)))).status == "taken"
    grown = content(*numbered(*range(497)), "x", *numbered(497))
    assert take(fleet, grown, modified=2).status == "taken"
    worse = grown + content(*["x"] * 20)
    assert take(fleet, worse, modified=3).status == "refused"
    assert attempted(fleet) == 498


def test_a_source_outside_the_fleet_is_counted_on_its_file(fleet: Store) -> None:
    take(fleet, content(row(), *[row("b", ip="192.0.2.9", vmta="other")] * 3))
    with fleet.session(tenant="*") as conn:
        assert conn.execute(select(s.accounting_files.c.strangers)).scalar_one() == 3


def events(store: Store) -> Sequence[Row[Any]]:
    with store.session(tenant="aurora") as conn:
        return conn.execute(select(s.delivery_events).order_by(s.delivery_events.c.id)).all()


def test_ipv6_is_one_address_however_it_is_written(fleet: Store) -> None:
    with fleet.session(tenant="*") as conn:
        ip_id = add_ip(conn, 9)
        conn.execute(update(s.ips).where(s.ips.c.id == ip_id).values(address="2001:db8::9"))
    take(fleet, content(row(ip="2001:DB8:0:0::9", vmta=""), row(ip="2001:db8::9", vmta="")))
    assert [r[2] for r in stats(fleet)] == [2]


def test_a_name_that_is_used_again_for_other_content_is_taken(fleet: Store) -> None:
    take(fleet, content(row()))
    assert take(fleet, content(row("b"), row())).status == "taken"


def test_another_tenant_sees_none_of_it(fleet: Store) -> None:
    take(fleet, content(row()))
    with fleet.session(tenant="borealis") as conn:
        assert conn.execute(select(func.count()).select_from(s.delivery_stats)).scalar_one() == 0


def test_a_large_file_is_added_within_seconds(fleet: Store) -> None:
    with fleet.session(tenant="*") as conn:
        for number in range(3, 51):
            add_ip(conn, number)
    rows = [
        f"d,{(HOUR + timedelta(hours=n % 24)):%Y-%m-%d %H:%M:%S}+0000,u@{domain},,198.51.100.{n % 50 + 1},"
        for n in range(1200) for domain in ("gmail.com", "yahoo.com", "outlook.com", "gmx.de", "x.example")
    ]  # fmt: skip
    assert take(fleet, content(*rows)).records == 6000
    with fleet.session(tenant="*") as conn:
        assert conn.execute(select(func.sum(s.delivery_stats.c.attempts))).scalar_one() == 6000
