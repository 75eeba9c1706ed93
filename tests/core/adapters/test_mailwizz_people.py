"""Calls about subscribers: what MailWizz's odd answers mean, what is handed back, and how fast they follow each other."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from email_engine.adapters.mailwizz_api import Answer
from email_engine.adapters.mailwizz_people import LOOKUPS, Delivery, Entry, MailwizzPeople, Pace
from email_engine.errors import AccessDenied

LOG = {
    "campaign": {"campaign_uid": "c1c", "list": {"list_uid": "l1l"}},
    "subscriber": {"subscriber_uid": "s1s", "email": "u@example.org"},
}


class FakeApi:
    """Answers in order, by method and path; `asked` is what came."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Mapping[str, Any]]] = []
        self.records: Sequence[Mapping[str, str]] = ()

    def answer(
        self, method: str, path: str, query: Any = None, form: Any = None, expected: Any = ()
    ) -> Answer:
        self.asked.append((method, path, form or query or {}))
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def webhook(self, records: Sequence[Mapping[str, str]]) -> bool:
        self.records = records
        return True


def record(**fields: Any) -> Answer:
    return Answer(200, {"data": {"record": fields}})


def people(api: FakeApi) -> MailwizzPeople:
    return MailwizzPeople(api, Pace(1000, sleep=lambda _: None))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (record(**LOG), Delivery("c1c", "l1l", "s1s", "u@example.org")),
        (record(**LOG | {"subscriber": {"subscriber_uid": "s1s", "email": "u***@e*****.org"}}), Delivery("c1c", "l1l", "s1s", "")),
        (record(**LOG | {"subscriber": None}), None),
        (record(campaign=LOG["campaign"] | {"list": []}, subscriber=LOG["subscriber"]), None),
        (Answer(404, {"error": "?"}), None),
        (Answer(200, {"data": {"record": []}}), None),
    ],
    ids=["found", "masked", "half-deleted", "no list", "no row", "an empty list"],
)  # fmt: skip
def test_a_message_id_leads_to_a_subscriber_or_to_nobody(answer: Answer, found: Delivery | None) -> None:
    assert people(FakeApi(answer, Answer(404, {}))).delivery("38de@example.com") == found


def test_the_other_route_of_the_lookup_is_tried_until_one_of_them_knew_something() -> None:
    unknown, known = Answer(404, {}), record(**LOG)
    api = FakeApi(unknown, unknown, unknown, known, known, unknown)
    client = people(api)
    assert [bool(client.delivery(each)) for each in ("a@b", "c@d", "e@f", "g@h")] == [
        False,
        True,
        True,
        False,
    ]
    assert [path.rpartition("/")[0] for _, path, _ in api.asked] == [
        *LOOKUPS,
        *LOOKUPS,
        LOOKUPS[1],
        LOOKUPS[1],
    ]


@pytest.mark.parametrize("message_id", ["", "a b@example.com", "../lists", "x" * 300, "a/b@example.com"])
def test_an_id_that_is_no_part_of_a_path_is_not_asked_for(message_id: str) -> None:
    assert people(FakeApi()).delivery(message_id) is None


def test_a_status_is_put_and_nothing_else() -> None:
    api = FakeApi(Answer(200, {}))
    people(api).put_status("l", "s", "blacklisted")
    assert api.asked == [("PUT", "lists/l/subscribers/s", {"details": {"status": "blacklisted"}})]


def test_fields_that_a_list_asks_for_are_handed_back_but_never_the_address() -> None:
    fields = {"EMAIL": "u***@e.org", "FNAME": "Ann", "CITY": "", "status": "confirmed", "source": "web"}
    api = FakeApi(Answer(422, {}), record(**fields), Answer(200, {}))
    people(api).put_status("l", "s", "blacklisted")
    assert api.asked[-1][2] == {"FNAME": "Ann", "CITY": "", "details": {"status": "blacklisted"}}


def test_a_web_server_that_refuses_put_gets_a_post_that_says_put() -> None:
    api = FakeApi(AccessDenied("s", "403", "a", "n"), Answer(200, {}))
    people(api).put_status("l", "s", "unsubscribed")
    assert api.asked[-1] == (
        "POST",
        "lists/l/subscribers/s",
        {"details": {"status": "unsubscribed"}, "_method": "PUT"},
    )


def test_a_key_that_may_not_is_told() -> None:
    denied = AccessDenied("s", "400", "a", "n")
    with pytest.raises(AccessDenied):
        people(FakeApi(denied, denied)).put_status("l", "s", "unsubscribed")


def test_a_busy_mailwizz_is_asked_three_times() -> None:
    api = FakeApi(*[Answer(409, {})] * 3)
    people(api).put_status("l", "s", "blacklisted")
    assert len(api.asked) == 3


def test_an_address_is_looked_for_everywhere() -> None:
    rows = [
        {"subscriber_uid": "a", "status": "confirmed", "list": {"list_uid": "l1"}},
        {"subscriber_uid": "b", "status": "blacklisted", "list": {"list_uid": "l2"}},
        {"subscriber_uid": "", "status": "confirmed", "list": None},
    ]
    api = FakeApi(Answer(200, {"data": {"records": rows}}), Answer(404, {}))
    found = people(api).everywhere("u@e.org")
    assert [(one.list_uid, one.uid, one.status) for one in found] == [
        ("l1", "a", "confirmed"),
        ("l2", "b", "blacklisted"),
    ]
    assert people(api).everywhere("v@e.org") == ()


def test_who_is_gone_is_nobody() -> None:
    assert people(FakeApi(Answer(404, {}))).entry("l", "s") is None
    assert people(FakeApi(record(EMAIL="u@e.org", status="moved"))).entry("l", "s") == Entry(
        "l", "s", "moved", "u@e.org"
    )


def test_the_webhook_gets_records_as_powermta_makes_them_with_our_own_text() -> None:
    api = FakeApi()
    assert people(api).tell_webhook(["a@x", "b@x"], "5.1.1 nobody")
    assert [one["header_Message-Id"] for one in api.records] == ["<a@x>", "<b@x>"]
    assert {(one["type"], one["bounceCat"], one["dsnDiag"]) for one in api.records} == {
        ("b", "bad-mailbox", "5.1.1 nobody")
    }


def test_requests_follow_each_other_no_faster_than_they_may() -> None:
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        now[0] += seconds

    pace = Pace(20, clock=lambda: now[0], sleep=sleep)
    for _ in range(3):
        pace.wait()
    now[0] += 10
    pace.wait()
    assert slept == [0.05, 0.05]


def test_an_address_never_stands_in_the_text_of_a_value() -> None:
    shown = f"{Delivery('c', 'l', 's', 'u@e.org')!r} {Entry('l', 's', 'confirmed', 'u@e.org')!r}"
    assert "u@e.org" not in shown
