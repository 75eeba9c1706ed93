"""From an accounting file to a subscriber that gets no mail: told, read back, counted once; against the lab's MailWizz."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import select, update

from email_engine.adapters import mailwizz_api
from email_engine.adapters.mailwizz_people import Entry, MailwizzPeople
from email_engine.pipelines.suppression_sync.lookup import Recipient, same_person
from email_engine.store.engine import Store
from email_engine.store.schema import suppressions
from email_engine.store.suppression.counted import OpenRow
from email_engine.store.telling import alerts
from email_engine.suppression.reasons import Reason
from email_engine.suppression.telling import TEXTS
from lab.testing import RunningLab, running_lab
from tests.fleet_rows import add_host, add_hour, add_ip, add_tenant
from tests.suppression_bench import CAMPAIGN, FULL, GONE, NOON, SECOND, Bench, counts, hurry, instance


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[RunningLab]:
    state: Path = tmp_path_factory.mktemp("suppression")
    shared = [instance("mw-aurora", postgres_url), instance("mw-old", postgres_url, version="2.0.5")]
    with running_lab({"state": str(state), "clock": {"mode": "real"}, "mailwizz": shared}) as running:
        yield running


@pytest.fixture
def bench(lab: RunningLab, store: Store, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Bench:
    hurry(monkeypatch)
    lab.knob("mailwizz.offline", mailwizz="mw-aurora", on=False)
    with store.session(tenant="*") as conn:
        add_tenant(conn)
        add_host(conn)
        add_ip(conn, 1)
    made = Bench(lab, store, postgres_url)
    made.clean()
    return made


def told(bench: Bench) -> set[str]:
    with bench.store.session(tenant="*") as conn:
        return {alert.event for alert in alerts.pending(conn) if alert.cleared_at is None}


def test_a_hard_bounce_is_blacklisted_and_counted_by_reading_back(bench: Bench) -> None:
    bench.ingest(bench.bounce("u@gmail.com", bench.mailed("u@gmail.com")))
    assert bench.sync() == counts(hard=1, posted=1, stored=1)
    assert bench.statuses("u@gmail.com") == ["blacklisted"]
    assert bench.sql("SELECT email FROM {email_blacklist}") == [{"email": "u@gmail.com"}]
    assert bench.rows("state", "campaign_uid", "sealed") == [("stored", CAMPAIGN, None)]
    assert bench.sync("run-2") == counts()


def test_the_answers_code_proves_nothing_hard_after_soft_is_put(bench: Bench) -> None:
    """Case 07: MailWizz knows a soft bounce of the same campaign and answers 422 to the hard one; the address stayed confirmed."""
    message_id = bench.mailed("u@gmail.com")
    bench.sql(
        "INSERT INTO {campaign_bounce_log} (campaign_id, subscriber_id, message, bounce_type, date_added)"
        " SELECT campaign_id, subscriber_id, 'mailbox full', 'soft', now() FROM {campaign_delivery_log}"
    )
    bench.ingest(bench.bounce("u@gmail.com", message_id))
    assert bench.sync() == counts(hard=1, posted=1, stored=1)
    assert bench.statuses("u@gmail.com") == ["blacklisted"]
    assert bench.rows("state", "way") == [("stored", "status")]


def test_a_bounce_that_mailwizz_types_anew_is_put(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TEXTS, Reason.HARD, "550 5.1.1 address blocked")
    bench.ingest(bench.bounce("u@gmail.com", bench.mailed("u@gmail.com")))
    assert bench.sync() == counts(hard=1, posted=1, stored=1)
    assert bench.sql("SELECT bounce_type FROM {campaign_bounce_log}") == [{"bounce_type": "internal"}]
    assert bench.statuses("u@gmail.com") == ["blacklisted"]


def test_no_address_stands_in_any_log(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    bench.ingest(bench.bounce("u.who@gmail.com", bench.mailed("u.who@gmail.com")))
    bench.sync()
    assert "email-message-id" in caplog.text
    assert "u.who" not in caplog.text


def test_a_whole_batch_goes_to_the_webhook_at_once(bench: Bench) -> None:
    names = [f"u{n}@gmail.com" for n in range(40)]
    good = [bench.delivery(f"v{n}@gmail.com", NOON) for n in range(60)]
    bench.ingest(*(bench.bounce(name, bench.mailed(name)) for name in names), *good)
    assert bench.sync() == counts(hard=40, posted=40, stored=40)
    assert set(bench.rows("way")) == {("webhook",)}
    assert {tuple(bench.statuses(name)) for name in names} == {("blacklisted",)}


def test_a_complaint_is_an_unsubscription_booked_on_its_campaign(bench: Bench) -> None:
    message_id = bench.mailed("u@yahoo.com")
    bench.ingest(bench.complaint("u@yahoo.com", message_id))
    assert bench.sync() == counts(complaint=1, posted=1, stored=1)
    assert bench.statuses("u@yahoo.com") == ["unsubscribed"]
    assert len(bench.sql("SELECT * FROM {campaign_track_unsubscribe}")) == 1
    assert bench.sql("SELECT * FROM {email_blacklist}") == []


def test_the_same_address_gets_no_mail_from_any_other_list_either(bench: Bench) -> None:
    message_id = bench.mailed("u@yahoo.com")
    bench.subscriber("u@yahoo.com", campaign=SECOND)
    bench.ingest(bench.complaint("u@yahoo.com", message_id))
    assert bench.sync() == counts(complaint=1, posted=1, stored=1)
    assert bench.statuses("u@yahoo.com") == ["unsubscribed", "unsubscribed"]


def test_nobody_is_taken_off_a_blacklist(bench: Bench) -> None:
    message_id = bench.mailed("u@yahoo.com")
    bench.subscriber("u@yahoo.com", status="blacklisted", campaign=SECOND)
    bench.ingest(bench.complaint("u@yahoo.com", message_id))
    bench.sync()
    assert bench.statuses("u@yahoo.com") == ["unsubscribed", "blacklisted"]


def test_three_soft_bounces_in_a_row_suppress_and_mailwizz_hears_of_no_single_one(bench: Bench) -> None:
    bench.subscriber("u@gmail.com")
    for number in range(3):
        assert bench.statuses("u@gmail.com") == ["confirmed"]
        assert bench.sql("SELECT * FROM {campaign_bounce_log}") == []
        at = NOON + timedelta(days=number)
        bench.ingest(bench.bounce("u@gmail.com", bench.sent("u@gmail.com"), FULL, at))
        told = bench.sync(f"run-{number}", at)
    assert told == counts(soft=1, posted=1, stored=1)
    assert bench.statuses("u@gmail.com") == ["blacklisted"]
    assert bench.rows("state", "sealed") == [("spent", None), ("spent", None), ("stored", None)]


def test_a_delivery_in_between_begins_the_row_anew(bench: Bench) -> None:
    bench.subscriber("u@gmail.com")
    days = [NOON + timedelta(days=n) for n in range(5)]
    for at in days[:2]:
        bench.ingest(bench.bounce("U@gmail.com", bench.sent("u@gmail.com"), FULL, at))
    bench.ingest(bench.delivery("u@GMAIL.com", days[2]), bench.delivery("other@gmail.com", days[2]))
    for at in days[3:]:
        bench.ingest(bench.bounce("u@gmail.com", bench.sent("u@gmail.com"), FULL, at))
        bench.sync(f"run-{at:%d}", at)
    assert bench.rows("state") == [("reset",), ("reset",), ("soft",), ("soft",)]
    assert bench.statuses("u@gmail.com") == ["confirmed"]


def test_soft_bounces_of_one_file_end_with_a_delivery_of_the_same_file(bench: Bench) -> None:
    bench.subscriber("u@gmail.com")
    early = [bench.bounce("u@gmail.com", bench.sent("u@gmail.com"), FULL) for _ in range(3)]
    bench.ingest(*early, bench.delivery("u@gmail.com", NOON + timedelta(minutes=1)))
    assert bench.sync() == counts()
    assert bench.rows("state") == [("reset",)] * 3


def test_who_is_suppressed_is_not_counted_any_more(bench: Bench) -> None:
    message_id = bench.mailed("u@gmail.com")
    bench.ingest(bench.bounce("u@gmail.com", message_id, FULL))
    bench.sync()
    bench.ingest(bench.bounce("u@gmail.com", bench.sent("u@gmail.com"), at=NOON + timedelta(days=1)))
    assert bench.sync("run-2", NOON + timedelta(days=1)) == counts(hard=1, posted=1, stored=1)
    assert bench.rows("state", "sealed") == [("spent", None), ("stored", None)]


def test_one_message_that_bounced_three_times_is_one_bounce(bench: Bench) -> None:
    message_id = bench.mailed("u@gmail.com")
    for number in range(3):
        bench.ingest(bench.bounce("u@gmail.com", message_id, FULL, NOON + timedelta(minutes=number)))
    assert bench.sync() == counts()
    assert bench.rows("state") == [("soft",)] * 3


@pytest.mark.parametrize(
    ("category", "status", "reply"),
    [
        ("bad-mailbox", "5.1.1", "smtp;550 5.1.1 address blocked using FBLW15"),
        ("spam-related", "5.7.1", "smtp;554 5.7.1 Service unavailable; Client host blocked using zen.spamhaus.org"),
        ("policy-related", "5.7.1", "smtp;550 5.7.1 SPF check failed"),
        ("bad-mailbox", "5.1.8", "smtp;550 5.1.8 Sender address rejected: Domain not found"),
        ("inactive-mailbox", "5.7.1", "smtp;550 5.7.1 Our policy does not let you write to this account"),
        ("message-expired", "4.4.7", "smtp;delivery expired"),
        ("quota-issues", "4.7.28", "smtp;421 4.7.28 Our system has detected an unusual rate of mail"),
    ],
    ids=["address blocked", "block list", "spf", "sender", "policy", "expired", "rate"],
)  # fmt: skip
def test_a_block_a_sender_or_a_policy_text_never_suppresses(
    bench: Bench, category: str, status: str, reply: str
) -> None:
    for number in range(3):
        at = NOON + timedelta(days=number)
        words = (category, status, reply)
        bench.ingest(bench.bounce("u@gmail.com", bench.sent("u@gmail.com"), words, at))
    assert bench.sync() == counts()
    assert bench.rows() == []


def test_mail_of_no_campaign_to_an_address_that_mailwizz_does_not_know_is_not_ours(bench: Bench) -> None:
    bench.subscriber("v@gmail.com")
    bench.ingest(bench.bounce("u@gmail.com", "receipt-1@shop.example", job=""))
    assert bench.sync() == counts(hard=1, posted=1, not_ours=1)
    assert bench.statuses("v@gmail.com") == ["confirmed"]


def test_an_archived_delivery_log_is_made_good_by_campaign_and_address(bench: Bench) -> None:
    bench.ingest(bench.bounce("u@gmail.com", bench.mailed("u@gmail.com")))
    bench.sql("DELETE FROM {campaign_delivery_log}")
    assert bench.sync() == counts(hard=1, posted=1, stored=1)
    assert bench.statuses("u@gmail.com") == ["blacklisted"]


def test_a_job_with_a_word_before_the_campaign_is_understood(bench: Bench) -> None:
    row = bench.bounce("u@gmail.com", bench.mailed("u@gmail.com"), job=f"mailwizz-{CAMPAIGN}")
    bench.ingest(row)
    bench.sql("DELETE FROM {campaign_delivery_log}")
    assert bench.sync() == counts(hard=1, posted=1, stored=1)


def test_a_mailwizz_without_the_webhook_hears_by_the_api_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailwizz_api, "WEBHOOK", "/index.php/dswh/unknown")
    bench.ingest(bench.bounce("u@gmail.com", bench.mailed("u@gmail.com")))
    assert bench.sync() == counts(hard=1, posted=1, stored=1)
    assert bench.rows("way") == [("feedback",)]


def test_a_subscriber_that_is_gone_is_not_ours(bench: Bench) -> None:
    bench.ingest(bench.bounce("u@gmail.com", bench.mailed("u@gmail.com")))
    bench.sql("DELETE FROM {list_subscriber}")
    assert bench.sync() == counts(hard=1, posted=1, not_ours=1)
    assert bench.sql("SELECT * FROM {list_subscriber}") == []


def test_who_is_out_already_is_counted_so_and_mailwizz_hears_nothing(bench: Bench) -> None:
    message_id = bench.mailed("u@gmail.com")
    bench.sql("UPDATE {list_subscriber} SET status = 'unsubscribed'")
    bench.ingest(bench.bounce("u@gmail.com", message_id))
    assert bench.sync() == counts(hard=1, posted=1, already=1)
    assert bench.statuses("u@gmail.com") == ["unsubscribed"]
    assert bench.sql("SELECT * FROM {campaign_bounce_log}") == []


def test_two_rows_of_one_recipient_are_told_once(bench: Bench) -> None:
    message_id = bench.mailed("u@gmail.com")
    late = bench.bounce("u@gmail.com", message_id, GONE, NOON + timedelta(minutes=1), kind="rb")
    bench.ingest(bench.bounce("u@gmail.com", message_id), late)
    assert bench.sync() == counts(hard=2, posted=2, stored=1, already=1)
    assert len(bench.sql("SELECT * FROM {campaign_bounce_log}")) == 1


def test_two_bounces_of_one_person_through_two_lists_are_told_once(bench: Bench) -> None:
    first = bench.mailed("u@gmail.com")
    bench.subscriber("u@gmail.com", campaign=SECOND)
    second = bench.sent("u@gmail.com", campaign=SECOND)
    bench.ingest(bench.bounce("u@gmail.com", first), bench.bounce("U@gmail.com", second, job=SECOND))
    assert bench.sync() == counts(hard=2, posted=2, stored=1, already=1)
    assert bench.statuses("u@gmail.com") == ["blacklisted", "blacklisted"]


def test_a_subscription_by_somebody_else_afterwards_is_left_alone_and_counted_anew_when_it_bounces(
    bench: Bench,
) -> None:
    bench.ingest(bench.complaint("u@yahoo.com", bench.mailed("u@yahoo.com")))
    bench.sync()
    with bench.clients().mailwizz_api("") as api:
        [row] = bench.sql(
            "SELECT list_uid FROM {list} JOIN {campaign} USING (list_id) WHERE campaign_uid = %s", CAMPAIGN
        )
        api.call("POST", f"lists/{row['list_uid']}/subscribers", form={"EMAIL": "u@yahoo.com"})
    assert bench.statuses("u@yahoo.com") == ["confirmed"]
    assert bench.sync("run-2") == counts()
    assert bench.statuses("u@yahoo.com") == ["confirmed"]
    bench.ingest(bench.complaint("u@yahoo.com", bench.sent("u@yahoo.com"), NOON + timedelta(days=1)))
    assert bench.sync("run-3") == counts(complaint=1, posted=1, stored=1)
    assert bench.statuses("u@yahoo.com") == ["unsubscribed"]


def test_what_mailwizz_does_not_take_is_a_finding_that_is_told_and_can_be_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.subscriber("u@yahoo.com", campaign=SECOND)
    bench.ingest(bench.bounce("u@yahoo.com", bench.mailed("u@yahoo.com")))
    with monkeypatch.context() as patched:
        for name in ("post_bounce", "put_status"):
            patched.setattr(MailwizzPeople, name, lambda *_: None)
        patched.setattr(MailwizzPeople, "tell_webhook", lambda *_: True)
        assert bench.sync() == counts(hard=1, posted=1, findings=1)
    assert told(bench) == {"suppression_findings"}
    assert "confirmed in list" in bench.rows("trouble")[0][0]
    assert bench.sync("run-2") == counts()
    assert bench.sync("run-3", again=True) == counts(posted=1, stored=1)
    assert told(bench) == set()


def test_without_a_key_the_message_id_alone_leads_to_the_recipient(bench: Bench) -> None:
    bench.ingest(bench.bounce("u@gmail.com", bench.mailed("u@gmail.com")), key=None)
    assert bench.rows("recipient_hash", "sealed") == [(None, None)]
    assert bench.sync() == counts(hard=1, posted=1, stored=1)


def test_a_message_id_with_the_local_part_in_it_stays_readable(bench: Bench) -> None:
    message_id = bench.mailed("news@gmail.com", message_id="1a2news3b@aurora-mail.example")
    bench.ingest(bench.bounce("news@gmail.com", message_id), key=None)
    assert bench.sync() == counts(hard=1, posted=1, stored=1)


def test_a_message_id_with_the_whole_address_in_it_is_kept_as_a_hash(bench: Bench) -> None:
    message_id = bench.mailed("u.who@gmail.com", message_id="1a2.u.who=gmail.com@aurora-mail.example")
    bench.ingest(bench.bounce("u.who@gmail.com", message_id))
    assert "who" not in bench.rows("message_id")[0][0]
    assert bench.sync() == counts(hard=1, posted=1, stored=1)


def test_in_observe_it_is_judged_and_mailwizz_hears_nothing(bench: Bench) -> None:
    bench.mode("observe")
    bench.ingest(bench.bounce("u@gmail.com", bench.mailed("u@gmail.com")))
    assert bench.sync() == counts(hard=1, open=1)
    assert bench.statuses("u@gmail.com") == ["confirmed"]
    assert bench.decided() == [(False, "1: no such mailbox")]
    bench.mode("act")
    assert bench.sync("run-2") == counts(posted=1, stored=1)


def test_a_dry_run_writes_nothing_anywhere(bench: Bench) -> None:
    bench.ingest(bench.bounce("u@gmail.com", bench.mailed("u@gmail.com")))
    assert bench.sync(dry_run=True)["hard"] == 1
    assert bench.statuses("u@gmail.com") == ["confirmed"]
    assert (bench.rows(), bench.decided()) == ([("hard", "new")], [])
    assert bench.sync() == counts(hard=1, posted=1, stored=1)


def test_a_provider_that_calls_half_of_its_users_unknown_is_not_believed(bench: Bench) -> None:
    names = [f"u{n}@gmail.com" for n in range(30)]
    bench.ingest(*(bench.bounce(name, bench.mailed(name)) for name in names))
    bench.ingest(bench.bounce("gone@yahoo.com", bench.mailed("gone@yahoo.com")))
    assert bench.sync() == counts(hard=1, held=30, posted=1, stored=1)
    assert {tuple(bench.statuses(name)) for name in names} == {("confirmed",)}
    assert told(bench) == {"suppression_held"}
    later = NOON + timedelta(hours=8)
    assert bench.sync("run-2", later) == counts(excused=30)
    assert told(bench) == set()
    assert set(bench.rows("state", "sealed")[:30]) == {("excused", None)}
    next_day = NOON + timedelta(days=1)
    bench.ingest(*(bench.bounce(name, bench.sent(name), at=next_day) for name in names))
    assert bench.sync("run-3", next_day) == counts(hard=30, posted=30, stored=30)


def test_a_provider_that_takes_another_tenants_mail_is_believed(bench: Bench) -> None:
    with bench.store.session(tenant="*") as conn:
        add_tenant(conn, "borealis")
        other = add_ip(conn, 9, tenant="borealis", network="203.0.113")
        add_hour(conn, other, NOON, tenant="borealis", delivered=25)
    names = [f"u{n}@gmail.com" for n in range(30)]
    bench.ingest(*(bench.bounce(name, bench.mailed(name)) for name in names))
    assert bench.sync() == counts(hard=30, posted=30, stored=30)
    assert told(bench) == set()


def test_dead_addresses_at_small_domains_are_suppressed_at_once(bench: Bench) -> None:
    names = [f"info@small{n}.example" for n in range(22)]
    bench.ingest(*(bench.bounce(name, bench.mailed(name)) for name in names))
    assert bench.sync() == counts(hard=22, posted=22, stored=22)
    assert told(bench) == set()


def test_another_tenants_recipients_stay_apart(bench: Bench) -> None:
    with bench.store.session(tenant="*") as conn:
        add_tenant(conn, "borealis")
        add_ip(conn, 9, tenant="borealis", network="203.0.113")
    mine = bench.bounce("u@gmail.com", bench.mailed("u@gmail.com"))
    bench.ip, bench.vmta = "203.0.113.9", "borealis-9"
    bench.ingest(mine, bench.bounce("v@gmail.com", bench.mailed("v@gmail.com")))
    assert bench.sync() == counts(hard=1, posted=1, stored=1)
    assert (bench.statuses("u@gmail.com"), bench.statuses("v@gmail.com")) == (["blacklisted"], ["confirmed"])
    with bench.store.session(tenant="borealis") as conn:
        assert [row.tenant for row in conn.execute(select(suppressions))] == ["borealis"]


def test_an_older_mailwizz_without_that_lookup_is_asked_by_campaign_and_address(bench: Bench) -> None:
    old = bench.other("mw-old")
    old.ingest(old.bounce("u@gmail.com", old.mailed("u@gmail.com")))
    assert old.sync() == counts(hard=1, posted=1, stored=1) | {"instance": "mw-old"}
    assert old.statuses("u@gmail.com") == ["blacklisted"]


def test_a_job_that_names_no_campaign_is_made_good_by_the_address(bench: Bench) -> None:
    """With an archived delivery log it counted as nobody's."""
    bench.mailed("u@gmail.com")
    bench.sql("DELETE FROM {campaign_delivery_log}")
    bench.ingest(bench.bounce("u@gmail.com", "m-archived@aurora-mail.example", job=""))
    assert bench.sync() == counts(hard=1, posted=1, stored=1)
    assert bench.statuses("u@gmail.com") == ["blacklisted"]


