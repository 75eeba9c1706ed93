"""What Airflow loads with the provider: the timetable of our DAGs, the watch over runs in the future, and what is imported
beforehand."""

from airflow.plugins_manager import AirflowPlugin

from email_engine_airflow import clock_watch, preload
from email_engine_airflow.timetable import UniqueRunCron


class EmailEnginePlugin(AirflowPlugin):
    name = "email_engine"
    timetables = [UniqueRunCron]  # noqa: RUF012 - Airflow wants lists
    listeners = [clock_watch, preload]  # noqa: RUF012
