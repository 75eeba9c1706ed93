"""The HTTP API as a client meets it."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.lab.mailwizz.mailwizz_lab import CAMPAIGN, KEY, Lab

EMPTY = {
    "count": None,
    "total_pages": None,
    "current_page": None,
    "next_page": None,
    "prev_page": None,
    "records": [],
}


@pytest.mark.parametrize("base", ["/api", "/api/index.php"])
def test_both_bases_serve_and_the_bare_base_needs_no_key(lab: Lab, base: str) -> None:
    assert lab.get(base, key=None).json() == []
    assert lab.get(f"{base}/campaigns").status_code == 200


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (None, "Invalid API request params. Please refer to the documentation."),
        ("x" * 40, "Invalid API key. Please refer to the documentation."),
    ],
    ids=["no key", "unknown key"],
)
def test_a_refused_key_is_400(lab: Lab, key: str | None, text: str) -> None:
    answer = lab.get("/api/campaigns", key=key)
    assert (answer.status_code, answer.json()) == (400, {"status": "error", "error": text})


def test_delivery_servers_show_five_fields_by_name_with_string_ids(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(servers=12)
    data = lab.get("/api/delivery-servers").json()["data"]
    assert {**data, "records": len(data["records"])} == {
        "count": "12", "total_pages": 2, "current_page": 1, "next_page": 2, "prev_page": None, "records": 10,
    }  # fmt: skip
    first = {
        "server_id": "101",
        "type": "smtp-pmta",
        "name": "aurora-1",
        "hostname": "mta-1",
        "status": "active",
    }
    assert data["records"][0] == first
    assert lab.get("/api/delivery-servers/101").json()["data"]["record"] == first


@pytest.mark.parametrize(
    ("query", "shown", "following", "previous"),
    [
        ("per_page=1", 10, 2, None),
        ("per_page=50", 50, 2, None),
        ("per_page=500&page=2", 10, None, 1),
        ("page=99", 0, None, 98),
        ("page=0&per_page=x", 10, 2, None),
    ],
)
def test_pages_hold_10_to_50_records(
    make_lab: Callable[..., Lab], query: str, shown: int, following: int | None, previous: int | None
) -> None:
    data = make_lab(servers=60).get(f"/api/delivery-servers?{query}").json()["data"]
    assert (len(data["records"]), data["next_page"], data["prev_page"]) == (shown, following, previous)


def test_system_servers_never_show(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(scope="system")
    assert lab.get("/api/delivery-servers").json() == {"status": "success", "data": EMPTY}
    missing = lab.get("/api/delivery-servers/101")
    assert (missing.status_code, missing.json()["error"]) == (404, "The server does not exist.")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST", "DELETE"])
def test_no_quota_can_be_changed_over_http(lab: Lab, method: str) -> None:
    answer = lab.call(method, "/api/delivery-servers/101", data={"daily_quota": "1"})
    assert (answer.status_code, answer.json()["error"]) == (404, "Page not found.")


def test_delivery_servers_do_not_exist_before_1_9_17(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(version="1.9.4", mode="v2")
    assert lab.get("/api/delivery-servers").status_code == 404


def test_an_unchanged_answer_is_an_empty_304(lab: Lab) -> None:
    first = lab.get("/api/campaigns")
    again = lab.get("/api/campaigns", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, "last-modified" in first.headers) == (304, b"", True)


def test_pause_unpause_is_a_toggle(lab: Lab) -> None:
    path = f"/api/campaigns/{CAMPAIGN}/pause-unpause"
    results = [lab.put(path).json() for _ in range(2)]
    assert results == [
        {"status": "success", "campaign": {"status": wanted}} for wanted in ("paused", "sending")
    ]
    lab.turn["set_campaign_status"](CAMPAIGN, "sent")
    assert lab.put(path).json() == {"status": "success", "campaign": {"status": "sent"}}


@pytest.mark.parametrize(
    ("method", "headers", "data", "expected"),
    [
        ("GET", {}, None, 400),
        ("POST", {"X-HTTP-Method-Override": "PUT"}, None, 400),
        ("POST", {}, {"_method": "PUT"}, 200),
        ("PUT", {"X-HTTP-Method-Override": "PUT"}, None, 200),
    ],
    ids=["wrong verb", "override header alone", "_method field", "put with the header"],
)
def test_verbs_are_taken_as_mailwizz_takes_them(
    lab: Lab, method: str, headers: dict[str, str], data: dict[str, str] | None, expected: int
) -> None:
    path = f"/api/campaigns/{CAMPAIGN}/pause-unpause"
    assert lab.call(method, path, headers=headers, data=data).status_code == expected


def test_a_paused_campaign_can_be_set_by_form_json_but_not_multipart(lab: Lab) -> None:
    lab.turn["set_campaign_status"](CAMPAIGN, "pending-sending")
    path = f"/api/campaigns/{CAMPAIGN}"
    assert lab.put(path, files={"campaign[status]": (None, "paused")}).status_code == 422
    assert lab.put(path, data={"campaign[status]": "paused"}).json() == {
        "status": "success",
        "campaign_uid": CAMPAIGN,
    }
    assert lab.put(path, json={"campaign": {"status": "paused"}}).status_code == 200
    assert lab.get(path).json()["data"]["record"]["status"] == "paused"
    assert lab.get("/api/campaigns/none").status_code == 404


@pytest.mark.parametrize(
    ("knob", "arguments", "expected"),
    [
        ("offline", {}, (503, "application/json")),
        ("crash", {}, (500, "text/html; charset=utf-8")),
        ("busy", {}, (409, "application/json")),
        ("refuse", {"reason": "inactive"}, (400, "application/json")),
        ("refuse", {"status": 401}, (401, "application/json")),
        ("waf", {}, (403, "text/html; charset=utf-8")),
    ],
)
def test_the_api_can_be_made_to_fail(
    lab: Lab, knob: str, arguments: dict[str, Any], expected: tuple[int, str]
) -> None:
    lab.turn[knob](**arguments)
    answer = lab.put(f"/api/campaigns/{CAMPAIGN}/pause-unpause")
    assert (answer.status_code, answer.headers["content-type"]) == expected


def test_a_busy_mutex_meets_only_writers_and_ends(lab: Lab) -> None:
    lab.turn["busy"](calls=1)
    path = f"/api/campaigns/{CAMPAIGN}/pause-unpause"
    codes = [lab.get("/api/campaigns").status_code, lab.put(path).status_code, lab.put(path).status_code]
    assert codes == [200, 409, 200]


def test_numbers_may_be_numbers(lab: Lab) -> None:
    lab.turn["plain_numbers"]()
    data = lab.get("/api/delivery-servers").json()["data"]
    assert (data["count"], data["records"][0]["server_id"]) == (2, 101)


def test_slashes_are_escaped_as_php_does(lab: Lab) -> None:
    lab.sql("UPDATE {campaign} SET name = 'a/b'")
    assert b'"name":"a\\/b"' in lab.get("/api/campaigns").content


def test_a_lost_database_is_a_php_error_page(lab: Lab) -> None:
    lab.sql("DROP TABLE {campaign} CASCADE")
    answer = lab.get("/api/campaigns")
    assert (answer.status_code, answer.text[:9]) == (500, "<!DOCTYPE")


def test_the_old_header_carries_the_key_too(lab: Lab) -> None:
    assert lab.get("/api/campaigns", key=None, headers={"X-MW-PUBLIC-KEY": KEY}).status_code == 200
