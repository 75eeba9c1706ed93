"""The schedule of every pipeline that runs by the clock: cron in UTC, each run under an id of its own."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.timetables.trigger import CronTriggerTimetable
from airflow.utils.strings import get_random_string
from airflow.utils.types import DagRunType

if TYPE_CHECKING:
    from pendulum import DateTime


class UniqueRunCron(CronTriggerTimetable):
    """Airflow's `CronTriggerTimetable` whose run ids end in eight random characters, as those of runs by hand do.

    A run that was made while a clock was ahead keeps its id when it is moved to the present (`future_runs`). With ids made of
    the time alone, the run that is due when that time really comes could not be created, and the engine would take it for
    a second attempt of the first. That no time gets two runs is kept by the logical date.

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

    def generate_run_id(self, *, run_type: DagRunType, run_after: "DateTime", **more: Any) -> str:
        made = super().generate_run_id(run_type=run_type, run_after=run_after, **more)
        return f"{made}__{get_random_string()}" if run_type == DagRunType.SCHEDULED else made
