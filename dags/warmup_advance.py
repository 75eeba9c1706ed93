"""
### warmup_advance: close the day and deal the next one

**When** daily at 00:00 UTC, for the UTC day that just ended; by hand for the day before, or for param `day`.

**What it does**
1. `fleet` brings the fleet file into the database; `tenants` lists whom to decide.
2. `decide` (one task a tenant, one transaction) looks at every IP: the day's accounting, block lists, DNS, pauses and brakes.
   A warming IP advances when its stage was really sent on enough days and its gates hold; it stays, holds, steps back,
   pauses for 7 days (rates proven too high) or goes to quarantine (tripwire, second stop within 30 days) otherwise. Paused
   IPs resume, retiring ones warm down, quarantined ones go to rest, rested ones stand by. Then the tenant's quota is dealt:
   to warming IPs first, evenly to active ones. Days that were missed are decided in their order, 60 at most.
3. `hosts` and `brake` (one task a host) make PowerMTA queues and MailWizz servers stand still for IPs that stopped, at once,
   and let go what may run again.
4. `publish` starts the configuration deployment and the quota sync. `tell` sends the alerts.

**What it changes** tables decisions, warmup_plans, warmup_daily_stats, allowances, ips, ip_state_history, brakes, fleet_versions,
alerts; through the brake PowerMTA queues and MailWizz servers. A tenant in `observe` gets decisions and nothing else. A dry run
writes nothing. Policy: include/config/policy.yaml; each decision names its digest.

**If it fails** clear the failed task: a day that was decided is never decided again. `fleet`: the log lists every mistake
in the file with its line. `decide`: nothing was written for that tenant, the other tenants go on. `brake`: an IP may still
send; the task tries again, and so does the next run. Everything holds because accounting is old: look at
`accounting_ingest` and its host.
"""

from datetime import timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, TriggerRule

from email_engine_airflow import forms
from email_engine_airflow.assets import ALLOWANCES
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.brakes import ApplyBrakes
from email_engine_airflow.operators.fleet import SyncFleet
from email_engine_airflow.operators.names import ListNames
from email_engine_airflow.operators.publish import PublishAllowances
from email_engine_airflow.operators.warmup_advance import DecideWarmup
from email_engine_airflow.pools import FIRST
from email_engine_airflow.timetable import UniqueRunCron

with DAG(
    dag_id="warmup_advance",
    dag_display_name="Close the day, deal the next (warmup_advance)",
    description="Lifecycle and warm-up of every IP: advance, hold, step back, pause, graduate, warm down, rest",
    doc_md=__doc__,
    schedule=UniqueRunCron("0 0 * * *"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    allowed_run_types=forms.BY_CLOCK,
    default_args=within(15),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "warm-up"],
    params={
        "day": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Day",
            description="The UTC day to close; empty: the day before the run. Days missed before it are closed first.",
        ),
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Decide and show everything, write nothing."
        ),
    },
) as dag:
    fleet = SyncFleet(task_id="fleet")
    tenants = ListNames(task_id="tenants", of="tenants")
    decide = DecideWarmup.partial(task_id="decide", map_index_template="{{ task.tenant }}").expand(
        tenant=tenants.output
    )
    hosts = ListNames(
        task_id="hosts", of="hosts with open brakes", trigger_rule=TriggerRule.ALL_DONE, **FIRST
    )
    brake = ApplyBrakes.partial(
        task_id="brake",
        map_index_template="{{ task.mta_host }}",
        retries=4,
        retry_exponential_backoff=2,
        **FIRST,
    ).expand(mta_host=hosts.output)
    publish = PublishAllowances(task_id="publish", trigger_rule=TriggerRule.ALL_DONE, outlets=[ALLOWANCES])
    # `hosts`, `publish` and `tell` run after failures too: this leaf keeps them from making a failed run look fine.
    whole = EmptyOperator(task_id="whole", trigger_rule=TriggerRule.NONE_FAILED)
    tell = SendAlerts(task_id="tell", also_quiet=True)

    fleet >> tenants
    decide >> hosts
    brake >> publish >> tell
    [fleet, tenants, decide, hosts, brake] >> whole >> tell
