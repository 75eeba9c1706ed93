"""Kills between any two steps, a MailWizz that is away, slow, busy, masked or half broken: each recipient is counted once."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from email_engine.adapters.mailwizz_people import MailwizzPeople
from email_engine.errors import AccessDenied, EngineError, Refused, Unreachable
from email_engine.pipelines.suppression_sync import carry
from email_engine.store.engine import Store
from email_engine.store.suppression import counted
from email_engine.suppression.policy import SuppressionPolicy
from lab.testing import RunningLab, running_lab
from tests.fleet_rows import add_host, add_ip, add_tenant
from tests.suppression_bench import NOON, SECOND, Bench, counts, hurry, instance, killed_at


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[RunningLab]:
    state: Path = tmp_path_factory.mktemp("suppression")
    world = {
        "state": str(state),
        "clock": {"mode": "real"},
        "mailwizz": [instance("mw-aurora", postgres_url, table_prefix="trouble_")],
    }
    with running_lab(world) as running:
        yield running


@pytest.fixture
def bench(
    lab: RunningLab, store: Store, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    hurry(monkeypatch)
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        add_host(conn)
        add_ip(conn, 1)
    made = Bench(lab, store, postgres_url, prefix="trouble_")
    made.clean()
    yield made
    for knob, calm in (
        ("offline", {"on": False}), ("refuse", {"reason": None}), ("waf", {"on": False}), ("busy", {"calls": 0}),
        ("misroute", {"having": None}), ("deny", {"having": None}),
    ):  # fmt: skip
        lab.knob(f"mailwizz.{knob}", **calm)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (counted, "note_intents"), (MailwizzPeople, "tell_webhook"), (MailwizzPeople, "post_bounce"),
        (MailwizzPeople, "put_status"), (counted, "count"), (counted, "tally"),
    ],
    ids=["intent", "webhook", "bounce", "status", "count", "tally"],
)  # fmt: skip
def test_killed_anywhere_the_next_run_counts_each_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, owner: type | ModuleType, name: str, after: bool
) -> None:
    """The webhook answers and does nothing, and MailWizz knows the bounce of one: so every step of the ladder is gone."""
    names = [f"u{n}@gmail.com" for n in range(3)]
    ids = [bench.mailed(each) for each in names]
    if name != "tell_webhook":
        monkeypatch.setattr(MailwizzPeople, "tell_webhook", lambda *_: True)
    if name == "put_status":
        monkeypatch.setattr(MailwizzPeople, "post_bounce", lambda *_: None)
    bench.ingest(*(bench.bounce(*pair) for pair in zip(names, ids, strict=True)))
    with killed_at(monkeypatch, owner, name, after=after), pytest.raises(KeyboardInterrupt):
        bench.sync()
    bench.sync()
    assert [state for (state,) in bench.rows("state")] == ["stored"] * 3
    assert {tuple(bench.statuses(each)) for each in names} == {("blacklisted",)}
    assert len(bench.sql("SELECT * FROM {campaign_bounce_log}")) == (0 if name == "put_status" else 3)
    assert bench.sync("run-2") == counts()


def test_a_run_that_was_killed_tells_the_sum_of_both_of_its_tries(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"u{n}@gmail.com" for n in range(3)]
    bench.ingest(*(bench.bounce(each, bench.mailed(each)) for each in names))
    with killed_at(monkeypatch, carry.Carrier, "_tell", after=True), pytest.raises(KeyboardInterrupt):
        bench.sync()
    assert [state for (state,) in bench.rows("state")].count("stored") == 1
    again = bench.sync()
    assert (again["posted"], again["stored"], again["open"]) == (3, 3, 0)


@pytest.mark.parametrize(
    ("knob", "words", "error"),
    [("offline", {"on": True}, Unreachable), ("refuse", {"reason": "key"}, AccessDenied)],
    ids=["away", "key refused"],
)
def test_a_mailwizz_that_is_away_loses_nothing(
    bench: Bench, lab: RunningLab, knob: str, words: dict[str, Any], error: type[Exception]
) -> None:
    names = [f"u{n}@gmail.com" for n in range(4)]
    bench.ingest(*(bench.bounce(each, bench.mailed(each)) for each in names))
    lab.knob(f"mailwizz.{knob}", **words)
    with pytest.raises(error):
        bench.sync()
    assert {state for (state,) in bench.rows("state")} == {"open"}
    lab.knob(f"mailwizz.{knob}", **({"on": False} if "on" in words else {"reason": None}))
    assert bench.sync("run-2") == counts(posted=4, stored=4)


def test_a_web_servers_own_404_is_not_mailwizzs_word_that_it_knows_nobody(
    bench: Bench, lab: RunningLab
) -> None:
    names = [f"u{n}@gmail.com" for n in range(4)]
    bench.ingest(*(bench.bounce(each, bench.mailed(each)) for each in names))
    lab.knob("mailwizz.misroute", having="")
    with pytest.raises(Refused, match="404"):
        bench.sync()
    assert bench.rows("state", "tries") == [("open", 0)] * 4
    lab.knob("mailwizz.misroute", having=None)
    assert bench.sync("run-2") == counts(posted=4, stored=4)


@pytest.mark.parametrize("step", ["tell_webhook", "post_bounce", "put_status"])
def test_who_cannot_be_read_back_is_not_counted_as_stored(
    bench: Bench, lab: RunningLab, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The web server forgets its site between the look and the reading back, and nothing that was told arrived."""
    bench.ingest(bench.bounce("u@gmail.com", bench.mailed("u@gmail.com")))
    steps = ["tell_webhook", "post_bounce", "put_status"]
    with monkeypatch.context() as patched:
        for name in steps:
            patched.setattr(MailwizzPeople, name, lambda *_: True)
        patched.setattr(MailwizzPeople, step, lambda *_: bool(lab.knob("mailwizz.misroute", having="")))
        with suppress(EngineError):
            bench.sync()
    assert bench.rows("state") == [("posted",)]
    lab.knob("mailwizz.misroute", having=None)
    assert bench.sync("run-2") == counts(posted=1, stored=1)
    assert bench.statuses("u@gmail.com") == ["blacklisted"]


