"""What each version of MailWizz has, lacks and obeys."""

from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from lab.mailwizz.worker import for_campaigns
from tests.lab.mailwizz.mailwizz_lab import CAMPAIGN, Lab

MakeLab = Callable[..., Lab]
QUERY = "SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = %s"


def columns(lab: Lab, table: str = "delivery_server") -> dict[str, str]:
    """Column to type; empty without the table."""
    rows = lab.rows(QUERY, f"{lab.mailwizz.config.table_prefix}{table}")
    return {row["column_name"]: row["data_type"] for row in rows}


@pytest.mark.parametrize(
    ("version", "there", "absent", "use_for"),
    [
        ("1.9.4", (), ("warmup_plan_id", "minute_quota", "force_from_name"), "character varying"),
        ("2.1.9", (), ("warmup_plan_id",), "character varying"),
        ("2.1.10", ("warmup_plan_id",), ("second_quota", "force_from_name"), "character varying"),
        ("2.3.8", ("warmup_plan_id", "force_from_name"), ("second_quota", "minute_quota"), "integer"),
        ("2.4.0", ("force_from_name", "second_quota", "minute_quota"), (), "integer"),
        ("2.8.1", ("second_quota", "minute_quota", "pause_after_send", "probability"), (), "integer"),
    ],
)
def test_a_server_s_columns_come_with_their_version(
    make_lab: MakeLab, version: str, there: tuple[str, ...], absent: tuple[str, ...], use_for: str
) -> None:
    lab = make_lab(version=version, mode="v2")
    found = columns(lab)
    assert set(there) <= set(found)
    assert not set(absent) & set(found)
    assert found["use_for"] == use_for
    assert lab.advance(1) == 100


@pytest.mark.parametrize(
    ("table", "column", "before", "since"),
    [
        ("campaign", "send_between_start", "2.1.13", "2.2.0"),
        ("customer_api_key", "key", "1.9.20", "2.0.0"),
        ("customer_api_key", "enable_permissions", "2.2.8", "2.2.9"),
        ("customer_api_key_permission", "route", "2.2.8", "2.2.9"),
        ("campaign_delivery_count_history", "campaign_id", "2.4.1", "2.4.2"),
        ("campaign_tracking_ignore_list", "action", "2.4.9", "2.5.0"),
    ],
)
def test_other_tables_come_with_their_version(
    make_lab: MakeLab, table: str, column: str, before: str, since: str
) -> None:
    assert column not in columns(make_lab(version=before, mode="v2"), table)
    assert column in columns(make_lab(version=since), table)


@pytest.mark.parametrize(
    ("version", "path", "status"),
    [
        ("1.9.4", "/index.php/dswh/pmta", 404),
        ("1.9.14", "/dswh/pmta", 404),
        ("1.9.15", "/index.php/dswh/pmta", 200),
        ("2.7.3", "/index.php/dswh/pmta/", 200),
        ("1.9.4", "/index.php/dswh/postmastery", 200),
        ("2.7.3", "/index.php/dswh/inboxroad", 404),
    ],
)
def test_a_webhook_that_the_version_lacks_is_not_found(
    make_lab: MakeLab, version: str, path: str, status: int
) -> None:
    lab = make_lab(version=version, mode="v2")
    assert lab.post(path, key=None, json={"type": "d"}).status_code == status


def test_a_deleted_server_leaves_its_usage_rows_without_a_server(lab: Lab) -> None:
    lab.advance(1)
    used = lab.used(102)
    assert used > 0
    assert lab.turn["delete_server"](102) == {"deleted": 102}
    (row,) = lab.rows("SELECT count(*) AS orphans FROM {delivery_server_usage_log} WHERE server_id IS NULL")
    assert row["orphans"] == used
    assert lab.advance(1) == 100
    assert lab.used(102) == 0


def test_a_worker_that_still_has_a_deleted_server_logs_without_it(make_lab: MakeLab) -> None:
    lab = make_lab(batch_size=10_000)
    lab.advance(1)
    lab.turn["delete_server"](102)
    assert lab.advance(1) == 100
    (row,) = lab.rows("SELECT count(*) AS orphans FROM {delivery_server_usage_log} WHERE server_id IS NULL")
    assert row["orphans"] > 0
    assert lab.mailwizz.trouble == ""


@pytest.mark.parametrize("knob", ["delete_server", "save_server"])
def test_the_backend_leaves_a_server_in_use_alone(lab: Lab, knob: str) -> None:
    lab.sql("UPDATE {delivery_server} SET status = 'in-use' WHERE server_id = 101")
    with pytest.raises(ValueError, match="101 is in use"):
        lab.turn[knob](101)
    with pytest.raises(ValueError, match="no delivery server 999"):
        lab.turn[knob](999)


