"""The engine's timetable plans as Airflow's does; only the ids of its runs are their own."""

from datetime import UTC, datetime, timedelta
from typing import Any

import airflow.timetables.trigger
import pendulum
import pytest
from airflow.plugins_manager import get_timetables_plugins
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable
from airflow.utils.types import DagRunType

from email_engine.paths import ROOT
from email_engine_airflow.timetable import FIRST_RUN, UniqueRunCron

BEGIN = pendulum.datetime(2026, 1, 1)
MIDNIGHT = pendulum.datetime(2026, 11, 29)
CRONS = ("*/2 * * * *", "*/15 * * * *", "35 * * * *", "0 */4 * * *", "0 6 * * *", "0 0 * * *")
SECOND = timedelta(seconds=1)


def due(timetable: Any, last: Any, catchup: bool, earliest: Any = BEGIN) -> Any:
    interval = DataInterval.exact(last) if last else None
    limits = TimeRestriction(earliest=earliest, latest=None, catchup=catchup)
    return timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=limits)


@pytest.mark.parametrize("cron", CRONS)
@pytest.mark.parametrize(
    "now", [MIDNIGHT - SECOND, MIDNIGHT, MIDNIGHT + SECOND, MIDNIGHT.add(hours=13, minutes=7)]
)
@pytest.mark.parametrize("last", [None, MIDNIGHT.subtract(days=1), MIDNIGHT, MIDNIGHT.subtract(months=2)], ids=["first run", "yesterday", "today", "paused for long"])  # fmt: skip
@pytest.mark.parametrize("catchup", [False, True])
def test_it_is_due_when_airflow_s_own_is(
    monkeypatch: pytest.MonkeyPatch, cron: str, now: Any, last: Any, catchup: bool
) -> None:
    monkeypatch.setattr(airflow.timetables.trigger, "utcnow", lambda: now)
    first = {"run_immediately": FIRST_RUN} if last is None else {}
    own, theirs = UniqueRunCron(cron), CronTriggerTimetable(cron, timezone="UTC", **first)  # type: ignore[arg-type]
    assert due(own, last, catchup) == due(theirs, last, catchup)


def test_what_has_no_beginning_and_never_ran_waits_for_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes past midnight an untouched fleet's day was closed and its configuration deployed."""
    monkeypatch.setattr(airflow.timetables.trigger, "utcnow", lambda: MIDNIGHT.add(minutes=10))
    daily = UniqueRunCron("0 0 * * *")
    assert due(daily, None, False, earliest=None).run_after == MIDNIGHT.add(days=1)
    late = due(daily, MIDNIGHT.subtract(days=1), False, earliest=None)
    assert late.run_after == MIDNIGHT, "what ran before is made good"


def test_what_changes_the_world_or_reports_has_no_beginning() -> None:
    for name in ("warmup_advance", "pmta_config_deploy", "mailwizz_quota_sync", "list_hygiene"):
        assert "start_date" not in (ROOT / "dags" / f"{name}.py").read_text(), name


def test_no_day_is_lost_or_doubled_at_midnight(monkeypatch: pytest.MonkeyPatch) -> None:
    days: list[Any] = []
    last = MIDNIGHT.subtract(days=1)
    for seconds in (-2, -1, 0, 1, 2):
        now = MIDNIGHT.add(seconds=seconds)
        monkeypatch.setattr(airflow.timetables.trigger, "utcnow", lambda now=now: now)
        info = due(UniqueRunCron("0 0 * * *"), last, False)
        if info.run_after <= now:
            days.append(info.run_after)
            last = info.run_after
    assert days == [MIDNIGHT]


def test_scheduled_runs_of_one_time_have_different_ids_and_others_keep_theirs() -> None:
    def named(kind: DagRunType) -> str:
        return UniqueRunCron("0 0 * * *").generate_run_id(
            run_type=kind, run_after=MIDNIGHT, data_interval=None
        )

    first, second = named(DagRunType.SCHEDULED), named(DagRunType.SCHEDULED)
    assert first != second
    assert first.rpartition("__")[0] == "scheduled__2026-11-29T00:00:00+00:00"
    assert named(DagRunType.MANUAL) == named(DagRunType.MANUAL)
    assert DagRunType.from_run_id(first) == DagRunType.SCHEDULED


def test_airflow_finds_it_by_the_package_and_brings_it_back_from_its_database() -> None:
    own = UniqueRunCron("35 * * * *", interval=timedelta(minutes=5), run_immediately=True)
    assert get_timetables_plugins()["email_engine_airflow.timetable.UniqueRunCron"] is UniqueRunCron
    back: Any = decode_timetable(encode_timetable(own))
    assert isinstance(back, UniqueRunCron)
    assert (back.summary, back.serialize()) == ("35 * * * *", own.serialize())
    assert datetime(2026, 1, 1, tzinfo=UTC) == BEGIN
