"""
### accounting_ingest: what became of the mail?

**When** every 15 minutes, and by hand.

**What it does** For every MTA host one task: it lists the closed PowerMTA accounting files in the host's
`accounting_dir` over SFTP (the `move-to` folder of the acct-file, where only closed files lie), takes those it has
not seen, oldest first, and adds their delivered, bounced, deferred and complained recipients to `delivery_stats` by
IP, mailbox provider and hour, and to their sums by UTC day in `delivery_days`, which judgement reads. Bounces and
complaints are kept one by one in `delivery_events`, with campaign, reply and a keyed hash of the recipient (key:
`EMAIL_ENGINE_RECIPIENT_KEY`, or a file named by `EMAIL_ENGINE_RECIPIENT_KEY_FILE`, 16 bytes at least, the same on
every worker; without it they are kept without recipient). What they say against addresses is noted in `suppressions`, with the
address encrypted until `suppression_sync` has counted it (docs/suppression.md); a delivery ends a row of soft bounces. A complaint counts for the hour in which its mail was sent
where it tells that (`counted_by` header or message), else for that of the report. Mail that timed out (x.4.7) because its
provider was suspended for the IP counts nowhere; the file's row in `accounting_files` says how many. What receivers mean by their
replies (`include/config/lexicon.yaml`) counts in `bounce_meanings`, `deferral_meanings` and `named_lists`; each
wording stands once in `reply_texts`, and more than 5 % of unknown ones raise an alert. A file is known by its content
and taken whole or not at all, so nothing counts twice, whatever is killed, cleared or copied, or whose line ends, byte-order
mark or last line break were changed; of a file whose beginning was taken before, the rest counts. A file that was written to
within the last seconds (`quiet_seconds` in `include/config/accounting.yaml`, by the host's clock as `mta_health` last saw it), or
changes while it is read, waits for the next run. Files that a script compressed (`.csv.gz`) are read as they are; one that is
damaged, or would unpack to more than 200 times its size, is refused, and so is one whose recipients `privacy-policy` hid.

When a file was taken, `publish` starts what looks at new counts (asset `email-engine-accounting`).

**What it leaves aside** Odd names (no UTF-8, line breaks, control characters, a leading dash, `..`, more than 200 bytes),
directories and links named like files, JSON of a webhook, and files that our SSH user may not read: they are named in the log and in one alert a
host, and the next file is taken. Move them away; the alert closes by itself. As long as one lies there, or a file waits, the
host's silence is not taken for no mail.

**A refused file holds its host.** What the IPs did is unknown from the file before it on, so the warm-up holds, whether the file
still lies on the host or not. There are two ways out, and the alert tells both. Mend the file and put it back under the same name: it is
taken, and the hold ends. Or accept the loss: trigger this DAG with `accept_refused` (one file a line, as the alert has it,
`mta-1:acct-2026-11-01-0000.csv`; `mta-1:*` for all of a host; or the file's digest) and `reason`. Who, when and why stand in
accounting_files (`accepted_by`, `accepted_at`, `accepted_because`).

**What it changes** tables accounting_files, accounting_quarantine, delivery_stats, delivery_days, delivery_events,
suppressions, reply_texts and alerts. Nothing on the hosts; old files are PowerMTA's to delete. Rows of IPs outside the fleet are
counted as rejected, and on their file (`unknown_sources`). Unreadable rows and rows dated in the future go to the
quarantine with file, line and reason. A file with more than 1 % of them (`include/config/accounting.yaml`) is refused
with an alert, and the next one is taken. A dry run reads and reports, and writes nothing.

**If it fails** the failed task's log names the host and the next step; the other hosts go on, and the next run
catches up. `Unreachable`: is the host up, is its SSH open to this worker? `AccessDenied` or a changed host key: see
the connection `powermta_<host>` (its test button says more). A refused file: the alert names its first bad lines;
mend the `record-fields` of the acct-file. `hosts` fails where `accept_refused` names no refused file or `reason` is empty: its
log lists what stands; nothing was accepted.
Clearing any task is safe.
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, TriggerRule

from email_engine_airflow import forms
from email_engine_airflow.assets import ACCOUNTING
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.accounting_ingest import IngestHost, ListMtaHosts
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.publish import PublishAccounting
from email_engine_airflow.pools import HOST_WORK
from email_engine_airflow.timetable import UniqueRunCron

with DAG(
    dag_id="accounting_ingest",
    dag_display_name="Read accounting files (accounting_ingest)",
    description="PowerMTA accounting files to counts per IP, mailbox provider and hour",
    doc_md=__doc__,
    schedule=UniqueRunCron("*/15 * * * *"),
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow reads it as UTC
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=45),
    allowed_run_types=forms.BY_CLOCK,
    default_args=within(12),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "accounting"],
    params={
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Read and report the files, write nothing."
        ),
        "accept_refused": Param(
            None,
            type=["null", "string"],
            format="multiline",
            maxLength=4000,
            title="Accept refused files",
            description="Give these refused files up for lost: one a line, as the alert says, like mta-1:acct-2026-11-01-0000.csv; "
            "mta-1:* means all of a host. Empty: none.",
        ),
        "reason": Param(
            None,
            type=["null", "string"],
            maxLength=forms.LONGEST_REASON,
            title="Reason",
            description="Why the counts of these files may be missing. Others will read it.",
        ),
    },
) as dag:
    hosts = ListMtaHosts(task_id="hosts")
    ingest = IngestHost.partial(
        task_id="ingest", map_index_template="{{ task.mta_host }}", **HOST_WORK
    ).expand(mta_host=hosts.output)
    publish = PublishAccounting(task_id="publish", trigger_rule=TriggerRule.ALL_DONE, outlets=[ACCOUNTING])
    # `publish` and `tell` run after failures too: this leaf keeps them from making a failed run look fine.
    whole = EmptyOperator(task_id="whole", trigger_rule=TriggerRule.NONE_FAILED)
    tell = SendAlerts(task_id="tell")

    ingest >> publish >> tell
    [hosts, ingest] >> whole >> tell
