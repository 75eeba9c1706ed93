"""
### fleet_adopt: from a fleet that sends already to a fleet file in observe

**When** you trigger it, once the connections of the hosts (type `powermta`) and of the MailWizz databases (`mailwizz_db_NAME`) are made. Its
dry run is on at first: draft and report stand in the log of `adopt`. Again whenever you like: the same evidence gives the same file.

**What it does**
1. `adopt` reads each host's PowerMTA configuration with its includes, its version, and the accounting files of 30 days; each MailWizz's
   delivery servers with their headers and quotas, its customers, and the campaigns that send now.
2. It joins them. Every virtual MTA becomes an IP of the fleet file, with its delivery server, and what accounting proves of it:
   - `active` with `warmed_on`: seven days near its volume, and still so in the last week;
   - `warming` with the phase that three of its last seven days fill; where the evidence is thin, a lower one;
   - `standby`: it sent nothing. Each with its reason beside it. What nobody can know is a blank, counted by key.
3. The report tells what the engine would have done with each IP in those days, what MailWizz may hand over beyond PowerMTA's caps,
   which campaigns are larger than their days and when they would end, and every finding with its next step.

Every tenant is in `observe`. A person fills in the blanks, checks the file (`email-engine fleet check`), copies it to where
EMAIL_ENGINE_FLEET points, and later writes `act`. The way from here: docs/adoption.md.

**What it changes** files in `adoption/` beside the fleet file: `fleet.draft.yaml` and `report.md`; a draft that you changed is kept under a
number. The fleet file, hosts and MailWizz are only read, and accounting files that are read here do not count as taken. Table alerts.

**If it fails** no host could be read: the log of `adopt` names the first one and why. A host, a MailWizz or a file that is away is a finding
in the report, and the rest is there; mend it and trigger again. Clearing is safe. Half an hour was not enough: give fewer `days`, or use
`email-engine fleet adopt`, which has no limit.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param

from email_engine_airflow import forms
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.fleet_adopt import AdoptFleet
from email_engine_airflow.pools import HOST_WORK

BY_STREAM = " One answer for all streams, or newsletter=...; prospects=..."

with DAG(
    dag_id="fleet_adopt",
    dag_display_name="Adopt a fleet that sends (fleet_adopt)",
    description="A fleet file in observe for a fleet that already sends: states, phases, servers, and what the engine would have done",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    allowed_run_types=forms.BY_HAND,
    default_args=within(10, retry_delay=timedelta(seconds=30)),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "fleet"],
    params={
        "hosts": forms.name("MTA hosts", "mta-1, mta-2; or mta-1=CONNECTION where it is not called powermta_mta-1.", "hosts"),
        "mailwizz": forms.name("MailWizz", "mw-aurora=aurora: each instance and its tenant. Its database is the connection mailwizz_db_mw-aurora.", "mailwizz"),
        "tenant": forms.name("Tenant", "Whose is what no MailWizz and no marker tells apart, such as aurora.", "tenants"),
        "stream": forms.name("Stream", "A name for the stream of IPs that are in no pool today, such as newsletter."),
        "purpose": forms.name("Purpose", "What is sent, such as weekly newsletter." + BY_STREAM),
        "consent": forms.name("Consent", "How the recipients agreed, such as double opt-in." + BY_STREAM),
        "risk_class": forms.name("Risk class", "standard, or protected (never on a host with standard)." + BY_STREAM),
        "schedule": forms.name("Schedule", "Of IPs that warm up; empty: six_week." + BY_STREAM),
        "public": forms.name("Addresses behind NAT", "10.0.0.5=198.51.100.5, 10.0.0.6-9=198.51.100.6; where hosts bind alike: mta-2/10.0.0.5=..."),
        "config_file": forms.name("Configuration", "PowerMTA's main file on the hosts; empty: /etc/pmta/config."),
        "days": Param(30, type="integer", minimum=1, maximum=60, title="Days", description="Of accounting, up to yesterday (UTC)."),
        "dry_run": Param(True, type="boolean", title="Dry run", description="Show draft and report in the log of adopt, write nothing."),
    },
) as dag:  # fmt: skip
    adopt = AdoptFleet(task_id="adopt", execution_timeout=timedelta(minutes=30), **HOST_WORK)
    tell = SendAlerts(task_id="tell", also_quiet=True)

    adopt >> tell
