"""
### fleet_onboard: from a range of addresses to IPs that stand by with good DNS

**When** you trigger it: new IPs for a stream, and with more fields a new stream or a new tenant. From elsewhere the same as a call of
Airflow's API: POST a run of this DAG with the form as its `conf`.

**What it does**
1. `plan` checks everything against the fleet file and shows what would be added: names, hosts (where there is room, if you name none),
   and what follows. A mistake is told with what would be right; nothing is written.
2. `ask` shows the plan under Required Actions. Without `ask` (an API call, say) nobody is asked. A dry run, which the form proposes, ends here.
3. `apply` adds the lines to the fleet file and brings the database to it. Comments and order stay; `onboarding/` beside the file keeps the
   file as it was before. Where `fleet_file: show` stands in onboarding.yaml you add the lines yourself, and the run waits for them.
4. `keys` makes each new domain's DKIM key on its MTA host, 2048 bits; a key never leaves the host where its login for keys can make it. A
   tenant in `observe` gets none: nothing is done to hosts for it.
5. `hand_over` writes the DNS records (table, CSV, zone files, octoDNS) and MailWizz's delivery servers (CSV and steps) to `onboarding/` beside
   the fleet file, and shows them in its log.
6. `wait_for_dns` looks until every record is right, every two minutes at first; it holds no worker. Only then the clean days begin,
   and after them the warm-up. Delivery servers are found by their header x-virtual-mta.

**What it changes** fleet.yaml, files in `onboarding/`, key files on MTA hosts, tables ips, domains, dkim_keys, warmup_plans,
ip_state_history, fleet_versions, dns_checks, alerts.
`publish` starts the deployment that defines the virtual MTAs, paused.

**If it fails** clear the failed task. The same form sent again finds what the first run made and goes on from there. A no, or a run
that is marked as failed before `apply`, leaves nothing. To undo: `fleet.yaml.before`, or take the lines out again.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param, TriggerRule

from email_engine_airflow import forms
from email_engine_airflow.assets import ALLOWANCES
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.fleet_onboard import (
    ApplyOnboarding,
    AskOnboarding,
    FirstKeys,
    HandOver,
    PlanOnboarding,
    WaitForDns,
)
from email_engine_airflow.operators.publish import PublishAllowances
from email_engine_airflow.pools import HOST_WORK

NEW_STREAM, NEW_TENANT = "Only for a new stream: ", "Only for a new tenant: "


def _number(title: str, description: str) -> Param:
    return Param(
        None, type=["null", "integer"], minimum=1, maximum=1_000_000_000, title=title, description=description
    )


with DAG(
    dag_id="fleet_onboard",
    dag_display_name="Bring IPs aboard (fleet_onboard)",
    description="A range of addresses to IPs that stand by: names, hosts, fleet rows, DNS records, delivery servers",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=forms.FEWEST_RUNS,
    dagrun_timeout=timedelta(days=90),
    allowed_run_types=forms.BY_HAND,
    default_args=within(10, retry_delay=timedelta(seconds=10)),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "fleet"],
    params={
        "tenant": forms.name("Tenant", "Whose IPs they become, such as aurora; empty where Stream names both.", "tenants"),
        "stream": forms.name("Stream", "One of the tenant's, such as aurora/newsletter or newsletter; or a new one.", "streams", needed=True),
        "range": forms.name("Addresses", "45.123.10.1-50, 45.123.10.1-45.123.13.200, or a single address.", needed=True),
        "hostname": forms.name("Host names", "PTR and HELO, with {n} for the number: mail{n}.aurora-mail.example", needed=True),
        "domain": forms.name("Sending domains", "With {n} and, if you like, {prefix}: {prefix}{n}.aurora-mail.example", needed=True),
        "prefixes": forms.name("Prefixes", "What {prefix} becomes in turn: news, info, letter. Empty: mail."),
        "host": forms.name("MTA host", "One or several; empty: where there is room.", "hosts"),
        "vmta": forms.name("Virtual MTAs", "Empty: TENANT-STREAM-{n}."),
        "selector": forms.name("DKIM selector", "Empty: s1."),
        "key_path": forms.name("DKIM key file", "On the MTA host; empty: /etc/pmta/dkim/{domain}.pem"),
        "bind_first": forms.name("Bind address", "Behind NAT: what PowerMTA binds for the first; the others follow it."),
        "mx": forms.name("Bounce host", "Takes bounces of the new domains, such as bounces.aurora-mail.example; empty where the fleet file says (bounce_addresses)."),
        "rua": forms.name("DMARC reports", "Where they go, such as dmarc@aurora-mail.example; empty: nobody gets any."),
        "consent": forms.name("Consent", NEW_STREAM + "how its readers agreed, such as double opt-in."),
        "risk_class": Param(
            "standard", type="string", enum=["standard", "protected"], title="Risk class", description=NEW_STREAM + "protected never shares a host with standard."
        ),
        "mailwizz": forms.name("MailWizz", NEW_STREAM + "its instance, one of the tenant's or a new one.", "mailwizz"),
        "daily_target": _number("Daily target", NEW_STREAM + "messages a UTC day of one IP, fully warmed."),
        "schedule": forms.name("Schedule", NEW_STREAM + "empty: six_week."),
        "pool": forms.name("Pool", NEW_STREAM + "empty: TENANT-STREAM."),
        "title": forms.name("Title", NEW_TENANT + "its name for people."),
        "daily_quota": _number("Daily quota", NEW_TENANT + "messages a UTC day over all its IPs. It begins in mode observe."),
        "brand_domains": forms.name("Brand domains", NEW_TENANT + "they never send: aurora.example"),
        "ask": Param(True, type="boolean", title="Ask", description="Show the plan and wait for a yes before anything is written."),
        "dry_run": Param(True, type="boolean", title="Dry run", description="Show the plan in the log of plan, write nothing."),
    },
) as dag:  # fmt: skip
    plan = PlanOnboarding(task_id="plan")
    tell_plan = SendAlerts(task_id="tell_plan", also_quiet=True)
    ask = AskOnboarding(task_id="ask", planned=plan.output)
    apply = ApplyOnboarding(task_id="apply", agreed=ask.output)
    publish = PublishAllowances(task_id="publish", outlets=[ALLOWANCES])
    keys = FirstKeys(
        task_id="keys", applied=apply.output, execution_timeout=timedelta(minutes=30), **HOST_WORK
    )
    hand_over = HandOver(task_id="hand_over")
    tell_at_once = SendAlerts(task_id="tell_at_once", also_quiet=True)
    wait_for_dns = WaitForDns(task_id="wait_for_dns", applied=apply.output)
    tell = SendAlerts(task_id="tell", also_quiet=True, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)

    plan >> tell_plan
    apply >> keys >> publish
    keys >> hand_over >> tell_at_once
    hand_over >> wait_for_dns >> tell
