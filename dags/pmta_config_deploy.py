"""
### pmta_config_deploy: PowerMTA's configuration follows the fleet

**When** the fleet, allowances or listings change, and by hand. Hourly too, but only if a deployment failed since the last
good one: a host that was away for a night catches up by itself.

**What it does**
1. `plan` (one task a host) reads the file that the engine owns there, renders what it should be, and shows the difference in
   its log. What a killed run left is finished or undone first. Another PowerMTA release there than the fleet says: stopped.
   The guard stops what no recorded decision explains: a virtual MTA or pool that disappears, queued mail that would bounce,
   a limit that rises, too many lines, a file that somebody edited by hand (limits: config/deploy.yaml).
2. `reduce`: what waits for nobody. Caps that go down and holds, also of a host where the rest waits for a person.
3. `ask`: where the guard objects, a run of `pmta_config_approval` asks a person; nothing here waits for the answer.
4. `canary`: the first host with something to do. Upload beside the target, back up, atomic rename, `pmta test config`,
   `pmta reload`, then the file's digest, `show vmta-settings` and `show settings` must equal the intent. Any failure puts
   the old file back and reloads. Parked and braked virtual MTAs are held again after every reload.
5. `watch`: 10 minutes (policy, or `watch_minutes`) of queues, backoff and deferrals against those before. Worse, or not
   readable at the end: the configuration from before comes back by itself. A change that only lowers is not watched. A newer
   deployment to the host ends the watch. `rest`: the other hosts, only after the canary did well. `history` adds every
   version that reached a host to the git repository of configurations. `tell` sends the alerts.

**What it changes** the engine's include file on each MTA host (`mta_hosts.config_file`), pauses there, tables deployments and
approvals. The section of a tenant in `observe` stays as it stands, with `tenant` every section but that tenant's. A dry run
shows the difference and changes nothing. Several runs may go on at once, on one host one at a time.

**If it fails** the log names host, step and PowerMTA's own words; the old configuration is on disk and running unless the
alert says otherwise. A deployment that was killed is finished or undone by the next one, hourly at the latest. What the watch
rolled back is not deployed again without a person. Guard: answer under Required Actions, or run by hand with
`accept_breach`, the host and a reason. Back to an earlier version: `rollback_to` = id in table deployments (the next change of the
fleet deploys the fleet's version again). Clearing any task is safe.
"""

from datetime import timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, AssetOrTimeSchedule, Param, TaskGroup, TriggerRule
from airflow.sdk.definitions.mappedoperator import MappedOperator

from email_engine_airflow import forms
from email_engine_airflow.assets import ALLOWANCES, FLEET, LISTINGS
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.config_history import RecordHistory
from email_engine_airflow.operators.pmta_config_deploy import (
    ChooseHosts,
    DeployHost,
    ListHosts,
    PlanDeploy,
    StartAsking,
    WatchHost,
)
from email_engine_airflow.pools import HOST_WORK, REDUCTIONS
from email_engine_airflow.timetable import UniqueRunCron

with DAG(
    dag_id="pmta_config_deploy",
    dag_display_name="Deploy PowerMTA configuration (pmta_config_deploy)",
    description="PowerMTA: render, diff, guard, canary, the rest, verify",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=UniqueRunCron("35 * * * *"), assets=(FLEET | ALLOWANCES | LISTINGS)
    ),
    catchup=False,
    max_active_runs=4,
    dagrun_timeout=timedelta(hours=3),
    allowed_run_types=forms.ON_CHANGE_AND_BY_CLOCK,
    default_args=within(15),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "powermta"],
    params={
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Show the difference, change nothing."
        ),
        "host": forms.name("Host", "One MTA host; empty: all.", "hosts"),
        "rollback_to": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            maximum=2**63 - 1,
            title="Roll back to",
            description="Id of a deployment whose configuration comes back on its host.",
        ),
        "tenant": forms.name("Tenant", "Only this tenant's part is rendered anew; empty: all.", "tenants"),
        "watch_minutes": Param(
            None,
            type=["null", "number"],
            minimum=0,
            maximum=60,
            title="Watch, minutes",
            description="How long the canary is watched before the rest follow; empty: policy, 0: not at all.",
        ),
        "accept_breach": Param(
            False,
            type="boolean",
            title="Accept the guard's objection",
            description="Go ahead although the guard objects; needs a host and a reason.",
        ),
        "reason": forms.words("Reason", "Kept with the deployment; needed where the objection is accepted."),
    },
) as dag:
    hosts = ListHosts(task_id="hosts")
    plan = PlanDeploy.partial(
        task_id="plan", map_index_template="{{ task.mta_host }}", retries=6, **HOST_WORK
    ).expand(mta_host=hosts.output)

    def choose(part: str, title: str) -> ChooseHosts:
        # A host that cannot be planned for does not keep the others from following.
        rule, shown = TriggerRule.ALL_DONE, f"{title} (choose_{part})"
        return ChooseHosts(
            task_id=f"choose_{part}", plans=plan.output, part=part, trigger_rule=rule, task_display_name=shown
        )

    def deploy(part: str, chosen: ChooseHosts, **settings: bool) -> MappedOperator:
        named = {"task_id": part, "map_index_template": "{{ task.plan.host }}", "retries": 6}
        named |= REDUCTIONS if part == "reduce" else HOST_WORK
        return DeployHost.partial(**named, **settings).expand(plan=chosen.output)

    def folded(name: str, title: str) -> TaskGroup:
        """One row in the UI; the tasks in it keep their ids."""
        return TaskGroup(name, group_display_name=title, prefix_group_id=False)

    with folded("slow_down", "Slow down at once (reduce)"):
        choose_reduce = choose("reduce", "Which hosts slow down?")
        reduce = deploy("reduce", choose_reduce)
    with folded("ask_people", "Ask a person (ask)"):
        choose_ask = choose("ask", "What needs a person?")
        ask = StartAsking.partial(task_id="ask", map_index_template="{{ task.plan.host }}").expand(
            plan=choose_ask.output
        )
    with folded("first_host", "First host (canary, watch)"):
        choose_canary = choose("canary", "Which host goes first?")
        canary = deploy("canary", choose_canary, watched=True)
        watch = WatchHost.partial(
            task_id="watch", map_index_template="{{ task.deployed.host }}", **HOST_WORK
        ).expand(deployed=canary.output)
    with folded("other_hosts", "Other hosts (rest)"):
        choose_rest = choose("rest", "Which hosts follow?")
        rest = deploy("rest", choose_rest)
    with folded("closing", "Record (history)"):
        history = RecordHistory(task_id="history", trigger_rule=TriggerRule.ALL_DONE)
        # This leaf keeps a failed plan from being covered by deployments that went well.
        whole = EmptyOperator(
            task_id="whole",
            trigger_rule=TriggerRule.NONE_FAILED,
            task_display_name="Did all go well? (whole)",
        )
    tell = SendAlerts(task_id="tell")

    reduce >> [choose_canary, choose_ask]
    canary >> watch >> rest
    [reduce, watch, rest] >> history
    [plan, reduce, watch, rest, ask, history] >> whole >> tell
