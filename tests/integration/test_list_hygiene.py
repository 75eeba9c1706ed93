"""Recipient lists are looked at: counted once each, unknown is neither dead nor silent, and addresses stay in their file."""

import csv
import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, select

from email_engine.adapters.dns_resolver import Resolver
from email_engine.adapters.mailwizz_lists import MailwizzLists
from email_engine.errors import InputError, Refused, Unreachable
from email_engine.hygiene.policy import shipped_hygiene_policy
from email_engine.mailer.unreadable import Unreadable
from email_engine.pipelines.list_hygiene import look
from email_engine.store import schema as s
from email_engine.store.engine import Store
from email_engine.store.tables.hygiene import COUNTED
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.integration.mailwizz_readers_suite import APPLE, clicked, mail, opened
from tests.integration.mailwizz_schemas import NEWEST, VERSIONS, Installations, Version
from tests.mailwizz_world import AS_OF, World, installed, this_run
from tests.zone_server import ZoneAnswers, ZoneServer, zone_server

NOW = AS_OF.replace(tzinfo=None)
LONG_AGO, LATELY, IN_TIME = NOW - timedelta(days=800), NOW - timedelta(days=5), NOW - timedelta(days=100)
ZONES: dict[str, Any] = {
    **{name: {"MX": [[5, f"mx.{name}"]]} for name in ("gmail.com", "outlook.com", "yahoo.com", "good.example")},
    **{f"mx.{name}": {"A": "192.0.2.1"} for name in ("gmail.com", "outlook.com", "yahoo.com", "good.example")},
    "null.example": {"MX": [[0, "."]]},
    "empty.example": {"TXT": "nothing"},
    "silent.example": "SERVFAIL",
}  # fmt: skip


@pytest.fixture(scope="module")
def installations(postgres_url: str) -> Iterator[tuple[Installations, str]]:
    with installed(postgres_url) as made:
        yield made


@pytest.fixture(scope="module")
def server() -> Iterator[ZoneServer]:
    with zone_server() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMAIL_ENGINE_HYGIENE", str(tmp_path / "hygiene"))
    return tmp_path / "hygiene" / "mw-aurora"


@pytest.fixture
def world(installations: tuple[Installations, str], server: ZoneServer, store: Store, folder: Path) -> World:
    """List ab1 of aurora, empty; somebody opened two years ago, so that silence can be told."""
    with store.session(tenant="*") as conn:
        add_host(conn)
        add_tenant(conn)
        add_ip(conn, 1)
    server.use(ZoneAnswers(ZONES))
    resolver = Resolver([("127.0.0.1", server.port)], timeout=1.0, tries=2)
    made = World(store, installations[0].of(NEWEST), installations[1], resolver)
    prepare(made)
    return made


def prepare(world: World) -> None:
    world.mailwizz.add("list", list_id=1, list_uid="ab1", name="News", status="active")
    world.mailwizz.add("campaign_url", url_id=1, campaign_id=7)
    opened(world.mailwizz, 999, at=LONG_AGO)


def people(world: World, *rows: tuple[int, str | None], list_id: int = 1, **more: Any) -> None:
    columns = {"status": "confirmed", "date_added": LONG_AGO} | more
    world.mailwizz.add(
        "list_subscriber",
        *(
            {"subscriber_id": n, "subscriber_uid": f"s{n}", "list_id": list_id, "email": email, **columns}
            for n, email in rows
        ),
    )


