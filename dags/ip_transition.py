"""
### ip_transition: an IP's life in your hand

**When** you trigger it. Scope and name say whom: an IP (`198.51.100.7`), a stream (`aurora/newsletter`) or a tenant (`aurora`).
Its dry run is on at first: it shows what would happen, and every refusal. For an emergency use `emergency_stop`.

**What it does**
1. `move` looks at every guard and, if none refuses, writes the event with your name and reason, for all IPs meant or for none:
   - `start`: standby to warming, from phase 1. Needs 7 clean days, block lists and DNS known and good, room in the quota.
   - `pause` until a date (90 days at most), `resume`: a warming, active or retiring IP stands still and keeps its state. An IP
     that its rates stopped resumes early only with a cause.
   - `quarantine`: stops it for 7 days at least (`until`: longer).
   - `release`: quarantine to rest (30 days). Needs its time over, no list holding it, and the cause named.
   - `reenter`: quarantine to warming, some phases lower. As release, and what stopped it was one minor listing that ended.
   - `retire`: active to a warm-down in steps, then rest. `abandon`: a parked IP is given up for good.

   With `retire` and `abandon` the message names the standby IPs of the pool that may start now; with `replace` they start at once, at
   their own phase 1, by every guard of `start`. What the other sent is shed, not moved.

   Of a stream or a tenant, IPs in a state that does not know the event stay as they are. There is no force: unknown is not good.
2. `brake` (one task a host) makes PowerMTA queues and MailWizz servers stand still at once where mail must stop, and lets go
   what may run again.
3. `publish` starts the deployment and the quota sync. `tell` sends the alert.

**What it changes** tables decisions, ips, ip_state_history, warmup_plans, allowances, brakes, fleet_versions, alerts; through the
brake PowerMTA queues and MailWizz servers. A dry run writes nothing.

**If it fails** `move`: its log names every refusal with what was seen, what is needed and what to do; nothing was changed.
`brake`: the IP may still send; the task tries again, and so does `brake_watch` every two minutes. Clearing any task is safe. The table of all
events: docs/lifecycle.md.
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
from email_engine_airflow.operators.ip_transition import MoveIps
from email_engine_airflow.operators.publish import PublishAllowances
from email_engine_airflow.pools import FIRST

EVENTS = {
    "start": "start: a standby IP begins to warm",
    "pause": "pause: stands still until a date",
    "resume": "resume: ends a pause",
    "quarantine": "quarantine: stopped for 7 days at least",
    "release": "release: from quarantine to rest",
    "reenter": "reenter: from quarantine to a lower stage, after one minor listing",
    "retire": "retire: warms down, then rests",
    "abandon": "abandon: a parked IP is given up for good",
}

with DAG(
    dag_id="ip_transition",
    dag_display_name="Move IPs by hand (ip_transition)",
    description="Start, pause, resume, quarantine, release, retire or abandon IPs, with a reason",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=30),
    allowed_run_types=forms.BY_HAND,
    default_args=within(5, retry_delay=timedelta(seconds=5)),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "lifecycle"],
    params={
        "scope": Param("ip", type="string", enum=["ip", "stream", "tenant"], title="Scope", description="What to move."),
        "name": forms.name("Name", "198.51.100.7, aurora/newsletter, aurora.", "tenants", "streams", "ips"),
        "event": Param(
            "pause", type="string", enum=list(EVENTS), values_display=EVENTS, title="Event", description="What shall happen."
        ),
        "reason": forms.words("Reason", "Needed: others will read it.", minLength=3),
        "until": Param(
            None, type=["null", "string"], format="date", title="Until", description="UTC day on which a pause ends, or a quarantine at the earliest."
        ),
        "cause": forms.words("Cause", "What led to it; release and reenter need it, and resume after a stop."),
        "replace": Param(
            False, type="boolean", title="Start a standby IP instead",
            description="With retire or abandon: standby IPs of its pool start at their own phase 1, by every guard; no volume is moved.",
        ),
        "dry_run": Param(True, type="boolean", title="Dry run", description="Show what would happen, write nothing."),
    },
) as dag:  # fmt: skip
    # A refused form calls nobody: whoever sent it reads why in the log of `move`.
    move = MoveIps(task_id="move", **FIRST)
    brake = ApplyBrakes.partial(
        task_id="brake",
        map_index_template="{{ task.mta_host }}",
        retries=4,
        retry_delay=timedelta(seconds=10),
        retry_exponential_backoff=2,
        **FIRST,
    ).expand(mta_host=move.output)
    publish = PublishAllowances(task_id="publish", trigger_rule=TriggerRule.ALL_DONE, outlets=[ALLOWANCES])
    whole = EmptyOperator(task_id="whole", trigger_rule=TriggerRule.NONE_FAILED)
    tell = SendAlerts(task_id="tell", also_quiet=True)

    brake >> publish >> tell
    [move, brake] >> whole >> tell
