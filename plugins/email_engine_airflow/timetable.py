"""The schedule of every pipeline that runs by the clock: cron in UTC, each run under an id of its own."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.timetables.trigger import CronTriggerTimetable
from airflow.utils.strings import get_random_string
from airflow.utils.types import DagRunType

if TYPE_CHECKING:
    from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
    from pendulum import DateTime

FIRST_RUN = timedelta(minutes=1)
"""A pipeline that never ran waits for its time, unless that is so near. Airflow's own goes back a tenth of the interval: an
installation at two in the morning would close a day and deploy before anybody had looked at it."""


class UniqueRunCron(CronTriggerTimetable):
    """Airflow's `CronTriggerTimetable` whose run ids end in eight random characters, as those of runs by hand do.

    A run that was made while a clock was ahead keeps its id when it is moved to the present (`future_runs`). With ids made of
    the time alone, the run that is due when that time really comes could not be created, and the engine would take it for
    a second attempt of the first. That no time gets two runs is kept by the logical date.

    What never ran waits for its time: see FIRST_RUN.

    Args:
        cron: minute, hour, day, month, weekday.
        timezone: of the expression."""

    def __init__(
        self,
        cron: str,
        *,
        timezone: Any = "UTC",
        interval: Any = timedelta(),
        run_immediately: bool | timedelta = False,
    ) -> None:
        super().__init__(cron, timezone=timezone, interval=interval, run_immediately=run_immediately)

    def next_dagrun_info(
        self, *, last_automated_data_interval: "DataInterval | None", restriction: "TimeRestriction"
    ) -> "DagRunInfo | None":
        plan = super().next_dagrun_info
        if last_automated_data_interval is None and self._run_immediately is False:
            patient = CronTriggerTimetable(
                self._expression, timezone=self._timezone, interval=self._interval, run_immediately=FIRST_RUN
            )
            plan = patient.next_dagrun_info
        return plan(last_automated_data_interval=last_automated_data_interval, restriction=restriction)

    def generate_run_id(self, *, run_type: DagRunType, run_after: "DateTime", **more: Any) -> str:
        made = super().generate_run_id(run_type=run_type, run_after=run_after, **more)
        return f"{made}__{get_random_string()}" if run_type == DagRunType.SCHEDULED else made