def policy(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    changed = replace(shipped_hygiene_policy(), **changes)
    module = import_module(
        "email_engine.pipelines.list_hygiene.look"
    )  # the package gives its name to the function
    monkeypatch.setattr(module, "shipped_hygiene_policy", lambda: changed)


def looked(world: World, as_of: datetime = AS_OF, **params: Any) -> dict[str, Any]:
    clock = params.pop("clock", None)
    given = {} if clock is None else {"clock": clock}
    return look(world.store, world.clients(), "mw-aurora", this_run("list_hygiene", as_of, **params), **given)


def report(world: World, uid: str = "ab1", tenant: str = "aurora") -> dict[str, Any]:
    """Of the newest look, without the zeros."""
    r = s.recipient_list_reports
    with world.store.session(tenant=tenant) as conn:
        row = (
            conn.execute(select(r).where(r.c.list_uid == uid).order_by(r.c.day.desc()).limit(1))
            .mappings()
            .one()
        )
    names = (*COUNTED, "silent", "unsubscribed")
    return {name: row[name] for name in names if row[name] != 0} | (
        {"why": row["why_unknown"]} if row["why_unknown"] else {}
    )


def in_file(folder: Path, uid: str = "ab1") -> dict[str, str]:
    with (folder / f"{uid}.csv").open() as file:
        return {row["address"]: row["finding"] for row in csv.DictReader(file)}


def everybody(world: World) -> None:
    """One of each kind, and two who opened."""
    people(
        world, (1, "no-address"), (2, "x@printer.local"), (3, "x@null.example"), (4, "x@gone.example"), (5, "x@empty.example"),
        (6, "lately@good.example"), (7, "clicks@good.example"), (8, "apple@gmail.com"), (9, "quiet@gmail.com"),
        (10, "nomail@gmail.com"), (11, "hidden@silent.example"), (12, None),
    )  # fmt: skip
    people(world, (13, "new@gmail.com"), date_added=LATELY)
    people(world, (14, "out@null.example"), status="unsubscribed")
    people(world, (15, "black@null.example"), status="blacklisted")
    for person in (6, 7, 8, 9, 11, 13):
        mail(world.mailwizz, person, at=IN_TIME)
    opened(world.mailwizz, 6, at=LATELY)
    clicked(world.mailwizz, 7)
    opened(world.mailwizz, 8, APPLE, at=IN_TIME)


WHOLE = {
    "subscribers": 13, "bad_syntax": 2, "special_domain": 1, "null_mx": 1, "dead_domain": 2, "engaged": 2, "engaged_lately": 2,
    "machines_alone": 1, "silent": 2, "unjudged": 2, "unknown_domain": 1, "unsubscribed": None,
    "why": "some domains are not known: no answer",
}  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_everybody_is_counted_once(
    world: World, installations: tuple[Installations, str], version: Version
) -> None:
    world.mailwizz = installations[0].of(version)
    prepare(world)
    everybody(world)
    assert looked(world) == {
        "instance": "mw-aurora",
        "lists": 1,
        "left": 0,
        "subscribers": 13,
        "cannot": 6,
        "silent": 2,
    }
    assert report(world) == WHOLE
    kinds = (
        "bad_syntax",
        "special_domain",
        "null_mx",
        "dead_domain",
        "engaged",
        "machines_alone",
        "silent",
        "unjudged",
    )
    assert sum(int(WHOLE[kind]) for kind in kinds) == 13  # type: ignore[call-overload]


def test_addresses_stand_in_their_file_and_nowhere_else(
    world: World, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    everybody(world)
    returned = looked(world)
    assert in_file(folder) == {
        "no-address": "bad_syntax", "x@printer.local": "special_domain", "x@null.example": "null_mx", "x@gone.example": "dead_domain",
        "x@empty.example": "dead_domain", "quiet@gmail.com": "silent", "hidden@silent.example": "silent", "": "bad_syntax",
    }  # fmt: skip
    assert stat.S_IMODE((folder / "ab1.csv").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with world.store.session(tenant="*") as conn:
        rows = [
            dict(row)
            for table in (s.recipient_list_reports, s.alerts)
            for row in conn.execute(select(table)).mappings()
        ]
    texts = caplog.text + json.dumps(returned) + json.dumps(rows, default=str)
    for part in ("quiet@", "x@", "hidden@", "printer.local", "no-address"):
        assert part not in texts


def test_the_message_is_quiet_and_says_numbers_and_the_next_step(world: World) -> None:
    everybody(world)
    looked(world)
    with world.store.session(tenant="*") as conn:
        [alert] = conn.execute(select(s.alerts)).mappings().all()
    assert alert["severity"] == "info"
    assert alert["text"].splitlines()[0] == (
        "MailWizz mw-aurora: of 13 subscribers in 1 recipient list, at least 6 cannot take mail and 2 are silent"
    )
    assert "email-engine hygiene report mw-aurora" in alert["text"]
    looked(world)
    looked(world, AS_OF + timedelta(hours=9))
    with world.store.session(tenant="*") as conn:
        assert len(conn.execute(select(s.alerts)).all()) == 1, "one message a week, whoever looks again"
    looked(world, AS_OF + timedelta(days=7))
    with world.store.session(tenant="*") as conn:
        assert len(conn.execute(select(s.alerts)).all()) == 2


def test_a_list_without_findings_is_no_news_and_has_no_file(world: World, folder: Path) -> None:
    everybody(world)
    looked(world)
    assert (folder / "ab1.csv").exists()
    with world.mailwizz.engine.begin() as conn:
        subscribers = world.mailwizz.table("list_subscriber")
        conn.execute(subscribers.delete().where(subscribers.c.subscriber_id != 6))
    with world.store.session(tenant="*") as conn:
        conn.execute(s.alerts.delete())
    looked(world, AS_OF + timedelta(days=7))
    assert report(world) == {"subscribers": 1, "engaged": 1, "engaged_lately": 1, "unsubscribed": None}
    assert not (folder / "ab1.csv").exists()
    with world.store.session(tenant="*") as conn:
        assert conn.execute(select(s.alerts)).all() == []


def test_windows_of_any_size_count_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody(world)
    for size in (1, 3, 5):
        policy(monkeypatch, window=size)
        looked(world)
        assert report(world) == WHOLE


def test_the_unsubscribed_only_where_policy_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody(world)
    policy(monkeypatch, unsubscribed=True)
    looked(world)
    found = report(world)
    assert (found["subscribers"], found["unsubscribed"], found["null_mx"]) == (14, 1, 2)


@pytest.mark.parametrize("lie", ["absent", "no connection", "everything is there", "nothing is there"])
def test_no_resolver_and_a_lying_one_kill_no_domain(world: World, server: ZoneServer, lie: str) -> None:
    everybody(world)
    if lie == "absent":
        world.resolver = Resolver([("127.0.0.1", 9)], timeout=0.2, tries=1)
    elif lie == "no connection":
        world.resolver = None
    else:
        wild = {f"*.{top}": {"A": "203.0.113.1"} for top in ("com", "net", "org", "example")}
        server.use(ZoneAnswers(ZONES | wild if lie == "everything is there" else {}))
    looked(world)
    found = report(world)
    assert "dead_domain" not in found
    assert "null_mx" not in found
    assert found["unknown_domain"] == 10
    assert "cannot be believed" in found["why"]
    assert (found["engaged"], found["silent"]) == (2, 2)


def test_each_domain_is_asked_once_and_grave_answers_twice(world: World, server: ZoneServer) -> None:
    answers = server.use(ZoneAnswers(ZONES))
    people(
        world,
        *((n, f"r{n}@good.example") for n in range(1, 60)),
        *((n, f"r{n}@gone.example") for n in range(60, 90)),
    )
    world.mailwizz.add("list", list_id=2, list_uid="ab2", name="Other", status="active")
    people(world, *((n, f"r{n}@good.example") for n in range(100, 150)), list_id=2)
    looked(world)
    assert answers.asked.count(("good.example", "MX")) == 1
    assert answers.asked.count(("gone.example", "MX")) == 2
    assert report(world)["dead_domain"] == 30


@pytest.mark.parametrize(
    ("oldest", "why"),
    [(None, "MailWizz noted no open"), (IN_TIME, "MailWizz's opens go back to 2026-08-22 only")],
    ids=["none", "young"],
)
def test_nobody_is_silent_where_mailwizz_forgets(world: World, oldest: datetime | None, why: str) -> None:
    people(world, (9, "quiet@gmail.com"))
    mail(world.mailwizz, 9, at=IN_TIME)
    with world.mailwizz.engine.begin() as conn:
        conn.execute(world.mailwizz.table("campaign_track_open").delete())
    if oldest:
        opened(world.mailwizz, 999, at=oldest)
    assert looked(world)["silent"] is None
    assert report(world) == {
        "subscribers": 1, "unjudged": 1, "silent": None, "unsubscribed": None, "why": f"silence is not known: {why}",
    }  # fmt: skip


def test_a_half_year_ends_to_the_day(world: World) -> None:
    people(world, (1, "before@gmail.com"), (2, "after@gmail.com"))
    since = datetime(2026, 5, 30, 4)  # noqa: DTZ001 - as MailWizz has it
    for person in (1, 2):
        mail(world.mailwizz, person, at=IN_TIME)
    opened(world.mailwizz, 1, at=since - timedelta(seconds=1))
    opened(world.mailwizz, 2, at=since)
    looked(world)
    assert (report(world)["silent"], report(world)["engaged"]) == (1, 1)


def test_a_dry_run_looks_and_writes_neither_rows_nor_files(world: World, folder: Path) -> None:
    everybody(world)
    assert looked(world, dry_run=True)["cannot"] == 6
    with world.store.session(tenant="*") as conn:
        assert conn.execute(select(s.recipient_list_reports)).all() == []
    assert not folder.exists()


def test_files_false_writes_none_and_removes_what_is_there(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody(world)
    looked(world)
    policy(monkeypatch, files=False)
    looked(world)
    assert list(folder.iterdir()) == []


def test_when_the_time_is_up_the_next_run_begins_with_what_is_left(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at the clock takes a minute of ten."""
    policy(monkeypatch, minutes=10, window=100)
    for n in (2, 3):
        world.mailwizz.add("list", list_id=n, list_uid=f"ab{n}", name=f"List {n}", status="active")
    for list_id in (1, 2, 3):
        people(world, *((list_id * 1000 + n, "x@null.example") for n in range(150)), list_id=list_id)
    now = [0.0]

    def clock() -> float:
        now[0] += 60
        return now[0]

    done = looked(world, clock=clock)
    assert (done["lists"], done["left"]) in ((1, 2), (2, 1))
    first = {path.name for path in folder.iterdir()}
    assert not any(name.endswith(".part") for name in first)
    now[0] = 0
    looked(world, AS_OF + timedelta(days=7), clock=clock)
    now[0] = 0
    looked(world, AS_OF + timedelta(days=14), clock=clock)
    assert {path.name for path in folder.iterdir()} == {"ab1.csv", "ab2.csv", "ab3.csv"}


def test_a_kill_in_a_list_costs_that_list_alone(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody(world)
    looked(world)
    before = (folder / "ab1.csv").read_text()
    people(world, (20, "another@null.example"))
    original = MailwizzLists.mails

    def dies(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(MailwizzLists, "mails", dies)
    with pytest.raises(KeyboardInterrupt):
        looked(world, AS_OF + timedelta(days=7))
    assert (folder / "ab1.csv").read_text() == before
    assert report(world) == WHOLE
    monkeypatch.setattr(MailwizzLists, "mails", original)
    looked(world, AS_OF + timedelta(days=7))
    assert report(world)["null_mx"] == 2
    assert "another@null.example" in in_file(folder)


def test_a_list_that_cannot_be_read_keeps_its_report_and_is_told(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody(world)
    looked(world)
    monkeypatch.setattr(
        MailwizzLists, "window", lambda *_, **__: Unreadable("email cannot be read", "grant SELECT (email)")
    )
    done = looked(world, AS_OF + timedelta(days=7))
    assert (done["lists"], done["left"], done["unknown"]) == (
        0,
        1,
        "email cannot be read. Next: grant SELECT (email)",
    )
    assert report(world) == WHOLE
    assert in_file(folder)


def test_a_database_that_is_away_is_told_and_changes_nothing(world: World, folder: Path) -> None:
    everybody(world)
    looked(world)
    world.url = (
        make_url(world.url).set(host="127.0.0.1", port=1, query={}).render_as_string(hide_password=False)
    )
    with pytest.raises(Unreachable):
        looked(world, AS_OF + timedelta(days=7))
    assert (report(world), bool(in_file(folder))) == (WHOLE, True)


def test_a_folder_that_cannot_be_written_says_what_to_do(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody(world)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EMAIL_ENGINE_HYGIENE", str(tmp_path / "file"))
    with pytest.raises(Refused, match="give it one with EMAIL_ENGINE_HYGIENE"):
        looked(world)


def test_a_name_of_a_list_is_no_way_out_of_the_folder(world: World, folder: Path) -> None:
    world.mailwizz.add("list", list_id=2, list_uid="../../x", name="Odd", status="active")
    people(world, (50, "x@null.example"), list_id=2)
    looked(world)
    [file] = folder.iterdir()
    assert len(file.name) == 36


def test_what_a_spreadsheet_would_run_is_text(world: World, folder: Path) -> None:
    people(world, (1, "=HYPERLINK(1)"))
    looked(world)
    assert in_file(folder) == {"'=HYPERLINK(1)": "bad_syntax"}


def test_another_tenant_sees_none_of_it(world: World) -> None:
    everybody(world)
    looked(world)
    with world.store.session(tenant="*") as conn:
        add_tenant(conn, "borealis")
    with world.store.session(tenant="borealis") as conn:
        assert conn.execute(select(s.recipient_list_reports)).all() == []


def test_an_instance_that_is_not_in_the_fleet_is_refused(world: World) -> None:
    with pytest.raises(InputError, match="mw-other"):
        look(world.store, world.clients(), "mw-other", this_run("list_hygiene"))


def test_a_second_look_of_the_day_takes_the_place_of_the_first(world: World) -> None:
    everybody(world)
    looked(world)
    looked(world, AS_OF + timedelta(hours=3), run_id="by hand")
    r = s.recipient_list_reports.c
    with world.store.session(tenant="aurora") as conn:
        assert [tuple(row) for row in conn.execute(select(r.day, r.run_id))] == [
            (date(2026, 11, 30), "by hand")
        ]
