"""The sums by UTC day are those of the hours, whatever the files bring and in whatever order."""

from collections import Counter, defaultdict
from datetime import UTC, date
from typing import Any

from sqlalchemy import select

from email_engine.accounting.values import TALLIES
from email_engine.store import schema as s
from email_engine.store.engine import Store
from tests.store.test_delivery import HEADER, WHOLE, content, replied, row, stats, take
from tests.store.test_delivery import fleet as fleet

NUMBERS = ("attempts", "delivered", "bounced", "deferred", "complained")
Days = dict[tuple[int, str, date], dict[str, Any]]


def by_day(store: Store) -> Days:
    with store.session(tenant="aurora") as conn:
        rows = conn.execute(select(s.delivery_days)).mappings()
        return {(r["ip_id"], r["provider"], r["day"]): {n: r[n] for n in (*NUMBERS, *TALLIES)} for r in rows}


def summed_hours(store: Store) -> Days:
    found: dict[tuple[int, str, date], dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    with store.session(tenant="aurora") as conn:
        for r in conn.execute(select(s.delivery_stats)).mappings():
            day = found[r["ip_id"], r["provider"], r["hour"].astimezone(UTC).date()]
            for name in NUMBERS:
                day["numbers"][name] += r[name]
            for name in TALLIES:
                day[name].update(r[name])
    return {
        key: {n: of_day["numbers"][n] for n in NUMBERS} | {n: dict(of_day[n]) for n in TALLIES}
        for key, of_day in found.items()
    }


def at(time: str, kind: str = "d", **changed: str) -> str:
    return row(kind, **changed).replace("2026-11-01 10:15:00", f"2026-11-{time}:00")


def test_many_files_of_many_hours_agree(fleet: Store) -> None:
    take(fleet, content(*(at(f"01 {hour:02}:59") for hour in range(24)), at("02 00:00")))
    take(fleet, content(at("01 23:59", "b", category="bad-mailbox"), at("02 00:00", "t")), "acct-2.csv")
    take(
        fleet,
        replied(("4.7.28", "smtp;421-4.7.28 unusual rate of unsolicited mail", "spam-related")),
        "c.csv",
    )
    take(fleet, replied(("5.7.1", "smtp;554 5.7.1 blocked using zen.spamhaus.org", "x")), "d.csv", "mta-2")
    days = by_day(fleet)
    assert days == summed_hours(fleet)
    first, second = (counts for _, counts in sorted(days.items()))
    assert (first["attempts"], second["attempts"]) == (27, 2)
    assert (first["named_lists"], second["named_lists"]) == ({"zen.spamhaus.org": 1}, {})


def test_a_zone_of_the_host_moves_no_mail_to_another_utc_day(fleet: Store) -> None:
    take(fleet, content(row().replace("10:15:00+0000", "00:30:00+0200")))
    assert by_day(fleet) == summed_hours(fleet)
    assert [day for _, _, day in by_day(fleet)] == [date(2026, 10, 31)]


def test_a_late_complaint_counts_for_the_day_of_its_mail(fleet: Store) -> None:
    take(fleet, content(*[at("01 09:00")] * 5))
    before = by_day(fleet)
    late = at("09 08:00", "f") + ',"Sun, 01 Nov 2026 09:00:00 +0000"'
    take(fleet, "\n".join([f"{HEADER},header_Date", late, ""]).encode(), "late.csv")
    (key,) = before
    assert by_day(fleet) == {key: before[key] | {"complained": 1}}
    assert by_day(fleet) == summed_hours(fleet)


def test_copies_longer_shorter_and_refused_agree(fleet: Store) -> None:
    for end in (300, 700, len(WHOLE), 500):
        take(fleet, WHOLE[:end], modified=end)
    take(fleet, content("x", "y"), "refused.csv")
    assert by_day(fleet) == summed_hours(fleet)
    assert (
        sum(counts["attempts"] for counts in by_day(fleet).values()) == 30 == sum(r[2] for r in stats(fleet))
    )
