"""
### dns_validate: do SPF, DKIM, DMARC, PTR and MX of every sending domain and IP stand?

**When** daily at 06:00 UTC, and by hand: for the whole fleet, or for the one domain that the form names.

**What it does** `check`, one task a tenant, asks DNS and checks, for every IP: SPF evaluated for that very IP (MAIL FROM and
HELO, with the limits of RFC 7208) and for strangers, whom it must not let in; the DKIM key, by its numbers; the DMARC policy (tree
walk of RFC 9989), where its reports go, what older receivers find; exactly one PTR that leads back to the IP and equals the
HELO name; an MX that is not null. MTA-STS, TLS-RPT and BIMI are information. Every check is ok, broken or unknown; no answer is
never the same as no record. `by_hand` does the same for the form's domain, of the fleet or not, and says in its log what
`email-engine dns` says, with the readiness for Google, Yahoo and Microsoft; then `check` has nothing to do.

**What it changes** tables dns_checks and domains (spf_valid, dkim_valid, dmarc_valid, ptr_valid, mx_valid: true, false, or
NULL as long as nothing was ever answered). What is unknown keeps its last answer. It changes no state and no sending:
warmup_advance and ip_transition read what was found, and an IP whose DNS is broken, or was not answered for 48 hours, does not
start. Alerts go out when something broke or was mended, one a tenant, with the exact record to publish. A dry run writes
nothing, and neither does `by_hand`.

**If it fails** the log names the thing and the next step: a mistake in the form, the connection `dns_resolver_default` (its test
button asks) or the database. Clearing the task is safe: a run replaces its own findings.
"""

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param

from email_engine_airflow import forms
from email_engine_airflow.defaults import within
from email_engine_airflow.notifiers.telegram_alerts import TelegramAlertsNotifier
from email_engine_airflow.operators.alerts import SendAlerts
from email_engine_airflow.operators.dns_validate import CheckDns, CheckDomain
from email_engine_airflow.operators.names import ListNames
from email_engine_airflow.timetable import UniqueRunCron

with DAG(
    dag_id="dns_validate",
    dag_display_name="Check DNS (dns_validate)",
    description="SPF, DKIM, DMARC, PTR and MX of every sending domain and IP",
    doc_md=__doc__,
    schedule=UniqueRunCron("0 6 * * *"),
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow reads it as UTC
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    allowed_run_types=forms.BY_CLOCK,
    default_args=within(30),
    on_failure_callback=TelegramAlertsNotifier(),
    tags=["email-engine", "dns"],
    params={
        "domain": forms.name("Domain", "One domain, of the fleet or not; empty: the whole fleet."),
        "ip": forms.name("IP", "With a domain: the sending IP; empty: the fleet's, if it has the domain.", "ips"),
        "selector": forms.name("DKIM selector", "With a domain: such as s1; empty: the fleet's, else DKIM is not asked."),
        "helo": forms.name("HELO name", "With a domain and IP: empty: the fleet's, else what the PTR says."),
        "dry_run": Param(False, type="boolean", title="Dry run", description="Ask and judge, write nothing."),
    },
) as dag:  # fmt: skip
    tenants = ListNames(task_id="tenants", of="tenants with IPs")
    check = CheckDns.partial(task_id="check", map_index_template="{{ task.tenant }}").expand(
        tenant=tenants.output
    )
    by_hand = CheckDomain(task_id="by_hand")
    tell = SendAlerts(task_id="tell")

    [check, by_hand] >> tell
