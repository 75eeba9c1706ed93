"""
### rbl_sweep: is any sending IP on a block list?

**When** every 4 hours, or as `every_hours` of the block-list file says (1 for hourly), and by hand.

**What it does**
1. `probe` asks every list for its test points (RFC 5782). A list that fails is not believed in this sweep.
2. `sweep` asks the healthy lists about every IP of the fleet. The answer is LISTED, NOT_LISTED or UNKNOWN; UNKNOWN changes
   nothing. A list that suddenly lists more than `blast_radius_rate` of the fleet is held: nothing is done, people are told.
   Lists of domains (DBL, SURBL, URIBL; ZRD with a key) are asked about sending domains, hostnames and what of them is registered.
   A list's `limits` hold: so many questions a second and a UTC day; the next sweep goes on where the day's limit ended.
3. `confirm` asks again about what is new, `confirm_after` seconds later (param, or the block-list file). Until then it is
   `up_for_reschedule` and holds no worker.
4. `decide` (one task a tenant, one transaction) opens and closes listings. A sending IP on a reputation list of severity
   high or medium goes to quarantine for 7 days with allowance 0. Policy and info codes (PBL, UCEPROTECT 2 and 3) are shown
   and never act. A listing closes after two clean sweeps. A listed domain holds its IPs (nothing grows) and asks a person; it
   parks none.
5. `brake` (one task a host) pauses the queues of those IPs in PowerMTA and disables their MailWizz servers, at once. It
   looks at every brake that stands: what a person or a restart took off since the last sweep is put on again.
6. `publish` starts the configuration deployment and the quota sync. `follow_up` starts a run of `delisting` for every listing that
   stops an IP and that nobody follows: it asks for the cause, without which nothing is released. `tell` sends the alerts.

**What it changes** tables blacklist_events, domain_listings, domains, blocklist_questions, ips, allowances, decisions, brakes; PowerMTA queues and MailWizz servers of
quarantined IPs. A tenant in `observe` gets listings and decisions and no change of state. A dry run writes nothing.
No other IP takes over the volume. When two or more IPs of a pool are listed, the breaker opens and a person decides.

**If it fails** the failed task's log names the thing and the next step. `probe`, `sweep` or `confirm`: look at the connection
`dns_resolver_default` (its test button probes every list). `decide`: nothing was written for that tenant; clear the task.
`brake`: the IP may still send; the task tries again, and so does the next sweep. Clearing any task is safe.
It does not read fleet.yaml: the inventory is the database's.
"""

from datetime import timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, TriggerRule

from email_engine_airflow import forms
from email_engine_airflow.assets import LISTINGS
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.brakes import ApplyBrakes
from email_engine_airflow.operators.delisting import FollowUp
from email_engine_airflow.operators.names import ListNames
from email_engine_airflow.operators.publish import PublishListings
from email_engine_airflow.operators.rbl_sweep import ConfirmListings, DecideListings, ProbeLists, SweepLists
from email_engine_airflow.pools import FIRST
from email_engine_airflow.sweep_hours import sweep_hours
from email_engine_airflow.timetable import UniqueRunCron

with DAG(
    dag_id="rbl_sweep",
    dag_display_name="Ask block lists (rbl_sweep)",
    description="Block lists: probe, sweep, quarantine within guards, brake at once",
    doc_md=__doc__,
    schedule=UniqueRunCron(f"0 */{sweep_hours()} * * *"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    allowed_run_types=forms.BY_CLOCK,
    default_args=within(15),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "block lists"],
    params={
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Ask and decide, write nothing."
        ),
        "confirm_after": Param(
            None,
            type=["null", "integer"],
            minimum=0,
            maximum=600,
            title="Confirm after (seconds)",
            description="Before a new listing is asked for a second time; empty: as the block-list file says.",
        ),
        "lists": Param(
            None,
            type=["null", "array"],
            items={"type": "string", "maxLength": 40},
            maxItems=forms.MOST_ENTRIES,
            title="Lists",
            description="Names out of the block-list file, one a line; empty: all.",
        ),
        "blast_radius_rate": Param(
            0.10,
            type="number",
            minimum=0,
            maximum=1,
            title="Blast radius",
            description="Share of the fleet that one list may newly list in one sweep before it is held. "
            "1 believes every list.",
        ),
    },
) as dag:
    probe = ProbeLists(task_id="probe")
    sweep = SweepLists(task_id="sweep", health=probe.output)
    confirm = ConfirmListings(
        task_id="confirm", first=sweep.output, retry_delay=timedelta(seconds=5), **FIRST
    )
    # What stands between a decision and the brake is quick to try again.
    quick = {"retry_delay": timedelta(seconds=5), "execution_timeout": timedelta(minutes=2), **FIRST}
    decide = DecideListings.partial(
        task_id="decide", map_index_template="{{ task.findings.tenant }}", **quick
    ).expand(findings=confirm.output)
    hosts = ListNames(task_id="hosts", of="hosts with brakes", trigger_rule=TriggerRule.ALL_DONE, **quick)
    brake = ApplyBrakes.partial(
        task_id="brake",
        map_index_template="{{ task.mta_host }}",
        retries=4,
        retry_delay=timedelta(seconds=10),
        retry_exponential_backoff=2,
        **FIRST,
    ).expand(mta_host=hosts.output)
    publish = PublishListings(task_id="publish", trigger_rule=TriggerRule.ALL_DONE, outlets=[LISTINGS])
    # Telling, asking and taking over never stand before stopping.
    follow_up = FollowUp(task_id="follow_up", trigger_rule=TriggerRule.ALL_DONE)
    # `publish` and `tell` run after failures too: this leaf keeps them from making a failed run look fine.
    whole = EmptyOperator(task_id="whole", trigger_rule=TriggerRule.NONE_FAILED)
    tell = SendAlerts(task_id="tell")

    decide >> hosts
    brake >> publish >> tell
    brake >> follow_up >> tell
    [probe, sweep, confirm, decide, hosts, brake, follow_up] >> whole >> tell
