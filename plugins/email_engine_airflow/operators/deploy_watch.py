"""The minutes after a deployment: the host is looked at now and then, and goes back by itself if it got worse."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSkipException

from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine_airflow.operators.deploy_step import APPLIED, DeployStep
from email_engine_airflow.run import current_run

if TYPE_CHECKING:
    from email_engine.adapters.powermta import PowerMta
    from email_engine.pmta.config.deploy_policy import DeployPolicy
    from email_engine.pmta.config.watch import WatchJudgement
    from email_engine.store.deployments import Deployment
    from email_engine.store.engine import Store


def watch_minutes(run: Run, policy: "DeployPolicy") -> float:
    """Param `watch_minutes`, else the policy's."""
    asked = run.params.get("watch_minutes")
    return float(policy.watch.minutes if asked is None else asked)


class WatchHost(DeployStep):
    """Samples a host from time to time until its window ends; between two samples it holds no worker slot.

    Well: the others may follow. Worse, or unreadable at the end: the file from before comes back by the same road, but
    not above a cap that the deployment lowered, and the task fails. A newer deployment to the host ends the watch quietly.
    Everything it knows is in table deployments: killed and started again it goes on. Returns `{"host", "watched"}`."""

    template_fields = ("deployed",)

    def __init__(self, *, deployed: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deployed = deployed

    def work(self, context: Any) -> dict[str, Any]:
        from email_engine.pmta.config.deploy_policy import deploy_policy
        from email_engine.pmta.config.watch import WatchVerdict
        from email_engine.store import deployments

        run, host = current_run(context), str(self.deployed["host"])
        if not self.deployed["watch"]:
            self.log.info("nothing to watch: it only slows down, changes nothing, or the window is 0 minutes")
            return {"host": host, "watched": None}
        with self.store() as store, self.told(store, APPLIED, host, run):
            row = self._row(store)
            if row.watched == WatchVerdict.WELL or row.status != "verified":
                return {"host": host, "watched": row.watched}
            reasons = row.message or "see the samples in column baseline"
            if row.watched != WatchVerdict.WORSE:
                policy = deploy_policy()
                end = (row.finished_at or row.started_at) + timedelta(minutes=watch_minutes(run, policy))
                judged = self._judge(store, row, policy, end)
                if judged.verdict is WatchVerdict.GO_ON:
                    pause = timedelta(seconds=policy.watch.sample_seconds)
                    raise AirflowRescheduleException(min(datetime.now(UTC) + pause, end))
                reasons = "; ".join(judged.reasons)
                with store.session(tenant="*") as conn:
                    deployments.note_watched(conn, row.id, judged.verdict, reasons or None)
                if judged.verdict is WatchVerdict.WELL:
                    return {"host": host, "watched": WatchVerdict.WELL.value}
            self._go_back(store, row, reasons, run)
        raise AssertionError("unreachable")

    def _row(self, store: "Store") -> "Deployment":
        """Raises AirflowSkipException where a newer deployment made this watch pointless."""
        from email_engine.store import deployments

        with store.session(tenant="*") as conn:
            row = deployments.find(conn, int(self.deployed["deployment"]))
            newer = deployments.superseded_by(conn, row)
            if newer and row.watched is None:
                deployments.note_watched(conn, row.id, "superseded")
        if newer and row.status == "verified" and row.watched in (None, "superseded"):
            raise AirflowSkipException(
                f"superseded: deployment {newer.id} went to {row.mta_host} meanwhile, its own run looks after it"
            )
        return row

    def _judge(
        self, store: "Store", row: "Deployment", policy: "DeployPolicy", end: datetime
    ) -> "WatchJudgement":
        from email_engine.adapters.powermta_watch import take_sample
        from email_engine.errors import EngineError
        from email_engine.pmta.config.watch import Sample, judge_watch, read_sample
        from email_engine.store import deployments

        seen, now = dict(row.baseline or {}), datetime.now(UTC)
        sample: Sample | None = None
        try:
            with self._host(store, row) as mta:
                sample = take_sample(mta, frozenset(seen.get("leave_out", ())), now)
        except EngineError as error:
            self.log.warning("no sample: %s", error)
        since = [*seen.get("since", ()), sample.document() if sample else None]
        with store.session(tenant="*") as conn:
            deployments.note_baseline(conn, row.id, seen | {"since": since})
        judged = judge_watch(
            read_sample(seen["before"]) if "before" in seen else None,
            [read_sample(one) if one else None for one in since],
            policy.watch,
            over=now >= end,
        )
        told = "; ".join(judged.reasons) or judged.verdict.replace("_", " ")
        self.log.info("sample %d: %s: %s", len(since), _words(since[-1]), told)
        return judged

    def _host(self, store: "Store", row: "Deployment") -> "PowerMta":
        from email_engine.store import deployments
        from email_engine_airflow.hooks.powermta import PowerMtaHook

        with store.session(tenant="*") as conn:
            connection = deployments.host_of(conn, row.mta_host).connection
        return PowerMtaHook(connection).get_conn()

    def _go_back(self, store: "Store", row: "Deployment", reasons: str, run: Run) -> None:
        """Always raises: the deployment is undone, could not be, or another one took its place."""
        from email_engine.errors import EngineError
        from email_engine.pmta.config.watch import WorseThanBefore
        from email_engine.store import deployments
        from email_engine_airflow.operators.deploy_undo import undo

        self.log.error("worse than before: %s", reasons)
        try:
            with deployments.host_lock(store, row.mta_host) as lock, self._host(store, row) as mta:
                done = undo(self, store, mta, row, reasons, run, lock)
        except deployments.Busy:
            raise
        except EngineError as error:
            text = (
                f"{row.mta_host} got worse after deployment {row.id}, and going back failed\n{reasons}\n{error.observed}\n"
                f"Next: {error.next_step}"
            )
            self.tell(store, APPLIED, row.mta_host, "WorseAndStuck", "critical", text, run)
            raise
        if done is None:
            raise AirflowSkipException("superseded: another configuration stands on the host by now")
        raise WorseThanBefore(
            f"deployment {row.id} to {row.mta_host}",
            f"the host got worse: {reasons}",
            "a host that does as before",
            f"the configuration from before is back (deployment {done}); find the cause, the same one is not "
            "deployed again without a person",
        )


def _words(sample: dict[str, Any] | None) -> str:
    if sample is None:
        return "not readable"
    return (
        f"{amount(sample['recipients'], 'recipient')} queued, {sample['waiting']} of them wait for another attempt, "
        f"{amount(len(sample['backoff']), 'queue')} in backoff, {sample['sent']} sent so far"
    )
