"""Bounces, complaints, subscribers and the accounting webhook, with MailWizz's traps."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.lab.mailwizz.mailwizz_lab import CAMPAIGN, Lab

BOUNCES = f"/api/campaigns/{CAMPAIGN}/bounces"
EMPTY = {"count": None, "total_pages": None, "current_page": None, "next_page": None, "prev_page": None}


def reader(lab: Lab, number: int = 1) -> dict[str, Any]:
    query = "SELECT * FROM {list_subscriber} ORDER BY subscriber_id LIMIT 1 OFFSET %s"
    return lab.rows(query, number - 1)[0]


def status(lab: Lab, number: int = 1) -> str:
    return str(reader(lab, number)["status"])


def blacklist(lab: Lab) -> list[str]:
    return [row["email"] for row in lab.rows("SELECT email FROM {email_blacklist}")]


def bounce(lab: Lab, message: str = "550 5.1.1 user unknown", kind: str = "hard", number: int = 1) -> Any:
    uid = reader(lab, number)["subscriber_uid"]
    return lab.post(BOUNCES, data={"message": message, "bounce_type": kind, "subscriber_uid": uid})


def test_a_hard_bounce_is_logged_once_and_blacklists(lab: Lab) -> None:
    someone = reader(lab)
    first, second = bounce(lab), bounce(lab)
    person = {"subscriber_uid": someone["subscriber_uid"], "email": someone["email"]}
    expected = {
        "message": "550 5.1.1 user unknown",
        "processed": "no",
        "bounce_type": "hard",
        "subscriber": person,
    }
    assert (first.status_code, first.json()["data"]["record"]) == (201, expected)
    assert (second.status_code, second.json()["status"]) == (422, "error")
    assert (blacklist(lab), status(lab)) == ([someone["email"]], "blacklisted")
    assert lab.get(BOUNCES).json()["data"]["records"] == [expected]


@pytest.mark.parametrize(
    "message",
    [
        "550 5.1.1 address blocked",
        "listed by the DNSBL",
        "Unsolicited mail",
        "SPAM",
        "on a blacklist",
        "see rbl.example",
    ],
)
def test_words_of_blocking_retype_a_hard_bounce(lab: Lab, message: str) -> None:
    assert bounce(lab, message).json()["data"]["record"]["bounce_type"] == "internal"
    assert (blacklist(lab), status(lab)) == ([], "confirmed")


@pytest.mark.parametrize(
    ("kind", "expected"), [("soft", "soft"), ("internal", "internal"), ("funny", "internal")]
)
def test_other_bounces_leave_the_subscriber_alone(lab: Lab, kind: str, expected: str) -> None:
    assert bounce(lab, "452 4.2.2 mailbox full", kind).json()["data"]["record"]["bounce_type"] == expected
    assert status(lab) == "confirmed"


def test_a_hard_bounce_of_somebody_unconfirmed_is_not_blacklisted(lab: Lab) -> None:
    lab.sql("UPDATE {list_subscriber} SET status = 'unsubscribed'")
    assert bounce(lab).status_code == 201
    assert blacklist(lab) == []


def test_a_json_bounce_is_not_seen(lab: Lab) -> None:
    uid = reader(lab)["subscriber_uid"]
    assert (
        lab.post(BOUNCES, json={"message": "x", "bounce_type": "hard", "subscriber_uid": uid}).status_code
        == 422
    )


def test_long_messages_are_cut_and_strangers_are_404(lab: Lab) -> None:
    assert bounce(lab, "5.1.1 " * 100).json()["data"]["record"]["message"] == ("5.1.1 " * 100)[:250]
    assert lab.post(BOUNCES, data={"message": "x", "subscriber_uid": "nobody"}).status_code == 404
    assert lab.post("/api/campaigns/none/bounces", data={"message": "x"}).status_code == 404


def test_multipart_posts_are_seen(lab: Lab) -> None:
    fields = {
        "message": "user unknown",
        "bounce_type": "hard",
        "subscriber_uid": reader(lab)["subscriber_uid"],
    }
    parts = {name: (None, value) for name, value in fields.items()}
    assert lab.post(BOUNCES, files=parts).status_code == 201


def test_posting_an_unsubscribed_address_subscribes_it_again(lab: Lab) -> None:
    path = f"/api/lists/{lab.mailwizz.list_uid(CAMPAIGN)}/subscribers"
    email = reader(lab)["email"]
    assert lab.post(path, data={"EMAIL": email}).status_code == 409
    everywhere = "/api/lists/subscribers/unsubscribe-by-email-from-all-lists"
    assert lab.put(everywhere, data={"EMAIL": email}).json() == {"status": "success"}
    assert status(lab) == "unsubscribed"
    assert lab.post(path, data={"EMAIL": email}).status_code == 201
    assert status(lab) == "confirmed"


def test_unsubscribing_everywhere_always_succeeds_and_overrides_the_blacklist_status(lab: Lab) -> None:
    bounce(lab)
    path = "/api/lists/subscribers/unsubscribe-by-email-from-all-lists"
    for email in (reader(lab)["email"], "nobody@nowhere.example"):
        assert lab.put(path, data={"EMAIL": email}).json() == {"status": "success"}
    assert status(lab) == "unsubscribed"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"data": {"EMAIL": "new@gmail.com", "details[status]": "unconfirmed"}}, 201),
        ({"json": {"EMAIL": "new@gmail.com"}}, 422),
        ({"data": {"EMAIL": "no address"}}, 422),
    ],
    ids=["form", "json is not seen", "not an address"],
)
def test_new_subscribers_come_by_form_only(lab: Lab, body: dict[str, Any], expected: int) -> None:
    path = f"/api/lists/{lab.mailwizz.list_uid(CAMPAIGN)}/subscribers"
    answer = lab.post(path, **body)
    assert answer.status_code == expected
    if expected == 201:
        uid = answer.json()["data"]["record"]["subscriber_uid"]
        assert lab.get(f"{path}/{uid}").json()["data"]["record"]["status"] == "unconfirmed"


def test_subscribers_are_found_changed_and_removed(lab: Lab) -> None:
    path = f"/api/lists/{lab.mailwizz.list_uid(CAMPAIGN)}/subscribers"
    someone = reader(lab)
    uid, email = someone["subscriber_uid"], someone["email"]
    assert lab.get(f"{path}/search-by-email", params={"EMAIL": email}).json()["data"]["subscriber_uid"] == uid
    found = lab.get("/api/lists/subscribers/search-by-email-in-all-lists", params={"EMAIL": email}).json()
    assert found["data"]["count"] == 1
    assert lab.put(f"{path}/{uid}", data={"details[status]": "blacklisted"}).status_code == 200
    assert (status(lab), blacklist(lab)) == ("blacklisted", [])
    assert lab.put(f"{path}/unknown", data={}).status_code == 409
    assert lab.put(f"{path}/{uid}/unsubscribe").json() == {"status": "success"}
    assert status(lab) == "blacklisted"
    assert lab.get(path, params={"status": "blacklisted"}).json()["data"]["count"] == "1"
    assert lab.call("DELETE", f"{path}/{uid}").json() == {"status": "success"}
    assert lab.get(f"{path}/{uid}").status_code == 404
    assert lab.get(f"{path}/search-by-email", params={"EMAIL": email}).status_code == 404


def test_a_blacklisted_address_cannot_be_subscribed(lab: Lab) -> None:
    lab.sql("INSERT INTO {email_blacklist} (email) VALUES ('bad@gmail.com')")
    path = f"/api/lists/{lab.mailwizz.list_uid(CAMPAIGN)}/subscribers"
    assert lab.post(path, data={"EMAIL": "bad@gmail.com"}).status_code == 409


def test_lists_carry_their_uid_in_general(lab: Lab) -> None:
    records = lab.get("/api/lists").json()["data"]["records"]
    assert [each["general"]["list_uid"] for each in records] == [lab.mailwizz.list_uid(CAMPAIGN)]


def test_a_tracked_unsubscribe_is_booked_on_the_campaign(lab: Lab) -> None:
    uid = reader(lab)["subscriber_uid"]
    path = f"/api/campaigns/{CAMPAIGN}"
    assert lab.get(f"{path}/unsubscribes").json()["data"] == {**EMPTY, "records": []}
    assert lab.post(f"{path}/track-unsubscribe/{uid}", data={"reason": "FBL"}).json() == {"status": "success"}
    record = lab.get(f"{path}/unsubscribes").json()["data"]["records"][0]
    assert (record["reason"], record["subscriber"]["subscriber_uid"], status(lab)) == (
        "FBL",
        uid,
        "unsubscribed",
    )


def sent(lab: Lab) -> list[dict[str, Any]]:
    lab.advance(1)
    return lab.rows("SELECT * FROM {campaign_delivery_log} ORDER BY log_id")


def accounting(delivery: dict[str, Any], **more: str) -> dict[str, str]:
    kept = {"type": "b", "timeLogged": "2026-11-01 10:00:00+0000", "rcpt": "u@example.org"}
    diagnosis = {"bounceCat": "bad-mailbox", "dsnStatus": "5.1.1", "dsnDiag": "smtp;550 5.1.1 User unknown"}
    return {**kept, **diagnosis, "header_Message-Id": f"<{delivery['email_message_id']}>", **more}


@pytest.mark.parametrize("form", ["object", "array", "lines"])
def test_the_webhook_takes_an_object_an_array_or_lines_without_a_key(lab: Lab, form: str) -> None:
    record = accounting(sent(lab)[0])
    other = {"type": "d", "rcpt": "x@example.org"}
    body = {
        "object": json.dumps(record),
        "array": json.dumps([other, record]),
        "lines": f"{json.dumps(other)}\nnot json\n{json.dumps(record)}\n",
    }[form]
    answer = lab.post("/index.php/dswh/pmta", key=None, content=body)
    assert (answer.status_code, answer.content) == (200, b"")
    assert [row["bounce_type"] for row in lab.rows("SELECT * FROM {campaign_bounce_log}")] == ["hard"]
    assert len(blacklist(lab)) == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"bounceCat": "quota-issues"}, "soft"),
        ({"bounceCat": "spam-related"}, "internal"),
        ({"dsnDiag": "smtp;550 5.1.1 blocked"}, "internal"),
        ({"type": "rb"}, "hard"),
        ({"type": "d"}, None),
        ({"header_Message-Id": "<other@example.com>"}, None),
    ],
    ids=["soft category", "any other category", "retyped", "remote bounce", "delivery", "unknown message"],
)
def test_the_webhook_types_bounces_by_category(
    lab: Lab, changes: dict[str, str], expected: str | None
) -> None:
    lab.post("/index.php/dswh/pmta", key=None, json=accounting(sent(lab)[0], **changes))
    found = [row["bounce_type"] for row in lab.rows("SELECT * FROM {campaign_bounce_log}")]
    assert found == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("action", "left", "complaints"),
    [("unsubscribe", "unsubscribed", 1), ("blacklist", "blacklisted", 1), ("delete", None, 0)],
)
def test_a_complaint_does_what_the_settings_say(
    make_lab: Callable[..., Lab], action: str, left: str | None, complaints: int
) -> None:
    lab = make_lab(fbl_action=action)
    first = sent(lab)[0]
    lab.post("/dswh/pmta", key=None, json=accounting(first, type="f"))
    rows = lab.rows("SELECT status FROM {list_subscriber} WHERE subscriber_id = %s", first["subscriber_id"])
    assert [row["status"] for row in rows] == ([left] if left else [])
    data = lab.get(f"/api/campaigns/{CAMPAIGN}/complaints").json()["data"]
    assert len(data["records"]) == complaints


def test_statistics_count_in_percent_and_are_cached_a_minute(lab: Lab) -> None:
    lab.advance(1)
    bounce(lab)
    bounce(lab, "mailbox full", "soft", number=2)
    path = f"/api/campaigns/{CAMPAIGN}/stats"
    data = lab.get(path).json()["data"]
    wanted = {"processed_count": 100, "delivery_success_rate": 100.0, "bounces_count": 2, "bounces_rate": 2.0}
    assert {name: data[name] for name in wanted} == wanted
    assert data["hard_bounces_rate"] == 50.0
    bounce(lab, number=3)
    assert lab.get(path).json()["data"]["bounces_count"] == 2
    lab.advance(0.05)
    assert lab.get(path).json()["data"]["bounces_count"] == 3


def test_delivery_logs_are_found_by_message_id(lab: Lab) -> None:
    delivery = sent(lab)[0]
    path = f"/api/campaigns/delivery-logs/email-message-id/{delivery['email_message_id']}"
    record = lab.get(path).json()["data"]["record"]
    assert (record["status"], record["message"], record["campaign"]["campaign_uid"]) == (
        "success",
        "OK",
        CAMPAIGN,
    )
    listed = lab.get(f"/api/campaigns/{CAMPAIGN}/delivery-logs?per_page=50").json()["data"]
    assert (listed["count"], len(listed["records"])) == ("100", 50)


def test_opens_and_clicks_are_noted_and_counted(lab: Lab) -> None:
    uid, path = reader(lab)["subscriber_uid"], f"/api/campaigns/{CAMPAIGN}"
    lab.rows(
        "INSERT INTO {campaign_url} (campaign_id, hash, destination, date_added)"
        " SELECT campaign_id, 'abc123', 'https://example.com/', now() FROM {campaign} WHERE campaign_uid = %s RETURNING url_id",
        CAMPAIGN,
    )
    for way in ("track-opening/{}", "track-opening/{}", "track-url/{}/abc123"):
        assert lab.get(f"{path}/{way.format(uid)}").json() == {"status": "success"}
    assert lab.get(f"{path}/track-url/{uid}/nothing").status_code == 404
    assert lab.get(f"{path}/track-opening/nobody").status_code == 404
    data = lab.get(f"{path}/stats").json()["data"]
    names = ("opens_count", "unique_opens_count", "clicks_count", "unique_clicks_count")
    assert [data[name] for name in names] == [2, 1, 1, 1]