def test_an_entry_that_a_search_shows_no_more_is_asked_for_before_it_counts_as_gone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search tells at most 100 entries, and none of an archived list."""
    message_id = bench.mailed("u@yahoo.com")
    bench.subscriber("u@yahoo.com", campaign=SECOND)
    bench.ingest(bench.complaint("u@yahoo.com", message_id))
    original, looks = MailwizzPeople.everywhere, iter([True])
    monkeypatch.setattr(
        MailwizzPeople, "everywhere", lambda *given: original(*given) if next(looks, False) else ()
    )
    assert bench.sync() == counts(complaint=1, posted=1, stored=1)
    assert bench.statuses("u@yahoo.com") == ["unsubscribed", "unsubscribed"]


def test_a_mailwizz_that_stays_away_makes_no_findings(bench: Bench, lab: RunningLab) -> None:
    names = [f"u{n}@gmail.com" for n in range(4)]
    bench.ingest(*(bench.bounce(each, bench.mailed(each)) for each in names))
    lab.knob("mailwizz.offline", on=True)
    for number in range(SuppressionPolicy().tries + 1):
        with pytest.raises(Unreachable):
            bench.sync(f"run-{number}")
    assert bench.rows("state", "tries") == [("open", 0)] * 4


def test_over_a_slow_link_a_run_ends_in_time_and_the_next_one_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request takes a minute of the eight that a run has."""
    names = [f"u{n}@gmail.com" for n in range(8)]
    good = [bench.delivery(f"v{n}@gmail.com", NOON) for n in range(20)]
    bench.ingest(*(bench.bounce(each, bench.mailed(each)) for each in names), *good)
    now = [0.0]
    ask = MailwizzPeople._ask

    def slow(*given: Any, **words: Any) -> Any:
        now[0] += 60
        return ask(*given, **words)

    monkeypatch.setattr(MailwizzPeople, "_ask", slow)
    monkeypatch.setattr(carry, "monotonic", lambda: now[0])
    runs = 0
    while (done := bench.sync(f"run-{runs}"))["open"]:
        assert done["stored"] > 0
        assert now[0] <= 9 * 60 * (runs + 1)
        runs += 1
    assert runs >= 2
    assert bench.rows("state") == [("stored",)] * 8


def test_a_web_server_that_refuses_put_and_a_busy_mailwizz_are_no_findings(
    bench: Bench, lab: RunningLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MailwizzPeople, "post_bounce", lambda *_: None)
    monkeypatch.setattr(MailwizzPeople, "tell_webhook", lambda *_: False)
    bench.ingest(bench.bounce("u@gmail.com", bench.mailed("u@gmail.com")))
    lab.knob("mailwizz.waf", on=True)
    lab.knob("mailwizz.busy", calls=1)
    assert bench.sync() == counts(hard=1, posted=1, stored=1)


def test_one_recipient_that_makes_trouble_keeps_no_other_waiting_and_ends_as_a_finding(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"u{n}@gmail.com" for n in range(3)]
    ids = [bench.mailed(each) for each in names]
    original = MailwizzPeople.delivery

    def odd(self: MailwizzPeople, message_id: str) -> Any:
        if message_id == ids[0]:
            raise Refused("MailWizz", "500 to GET", "its JSON", "see its log")
        return original(self, message_id)

    monkeypatch.setattr(MailwizzPeople, "delivery", odd)
    bench.ingest(*(bench.bounce(*pair) for pair in zip(names, ids, strict=True)))
    assert bench.sync() == counts(hard=3, posted=2, stored=2, open=1)
    tries = SuppressionPolicy().tries
    for number in range(1, tries):
        last = bench.sync(f"run-{number + 1}")
    assert last == counts(posted=1, findings=1)
    [(_, trouble)] = [row[1:] for row in bench.rows("state", "tries", "trouble") if row[0] == "finding"]
    assert sorted(bench.rows("state", "tries")) == [("finding", tries), ("stored", 0), ("stored", 0)]
    assert "500 to GET" in trouble
    assert "u0@" not in trouble


