"""The first half of `pmta_config_deploy`: which hosts, what would change there, and what a person must be asked."""

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from email_engine.pipelines.run import Run
from email_engine_airflow.operators.deploy_step import APPLIED, PLANNED, QUESTION, DeployStep
from email_engine_airflow.run import current_run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from email_engine.pipelines.pmta_config_deploy.view import View
    from email_engine.pmta.config.guard import Breach
    from email_engine.store.approvals import Approval
    from email_engine.store.engine import Store

DIFF_LINES = 400
COMMENTS = "comments only"
DONE = "nothing more: what differed only slowed down, and that is done already"


class ListHosts(DeployStep):
    """Names of the hosts that carry IPs; param `host`, `rollback_to` or `approval` narrows it to one.

    A run of the hourly schedule, or one with param `only_failed`, is skipped unless a deployment failed or was killed and
    nothing went well since. What the guard stopped waits for a person."""

    def work(self, context: Any) -> list[str]:
        from email_engine.errors import InputError
        from email_engine.forms import require_short
        from email_engine.store import deployments

        run = current_run(context)
        require_short(run.params)
        by_the_clock = str(getattr(context["dag_run"], "run_type", "")) == "scheduled"
        try:
            if run.params.get("accept_breach") and not run.reason:
                raise InputError(
                    "param accept_breach", "no reason", "a reason that others can read", "fill in `reason`"
                )
            with self.store() as store, store.session(tenant="*") as conn:
                if (by_the_clock or run.internal("only_failed")) and not _failed(conn):
                    raise AirflowSkipException("no deployment failed since the last good one")
                names = [host.name for host in deployments.load_hosts(conn)]
                asked = self._asked(conn, run)
            if run.params.get("accept_breach") and asked is None and len(names) > 1:
                raise InputError(
                    "param accept_breach",
                    f"no host: it would accept whatever the guard says about {', '.join(names)}",
                    "one host, whose diff you have read",
                    "fill in `host`",
                )
        except InputError as error:
            raise AirflowFailException(str(error)) from error
        if asked and asked not in names:
            raise AirflowFailException(
                f"param host: {asked} carries no IP; the fleet's hosts are {', '.join(names)}"
            )
        if not names:
            raise AirflowSkipException("no host carries an IP")
        return [asked] if asked else names

    @staticmethod
    def _asked(conn: "Connection", run: Run) -> str | None:
        from email_engine.errors import InputError
        from email_engine.store import approvals, deployments

        asked = run.params.get("host") or None
        for param, number, find in (
            ("rollback_to", run.params.get("rollback_to"), deployments.find),
            ("approval", run.internal("approval"), approvals.find),
        ):
            if not number:
                continue
            of = find(conn, int(number)).mta_host
            if asked not in (None, of):
                raise InputError(
                    f"param {param}", f"{number} is of {of}", f"one of {asked}", "leave `host` empty"
                )
            asked = of
        return asked


def _failed(conn: "Connection") -> bool:
    """Was a deployment killed, or is one told as anything but good news? What waits for a person is told elsewhere."""
    from email_engine.store import alerts, deployments

    told = alerts.standing(conn, PLANNED, APPLIED)
    return bool(deployments.interrupted_hosts(conn)) or any(alert.severity != "info" for alert in told)


