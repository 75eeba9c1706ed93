"""
### pmta_config_deploy: PowerMTA's configuration follows the fleet

**When** the fleet, allowances or listings change, and by hand. Hourly too, but only if a deployment failed since the last
good one: a host that was away for a night catches up by itself.

**What it does**
1. `plan` (one task a host) reads the file that the engine owns there, renders what it should be, and shows the difference in
   its log. The guard stops what no recorded decision explains: a virtual MTA or pool that disappears, queued mail that would
   bounce, more than 30 % of the virtual MTAs changed, a file that somebody edited by hand (limits: config/deploy.yaml).
2. `canary`: the first host with something to do. Upload beside the target, back up, atomic rename, `pmta test config`,
   `pmta reload`, then the file's digest and `show vmta-settings` must equal the intent. Any failure puts the old file back
   and reloads. Parked and braked virtual MTAs are held again after the reload, those that may send again are let go.
3. `rest`: the other hosts, only after the canary went well. `tell` sends the alerts.

**What it changes** the engine's include file on each MTA host (`mta_hosts.config_file`), pauses there, table deployments. The
section of a tenant in `observe` stays as it stands. A dry run shows the difference and changes nothing.

**If it fails** the log names host, step and PowerMTA's own words; the old configuration is on disk and running unless the
alert says otherwise. A deployment that was killed is finished or undone by the next one. Guard: read the diff in the log of
`plan`; if it is meant, run by hand with `accept_breach` and a reason. Back to an earlier version: `rollback_to` = id in table
deployments (the next change of the fleet deploys the fleet's version again). Clearing any task is safe.
"""

from datetime import timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Param, TriggerRule

from email_engine_airflow.assets import ALLOWANCES, FLEET, LISTINGS
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.deploy import ChooseHosts, DeployHost, ListHosts, PlanDeploy

with DAG(
    dag_id="pmta_config_deploy",
    description="PowerMTA: render, diff, guard, canary, the rest, verify",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("35 * * * *", timezone="UTC"), assets=(FLEET | ALLOWANCES | LISTINGS)
    ),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "execution_timeout": timedelta(minutes=15),
    },
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "powermta"],
    params={
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Show the difference, change nothing."
        ),
        "only_failed": Param(
            False, type="boolean", title="Only failed", description="Do nothing unless a deployment failed."
        ),
        "host": Param(None, type=["null", "string"], title="Host", description="One MTA host; empty: all."),
        "rollback_to": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Roll back to",
            description="Id of a deployment whose configuration comes back on its host.",
        ),
        "accept_breach": Param(
            False,
            type="boolean",
            title="Accept the guard's objection",
            description="Go ahead although the guard objects; needs a reason.",
        ),
        "reason": Param(
            None,
            type=["null", "string"],
            maxLength=200,
            title="Reason",
            description="Kept with the deployment.",
        ),
    },
) as dag:
    hosts = ListHosts(task_id="hosts")
    plan = PlanDeploy.partial(task_id="plan", map_index_template="{{ task.mta_host }}").expand(
        mta_host=hosts.output
    )
    # A host that cannot be planned for does not keep the others from following.
    choose_canary = ChooseHosts(
        task_id="choose_canary", plans=plan.output, part="canary", trigger_rule=TriggerRule.ALL_DONE
    )
    choose_rest = ChooseHosts(
        task_id="choose_rest", plans=plan.output, part="rest", trigger_rule=TriggerRule.ALL_DONE
    )
    canary = DeployHost.partial(task_id="canary", map_index_template="{{ task.plan.host }}").expand(
        plan=choose_canary.output
    )
    rest = DeployHost.partial(task_id="rest", map_index_template="{{ task.plan.host }}").expand(
        plan=choose_rest.output
    )
    # This leaf keeps a failed plan from being covered by deployments that went well.
    whole = EmptyOperator(task_id="whole", trigger_rule=TriggerRule.NONE_FAILED)
    tell = SendAlerts(task_id="tell")

    canary >> rest
    [plan, canary, rest] >> whole >> tell
