"""
### suppression_sync: whom no mail may reach any more

**When** each time `accounting_ingest` took new files, and by hand.

**What it does**
1. `instances` lists the MailWizz instances; param `instance` picks one. Each is a task of its own: one that is away delays no other.
2. `sync` judges what bounces and complaints say against addresses (table `suppressions`, noted by the ingest): a hard bounce and a
   complaint suppress at once, soft bounces after three in a row, counted by the engine; a delivery in between begins anew. Only replies
   that speak of the address count (`include/config/lexicon.yaml`): a block, a sender or a policy text never does, whatever its category says.
   While a provider calls half of its users unknown within hours its answers are held, and forgotten when it is well again.
3. It tells MailWizz: by `dswh/pmta` where that is there, else by the API; a complaint as an unsubscription of its campaign. The
   texts are the engine's own, without a word by which MailWizz would type a bounce anew.
4. **It reads back, and only that counts**: a 200, 201 or 422 proves nothing. Where the subscriber still takes mail, in any list, the
   status is put and read back again; what still takes mail then is a finding. `posted` = `stored` + `already` + `not_ours` + `findings`,
   and `open` is left for the next run. `not_ours`: mail of no campaign, or of nobody whom MailWizz knows.
5. `tell` sends the alerts.

**What it changes** subscribers' status, bounce logs and blacklist in MailWizz; tables suppressions, decisions and alerts. It never
creates or deletes a subscriber, and never takes anybody off a blacklist. A tenant in `observe` gets its judgements, and MailWizz
hears nothing; they are told once it is in `act`. A dry run writes nothing. Policy: include/config/suppression.yaml; docs/suppression.md
says what is kept of a recipient and for how long.

**If it fails** clear the failed task: each row says before MailWizz is told that it is about to be, so after a kill at any point every
recipient is counted once. `AccessDenied`: the API key needs the routes of campaigns and subscribers (since 2.2.9 keys have
permissions). After a finding was seen to in MailWizz, trigger with `again`.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param

from email_engine_airflow import forms
from email_engine_airflow.assets import ACCOUNTING
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.names import ListNames
from email_engine_airflow.operators.suppression_sync import SyncSuppression

with DAG(
    dag_id="suppression_sync",
    dag_display_name="Suppress dead addresses (suppression_sync)",
    description="Hard bounces, soft ones in a row and complaints reach MailWizz, counted by reading back",
    doc_md=__doc__,
    schedule=[ACCOUNTING],
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=40),
    allowed_run_types=forms.ON_CHANGE,
    default_args=within(12),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "mailwizz"],
    params={
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Judge and count, write nothing anywhere."
        ),
        "instance": forms.name("Instance", "One MailWizz instance; empty: all.", "mailwizz"),
        "again": Param(
            False,
            type="boolean",
            title="Try findings again",
            description="Recipients that MailWizz kept writing to are told of once more.",
        ),
    },
) as dag:
    instances = ListNames(task_id="instances", of="mailwizz")
    sync = SyncSuppression.partial(task_id="sync", map_index_template="{{ task.instance }}").expand(
        instance=instances.output
    )
    sync >> SendAlerts(task_id="tell")