@pytest.mark.parametrize("found_before", [False, True], ids=["first look", "found by an earlier run"])
@pytest.mark.parametrize("elsewhere", [False, True], ids=["nowhere else", "in another list"])
def test_an_address_that_was_corrected_since_is_not_taken_for_the_one_that_bounced(
    bench: Bench, elsewhere: bool, found_before: bool
) -> None:
    message_id = bench.mailed("jon@gmial.com")
    if elsewhere:
        bench.subscriber("jon@gmial.com", campaign=SECOND)
    bench.ingest(bench.bounce("jon@gmial.com", message_id))
    bench.sql(
        "UPDATE {list_subscriber} s SET email = 'Jon@gmail.com' FROM {campaign} c"
        f" WHERE c.list_id = s.list_id AND c.campaign_uid = '{CAMPAIGN}'"
    )
    if found_before:
        bench.mode("observe")
        bench.sync()
        [row] = bench.sql("SELECT * FROM {list_subscriber} WHERE email = 'Jon@gmail.com'")
        [lists] = bench.sql("SELECT list_uid FROM {list} WHERE list_id = %s", row["list_id"])
        with bench.store.session(tenant="*") as conn:
            conn.execute(
                update(suppressions).values(
                    list_uid=lists["list_uid"], subscriber_uid=row["subscriber_uid"], campaign_uid=CAMPAIGN
                )
            )
        bench.mode("act")
    done = bench.sync("run-2")
    assert bench.statuses("Jon@gmail.com") == ["confirmed"]
    assert bench.statuses("jon@gmial.com") == (["blacklisted"] if elsewhere else [])
    assert (done["stored"], done["not_ours"]) == ((1, 0) if elsewhere else (0, 1))
    assert bench.sql("SELECT * FROM {campaign_bounce_log}") == []
    if elsewhere:
        [(uid,)] = bench.rows("subscriber_uid")
        [known] = bench.sql("SELECT email FROM {list_subscriber} WHERE subscriber_uid = %s", uid)
        assert known == {"email": "jon@gmial.com"}, "whom the export names"
    assert {row["email"] for row in bench.sql("SELECT email FROM {email_blacklist}")} <= {"jon@gmial.com"}