def test_an_address_that_a_firewall_refuses_keeps_nobody_waiting(bench: Bench, lab: RunningLab) -> None:
    """What is asked with o'neil@ in the query looks like an attack to it."""
    names = ["o'neil@gmail.com", *(f"u{n}@gmail.com" for n in range(3))]
    bench.ingest(*(bench.bounce(each, bench.mailed(each)) for each in names))
    lab.knob("mailwizz.deny", having="EMAIL=o%27neil")
    assert bench.sync() == counts(hard=4, posted=3, stored=3, open=1)
    tries = SuppressionPolicy().tries
    for number in range(1, tries):
        last = bench.sync(f"run-{number + 1}")
    assert last == counts(posted=1, findings=1)


@pytest.mark.parametrize("error", [Unreachable, AccessDenied, Refused])
@pytest.mark.parametrize("step", ["delivery", "everywhere", "post_bounce"])
def test_several_recipients_on_end_that_make_trouble_keep_no_other_waiting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str, error: type[EngineError]
) -> None:
    names = [f"u{n}@gmail.com" for n in range(8)]
    ids = [bench.mailed(each) for each in names]
    bad = {*names[:5], *ids[:5]}
    uids = {
        row["subscriber_uid"] for row in bench.sql("SELECT * FROM {list_subscriber}") if row["email"] in bad
    }
    original = getattr(MailwizzPeople, step)

    def odd(self: MailwizzPeople, *given: str) -> Any:
        if {*given} & (bad | uids):
            raise error("MailWizz", "500 to it", "its JSON", "see its log")
        return original(self, *given)

    monkeypatch.setattr(MailwizzPeople, step, odd)
    monkeypatch.setattr(MailwizzPeople, "tell_webhook", lambda *_: False)
    bench.ingest(*(bench.bounce(*pair) for pair in zip(names, ids, strict=True)))
    assert bench.sync() == counts(hard=8, posted=3, stored=3, open=5)
    assert sorted(bench.rows("state", "tries"))[-3:] == [("stored", 0)] * 3
    assert {tries for state, tries in bench.rows("state", "tries") if state != "stored"} == {1}


@pytest.mark.parametrize("step", ["delivery", "post_bounce"])
def test_where_everybody_fails_it_is_raised_the_next_run_begins_with_others_and_there_are_no_findings(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """As with a key that lacks one permission."""
    monkeypatch.setattr(carry, "MOST_IN_VAIN", 3)
    monkeypatch.setattr(MailwizzPeople, "tell_webhook", lambda *_: False)
    names = [f"u{n}@gmail.com" for n in range(6)]
    bench.ingest(*(bench.bounce(each, bench.mailed(each)) for each in names))

    def refused(*_: Any) -> Any:
        raise AccessDenied("MailWizz", "400 to it", "a permission", "give it")

    with monkeypatch.context() as patched:
        patched.setattr(MailwizzPeople, step, refused)
        for number in range(2 * SuppressionPolicy().tries):
            with pytest.raises(AccessDenied):
                bench.sync(f"run-{number}")
            if number == 1:
                assert bench.rows("tries") == [(1,)] * 6
    assert {state for (state,) in bench.rows("state")} <= {"open", "posted"}
    assert bench.sync("run-last") == counts(posted=6, stored=6)


def test_masked_addresses_and_no_key_still_reach_the_campaigns_own_list(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = bench.mailed("u@gmail.com")
    monkeypatch.setattr("email_engine.adapters.mailwizz_people._plain", lambda value: "")
    bench.ingest(bench.bounce("u@gmail.com", message_id), key=None)
    assert bench.sync() == counts(hard=1, posted=1, stored=1)
    assert bench.statuses("u@gmail.com") == ["blacklisted"]


def test_what_is_kept_too_long_is_forgotten_with_its_address(bench: Bench) -> None:
    bench.mode("observe")
    bench.ingest(bench.bounce("u@gmail.com", bench.mailed("u@gmail.com")))
    bench.sync()
    assert bench.rows("sealed")[0][0]
    much_later = datetime.now(UTC) + timedelta(days=SuppressionPolicy().keep_days + 1)
    bench.sync("run-2", max(much_later, NOON))
    assert bench.rows("state", "sealed") == [("expired", None)]


def test_another_key_than_the_one_that_sealed_is_as_good_as_none(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.ingest(bench.bounce("u@gmail.com", bench.mailed("u@gmail.com")))
    monkeypatch.setenv("EMAIL_ENGINE_RECIPIENT_KEY", "another key of sixteen bytes")
    assert bench.sync() == counts(hard=1, posted=1, stored=1)
