"""
### mta_health: is every MTA host well?

**When** every 15 minutes, and by hand.

**What it does**
1. `check` (one task a host) asks PowerMTA for status, queues and disabled sources, reads the engine's file, looks at disk space,
   clock and newest accounting file, and holds again every parked virtual MTA that was found running. Its log has one line a
   check: reachable, powermta, version, clock, disk, write, file, queues, age, backoff, accounting, senders, holds, by-hand. What
   could not be seen is `unknown` and changes no alert.
2. `pool` sees that the Airflow pool `powermta` lets tasks in; `history` adds deployments that are missing in the history of
   configurations; `tell` sends the alerts. (What was stopped is looked at by `brake_watch`, every two minutes.)

**What it tells** a disk over 80 % used; mail that waits for more than an hour in a queue that is not paused; a file that is not
the deployed one; a host, or its accounting, that is silent; accounting of senders that are not in the fleet; a clock
that is off. Over 5 minutes off, with silent accounting or with such senders `warmup_advance` holds every IP of the host until a
look sees it well. Every look is a row of table `mta_health`, kept for 30 days;
`mta_queues` has the queues by virtual MTA and mailbox provider as the last look saw them. PowerMTA tells no age of a queue and no
time of a reload by hand. An age is therefore a lower bound: mail that an earlier look saw still waits while fewer recipients
have left since, by accounting, than waited then (where accounting is behind: while the listing has not gone down by as much).
The last good reload is the newest deployment's or PowerMTA's start.

**What it changes** PowerMTA queues and sources of what must stand still; tables mta_hosts (health), mta_health, mta_queues,
incidents, alerts. On the host it writes and removes one small file beside the engine's (the
clock). A file that somebody edited is shown in the log of `check` and left as it is. A dry run looks, writes nothing and leaves
the clock out.

**If it fails** a host that is away fails nothing, it is an alert. A failed task means that the engine's database is away, or a
mistake in config/health.yaml, which holds the limits. Alerts: one a condition, and one when it is well again. `pool`: the pool is
missing or full; its error has the command. Clearing any task is safe.
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, TriggerRule

from email_engine_airflow import forms
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.config_history import RecordHistory
from email_engine_airflow.operators.mta_health import CheckHost
from email_engine_airflow.operators.names import ListNames
from email_engine_airflow.operators.pool import WatchPool
from email_engine_airflow.pools import HOST_WORK
from email_engine_airflow.timetable import UniqueRunCron

with DAG(
    dag_id="mta_health",
    dag_display_name="Look at MTA hosts (mta_health)",
    description="Disk, queues and their ages, version, clock, drift and accounting of every MTA host",
    doc_md=__doc__,
    schedule=UniqueRunCron("*/15 * * * *"),
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow reads it as UTC
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=14),
    allowed_run_types=forms.BY_CLOCK,
    default_args=within(5, retries=1, retry_delay=timedelta(seconds=10)),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "powermta"],
    params={
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Look and judge, write nothing."
        ),
    },
) as dag:
    hosts = ListNames(task_id="hosts", of="MTA hosts")
    check = CheckHost.partial(
        task_id="check",
        map_index_template="{{ task.mta_host }}",
        trigger_rule=TriggerRule.ALL_DONE,
        **HOST_WORK,
    ).expand(mta_host=hosts.output)
    pool = WatchPool(task_id="pool", task="check")
    history = RecordHistory(task_id="history", trigger_rule=TriggerRule.ALL_DONE)
    # `check`, `history` and `tell` run after failures too: this leaf keeps them from making a failed run look fine.
    whole = EmptyOperator(task_id="whole", trigger_rule=TriggerRule.NONE_FAILED)
    tell = SendAlerts(task_id="tell")

    hosts >> pool
    check >> history
    [hosts, check, pool] >> whole
    [history, whole] >> tell
