"""The vendor's own Python client talks to the stand-in over a socket: what it sends is what real installations answer.

The client shares no code with the lab or the product. Its known faults (nested fields lost on the wire, a signature that differs
from the server's as soon as a value holds a blank) must be refused or ignored here as a real MailWizz does."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from mailwizz.base import Base
from mailwizz.config import Config
from mailwizz.endpoint.campaign_bounces import CampaignBounces
from mailwizz.endpoint.campaigns import Campaigns
from mailwizz.endpoint.campaigns_tracking import CampaignsTracking
from mailwizz.endpoint.list_subscribers import ListSubscribers
from mailwizz.endpoint.lists import Lists

from lab.mailwizz.serving import HttpServer
from tests.lab.mailwizz.mailwizz_lab import CAMPAIGN, KEY, Lab

MakeLab = Callable[..., Lab]
VERSIONS = ("2.7.3", "3.0.4")


@contextmanager
def served(lab: Lab, key: str = KEY, private: str = "unused") -> Iterator[None]:
    """The lab's API on a free port; the client's one global configuration points at it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = HttpServer(lab.mailwizz.asgi)
    try:
        port = asyncio.run_coroutine_threadsafe(server.start(0), loop).result(20)
        given = {
            "api_url": f"http://127.0.0.1:{port}/api",
            "public_key": key,
            "private_key": private,
            "charset": "utf-8",
        }
        Base.set_config(Config(given))
        yield
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()
        Base.set_config({})


def data(response: Any) -> Any:
    assert response.status_code in (200, 201), (response.status_code, response.text)
    answer = response.json()
    assert answer["status"] == "success", answer
    return answer.get("data", answer)


def refused(response: Any) -> tuple[int, str]:
    answer = response.json()
    assert answer["status"] == "error", answer
    return response.status_code, answer["error"]


@pytest.mark.parametrize("version", VERSIONS)
def test_its_calls_are_answered(make_lab: MakeLab, version: str) -> None:
    lab = make_lab(version=version)
    campaigns, people, lists, bounces = Campaigns(), ListSubscribers(), Lists(), CampaignBounces()
    with served(lab):
        assert [one["campaign_uid"] for one in data(campaigns.get_campaigns())["records"]] == [CAMPAIGN]
        campaign = data(campaigns.get_campaign(CAMPAIGN))["record"]
        uid = campaign["list"]["list_uid"]
        assert uid in [one["general"]["list_uid"] for one in data(lists.get_lists())["records"]]

        page = data(people.get_subscribers(uid, page=2, per_page=10))
        assert (page["count"], page["current_page"], page["total_pages"]) == ("300", 2, 30)
        first = page["records"][0]
        assert data(people.get_subscriber(uid, first["subscriber_uid"]))["record"]["EMAIL"] == first["EMAIL"]
        assert data(people.email_search(uid, first["EMAIL"]))["subscriber_uid"] == first["subscriber_uid"]
        found = data(people.email_search_all_lists(first["EMAIL"]))["records"]
        assert [one["subscriber_uid"] for one in found] == [first["subscriber_uid"]]

        words = {
            "subscriber_uid": first["subscriber_uid"], "bounce_type": "hard", "message": "550 5.1.1 unknown user",
        }  # fmt: skip
        data(bounces.create(CAMPAIGN, words))
        assert data(people.get_subscriber(uid, first["subscriber_uid"]))["record"]["status"] == "blacklisted"
        assert refused(bounces.create(CAMPAIGN, words))[0] == 422, "said once is enough"
        assert [one["bounce_type"] for one in data(bounces.get_bounces(CAMPAIGN))["records"]] == ["hard"]

        second = page["records"][1]["subscriber_uid"]
        told = CampaignsTracking().track_unsubscribe(CAMPAIGN, second, {"reason": "too much mail"})
        data(told)
        assert data(people.get_subscriber(uid, second))["record"]["status"] == "unsubscribed"
        data(CampaignsTracking().track_opening(CAMPAIGN, page["records"][2]["subscriber_uid"]))

        assert campaigns.pause_unpause(CAMPAIGN).json()["campaign"]["status"] == "paused"
        assert campaigns.pause_unpause(CAMPAIGN).json()["campaign"]["status"] == "sending"
        assert campaigns.mark_sent(CAMPAIGN).json()["campaign"]["status"] == "sent"

        third = page["records"][3]["subscriber_uid"]
        data(people.unsubscribe(uid, third))
        data(people.delete(uid, third))
        assert refused(people.get_subscriber(uid, third)) == (
            404,
            "The subscriber does not exist in this list.",
        )


def test_who_unsubscribed_is_confirmed_again_by_its_create(make_lab: MakeLab) -> None:
    lab, people = make_lab(version="2.7.3"), ListSubscribers()
    with served(lab):
        uid = data(Campaigns().get_campaign(CAMPAIGN))["record"]["list"]["list_uid"]
        new = {"EMAIL": "new@gmail.com", "details": {"status": "unsubscribed"}}
        made = data(people.create(uid, new))["record"]["subscriber_uid"]
        assert data(people.get_subscriber(uid, made))["record"]["status"] == "unsubscribed"
        data(people.create(uid, {"EMAIL": "new@gmail.com"}))
        assert data(people.get_subscriber(uid, made))["record"]["status"] == "confirmed"
        assert refused(people.create(uid, {"EMAIL": "new@gmail.com"}))[0] == 409


def test_nested_fields_of_its_update_are_lost_on_the_wire(make_lab: MakeLab) -> None:
    """200 proves nothing: the status was not in the body. Written flat it arrives."""
    lab, people = make_lab(version="2.7.3"), ListSubscribers()
    with served(lab):
        uid = data(Campaigns().get_campaign(CAMPAIGN))["record"]["list"]["list_uid"]
        one = data(people.get_subscribers(uid))["records"][0]["subscriber_uid"]
        data(people.update(uid, one, {"details": {"status": "disabled"}}))
        assert data(people.get_subscriber(uid, one))["record"]["status"] == "confirmed"
        data(people.update(uid, one, {"details[status]": "disabled"}))
        assert data(people.get_subscriber(uid, one))["record"]["status"] == "disabled"


def test_a_key_that_is_not_known_is_refused(make_lab: MakeLab) -> None:
    with served(make_lab(version="2.7.3"), key="x" * 40):
        assert refused(Campaigns().get_campaigns()) == (
            400,
            "Invalid API key. Please refer to the documentation.",
        )


def test_its_signature_counts_where_it_is_right_and_is_refused_where_it_is_not(make_lab: MakeLab) -> None:
    """1.9: the client sorts ignoring case and writes blanks as %20; the server sorts by byte and writes +."""
    lab = make_lab(version="1.9.17", mode="v1_9", private_key="p" * 40)
    bounces = CampaignBounces()
    with served(lab, private="p" * 40):
        data(Campaigns().get_campaigns(page=1, per_page=10))
        people = data(
            ListSubscribers().get_subscribers(lab.rows("SELECT list_uid FROM {list}")[0]["list_uid"])
        )
        who = people["records"][0]["subscriber_uid"]
        bad = (400, "Invalid API request signature. Please refer to the documentation.")
        said = {"subscriber_uid": who, "bounce_type": "soft", "message": "mailbox full"}
        assert refused(bounces.create(CAMPAIGN, said)) == bad
        assert lab.rows("SELECT * FROM {campaign_bounce_log}") == []
    with served(lab, private="q" * 40):
        assert refused(Campaigns().get_campaigns()) == bad
