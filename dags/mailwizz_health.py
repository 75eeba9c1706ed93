"""
### mailwizz_health: is every MailWizz well?

**When** every 15 minutes, and by hand.

**What it does** One task an instance reads MailWizz's database (1.9 to 3.x; the API is not asked) and writes nothing there. Its log
has one line a check:
1. `clock` and `latency`: the database's clock against the engine's, and one round trip;
2. `cron COMMAND`: when send-campaigns, hourly, daily, bounce-handler and feedback-loop-handler were last started, by
   the database's clock, and whether the newest run comes to its end (the two handlers only where they ever ran);
3. `campaigns CAUSE`: campaigns that are due and have handed over nothing for 30 minutes, by the first cause that holds:
   send-campaigns stands still; their hours have not come; the customer is inactive or its quota is used up; no delivery server
   that they may use runs; the quotas of all these are used up; nobody is left to send to; else `not-known`. Autoresponders
   are left out, for they wait for people;
4. `queue`: campaigns that are due and messages still to hand over, by MailWizz's own counters where it keeps them.

What cannot be read is `unknown`, opens and ends nothing, and is said with the grant that is missing; what this MailWizz does not have
is `not-asked`.

**What it tells** one incident a cause, counted while it lasts, ended when a look proves it. Quotas that are used up are
told quietly, campaigns outside their hours not at all. The limits are in include/config/mailer.yaml, `health`.

**What it changes** tables incidents, alerts. A dry run looks, judges and writes nothing.

**If it fails** an instance that is away or refuses the login fails nothing and delays no other: it is an incident. A failed
task means that the engine's database is away, or a mistake in config/mailer.yaml or in the instance's connection. Clearing any task
is safe.
"""

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param

from email_engine_airflow import forms
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.mailwizz_health import CheckMailwizz
from email_engine_airflow.operators.names import ListNames
from email_engine_airflow.timetable import UniqueRunCron

with DAG(
    dag_id="mailwizz_health",
    dag_display_name="Look at MailWizz (mailwizz_health)",
    description="Cron, campaigns that send nothing and why, clock and latency of every MailWizz instance",
    doc_md=__doc__,
    schedule=UniqueRunCron("*/15 * * * *"),
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow reads it as UTC
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=14),
    allowed_run_types=forms.BY_CLOCK,
    default_args=within(5, retries=1, retry_delay=timedelta(seconds=10)),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "mailwizz"],
    params={
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Look and judge, write nothing."
        ),
    },
) as dag:
    instances = ListNames(task_id="instances", of="mailwizz")
    check = CheckMailwizz.partial(task_id="check", map_index_template="{{ task.instance }}").expand(
        instance=instances.output
    )
    check >> SendAlerts(task_id="tell")
