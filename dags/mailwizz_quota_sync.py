"""
### mailwizz_quota_sync: delivery servers follow allowances

**When** hourly (five past), and as soon as `warmup_advance`, `rbl_sweep` or the fleet changes an allowance; by hand.

**What it does** For every MailWizz instance one task:
1. reads the allowances of the run's UTC day, and asks MailWizz's API and database for its delivery servers;
2. plans: daily quota = allowance of the IP; hourly quota = a tenth of it, at most 1000 (include/config/mailer.yaml);
   an IP that may not send has its server disabled and both quotas at 1, for 0 means unlimited in MailWizz;
3. writes in batches of 250 servers, reductions first: each write is noted in `quota_syncs` before it is tried, happens only if
   the row still is as it was read (to switch a server off, only its status), and is read back. A row that another session holds is skipped, tried again for two
   seconds, and named. What somebody else had changed is mended and told as drift. MariaDB before 10.6 and MySQL before 8.0.1
   cannot skip such rows: there it goes row by row, and waits ten seconds for each;
4. compares what MailWizz's usage log and PowerMTA's accounting say was handed over today: the larger number is recorded, and
   mail of two hours ago of which accounting knows less than half is told.

**What it changes** `daily_quota`, `hourly_quota`, `status`, `last_updated` of `mw_delivery_server`; tables decisions,
quota_syncs, alerts. A tenant in `observe` gets its decisions and no change. A dry run writes nothing at all.
MailWizz keeps "sendings left" in a cache for 5 minutes: a lower quota is no brake, the brake pauses PowerMTA's queue.

**What it leaves to people** (one alert an instance, when it changes): a server that is missing, of another type, names
another virtual MTA or shares it, is under a warm-up plan of MailWizz's own, was disabled by a person, has limits that are not
known (a column that may not be read, an unknown quota), or will hand over less than the allowance: the tightest limit is named
with its number (docs/mailwizz.md), and holds no quota back. The engine enables only what it disabled itself.

**If it fails** the failed task's log names the things and the next step; clear it, it plans anew. One server stops nobody:
"servers not written" lists those that were not, all others were. "Row 102 is locked by another session": an open transaction
(a database tool left open) holds it. "The row changed meanwhile": somebody works on the same server, the next run reads anew.
A usage log that is slow or cannot be read is told, and the quotas follow without it; so they do where the API is away, refuses the
key or has no route `delivery-servers` (before 1.9.17): the message names the route and its permission. Only a database that is away,
a read-only replica, or an API and a database of different installations end the run: what was written until then is recorded.
"""

from datetime import timedelta

from airflow.sdk import DAG, AssetOrTimeSchedule, Param

from email_engine_airflow import forms
from email_engine_airflow.assets import ALLOWANCES, FLEET, LISTINGS
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.mailwizz_quota_sync import SyncQuotas
from email_engine_airflow.operators.names import ListNames
from email_engine_airflow.timetable import UniqueRunCron

with DAG(
    dag_id="mailwizz_quota_sync",
    dag_display_name="Set MailWizz quotas (mailwizz_quota_sync)",
    description="MailWizz delivery-server quotas follow allowances; drift is found and mended",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=UniqueRunCron("5 * * * *"), assets=(ALLOWANCES | LISTINGS | FLEET)
    ),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=30),
    allowed_run_types=forms.ON_CHANGE_AND_BY_CLOCK,
    default_args=within(10),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "mailwizz"],
    params={
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Plan and show the changes, write nothing."
        ),
        "instance": forms.name("Instance", "One MailWizz instance; empty: all.", "mailwizz"),
    },
) as dag:
    instances = ListNames(task_id="instances", of="mailwizz")
    sync = SyncQuotas.partial(task_id="sync", map_index_template="{{ task.instance }}").expand(
        instance=instances.output
    )
    sync >> SendAlerts(task_id="tell")
