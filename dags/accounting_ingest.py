"""
### accounting_ingest: what became of the mail?

**When** every 15 minutes, and by hand.

**What it does** For every MTA host one task: it lists the closed PowerMTA accounting files in the host's
`accounting_dir` over SFTP (the `move-to` folder of the acct-file, where only closed files lie), takes those it has
not seen, oldest first, and adds their delivered, bounced, deferred and complained recipients to `delivery_stats` by
IP, mailbox provider and hour, and to their sums by UTC day in `delivery_days`, which judgement reads. Bounces and
complaints are kept one by one in `delivery_events`, with campaign and a keyed hash of the recipient (key:
`EMAIL_ENGINE_RECIPIENT_KEY`, or a file named by `EMAIL_ENGINE_RECIPIENT_KEY_FILE`, 16 bytes at least, the same on
every worker; without it they are kept without recipient). A complaint counts for the hour in which its mail was sent
where it tells that (`counted_by` header or message), else for that of the report. What receivers mean by their
replies (`include/config/lexicon.yaml`) counts in `bounce_meanings`, `deferral_meanings` and `named_lists`; each
wording stands once in `reply_texts`, and more than 5 % of unknown ones raise an alert. A file is known by its content
and taken whole or not at all, so nothing counts twice, whatever is killed, cleared or copied; of a file whose
beginning was taken before, the rest counts.

When a file was taken, `publish` starts what looks at new counts (asset `email-engine-accounting`).

**What it changes** tables accounting_files, accounting_quarantine, delivery_stats, delivery_days, delivery_events,
reply_texts and alerts. Nothing on the hosts; old files are PowerMTA's to delete. Rows of IPs outside the fleet are
counted as rejected, and on their file (`strangers`). Unreadable rows and rows dated in the future go to the
quarantine with file, line and reason. A file with more than 1 % of them (`include/config/accounting.yaml`) is refused
with an alert, and the next one is taken. A dry run reads and reports, and writes nothing.

**If it fails** the failed task's log names the host and the next step; the other hosts go on, and the next run
catches up. `Unreachable`: is the host up, is its SSH open to this worker? `AccessDenied` or a changed host key: see
the connection `powermta_<host>` (its test button says more). A refused file: the alert names its first bad lines;
mend the `record-fields` of the acct-file; what was refused stays out of the counts, and the warm-up holds from the
file before it on.
Clearing any task is safe.
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, TriggerRule

from email_engine_airflow import forms
from email_engine_airflow.assets import ACCOUNTING
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.accounting import IngestHost, ListMtaHosts
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.publish import PublishAccounting

with DAG(
    dag_id="accounting_ingest",
    dag_display_name="Read accounting files (accounting_ingest)",
    description="PowerMTA accounting files to counts per IP, mailbox provider and hour",
    doc_md=__doc__,
    schedule="*/15 * * * *",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow reads it as UTC
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=45),
    allowed_run_types=forms.BY_CLOCK,
    default_args={
        "owner": "email-engine",
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "execution_timeout": timedelta(minutes=12),
    },
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "accounting"],
    params={
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Read and report the files, write nothing."
        ),
    },
) as dag:
    hosts = ListMtaHosts(task_id="hosts")
    ingest = IngestHost.partial(task_id="ingest", map_index_template="{{ task.mta_host }}").expand(
        mta_host=hosts.output
    )
    publish = PublishAccounting(task_id="publish", trigger_rule=TriggerRule.ALL_DONE, outlets=[ACCOUNTING])
    # `publish` and `tell` run after failures too: this leaf keeps them from making a failed run look fine.
    whole = EmptyOperator(task_id="whole", trigger_rule=TriggerRule.NONE_FAILED)
    tell = SendAlerts(task_id="tell")

    ingest >> publish >> tell
    [hosts, ingest] >> whole >> tell
