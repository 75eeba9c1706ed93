"""
### pmta_config_approval: a person's yes or no to a PowerMTA configuration

**When** the guard of `pmta_config_deploy` stops a change; one run a question, several at a time.

**What it does**
1. `ask` shows the change under Required Actions: the host, until when one may answer, the guard's objections, the mail that waits,
   what caused it with links, and what would change in words; every line of the difference is in its log. It waits 12 hours
   (`hours` in the conf) and takes no worker slot meanwhile. On a phone open the list of Required Actions, tap the sign in the row.
2. *Approve* starts `pmta_config_deploy` for that host with the approval: it deploys exactly what was shown, over exactly what
   stood there, or nothing. *Reject*, or no answer in time: nothing is deployed. `tell` sends the alerts.
3. A newer fleet version ends the question by itself within seconds: `ask` is then skipped and says so.

**What it changes** table approvals. A dry run writes the page to the log and asks nobody.

**If it fails** nothing was deployed and nothing waits: the next run of `pmta_config_deploy` asks again. Without a running
triggerer an answer counts all the same, but a superseded question stays open. An approval is used once. To go ahead
without this page: `pmta_config_deploy` by hand with `accept_breach` and a reason.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param

from email_engine_airflow import forms
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.pmta_config_approval import AskPerson, StartDeploying

with DAG(
    dag_id="pmta_config_approval",
    dag_display_name="Ask about a PowerMTA change (pmta_config_approval)",
    description="PowerMTA: a person approves what the guard stopped",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=64,
    dagrun_timeout=timedelta(days=8),
    allowed_run_types=forms.BY_HAND,
    default_args=within(5),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "powermta"],
    params={
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Write the page to the log, ask nobody."
        ),
    },
) as dag:
    ask = AskPerson(task_id="ask")
    deploy = StartDeploying(task_id="deploy", answer=ask.output)
    tell = SendAlerts(task_id="tell", also_quiet=True)

    ask >> deploy >> tell