@pytest.mark.parametrize("kept", ["Jon@Gmail.com", "jon@GMAIL.com"])
def test_case_makes_no_other_address(bench: Bench, kept: str) -> None:
    message_id = bench.mailed("jon@gmail.com")
    bench.sql("UPDATE {list_subscriber} SET email = %s", kept)
    bench.ingest(bench.bounce("jon@gmail.com", message_id))
    assert bench.sync() == counts(hard=1, posted=1, stored=1)
    assert bench.statuses(kept) == ["blacklisted"]


@pytest.mark.parametrize(
    ("kept", "bounced", "same"),
    [
        ("jon@müller.example", "jon@xn--mller-kva.example", True),
        ("Jon@Example.org", "jon@example.org", True),
        ("", "jon@example.org", True),
        ("jon@gmail.com", None, True),
        ("jon@gmail.com", "jon@gmial.com", False),
    ],
    ids=["domain in ASCII", "case", "masked", "no key", "corrected"],
)
def test_whose_entry_it_is(kept: str, bounced: str | None, same: bool) -> None:
    recipient = Recipient(cast("OpenRow", None), "", "l", "s", True, bounced)
    assert same_person(Entry("l", "s", "confirmed", kept), recipient) is same


@pytest.mark.parametrize(
    "named", ["redacted-9c1e@feedback.example", "reader@yahoo.com", "u@", "alias@students.example"]
)
def test_a_complaint_is_the_readers_whatever_address_its_report_shows(bench: Bench, named: str) -> None:
    """Reports hide whom they come from, or name the address that the mail was forwarded to."""
    message = bench.mailed("u@alias.example")
    bench.ingest(bench.complaint(named, message))
    bench.sync()
    assert bench.statuses("u@alias.example") == ["unsubscribed"]


