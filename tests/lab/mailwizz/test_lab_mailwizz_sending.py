"""Campaign mail on its way into PowerMTA, over a real database."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from lab.mailwizz.audience import Audience, Subscriber
from lab.mailwizz.demand import due_between, moments
from tests.lab.mailwizz.mailwizz_lab import CAMPAIGN, START, Lab


@pytest.mark.parametrize("pieces", [1, 7, 24, 1440])
def test_any_split_of_a_day_brings_the_whole_demand(pieces: int) -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    cuts = [start + timedelta(days=1) * n / pieces for n in range(pieces + 1)]
    assert sum(due_between(20_001, before, after) for before, after in pairwise(cuts)) == 20_001


def test_moments_lie_inside_their_span() -> None:
    assert moments(4, 0.0, 8.0) == [1.0, 3.0, 5.0, 7.0]
    assert moments(0, 0.0, 8.0) == []


def test_an_audience_is_walked_whole_before_it_repeats() -> None:
    audience = Audience([Subscriber(n, str(n), f"{n}@x") for n in range(1, 101)])
    ids = [found.subscriber_id for _ in range(90) if (found := audience.draw({5, 50, *range(91, 99)}))]
    assert len(set(ids)) == 90
    assert ids != sorted(ids)
    assert Audience([Subscriber(1, "1", "a@x")]).draw({1}) is None
    assert Audience([]).draw(()) is None


def test_a_days_demand_reaches_the_hosts_by_virtual_mta(lab: Lab) -> None:
    assert lab.advance(24) == 2400
    taken = [message for host in lab.hosts.values() for message in host.taken]
    assert {(m.virtual_mta, m.job, m.mail_from) for m in taken} == {
        (vmta, CAMPAIGN, "bounce@news.aurora-mail.example") for vmta in ("aurora-1", "aurora-2")
    }
    assert {m.virtual_mta for m in lab.hosts["mta-1"].taken} == {"aurora-1"}
    assert len({m.message_id for m in taken}) == 2400
    shares = Counter(m.rcpt.rpartition("@")[2] for m in taken)
    assert shares["gmail.com"] > shares["outlook.com"] > shares["yahoo.com"] > 300
    assert lab.used(101) + lab.used(102) == 2400
    assert abs(lab.used(101) - 1200) < 150


def test_the_usage_log_tells_the_hours(lab: Lab) -> None:
    lab.advance(3)
    query = "SELECT date_trunc('hour', date_added) AS h, count(*) AS n FROM {delivery_server_usage_log} GROUP BY 1 ORDER BY 1"
    assert [(row["h"].hour, row["n"]) for row in lab.rows(query)] == [(0, 100), (1, 100), (2, 100)]


def test_two_labs_with_one_seed_send_the_same(make_lab: Callable[..., Lab]) -> None:
    runs = []
    for lab in (make_lab(), make_lab()):
        lab.advance(2)
        runs.append([(m.message_id, m.rcpt, m.virtual_mta) for m in lab.hosts["mta-1"].taken])
    assert runs[0] == runs[1]


def test_probability_is_weight(lab: Lab) -> None:
    lab.turn["save_server"](102, probability=0)
    lab.advance(5)
    assert (lab.used(101), lab.used(102)) == (500, 0)


@pytest.mark.parametrize("status", ["disabled", "inactive", "hidden", "pending-delete"])
def test_only_active_servers_send(lab: Lab, status: str) -> None:
    lab.sql("UPDATE {delivery_server} SET status = %s WHERE server_id = 101", status)
    lab.sql("UPDATE {delivery_server} SET status = 'in-use' WHERE server_id = 102")
    lab.advance(2)
    assert (lab.used(101), lab.used(102)) == (0, 200)


def test_a_daily_quota_holds_and_the_rest_waits_for_the_next_day(lab: Lab) -> None:
    lab.sql("UPDATE {delivery_server} SET daily_quota = 50")
    assert lab.advance(24) == 100
    assert lab.mailwizz.state()["campaigns"][0]["waiting"] == 2300
    assert lab.advance(24) == 100


def test_an_hourly_quota_holds_each_hour(lab: Lab) -> None:
    lab.sql("UPDATE {delivery_server} SET hourly_quota = 20")
    lab.advance(6)
    query = "SELECT count(*) AS n FROM {delivery_server_usage_log} GROUP BY server_id, date_trunc('hour', date_added)"
    assert {row["n"] for row in lab.rows(query)} == {20}


def test_a_quota_cut_by_sql_comes_late_and_a_saved_one_at_once(make_lab: Callable[..., Lab]) -> None:
    cuts: dict[str, Callable[[Lab], Any]] = {
        "sql": lambda lab: lab.sql("UPDATE {delivery_server} SET daily_quota = 100"),
        "form": lambda lab: lab.turn["save_server"](101, daily_quota=100),
    }
    used = {}
    for name, cut in cuts.items():
        lab = make_lab(servers=1, demand=24_000)
        lab.sql("UPDATE {delivery_server} SET daily_quota = 5000")
        lab.advance(1)
        cut(lab)
        lab.advance(10)
        used[name] = lab.used(101)
    assert used == {"sql": 5000, "form": 1000}


def test_a_server_raised_from_0_was_unlimited_until_its_batch_ended(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(servers=1, batch_size=150)
    lab.advance(1)
    lab.sql("UPDATE {delivery_server} SET daily_quota = 1")
    lab.advance(4)
    assert lab.used(101) == 150


def test_a_worker_in_mid_batch_finishes_on_a_disabled_server(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(servers=1, batch_size=150)
    lab.advance(1)
    lab.sql("UPDATE {delivery_server} SET status = 'disabled'")
    lab.advance(4)
    assert lab.used(101) == 150


def test_a_paused_campaign_sends_nothing_and_builds_no_debt(lab: Lab) -> None:
    lab.put(f"/api/campaigns/{CAMPAIGN}/pause-unpause")
    assert lab.advance(5) == 0
    lab.put(f"/api/campaigns/{CAMPAIGN}/pause-unpause")
    assert lab.advance(1) == 100


def test_demand_can_be_turned(lab: Lab) -> None:
    lab.turn["set_demand"](CAMPAIGN, 4800)
    assert lab.advance(1) == 200
    with pytest.raises(ValueError, match="no campaign 'other'; known: camp-aurora-news"):
        lab.turn["set_demand"]("other", 1)


def test_people_who_left_or_are_blacklisted_get_no_mail(lab: Lab) -> None:
    lab.sql("UPDATE {list_subscriber} SET status = 'unsubscribed' WHERE mod(subscriber_id, 3) = 0")
    lab.sql(
        "INSERT INTO {email_blacklist} (email) SELECT email FROM {list_subscriber} WHERE mod(subscriber_id, 3) = 1"
    )
    lab.advance(6)
    query = "SELECT DISTINCT mod(subscriber_id, 3) AS rest FROM {campaign_delivery_log}"
    assert [row["rest"] for row in lab.rows(query)] == [2]


@pytest.mark.parametrize(
    ("reply", "status", "waiting"),
    [("550 5.5.0 no such virtual MTA", "giveup", 0), ("451 4.3.0 try later", "temporary-error", 50)],
    ids=["refused for good", "refused for now"],
)
def test_refused_messages_leave_no_usage(lab: Lab, reply: str, status: str, waiting: int) -> None:
    lab.turn["save_server"](102, status="disabled")
    lab.hosts["mta-1"].reply = reply
    lab.advance(0.5)
    rows = lab.rows("SELECT DISTINCT status, message FROM {campaign_delivery_log}")
    assert ([(row["status"], row["message"]) for row in rows], lab.used(101)) == ([(status, reply)], 0)
    assert lab.mailwizz.state()["campaigns"][0]["waiting"] == waiting


def test_an_unreachable_host_costs_no_mail(lab: Lab) -> None:
    lab.sql("UPDATE {delivery_server} SET hostname = 'mta-9'")
    assert lab.advance(1) == 0
    lab.sql("UPDATE {delivery_server} SET hostname = 'mta-1'")
    assert lab.advance(1) == 200


def test_usage_that_somebody_else_logged_counts(lab: Lab) -> None:
    lab.sql("UPDATE {delivery_server} SET daily_quota = 50")
    lab.sql(
        "INSERT INTO {delivery_server_usage_log} (server_id, delivery_for, date_added)"
        " SELECT 101, 'transactional', %s FROM generate_series(1, 30)",
        START.replace(tzinfo=None),
    )
    lab.advance(24)
    assert (lab.used(101), lab.used(102)) == (50, 50)


def test_an_install_may_neither_log_nor_enforce(lab: Lab) -> None:
    lab.sql("UPDATE {delivery_server} SET daily_quota = 5")
    lab.turn["enforce_quotas"](on=False)
    lab.turn["log_usage"](on=False)
    assert lab.advance(2) == 200
    assert lab.used(101) == 0


def test_an_unlimited_server_of_an_uncounted_customer_leaves_no_usage(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(countable=False)
    lab.sql("UPDATE {delivery_server} SET daily_quota = 1000 WHERE server_id = 102")
    lab.advance(1)
    assert (lab.used(101), lab.used(102) > 0) == (0, True)


def test_old_log_rows_are_purged(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(demand=240, keep_days=2)
    lab.advance(24 * 5)
    assert lab.used(101) + lab.used(102) == 480
    stats = lab.get(f"/api/campaigns/{CAMPAIGN}/stats").json()["data"]
    assert stats["processed_count"] == 1200


def test_a_monthly_quota_outlives_the_purge(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(demand=240, keep_days=1, servers=1)
    lab.sql("UPDATE {delivery_server} SET monthly_quota = 700")
    assert lab.advance(24 * 5) == 700


def test_sixty_thousand_messages_a_day_are_quick(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(servers=50, demand=60_000)
    lab.sql("UPDATE {delivery_server} SET daily_quota = 2000, hourly_quota = 200")
    began = time.process_time()
    assert lab.advance(24) == 60_000
    assert time.process_time() - began < 4


def test_a_server_that_a_person_made_sends_by_its_header_and_a_copy_is_disabled(lab: Lab) -> None:
    lab.sql("UPDATE {delivery_server} SET status = 'disabled'")
    made = lab.turn["create_server"](hostname="mta-1", vmta="aurora-9", daily_quota=5, copies=2)
    assert made == [103, 104]
    lab.advance(1)
    assert {message.virtual_mta for message in lab.hosts["mta-1"].taken} == {"aurora-9"}
    assert (lab.used(103), lab.used(104)) == (5, 0)
    headers = lab.rows(
        "SELECT meta_data, status FROM {delivery_server} WHERE server_id >= 103 ORDER BY server_id"
    )
    assert headers[0]["meta_data"] == headers[1]["meta_data"]
    assert [row["status"] for row in headers] == ["active", "disabled"]