class PlanDeploy(DeployStep):
    """Reads what one host runs, renders what it should run, and lets the guard judge the difference.

    What a killed run left is finished or undone first. A breach becomes a question to a person (table approvals); this
    task does not wait for the answer. Returns `{"host", "digest", "previous", "reduced", "kind", "changed", "summary",
    "approval", "lowers", "fleet_version", "dry_run"}`: `kind` is "at_once" (slows down, holds or lets go, no more),
    "canary" or "approval"; `reduced` the digest of the part that only lowers. The configuration itself stays out of XCom,
    `DeployHost` renders it again."""

    template_fields = ("mta_host",)

    def __init__(self, *, mta_host: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mta_host = mta_host

    def work(self, context: Any) -> dict[str, Any]:
        from email_engine.pipelines.pmta_config_deploy.view import breaches_of, look, read_wanted
        from email_engine_airflow.hooks.powermta import PowerMtaHook

        run = current_run(context)
        with self.store() as store, self.told(store, PLANNED, self.mta_host, run):
            wanted = read_wanted(store, self.mta_host, run)
            with PowerMtaHook(wanted.host.connection).get_conn() as mta:
                if wanted.interrupted and not run.dry_run:
                    self.heal(store, mta, wanted, run)
                    wanted = read_wanted(store, self.mta_host, run)
                view = look(mta, wanted)
                self._show(view)
                question = self._judge(store, view, run, breaches_of(store, mta, view))
            if question is None and not run.dry_run:
                self._clear(store, view)
        return self._plan(view, run, question)

    def _plan(self, view: "View", run: Run, question: "Approval | None") -> dict[str, Any]:
        reductions = view.reductions
        at_once = not view.plan.changed or view.only_lowers
        return {
            "host": self.mta_host,
            "digest": view.plan.new_digest,
            "previous": view.plan.old_digest,
            "reduced": reductions.plan.new_digest if reductions else None,
            "kind": "approval" if question else "at_once" if at_once else "canary",
            "changed": view.changed,
            "lowers": reductions is not None or view.holds_there,
            "summary": view.summary,
            "approval": question.id if question else None,
            "fleet_version": view.wanted.fleet_version,
            "dry_run": run.dry_run,
        }

    def _show(self, view: "View") -> None:
        self.log.info("%s", view.summary)
        lines = view.plan.diff.splitlines()
        for line in lines[:DIFF_LINES]:
            self.log.info("%s", line)
        if len(lines) > DIFF_LINES:
            self.log.info("... and %d lines more", len(lines) - DIFF_LINES)

    def _judge(
        self, store: "Store", view: "View", run: Run, breaches: "tuple[Breach, ...]"
    ) -> "Approval | None":
        """The question that must be answered first, or None: go ahead."""
        for breach in breaches:
            self.log.warning("guard: %s", breach.message)
        if view.wanted.approval:
            self.require_approved(view)
        elif breaches and (run.dry_run or run.params.get("accept_breach")):
            said = run.reason or "dry run"
            self.log.warning("the guard's objection does not stop this run (%s)", said)
        elif breaches:
            return self._ask(store, view, run, breaches)
        return None

    def _ask(self, store: "Store", view: "View", run: Run, breaches: "tuple[Breach, ...]") -> "Approval":
        from datetime import UTC, datetime

        from email_engine.pipelines.pmta_config_deploy.words import question_text
        from email_engine.pmta.config.plan import plan_deployment
        from email_engine.pmta.language.compare import lines_for_people
        from email_engine.store import alerts, approvals
        from email_engine_airflow.operators.approval import answer_url
        from email_engine_airflow.operators.approval_page import open_questions_url

        reductions = view.reductions
        plan = view.plan
        if reductions:
            plan = plan_deployment(self.mta_host, reductions.text, view.text)
        question = approvals.Question(
            mta_host=self.mta_host,
            fleet_version=view.wanted.fleet_version,
            digest=plan.new_digest,
            previous_digest=plan.old_digest,
            breaches=[breach.message for breach in breaches],
            summary="\n".join(lines_for_people(plan.changes)) or (COMMENTS if plan.changed else DONE),
            diff=plan.diff,
            caused_by=run.caused_by,
            rollback_to=view.wanted.rollback.id if view.wanted.rollback else None,
            only_tenant=view.wanted.only_tenant,
            dag_id=run.dag_id,
            run_id=run.run_id,
        )
        with store.session(tenant="*") as conn:
            asked = approvals.ask(conn, question, datetime.now(UTC))
            url = answer_url(asked)
            text = question_text(
                self.mta_host, asked, question.breaches, url, reductions is not None, open_questions_url()
            )
            alerts.clear(conn, PLANNED, self.mta_host)
            alerts.raise_alert(
                conn,
                QUESTION,
                self.mta_host,
                f"{asked.status} {asked.id}",
                "warning",
                text,
                dag_id=run.dag_id,
                run_id=run.run_id,
            )
        self.log.warning("%s", text)
        return asked

    def _clear(self, store: "Store", view: "View") -> None:
        """Nothing is in the way: the question that another version asked is superseded, and so are the alerts."""
        from datetime import UTC, datetime

        from email_engine.store import alerts, approvals

        with store.session(tenant="*") as conn:
            said = f"superseded by fleet version {view.wanted.fleet_version}"
            approvals.supersede(conn, self.mta_host, said, datetime.now(UTC))
            alerts.clear(conn, PLANNED, self.mta_host)
            alerts.clear(conn, QUESTION, self.mta_host)
            if not view.changed:
                alerts.clear(conn, APPLIED, self.mta_host)
