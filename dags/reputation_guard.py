"""
### reputation_guard: stop bad mail while the day still runs

**When** each time `accounting_ingest` took new files, and by hand.

**What it does**
1. `guard` (one task a tenant, one transaction) judges every sending IP by its mail up to now, by the same rules as
   `warmup_advance` at the end of the day. It stops at once what that would stop: three complaints below 1,000 messages, a rate
   proven too high, a score surely below 50, a problem of the whole stream on a second day. What one bad day alone proves stops the
   rest of that day. A score surely below 70 slows the IP; a provider that defers or complains slows its mail there, one that
   refuses is suspended there. It never advances, releases or speeds up anything; good days earn speed back at the end of each day.
2. `ask` starts `rbl_sweep` for block lists that receivers named in their replies: what a list confirms is stopped by that run.
3. `hosts` and `brake` (one task a host) make PowerMTA queues and MailWizz servers stand still for IPs that stopped, and the queues
   of a suspended provider for an IP whose other mail goes on.
4. `publish` starts the configuration deployment and the quota sync. `tell` sends the alerts, one for each IP and day.

**What it changes** tables reputation (rates with their interval for each IP and provider, score with its band), decisions,
warmup_plans, allowances, ips, ip_state_history, brakes, fleet_versions, alerts; through the brake PowerMTA queues and
MailWizz servers. A tenant in `observe` gets decisions and nothing else. A dry run writes nothing. Policy:
include/config/policy.yaml; `email-engine explain IP [DATE]` shows and re-makes each decision.

**If it fails** clear the failed task: it judges by what is known then, so nothing is done twice. `guard`: nothing was written
for that tenant, the other tenants go on. `brake`: an IP may still send; the task tries again, and so does `brake_watch`.
"""

from datetime import timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, TriggerRule

from email_engine_airflow import forms
from email_engine_airflow.assets import ACCOUNTING, ALLOWANCES
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.brakes import ApplyBrakes
from email_engine_airflow.operators.named_lists import AskNamedLists
from email_engine_airflow.operators.names import ListNames
from email_engine_airflow.operators.publish import PublishAllowances
from email_engine_airflow.operators.reputation_guard import GuardReputation
from email_engine_airflow.pools import FIRST

with DAG(
    dag_id="reputation_guard",
    dag_display_name="Stop bad mail (reputation_guard)",
    description="Judges every IP as accounting comes in; stops and slows at once, never gives",
    doc_md=__doc__,
    schedule=[ACCOUNTING],
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=30),
    allowed_run_types=forms.ON_CHANGE,
    default_args=within(10),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "reputation"],
    params={
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Judge and show everything, write nothing."
        ),
    },
) as dag:
    tenants = ListNames(task_id="tenants", of="tenants")
    guard = GuardReputation.partial(task_id="guard", map_index_template="{{ task.tenant }}", **FIRST).expand(
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
    ask = AskNamedLists(task_id="ask", trigger_rule=TriggerRule.ALL_DONE)
    publish = PublishAllowances(task_id="publish", trigger_rule=TriggerRule.ALL_DONE, outlets=[ALLOWANCES])
    # `hosts`, `publish` and `tell` run after failures too: this leaf keeps them from making a failed run look fine.
    whole = EmptyOperator(task_id="whole", trigger_rule=TriggerRule.NONE_FAILED)
    tell = SendAlerts(task_id="tell")

    guard >> hosts
    guard >> ask
    brake >> publish >> tell
    [tenants, guard, hosts, brake] >> whole >> tell
