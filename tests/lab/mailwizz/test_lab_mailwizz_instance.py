"""The whole stand-in: tables, restarts, warm-up plans, sockets."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from lab.clock import Clock
from lab.mailwizz import MailWizz
from lab.mailwizz.php_serialize import additional_headers
from lab.mailwizz.warmup import PlanSpec, steps
from tests.lab.mailwizz.mailwizz_lab import KEY, START, Lab, world


def columns(lab: Lab) -> set[str]:
    query = "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
    return {
        row["column_name"] for row in lab.rows(query, f"{lab.mailwizz.config.table_prefix}delivery_server")
    }


def test_the_server_table_has_mailwizz_s_columns_and_headers(lab: Lab) -> None:
    wanted = {
        "server_id",
        "customer_id",
        "hourly_quota",
        "daily_quota",
        "monthly_quota",
        "pause_after_send",
        "status",
    }
    assert wanted | {"meta_data", "use_for", "probability", "warmup_plan_id", "last_updated"} <= columns(lab)
    row = lab.rows("SELECT * FROM {delivery_server} WHERE server_id = 102")[0]
    assert (row["status"], row["type"], row["hostname"]) == ("active", "smtp-pmta", "mta-2")
    assert additional_headers(row["meta_data"])["x-virtual-mta"] == "aurora-2"


def test_a_restart_keeps_what_others_changed(make_lab: Callable[..., Lab]) -> None:
    first = make_lab(prefix="restart_")
    first.sql("UPDATE {delivery_server} SET daily_quota = 60, status = 'disabled' WHERE server_id = 101")
    first.sql("UPDATE {delivery_server} SET daily_quota = 60 WHERE server_id = 102")
    first.advance(10)
    again = make_lab(prefix="restart_", servers=3, start=first.clock.now())
    servers = {each["server_id"]: each for each in again.mailwizz.state()["servers"]}
    assert (servers[101]["daily_quota"], servers[101]["status"], servers[103]["daily_quota"]) == (
        60,
        "disabled",
        0,
    )
    again.sql("UPDATE {delivery_server} SET status = 'disabled' WHERE server_id = 103")
    assert again.advance(10) == 0, "the day's quota was used up before the restart"


def test_the_state_shows_quotas_usage_and_what_the_cache_believes(lab: Lab) -> None:
    lab.sql("UPDATE {delivery_server} SET daily_quota = 500 WHERE server_id = 101")
    lab.advance(2)
    insert = "INSERT INTO {delivery_server_usage_log} (server_id, date_added) VALUES (101, %s)"
    lab.sql(insert, lab.mailwizz.now())
    state = lab.mailwizz.state()
    server = state["servers"][0]
    assert server["used_today"] == lab.used(101)
    assert server["left"] == {"daily": 500 - lab.used(101) + 1}
    assert (state["campaigns"][0]["status"], state["trouble"]) == ("sending", "")


def test_a_database_in_trouble_costs_a_tick_and_is_told(lab: Lab) -> None:
    lab.sql("ALTER TABLE {campaign} RENAME COLUMN status TO away")
    assert lab.advance(1) == 0
    assert "UndefinedColumn" in lab.mailwizz.trouble
    lab.sql("ALTER TABLE {campaign} RENAME COLUMN away TO status")
    assert lab.advance(1) > 0
    assert lab.mailwizz.trouble == ""


def test_a_broken_connection_is_opened_again(lab: Lab) -> None:
    with pytest.raises(psycopg.errors.AdminShutdown):
        lab.sql("SELECT pg_terminate_backend(pg_backend_pid())")
    assert lab.get("/api/campaigns").status_code == 200
    assert lab.advance(1) == 100


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (PlanSpec(1000, 4), [250, 500, 750, 1000]),
        (PlanSpec(1000, 4, limit_type="total"), [250, 250, 250, 250]),
        (PlanSpec(800, 4, strategy="exponential", increment_ratio=99), [102, 202, 402, 800]),
        (
            PlanSpec(1500, 4, strategy="exponential", limit_type="total", increment_ratio=99),
            [101, 201, 401, 797],
        ),
    ],
    ids=["linear targeted", "linear total", "exponential targeted", "exponential total"],
)
def test_warmup_steps(spec: PlanSpec, expected: list[int]) -> None:
    assert steps(spec) == expected


def test_a_plan_of_more_than_thirty_days_is_refused() -> None:
    with pytest.raises(ValueError, match="daily plan of 31 steps"):
        steps(PlanSpec(1000, 31))


def test_mailwizz_s_own_plan_moves_by_volume_and_ends_unlimited(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(servers=1, demand=4800)
    lab.turn["assign_warmup_plan"](101, sending_limit=240, sendings_count=2)
    seen: list[tuple[int, int]] = []
    for _ in range(24 * 5):
        lab.advance(1)
        row = lab.rows("SELECT hourly_quota, daily_quota FROM {delivery_server}")[0]
        if not seen or seen[-1] != (row["hourly_quota"], row["daily_quota"]):
            seen.append((row["hourly_quota"], row["daily_quota"]))
    assert seen == [(5, 120), (10, 240), (0, 0)]
    assert lab.mailwizz.state()["servers"][0]["warmup_plan_id"] is not None
    lab.turn["remove_warmup_plan"](101)
    assert lab.mailwizz.state()["servers"][0]["warmup_plan_id"] is None


def test_the_warmup_command_runs_once_an_hour(lab: Lab) -> None:
    lab.turn["assign_warmup_plan"](101, sending_limit=9000, sendings_count=2)
    lab.advance(1)
    query = "SELECT started_at, last_updated FROM {delivery_server_warmup_plan_schedule_log}"
    started = lab.rows(query)
    for _ in range(5):
        lab.advance(0.1)
    assert lab.rows(query) == started
    lab.advance(0.5)
    assert lab.rows(query)[0]["last_updated"] is not None


def test_every_knob_says_what_it_does(lab: Lab) -> None:
    assert all(knob.__doc__ for knob in lab.turn.values())
    assert {"offline", "save_server", "set_demand", "assign_warmup_plan"} <= set(lab.turn)


@pytest.mark.parametrize(
    ("knob", "arguments"),
    [
        ("refuse", {"reason": "mood"}),
        ("save_server", {"server_id": 999, "daily_quota": 1}),
        ("save_server", {"server_id": 101, "status": "paused"}),
        ("set_campaign_status", {"campaign": "none", "status": "sent"}),
        ("assign_warmup_plan", {"server_id": 999}),
    ],
)
def test_knobs_refuse_what_cannot_be(lab: Lab, knob: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is none of|no delivery server|no campaign"):
        lab.turn[knob](**arguments)


def test_it_listens_on_loopback_and_stops(postgres_url: str) -> None:
    async def scenario() -> tuple[int, int, bool]:
        mailwizz = MailWizz(world(postgres_url, "socket_"), Clock(START), {})
        port = await mailwizz.start(0)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            good = await client.get("/api/delivery-servers", headers={"x-api-key": KEY})
            form = await client.post(
                "/api/campaigns/none/bounces", headers={"X-API-KEY": KEY}, data={"a": "b"}
            )
        await mailwizz.close()
        try:
            await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return good.status_code, form.status_code, True
        return good.status_code, form.status_code, False

    assert asyncio.run(scenario()) == (200, 404, True)


def test_a_taken_port_is_an_error_at_once(postgres_url: str) -> None:
    async def scenario() -> None:
        first = MailWizz(world(postgres_url, "taken_"), Clock(START), {})
        second = MailWizz(world(postgres_url, "taken_"), Clock(START), {})
        port = await first.start(0)
        try:
            with pytest.raises(OSError, match="Address already in use"):
                await second.start(port)
        finally:
            await first.close()
            await second.close()

    asyncio.run(scenario())
