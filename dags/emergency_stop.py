"""
### emergency_stop: the brake in your hand

**When** you trigger it. Scope and name say whom: an IP (`198.51.100.7`), a stream (`aurora/newsletter`), a tenant (`aurora`), or
all. It acts at once: unlike other pipelines that only people trigger, its dry run is off by default, because stopping is safe
and undone by the same form with `release`.

**What it does**
1. `pull` writes a decision and a brake for every IP meant, with your name and reason.
2. `brake` (one task a host) pauses the PowerMTA queues, disables the source, disables the MailWizz delivery servers, and reads
   all of it back. With `release` it lets PowerMTA go; the quota sync that follows sets the quotas and enables the servers.
   An IP that is parked or paused stays held; its brake goes back to the pipelines. An IP that left the fleet file is let go by
   its address: its queue drains, its server stays disabled.
3. `tell_at_once` says beside it who stopped whom and what waits in the queues; `publish` starts the deployment and the quota sync;
   `tell` says that all stands still, or what does not.

**What it changes** PowerMTA queues and sources, MailWizz server status; tables decisions, brakes, fleet_versions, alerts. No
other pipeline releases a brake that was pulled here. Mail already queued stays in its queue, paused.

**If it fails** `pull`: the form named nothing that exists, or a tenant in `observe`; the log lists what there is. Or the engine's
database is away: then stop by hand, on the host with `pmta pause queue '*/VMTA'`, in MailWizz by disabling the delivery server.
`brake`: the log says which half holds; it tries again with growing waits, and `brake_watch` every two minutes for as long as it
takes. A second stop does not wait for the first.
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
from email_engine_airflow.operators.emergency_stop import PullTheBrake, PullTheRest
from email_engine_airflow.operators.publish import PublishAllowances
from email_engine_airflow.pools import FIRST

with DAG(
    dag_id="emergency_stop",
    dag_display_name="Stop or release (emergency_stop)",
    description="Stop an IP, a stream, a tenant or all at once; and let them go again",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=500,  # a stop never waits for an earlier one whose host is away
    max_active_tasks=500,
    dagrun_timeout=timedelta(minutes=30),
    allowed_run_types=forms.BY_HAND,
    default_args=within(5, retry_delay=timedelta(seconds=5)),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "brake"],
    params={
        "scope": Param("ip", type="string", enum=["ip", "stream", "tenant", "all"], title="Scope", description="What to stop."),
        "name": forms.name("Name", "198.51.100.7, aurora/newsletter, aurora; empty for all.", "tenants", "streams", "ips"),
        "reason": forms.words("Reason", "Others will read it. A stop goes ahead without one.", maxLength=10_000),
        "release": Param(False, type="boolean", title="Release", description="Let go instead of stopping."),
        "dry_run": Param(False, type="boolean", title="Dry run", description="Only list the IPs that are meant, and the campaigns and customers that lose their last delivery server."),
    },
) as dag:  # fmt: skip
    pull = PullTheBrake(task_id="pull", **FIRST)
    brake = ApplyBrakes.partial(
        task_id="brake",
        map_index_template="{{ task.mta_host }}",
        retries=6,
        retry_delay=timedelta(seconds=10),
        retry_exponential_backoff=2,
        max_retry_delay=timedelta(minutes=5),
        **FIRST,
    ).expand(mta_host=pull.output)
    rest = PullTheRest(
        task_id="rest", retries=20, retry_exponential_backoff=2, max_retry_delay=timedelta(minutes=1)
    )
    tell_at_once = SendAlerts(task_id="tell_at_once", also_quiet=True)
    publish = PublishAllowances(task_id="publish", trigger_rule=TriggerRule.ALL_DONE, outlets=[ALLOWANCES])
    whole = EmptyOperator(task_id="whole", trigger_rule=TriggerRule.NONE_FAILED)
    tell = SendAlerts(task_id="tell", also_quiet=True)

    pull >> tell_at_once
    brake >> publish >> tell
    pull >> rest
    [pull, brake, rest] >> whole >> tell