def test_a_later_outage_excuses_again(bench: Bench) -> None:
    names = [f"u{n}@gmail.com" for n in range(30)]
    bench.ingest(*(bench.bounce(name, bench.mailed(name)) for name in names))
    bench.sync()
    bench.sync("r2", NOON + timedelta(hours=8))
    later = NOON + timedelta(days=60)
    bench.ingest(*(bench.bounce(name, bench.sent(name), at=later) for name in names))
    bench.sync("r3", later + timedelta(minutes=15))
    assert all(bench.statuses(name) == ["confirmed"] for name in names)


def test_soft_bounces_of_an_outage_are_not_counted_either(bench: Bench) -> None:
    unknown = (
        "bad-mailbox",
        "4.1.1",
        "smtp;450 4.1.1 The email account that you tried to reach does not exist. Try later",
    )
    names = [f"u{n}@gmail.com" for n in range(30)]
    for name in names:
        bench.subscriber(name)
    for n in range(3):
        at = NOON + timedelta(minutes=5 * n)
        bench.ingest(*(bench.bounce(name, bench.sent(name), words=unknown, at=at) for name in names))
    bench.sync("r1", NOON + timedelta(minutes=30))
    bench.sync("r2", NOON + timedelta(hours=9))
    assert all(bench.statuses(name) == ["confirmed"] for name in names)
