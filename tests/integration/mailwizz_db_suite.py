"""What must hold on every database that MailWizz may live in; each test takes `engine` (filled) and `url`."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, make_url
from sqlalchemy.engine import URL, Engine

from email_engine.adapters.mailwizz_db import MailwizzDatabase, MailwizzDb
from email_engine.errors import AccessDenied, EngineError, InputError, Refused
from email_engine.mailer.model import Setting, Warmup
from tests.integration import mailwizz_rows as rows

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def database(url: str | URL, prefix: str = rows.PREFIX) -> MailwizzDb:
    return MailwizzDb(MailwizzDatabase("mw-aurora", make_url(url), prefix))


class MailwizzDbSuite:
    """Subclassed per database, which gives the fixtures."""

    def test_servers_come_with_quotas_status_and_virtual_mta(self, engine: Engine, url: str) -> None:
        with database(url) as db:
            first, second, third = db.servers()
        assert (first.server_id, first.type, first.hostname, first.vmtas) == (
            101,
            "smtp-pmta",
            "mta-1",
            ("aurora-1",),
        )
        assert first.setting == Setting(0, 0, "active")
        assert second.setting == Setting(500, 50, "in-use")
        assert third.setting == Setting(1, 1, "disabled")

    def test_quotas_are_written_with_the_time_in_utc(self, engine: Engine, url: str) -> None:
        with database(url) as db:
            db.set_quota(101, 50, 5, Setting(0, 0, "active"))
        found = rows.row(engine, 101)
        assert (found["daily_quota"], found["hourly_quota"], found["status"]) == (50, 5, "active")
        touched = found["last_updated"]
        assert isinstance(touched, datetime)
        assert abs(touched - datetime.now(UTC).replace(tzinfo=None)) < timedelta(seconds=60)

    def test_writing_what_stands_there_already_is_fine(self, engine: Engine, url: str) -> None:
        rows.change(engine, 102, last_updated=datetime.now(UTC).replace(tzinfo=None, microsecond=0))
        with database(url) as db:
            db.set_quota(102, 500, 50, Setting(500, 50, "in-use"))

    @pytest.mark.parametrize(
        "old", [Setting(501, 50, "in-use"), Setting(500, 51, "in-use")], ids=["daily", "hourly"]
    )
    def test_a_row_that_changed_meanwhile_is_left_alone(self, engine: Engine, url: str, old: Setting) -> None:
        with database(url) as db, pytest.raises(Refused, match="changed meanwhile"):
            db.set_quota(102, 700, 70, old)
        assert rows.row(engine, 102)["daily_quota"] == 500

    @pytest.mark.parametrize("status", ["inactive", "hidden", "pending-delete"])
    def test_a_server_out_of_service_is_left_alone(self, engine: Engine, url: str, status: str) -> None:
        rows.change(engine, 102, status=status)
        with database(url) as db:
            with pytest.raises(Refused):
                db.set_quota(102, 700, 70, Setting(500, 50, status))
            with pytest.raises(Refused):
                db.set_status(102, "disabled", Setting(500, 50, status))
            assert not db.disable(102).changed

    @pytest.mark.parametrize(("daily", "hourly"), [(0, 5), (5, 0), (-1, 1)])
    def test_unlimited_is_never_written(self, engine: Engine, url: str, daily: int, hourly: int) -> None:
        with database(url) as db, pytest.raises(Refused, match="unlimited"):
            db.set_quota(102, daily, hourly, Setting(500, 50, "in-use"))

    def test_a_running_warmup_plan_keeps_its_quotas_but_may_be_disabled(
        self, engine: Engine, url: str
    ) -> None:
        rows.change(engine, 102, warmup_plan_id=7)
        with database(url) as db:
            assert db.server(102).warmup is Warmup.RUNNING
            with pytest.raises(Refused, match="warm-up plan"):
                db.set_quota(102, 700, 70, Setting(500, 50, "in-use"))
            assert db.disable(102).new.status == "disabled"

    def test_a_plan_counts_as_over_when_the_server_completed_all_its_steps(
        self, engine: Engine, url: str
    ) -> None:
        rows.change(engine, 102, warmup_plan_id=7)
        with engine.begin() as conn:
            conn.execute(insert(rows.schedule), [{"schedule_id": n, "plan_id": 7} for n in (1, 2)])
            conn.execute(
                insert(rows.plan_log).values(server_id=102, schedule_id=1, plan_id=7, status="completed")
            )
        with database(url) as db:
            assert db.server(102).warmup is Warmup.RUNNING
            with engine.begin() as conn:
                conn.execute(
                    insert(rows.plan_log).values(server_id=102, schedule_id=2, plan_id=7, status="completed")
                )
            assert db.server(102).warmup is Warmup.COMPLETE
            db.set_quota(102, 700, 70, Setting(500, 50, "in-use"))

    def test_the_brake_disables_and_can_be_repeated_and_ended(self, engine: Engine, url: str) -> None:
        with database(url) as db:
            done = db.disable(102)
            assert (done.old.status, done.new.status, str(done), done.changed) == (
                "in-use",
                "disabled",
                "disabled",
                True,
            )
            assert not db.disable(102).changed
            assert rows.row(engine, 102)["status"] == "disabled"
            db.set_status(102, "active", done.new)
            assert db.server(102).setting == Setting(500, 50, "active")

    def test_usage_counts_the_utc_day(self, engine: Engine, url: str) -> None:
        with engine.begin() as conn:
            for moment in (
                "2026-10-31 23:59:59",
                "2026-11-01 00:00:00",
                "2026-11-01 11:00:00",
                "2026-11-02 00:00:00",
            ):
                conn.execute(
                    insert(rows.usage).values(server_id=101, date_added=datetime.fromisoformat(moment))
                )
        with database(url) as db:
            assert db.usage_today(NOON, [101, 102]) == db.usage_today(NOON) == {101: 2}
            assert db.usage_today(NOON, [101], until=NOON - timedelta(hours=2)) == {101: 1}
            assert db.usage_today(NOON, []) == {}

    def test_an_old_version_without_warmup_plans_headers_and_log_works(
        self, engine: Engine, url: str
    ) -> None:
        for column in ("warmup_plan_id", "last_updated", "meta_data"):
            rows.run(engine, f"ALTER TABLE mw_delivery_server DROP COLUMN {column}")
        rows.run(engine, "DROP TABLE mw_delivery_server_usage_log")
        with database(url) as db:
            assert {(s.warmup, s.vmtas) for s in db.servers()} == {(Warmup.NONE, ())}
            assert db.usage_today(NOON, [101]) == {}
            db.set_quota(101, 50, 5, Setting(0, 0, "active"))

    @pytest.mark.parametrize("column", ["hourly_quota", "daily_quota", "status"])
    def test_a_table_without_a_needed_column_is_refused_by_name(
        self, engine: Engine, url: str, column: str
    ) -> None:
        rows.run(engine, f"ALTER TABLE mw_delivery_server DROP COLUMN {column}")
        with database(url) as db, pytest.raises(Refused, match=f"lacks {column}"):
            db.servers()

    def test_a_wrong_prefix_names_the_table_that_is_missing(self, engine: Engine, url: str) -> None:
        with database(url, "other_") as db, pytest.raises(Refused, match="no table other_delivery_server"):
            db.servers()

    @pytest.mark.parametrize("prefix", ["mw-", "mw_; DROP TABLE x", "mw_`", 'mw_"', "ü" * 3, "x" * 33])
    def test_a_prefix_that_is_no_name_is_refused(self, url: str, prefix: str) -> None:
        with pytest.raises(InputError, match="table_prefix"):
            database(url, prefix)

    def test_an_unknown_server_is_refused(self, engine: Engine, url: str) -> None:
        with database(url) as db, pytest.raises(Refused, match="delivery server 999"):
            db.disable(999)

    def test_a_wrong_password_is_told_without_it(self, engine: Engine, url: str) -> None:
        with database(rows.wrong_password(url)) as db, pytest.raises(AccessDenied) as caught:
            db.servers()
        text = f"{caught.value} {caught.value.__cause__} {caught.value.__context__} {db.database!r}"
        assert "grants" in str(caught.value)
        assert str(make_url(url).password) not in text

    def test_a_database_away_is_told_with_the_next_step(self, url: str) -> None:
        away = make_url(url).set(host="127.0.0.1", port=1, query={})
        with database(away) as db, pytest.raises(EngineError, match="see that the database runs"):
            db.servers()
