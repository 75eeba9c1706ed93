"""
### dkim_rotate: DKIM keys are made on hosts, rotated, revoked and removed

**When** daily at 07:00 UTC, and by hand. Each run moves every rotation one step further if its condition holds; what nobody answered
moves nothing. A rotation begins by hand alone: action `start` for one domain, or with a tenant and no domain for all of its domains;
`start due` for every domain whose key is older than `rotate_after_days` of dkim.yaml (180).

**What it does**, one task a tenant and step
1. `ask` does what the form asks: `start` takes a new selector (that of the fleet file, if it was never used; else the month, such as
   s202611); `cancel` gives a key up with which nothing was signed yet; `back` signs again with the key from before, whose record still
   stands.
2. `make` makes keys of 2048 bits: on the host, by the login for keys of its connection, or here in memory, carried by SFTP; mode
   0640, never over a file, read back by its public numbers. First keys that the fleet file names and that are not there are made,
   those that are there are known by their public half. A domain that moved to another host gets its key there.
3. `look` asks the resolver, and the zone's own name servers where they can be reached, for the records that are awaited.
4. `sign`: a record that was seen without a gap for `seen_hours` and its TTL, and is seen now, lets its key sign; `publish` starts
   the deployment that says so to PowerMTA.
5. `retire` reads what every host signs with. Once none signs with the old key, its overlap begins: `overlap_days`, and a day longer
   than the longest `bounce-after` there; then an empty p= is to be published. Where a host signs with it again, the overlap begins anew.
6. `remove`: an empty p= was seen and no configuration names the file: it goes.
7. `remind`: one alert a tenant says which records to publish, what holds a rotation up, whose key is due.

**What it changes** table dkim_keys (public halves alone), decisions, key files on MTA hosts, fleet versions. Nothing signs before its
record is seen; nothing is revoked while a host may sign with it or its mail may wait in a queue. It publishes no record itself. A
tenant in `observe` is looked at alone. A dry run writes nothing.

**If it fails** a host could not be reached, or a file on it is not what it should be: the log names both. Nothing is half done: the
next run, or a cleared task, looks at what is there and goes on. `email-engine dkim status` shows every key and its stage.
"""

from datetime import timedelta
from itertools import pairwise

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, TriggerRule

from email_engine_airflow import forms
from email_engine_airflow.assets import FLEET
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.dkim_rotate import RotateKeys
from email_engine_airflow.operators.names import ListNames
from email_engine_airflow.operators.publish import PublishAllowances
from email_engine_airflow.pools import HOST_WORK
from email_engine_airflow.timetable import UniqueRunCron

ACTIONS = {
    "advance": "advance: move every rotation as far as it may go",
    "start": "start: rotate one domain, or all of a tenant",
    "start due": "start due: rotate every domain whose key is due",
    "back": "back: sign again with the key from before",
    "cancel": "cancel: give up a key that signs nothing yet",
}
STEPS = ("ask", "make", "look", "sign", "retire", "remove", "remind")
ON_HOSTS = ("ask", "make", "sign", "retire", "remove")

with DAG(
    dag_id="dkim_rotate",
    dag_display_name="Rotate DKIM keys (dkim_rotate)",
    description="DKIM keys: made on hosts, published, seen, signed with, overlap, revoked, removed",
    doc_md=__doc__,
    schedule=UniqueRunCron("0 7 * * *"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    allowed_run_types=forms.BY_CLOCK,
    default_args=within(30),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "dns"],
    params={
        "action": Param(
            "advance", type="string", enum=list(ACTIONS), values_display=ACTIONS, title="Action", description="What shall happen."
        ),
        "tenant": forms.name("Tenant", "Of this tenant alone; empty: all.", "tenants"),
        "domain": forms.name("Domain", "Of this sending domain alone; empty: all."),
        "reason": forms.words("Reason", "Others will read it."),
        "dry_run": Param(False, type="boolean", title="Dry run", description="Look and say what would happen, write nothing."),
    },
) as dag:  # fmt: skip
    tenants = ListNames(task_id="tenants", of="tenants with DKIM keys")
    # Trouble with one tenant's keys, or in one step, keeps no other from its own: every step looks at what is there itself.
    steps = {
        name: RotateKeys.partial(
            task_id=name,
            step=name,
            map_index_template="{{ task.tenant }}",
            trigger_rule=TriggerRule.ALL_SUCCESS if name == "ask" else TriggerRule.ALL_DONE,
            **HOST_WORK if name in ON_HOSTS else {},
        ).expand(tenant=tenants.output)
        for name in STEPS
    }
    publish = PublishAllowances(task_id="publish", trigger_rule=TriggerRule.ALL_DONE, outlets=[FLEET])
    whole = EmptyOperator(task_id="whole", trigger_rule=TriggerRule.NONE_FAILED)
    tell = SendAlerts(task_id="tell")

    for before, after in pairwise(STEPS):
        steps[before] >> steps[after]
    steps["sign"] >> publish >> tell
    [tenants, *steps.values()] >> whole >> tell
