"""What the quota sync writes down: a decision about each IP, and what people are told of one MailWizz instance."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from sqlalchemy import Connection

from email_engine.decision import Decision
from email_engine.errors import EngineError
from email_engine.fleet.model import IpRecord, MailwizzInstance
from email_engine.mailer.handed_over import HandedOver
from email_engine.mailer.model import QuotaChange, QuotaPlan, Refusal
from email_engine.pipelines.mailwizz_quota_sync.api import PERMISSION, ROUTE, SINCE
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.store.judgement import decisions
from email_engine.store.telling import alerts

PIPELINE = "mailwizz_quota_sync"
SHOWN = 10


class SyncRecord:
    """Decisions of one run on one instance. `handed`: messages so far today; `usage_failure`: why MailWizz's part of it is not known;
    `api_failure`: why its API shows no delivery servers."""

    def __init__(
        self,
        run: Run,
        instance: MailwizzInstance,
        version: int,
        policy_digest: str,
        handed: HandedOver,
        usage_failure: EngineError | None,
        api_failure: EngineError | None,
    ) -> None:
        self._run = run
        self._instance = instance
        self._version = version
        self._digest = policy_digest
        self._handed = handed
        self._usage_failure = usage_failure
        self._api_failure = api_failure

    def changes(
        self, conn: Connection, changes: Sequence[QuotaChange], known: Mapping[int, IpRecord], *, applied: bool
    ) -> None:  # fmt: skip
        """`known`: the IPs by `ip_id`; `applied` is false for a tenant in observe."""
        self._write(conn, [self._change(change, known[change.ip_id], applied) for change in changes])

    def refusals(self, conn: Connection, refusals: Sequence[Refusal], known: Mapping[int, IpRecord]) -> None:
        """What a person must look at."""
        self._write(conn, [self._refusal(refusal, known[refusal.ip_id]) for refusal in refusals])

    def _write(self, conn: Connection, decided: Sequence[Decision]) -> None:
        decisions.record_many(conn, decided, self._run.dag_id, self._run.run_id)

    def _change(self, change: QuotaChange, record: IpRecord, applied: bool) -> Decision:
        on, off = change.new.runs and not change.old.runs, change.old.runs and not change.new.runs
        action = "enable" if on else "disable" if off else "set-quotas"
        kind = "quota-drift" if change.drift else "quota"
        return self._decision(record, kind, action, str(change), applied, {"drift": change.drift})

    def _refusal(self, refusal: Refusal, record: IpRecord) -> Decision:
        verdicts = {"finding": refusal.finding.value, "observed": refusal.observed}
        return self._decision(record, refusal.finding.decision_kind, "hold", str(refusal), False, verdicts)

    def _decision(
        self, record: IpRecord, kind: str, action: str, reason: str, applied: bool, verdicts: Mapping[str, object]
    ) -> Decision:  # fmt: skip
        run_key = f"{self._version}/{self._run.as_of.date()}"
        inputs = {
            "mailwizz": self._instance.name, "server_id": record.mailwizz_server_id, "allowance": record.allowance,
            "state": record.state.value, "braked": record.braked, "sent_today": self._handed.today(record),
        }  # fmt: skip
        return Decision(
            record.tenant, PIPELINE, str(record.address), run_key, action, reason, self._run.as_of, self._digest, kind,
            applied, inputs, verdicts,
        )  # fmt: skip

    def tell(self, conn: Connection, plan: QuotaPlan, known: Mapping[int, IpRecord]) -> None:
        """One alert for all findings of the instance, news only when they change; one for drift, each time; one for a usage log
        that cannot be read, one for an API that shows no servers, and one for mail that accounting does not know of."""
        name = self._instance.name
        state = _digest(f"{r.server_id} {r.finding}" for r in plan.for_people)
        text = f"{amount(len(plan.for_people), 'delivery server')} of {name} {'needs' if len(plan.for_people) == 1 else 'need'} a person\n"
        text += _listed(plan.for_people)
        self._alert(conn, "quota-findings", state, text if plan.for_people else None)
        drifted = [change for change in plan.changes if change.drift]
        if drifted:
            state = _digest([self._run.run_id, *(str(change) for change in drifted)])
            text = f"{amount(len(drifted), 'delivery server')} of {name} had other quotas than the engine's; mended\n"
            self._alert(conn, "quota-drift", state, text + _listed(drifted), "info")
        failure = self._usage_failure
        text = f"The usage log of {name} cannot be read; quotas are kept in step without it\n{failure}"
        self._alert(conn, "quota-usage", type(failure).__name__, text if failure else None)
        if failure is None:
            self._tell_unaccounted(conn, self._handed.unaccounted(known.values()))

        self._tell_api(conn)

    def _tell_api(self, conn: Connection) -> None:
        name, failure = self._instance.name, self._api_failure
        text = (
            f"MailWizz's API of {name} does not answer to {ROUTE}; quotas are kept in step without it\n{failure}\n"
            f"Where a key may use some routes alone it needs {PERMISSION}; MailWizz before {SINCE} has no such route. Until it answers nobody "
            f"notices if {self._instance.api_connection} and {self._instance.db_connection} lead to different installations"
        )
        self._alert(conn, "quota-api", type(failure).__name__, text if failure else None)

    def _tell_unaccounted(self, conn: Connection, unaccounted: Sequence[str]) -> None:
        name = self._instance.name
        text = (
            f"Accounting knows too little of what {name} handed over today\n{_listed(unaccounted)}\n"
            "Next: see that accounting_ingest runs and takes the files of these IPs' hosts; or their mail waits in PowerMTA's queues"
        )
        self._alert(conn, "quota-accounting", "unaccounted", text if unaccounted else None, "info")

    def _alert(
        self, conn: Connection, event: str, state: str, text: str | None, severity: str = "warning"
    ) -> None:
        """None: there is nothing to tell of this any more."""
        name, tenant = self._instance.name, self._instance.tenant
        if text is None:
            alerts.clear(conn, event, name)
        else:
            alerts.raise_alert(
                conn, event, name, state, severity, text, tenant, self._run.dag_id, self._run.run_id
            )


def _digest(lines: Iterable[object]) -> str:
    return sha256("\n".join(sorted(map(str, lines))).encode()).hexdigest()[:12]


def _listed(items: Sequence[object]) -> str:
    more = [f"and {len(items) - SHOWN} more"] if len(items) > SHOWN else []
    return "\n".join([*(str(item) for item in items[:SHOWN]), *more])
