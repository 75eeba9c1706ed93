"""A month of mail to two lists: at its end every hard bounce and every complaint is suppressed in MailWizz, once, and nobody else is; counted in the
engine's table and in MailWizz's, with kills, an outage and a MailWizz that is away for a day."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from email_engine.accounting.recipients import recipient_hash
from email_engine.adapters.mailwizz_people import MailwizzPeople
from email_engine.errors import Unreachable
from email_engine.pipelines.suppression_sync import carry
from email_engine.store.engine import Store
from email_engine.store.suppression import counted, judged
from email_engine.store.suppression.noted import SuppressionNotes
from email_engine.suppression.reasons import Reason
from email_engine.suppression.telling import TEXTS
from lab.testing import RunningLab, running_lab
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.suppression_bench import CAMPAIGN, FULL, GONE, KEY, SECOND, Bench, hurry, instance, killed_at

START = datetime(2026, 10, 16, tzinfo=UTC)
DAYS, SEED = 31, 20261116
"""Over the end of a month."""
OUTAGE, ARCHIVED, AWAY, TYPED_ANEW = 12, (15, 16), 20, (8, 9, 10)
BLOCKED = (
    ("bad-mailbox", "5.1.1", "smtp;550 5.1.1 address blocked using FBLW15"),
    ("spam-related", "5.7.1", "smtp;554 5.7.1 Client host blocked using zen.spamhaus.org"),
    ("policy-related", "5.7.1", "smtp;550 5.7.1 SPF check failed"),
)
KINDS = {
    "fine": 70,
    "dead": 22,
    "sudden": 12,
    "full": 10,
    "recovers": 10,
    "complains": 16,
    "both": 6,
    "blocked": 14,
}
KILLS: tuple[tuple[Any, str], ...] = (
    (counted, "note_intents"), (counted, "count"), (counted, "tally"), (judged, "write"), (carry.Carrier, "_tell"),
    (MailwizzPeople, "tell_webhook"), (MailwizzPeople, "post_bounce"), (MailwizzPeople, "post_unsubscribe"),
    (MailwizzPeople, "put_status"),
)  # fmt: skip


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[RunningLab]:
    state: Path = tmp_path_factory.mktemp("month")
    world = {
        "state": str(state),
        "clock": {"mode": "manual", "start": START.isoformat()},
        "mailwizz": [instance("mw-aurora", postgres_url, table_prefix="month_")],
    }
    with running_lab(world) as running:
        yield running


@dataclass
class Person:
    """`bounced_softly`: in a row; `expected`: what must have become of them in MailWizz by the truth, '' for nothing."""

    email: str
    kind: str
    begins: int
    lists: tuple[str, ...]
    bounced_softly: int = 0
    mails: int = 0
    expected: str = ""


@dataclass
class Month:
    bench: Bench
    patch: pytest.MonkeyPatch
    chance: random.Random
    people: list[Person]
    number: int = 0
    killed: Counter[str] = field(default_factory=Counter)

    def takes_mail(self) -> dict[str, set[str]]:
        """By campaign, who is confirmed in its list now."""
        rows = self.bench.sql(
            "SELECT campaign_uid, email FROM {campaign} JOIN {list_subscriber} s USING (list_id) WHERE s.status = 'confirmed'"
        )
        found: dict[str, set[str]] = {CAMPAIGN: set(), SECOND: set()}
        for row in rows:
            found[row["campaign_uid"]].add(row["email"])
        return found

    def send(self, campaign: str, people: Sequence[Person], at: datetime) -> list[str]:
        """Hands a mailing over, and gives what PowerMTA writes down about it."""
        ids = [f"m{self.number + n}@aurora-mail.example" for n in range(len(people))]
        self.number += len(people)
        self.bench.sql(
            "INSERT INTO {campaign_delivery_log} (campaign_id, subscriber_id, server_id, message, email_message_id, date_added)"
            " SELECT c.campaign_id, s.subscriber_id, 101, 'OK', t.id, %s FROM unnest(%s::text[], %s::text[]) t (email, id)"
            " JOIN {list_subscriber} s USING (email) JOIN {campaign} c USING (list_id) WHERE c.campaign_uid = %s",
            at.replace(tzinfo=None), [one.email for one in people], ids, campaign,
        )  # fmt: skip
        day = (at - START).days
        rows: list[str] = []
        for person, message_id in zip(people, ids, strict=True):
            rows += self._met(person, message_id, campaign, at, day)
        return rows

    def _met(self, person: Person, message_id: str, campaign: str, at: datetime, day: int) -> list[str]:
        """What one mail met, and by that what must become of the person."""
        bounce = partial(self.bench.bounce, person.email, message_id, at=at, job=campaign)
        if day == OUTAGE and person.email.endswith("gmail.com"):
            return [bounce(GONE)]
        person.mails += 1
        begun = day >= person.begins
        if person.kind == "sudden" and begun and not person.bounced_softly:
            person.bounced_softly = 1
            self.bench.sql(
                "INSERT INTO {campaign_bounce_log} (campaign_id, subscriber_id, message, bounce_type, date_added) SELECT campaign_id,"
                " subscriber_id, 'mailbox full', 'soft', date_added FROM {campaign_delivery_log} WHERE email_message_id = %s"
                " ON CONFLICT DO NOTHING", message_id,
            )  # fmt: skip
            return [bounce(FULL)]
        if person.kind in ("dead", "sudden") and begun:
            person.expected = person.expected or "blacklisted"
            late = (
                [bounce(GONE, at=at + timedelta(minutes=40), kind="rb")] if self.chance.random() < 0.3 else []
            )
            return [bounce(GONE), *late]
        if person.kind == "full" and begun:
            person.bounced_softly += 1
            person.expected = "blacklisted" if person.bounced_softly >= 3 else person.expected
            return [bounce(FULL)]
        if person.kind == "recovers" and person.mails % 3:
            return [bounce(FULL)]
        if person.kind == "blocked":
            return [bounce(self.chance.choice(BLOCKED))]
        rows = [self.bench.delivery(person.email, at)]
        if person.kind in ("complains", "both") and begun:
            person.expected = person.expected or "suppressed"
            rows.append(self.bench.complaint(person.email, message_id, at + timedelta(hours=2), campaign))
            if person.kind == "both":
                rows.append(bounce(GONE, at=at + timedelta(hours=3), kind="rb"))
        return rows

    @contextmanager
    def maybe_killed(self, owner: Any, name: str) -> Iterator[None]:
        with killed_at(self.patch, owner, name, after=self.chance.random() < 0.5):
            try:
                yield
            except KeyboardInterrupt:
                self.killed[name] += 1

    def ingest(self, rows: list[str]) -> None:
        """Once more where the worker was killed: the file is taken whole or not at all."""
        if self.chance.random() < 0.3:
            before = self.killed.total()
            with self.maybe_killed(SuppressionNotes, "flush"):
                self.bench.ingest(*rows)
            if self.killed.total() == before:
                return
        self.bench.ingest(*rows)

    def sync(self, run_id: str, as_of: datetime, *, away: bool = False) -> None:
        """Killed at most once, and tried again as Airflow does."""
        owner, name = self.chance.choice(KILLS)
        try:
            with self.maybe_killed(owner, name):
                self.bench.sync(run_id, as_of)
            done = self.bench.sync(run_id, as_of)
            assert (done["open"], done["findings"], done["not_ours"]) == (0, 0, 0)
            assert not away
        except Unreachable:
            assert away


def some_people(chance: random.Random) -> list[Person]:
    found = []
    for kind, number in KINDS.items():
        for n in range(number):
            domain = "gmail.com" if n % 5 < 3 else "yahoo.com"
            lists = chance.choice([(CAMPAIGN,), (SECOND,), (CAMPAIGN, SECOND)])
            found.append(Person(f"{kind}{n}@{domain}", kind, chance.randrange(1, 25), lists))
    return found


@pytest.fixture
def month(lab: RunningLab, store: Store, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Month:
    hurry(monkeypatch)
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        add_host(conn)
        add_ip(conn, 1)
    bench = Bench(lab, store, postgres_url, prefix="month_")
    bench.clean()
    chance = random.Random(SEED)
    people = some_people(chance)
    for person in people:
        for campaign in person.lists:
            bench.subscriber(person.email, campaign=campaign)
    return Month(bench, monkeypatch, chance, people)


@pytest.mark.timeout(120)
def test_every_hard_bounce_and_complaint_is_suppressed_once_and_nobody_else(
    month: Month, lab: RunningLab
) -> None:
    bench, usual = month.bench, TEXTS[Reason.HARD]
    for day in range(DAYS):
        noon = START + timedelta(days=day, hours=12)
        lab.advance(noon)
        allowed = month.takes_mail()
        files = []
        for turn, campaign in enumerate((CAMPAIGN, SECOND)):
            whom = [
                one
                for one in month.people
                if one.email in allowed[campaign] and (day == OUTAGE or month.chance.random() < 0.4)
            ]
            files.append(month.send(campaign, whom, noon + timedelta(minutes=turn)))
        if day in ARCHIVED:
            bench.sql(
                "INSERT INTO {campaign_delivery_log_archive} OVERRIDING SYSTEM VALUE SELECT * FROM {campaign_delivery_log}"
            )
            bench.sql("DELETE FROM {campaign_delivery_log}")
        for rows in files if day % 3 == 0 else [[*files[0], *files[1]]]:
            month.ingest(rows)
        lab.knob("mailwizz.offline", on=day == AWAY)
        month.patch.setitem(TEXTS, Reason.HARD, "550 5.1.1 address blocked" if day in TYPED_ANEW else usual)
        if day == OUTAGE:
            month.sync("in the outage", noon + timedelta(hours=2))
        month.sync(f"day-{day}", noon + timedelta(hours=11), away=day == AWAY)
    compare(month)
    assert sum(month.killed.values()) >= 10, month.killed
    assert len(month.killed) >= 5, month.killed


def compare(month: Month) -> None:
    """The truth against the engine's rows, and against MailWizz's."""
    bench = month.bench
    expected = {one.email: one.expected for one in month.people if one.expected}
    kinds = Counter(one.kind for one in month.people if one.expected)
    assert {"dead", "sudden", "full", "complains", "both"} <= set(kinds)
    assert not {"fine", "recovers", "blocked"} & set(kinds)

    hash_of = {recipient_hash(KEY.encode(), one.email): one.email for one in month.people}
    rows = bench.rows("recipient_hash", "state", "sealed")
    stored = Counter(hash_of[who] for who, state, _ in rows if state == "stored")
    assert dict(stored) == dict.fromkeys(expected, 1)
    states = Counter(state for _, state, _ in rows)
    assert not {"finding", "not_ours", "open", "posted", "held", "new"} & set(states)
    assert states["excused"] > 20
    assert states["already"] > 0

    subscribers = bench.sql("SELECT email, status FROM {list_subscriber}")
    for row in subscribers:
        wanted = expected.get(row["email"], "confirmed")
        assert row["status"] in (("blacklisted", "unsubscribed") if wanted == "suppressed" else (wanted,)), (
            row
        )
    out = {row["email"] for row in subscribers if row["status"] != "confirmed"}
    assert out == set(expected)
    assert len(out) == states["stored"]
    black = {row["email"] for row in bench.sql("SELECT email FROM {email_blacklist}")}
    assert black <= {row["email"] for row in subscribers if row["status"] == "blacklisted"}
    booked = bench.sql(
        "SELECT email, count(*) AS n FROM {campaign_track_unsubscribe} JOIN {list_subscriber} USING (subscriber_id) GROUP BY email"
    )
    assert {row["n"] for row in booked} == {1}
    assert {row["email"] for row in booked} <= {
        one.email for one in month.people if one.kind in ("complains", "both")
    }
