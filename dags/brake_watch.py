"""
### brake_watch: does everything stand still that was stopped?

**When** every two minutes, and by hand.

**What it does**
1. `stops` lists the hosts on which a brake stands, of an IP or of its mail to a suspended provider; IPs that left the fleet file while they were sending get theirs here.
2. `brake` (one task a host) looks at each of them again and puts back what a restart, a reload or a person took off, in PowerMTA
   and in MailWizz; it completes what could not be done while a host or a MailWizz was away, and releases that were asked for. Of
   a suspended provider only its own queues are held; a queue that appeared meanwhile is paused here. Then it listens to MailWizz: two
   minutes without a row in its usage log prove that a server which is off hands nothing over, one more look ten minutes later confirms
   it, and you read how many messages came after the switch. Of a server that the log does not name in the day before (nothing was sent
   through it, or it has no quotas and MailWizz logs nothing of it) that is said to be not known. A server that hands over for ten minutes has its campaigns paused by the
   API, each for itself; what the engine paused goes on when the stop is over, if it is paused still. What it could not pause and a
   person did stays paused.
3. `publish` starts the deployment and the quota sync if a release was completed. `tell` sends the alerts, also those that other
   pipelines could not send.

**What it changes** PowerMTA queues and sources, and MailWizz server status, of what must stand still or may run again; campaigns of a server that does not fall silent; tables
brakes, silences, paused_campaigns, decisions, incidents, alerts. Where all holds already it costs two commands a host and two queries a MailWizz; without any
brake nothing is asked. A dry run looks at nothing.

**If it fails** a host or a MailWizz that is away fails nothing: that is one incident, with the stops that wait for it, and it is
tried again in two minutes. If the host stays away, stop PowerMTA there or block port 25. A failed task means that the engine's
database is away. Clearing any task is safe. Decisions that lie in the future mean that the clock of a worker was wrong: they are
told, and no stop waits for them. Runs of the future are moved to now by Airflow's triggerer, so that this watch goes on.
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, TriggerRule

from email_engine_airflow import forms
from email_engine_airflow.assets import ALLOWANCES
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.brake_watch import FindBrakes
from email_engine_airflow.operators.brakes import ApplyBrakes
from email_engine_airflow.operators.publish import PublishAllowances
from email_engine_airflow.pools import FIRST
from email_engine_airflow.timetable import UniqueRunCron

with DAG(
    dag_id="brake_watch",
    dag_display_name="Look at what was stopped (brake_watch)",
    description="Looks every two minutes at everything that was stopped, and stops it again",
    doc_md=__doc__,
    schedule=UniqueRunCron("*/2 * * * *"),
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow reads it as UTC
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=10),
    allowed_run_types=forms.BY_CLOCK,
    default_args=within(2, retries=1, retry_delay=timedelta(seconds=10)),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "powermta", "brake"],
    params={
        "dry_run": Param(False, type="boolean", title="Dry run", description="Look at nothing."),
    },
) as dag:
    stops = FindBrakes(task_id="stops", **FIRST)
    brake = ApplyBrakes.partial(
        task_id="brake", map_index_template="{{ task.mta_host }}", fails=False, **FIRST
    ).expand(mta_host=stops.output)
    publish = PublishAllowances(task_id="publish", trigger_rule=TriggerRule.ALL_DONE, outlets=[ALLOWANCES])
    # `publish` and `tell` run after failures too: this leaf keeps them from making a failed run look fine.
    whole = EmptyOperator(task_id="whole", trigger_rule=TriggerRule.NONE_FAILED)
    tell = SendAlerts(task_id="tell")

    brake >> publish >> tell
    [stops, brake] >> whole >> tell
