"""
### delisting: one block-list listing, from its opening to its end

**When** `rbl_sweep` found a listing that stops an IP: one run a listing. And by hand (form): follow one, name the cause of many at
once (`name_cause`, scope stream or tenant), or take responsibility (`acknowledge`, with owner, ticket and date).

**What it does**
1. `dossier` collects what one needs to find the cause: the list's codes and text, 14 days of traffic by provider, campaigns and replies of
   bad mail, likely causes, earlier listings, other IPs of the /24, the operator's page and rules. It is in its log and on the question.
2. `ask` asks for the cause under Required Actions and takes no worker slot; the message of `rbl_sweep` has the link. *Mended* with
   the cause; *On it* with owner, ticket and date (it stays asked); *Give up*, or *Replace*: with a standby IP in its place. Each wants
   words, and one that lacks something is asked for again. When the listing ends it is superseded within seconds;
   `ask_afterwards` then asks what the cause was, where the release hangs on it.
3. `recheck` asks that list about that IP after 1, 2, 4, 8, then every 12 hours. It closes nothing (two clean sweeps do), but only its "not
   listed" after that clears the listing. Unknown waits longer and releases nothing.
4. `give_up` starts runs of `ip_transition`: `abandon`, and `start` of a clean standby IP of the pool at phase 1, with every guard.
5. `finish` tells the end once, with the next message that leaves. `tell` sends the alerts.

**Who releases**: `warmup_advance` alone, at midnight: quarantine over by date, no list holds the IP, every listing cleared and its cause named:
it rests 30 days. One minor listing that ended by itself needs no cause: it warms again some phases lower. The engine submits nothing
to any list. A tenant in `observe` gets dossier and re-checks; nobody is asked, for nothing hangs on an answer.

**What it changes** tables delistings, decisions, blacklist_events (acknowledgement), alerts; through `ip_transition` what it says there. A dry run
shows the dossier and asks the list once.

**If it fails** clear the failed task: nothing is done twice, and nothing is released meanwhile. `recheck`: look at `dns_resolver_default`. Without
a triggerer an answer counts all the same, but a superseded question stays open. A run ends after 180 days; the form follows the
listing anew, and what an older run asks ends then.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param, TriggerRule

from email_engine_airflow import forms
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.delisting import (
    AskCause,
    FinishDelisting,
    GiveUpIp,
    OpenDelisting,
    RecheckListing,
)

ACTIONS = {
    "follow": "follow: one IP and one list",
    "name_cause": "name_cause: of every listing of the scope",
    "acknowledge": "acknowledge: somebody takes care of it until a date",
}

with DAG(
    dag_id="delisting",
    dag_display_name="Follow up a listing (delisting)",
    description="One listing: dossier, cause, re-checks, release or abandonment",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=forms.as_many_as_ips(),
    dagrun_timeout=timedelta(days=180),
    allowed_run_types=forms.BY_HAND,
    default_args=within(5),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "block lists"],
    params={
        "action": Param(
            "follow", type="string", enum=list(ACTIONS), values_display=ACTIONS, title="Action", description="What shall happen."
        ),
        "scope": Param("ip", type="string", enum=["ip", "stream", "tenant"], title="Scope", description="Whose listings."),
        "name": forms.name("Name", "198.51.100.7, aurora/newsletter, aurora.", "tenants", "streams", "ips"),
        "list": forms.name("List", "Name out of the block-list file; empty: every list.", "lists"),
        "cause": forms.words("Cause", "name_cause: what led to it, and what was mended."),
        "owner": forms.name("Owner", "acknowledge: who takes care of it; empty: you.", "owners"),
        "ticket": forms.name("Ticket", "acknowledge: number or address of your ticket.", "tickets"),
        "until": Param(
            None, type=["null", "string"], format="date", title="Until", description="acknowledge: UTC day; empty: a week from now."
        ),
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Show the dossier, ask the list once, write nothing."
        ),
    },
) as dag:  # fmt: skip
    dossier = OpenDelisting(task_id="dossier")
    ask = AskCause(task_id="ask", opened=dossier.output, part="standing")
    recheck = RecheckListing(task_id="recheck", opened=dossier.output)
    # What was skipped before them keeps these from nothing, a form that asked for no more keeps them from everything.
    goes_on = {"opened": dossier.output, "trigger_rule": TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS}
    ask_afterwards = AskCause(task_id="ask_afterwards", part="over", **goes_on)
    give_up = GiveUpIp(task_id="give_up", **goes_on)
    finish = FinishDelisting(task_id="finish", **goes_on)
    tell = SendAlerts(task_id="tell")

    ask >> ask_afterwards >> give_up >> finish
    recheck >> finish >> tell
