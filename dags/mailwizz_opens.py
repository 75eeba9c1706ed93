"""
### mailwizz_opens: what was opened and clicked

**When** daily at 03:00 UTC, when the day before is closed, and by hand.

**What it does**
1. `instances` lists the MailWizz instances; param `instance` picks one. Each is a task of its own.
2. `count` reads MailWizz's tables of opens and clicks (1.9 to 3.x), joins each recipient to its row in the delivery log (also the
   archived one) and counts by sending IP and UTC day of the mail, each recipient once: opened and clicked by people, and apart from them
   by machines alone. A machine is a user agent that `include/config/mailer.yaml` names, or whatever comes within 10 seconds of the mail.
   The mail of the last 7 days is counted anew each time, for people open late.
3. `tell` sends the alerts.

Opens are no proof of anything (Apple's proxy loads mail that nobody reads, other programs load nothing): no decision uses them unless
`open_rate` in include/config/policy.yaml is switched on, and then they only hold.

**What it changes** columns `opened`, `machine_opened`, `clicked`, `machine_clicked`, `opens_read_at` of table warmup_daily_stats and
`open_rate_7d` of warmup_plans; NULL is not known. Nothing in MailWizz. A dry run counts and writes nothing.

**If it fails** nothing else waits for it: ingest and warm-up go on. A MailWizz that is away or hides a table fails nothing; the log says what is missing
(`email-engine mailwizz grants` prints it), and the next run counts the same days. A failed task means that the engine's database is away, or a mistake
in config/mailer.yaml or in the instance's connection. Clearing any task is safe.
"""

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param

from email_engine_airflow import forms
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.mailwizz_opens import CountOpens
from email_engine_airflow.operators.names import ListNames
from email_engine_airflow.timetable import UniqueRunCron

with DAG(
    dag_id="mailwizz_opens",
    dag_display_name="Count opens and clicks (mailwizz_opens)",
    description="What people and machines opened and clicked of the last days' mail, by sending IP",
    doc_md=__doc__,
    schedule=UniqueRunCron("0 3 * * *"),
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow reads it as UTC
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    allowed_run_types=forms.BY_CLOCK,
    default_args=within(30),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "mailwizz"],
    params={
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Count and show, write nothing."
        ),
        "instance": forms.name("Instance", "One MailWizz instance; empty: all.", "mailwizz"),
    },
) as dag:
    instances = ListNames(task_id="instances", of="mailwizz")
    count = CountOpens.partial(task_id="count", map_index_template="{{ task.instance }}").expand(
        instance=instances.output
    )
    count >> SendAlerts(task_id="tell")