def test_a_key_with_permissions_opens_its_routes_alone(lab: Lab) -> None:
    assert lab.get("/api/lists").status_code == 200
    lab.turn["key_permissions"](routes="delivery-servers/index campaigns/view")
    refused = lab.get("/api/lists")
    assert (refused.status_code, refused.json()["error"]) == (
        400,
        "You do not have enough permissions to access this endpoint.",
    )
    assert lab.get("/api/delivery-servers").status_code == 200
    assert lab.get("/api/delivery-servers/101").status_code == 400
    assert lab.get(f"/api/campaigns/{CAMPAIGN}").status_code == 200
    assert lab.get("/api/lists", key="wrong").json()["error"].startswith("Invalid API key")
    lab.turn["key_permissions"](routes=None)
    assert lab.get("/api/lists").status_code == 200


def test_keys_of_old_versions_have_no_permissions(make_lab: MakeLab) -> None:
    with pytest.raises(ValueError, match=r"since 2\.2\.9"):
        make_lab(version="2.2.8").turn["key_permissions"](routes="lists/index")


@pytest.mark.parametrize(
    ("use_for", "sends"),
    [
        ("all", True),
        ("campaigns", True),
        ("transactional", False),
        (1, True),
        (4, True),
        (6, True),
        (2, False),
        (0, False),
    ],
)
def test_what_a_server_is_for(use_for: str | int, sends: bool) -> None:
    assert for_campaigns(use_for) is sends


@pytest.mark.parametrize(
    ("change", "an_hour"),
    [
        ("use_for = 2", 0),
        ("probability = 0", 0),
        ("minute_quota = 1", 60),
        ("pause_after_send = 120", 30),
        ("second_quota = 1", 1000),
        ("monthly_quota = 7", 7),
    ],
)
def test_what_a_server_s_row_limits_is_obeyed(make_lab: MakeLab, change: str, an_hour: int) -> None:
    lab = make_lab(servers=1, demand=24_000)
    lab.sql(f"UPDATE {{delivery_server}} SET {change}")
    assert abs(lab.advance(1) - an_hour) <= an_hour / 20


def test_a_campaign_sends_in_its_hours_and_makes_up_for_the_others(lab: Lab) -> None:
    lab.turn["set_campaign_hours"](CAMPAIGN, start="02:00", end="03:00")
    assert [lab.advance(1) for _ in range(3)] == [0, 0, 300]
    assert lab.advance(1) == 0
    lab.turn["set_campaign_hours"](CAMPAIGN, start="23:00", end="05:00")
    assert lab.advance(1) > 0
    lab.turn["set_campaign_hours"](CAMPAIGN)
    assert lab.advance(1) == 100


def test_a_campaign_uses_the_servers_that_it_names(lab: Lab) -> None:
    lab.sql("INSERT INTO {campaign_to_delivery_server} SELECT campaign_id, 102 FROM {campaign}")
    lab.advance(1)
    assert (lab.used(101), lab.used(102)) == (0, 100)


def test_a_group_s_servers_are_all_that_its_customers_may_use(make_lab: MakeLab) -> None:
    lab = make_lab(scope="system")
    lab.advance(1)
    before = lab.used(101)
    assert before > 0
    lab.sql("INSERT INTO {delivery_server_to_customer_group} SELECT 102, group_id FROM {customer}")
    lab.advance(1)
    assert lab.used(101) == before


def test_the_last_ten_runs_of_each_command_are_kept(lab: Lab) -> None:
    lab.advance(12)
    counted = """SELECT command, count(*) AS runs, max(start_time) AS newest FROM {console_command}
        JOIN {console_command_history} USING (command_id) GROUP BY command ORDER BY command"""
    found = {row["command"]: (row["runs"], row["newest"]) for row in lab.rows(counted)}
    assert found == {
        "delivery-servers-warmup-handler": (10, lab.mailwizz.now()),
        "hourly": (10, lab.mailwizz.now()),
        "send-campaigns": (10, lab.mailwizz.now()),
    }
    lab.turn["stop_cron"]()
    assert lab.advance(2) == 0
    assert lab.rows(counted)[1]["newest"] == lab.mailwizz.now() - timedelta(hours=2)
    lab.turn["stop_cron"](on=False)
    assert lab.advance(1) > 0


def test_a_usage_row_names_a_server_that_exists_or_none(lab: Lab) -> None:
    insert = "INSERT INTO {delivery_server_usage_log} (server_id, date_added) VALUES (%s, %s)"
    lab.sql(insert, None, lab.mailwizz.now())
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        lab.sql(insert, 999, lab.mailwizz.now())
