"""
### list_hygiene: addresses that cannot take mail, and people who are silent

**When** Sundays at 04:00 UTC, and by hand.

**What it does**
1. `instances` lists the MailWizz instances; param `instance` picks one. Each is a task of its own.
2. `look` goes through each recipient list of the instance in MailWizz's database, some thousand subscribers at a time, those lists first that were
   not looked at for longest. Each confirmed subscriber is counted once: text that is no address, a reserved domain (library email-validator);
   a domain that takes no mail (null MX) or where nothing could (dead), asked once a run of the resolver, twice where the answer is
   grave; engaged (a person opened or clicked within six months); opened by machines alone; silent (got mail in that time, was on the list before, did
   nothing); not judged. People who unsubscribed are looked at only where `unsubscribed` in include/config/hygiene.yaml says so.
3. `tell` sends the alerts: one quiet message an instance and week with numbers.

What is not known is never dead and never silent: a resolver that is away, or that finds names which nobody registered, leaves domains unknown; where
MailWizz's opens do not go back far enough, silence is not told.

**What it changes** table recipient_list_reports (numbers alone) and alerts; one file a list with the addresses that have a finding, in
`EMAIL_ENGINE_HYGIENE/INSTANCE/`, which only the engine's user may read (docs/hygiene.md). It changes nothing in MailWizz. A dry run looks, and writes
neither rows nor files. Policy: include/config/hygiene.yaml.

**If it fails** clear the failed task: lists that have their report of the day wait behind the others. `Unreachable`: MailWizz's database
is away, and reports made so far stand. `Refused`: the folder of the files cannot be written. A column that this login may not read is told in
the log with the grant that is missing.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param

from email_engine_airflow import forms
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.list_hygiene import LookAtLists
from email_engine_airflow.operators.names import ListNames
from email_engine_airflow.timetable import UniqueRunCron

with DAG(
    dag_id="list_hygiene",
    dag_display_name="Look at recipient lists (list_hygiene)",
    description="Addresses that cannot take mail and people who are silent, by recipient list; a report",
    doc_md=__doc__,
    schedule=UniqueRunCron("0 4 * * 0"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=4),
    allowed_run_types=forms.BY_CLOCK,
    default_args=within(30),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "mailwizz"],
    params={
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Look and count, write neither rows nor files.",
        ),
        "instance": forms.name("Instance", "One MailWizz instance; empty: all.", "mailwizz"),
    },
) as dag:
    instances = ListNames(task_id="instances", of="mailwizz")
    look = LookAtLists.partial(task_id="look", map_index_template="{{ task.instance }}").expand(
        instance=instances.output
    )
    look >> SendAlerts(task_id="tell")
