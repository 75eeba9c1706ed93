"""The steps of `delisting`, and what starts its runs."""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowRescheduleException, AirflowRuntimeError, AirflowSkipException
from airflow.sdk.execution_time.hitl import upsert_hitl_detail

from email_engine_airflow.forms import LONGEST_NAME, LONGEST_REASON
from email_engine_airflow.operators.base import EngineOperator
from email_engine_airflow.run import current_run
from email_engine_airflow.start_run import start_now

if TYPE_CHECKING:
    from email_engine.pipelines.delisting.follow import ToStart
    from email_engine.pipelines.run import Run
    from email_engine.store.engine import Store

DAYS = 90
"""So long a question waits for a person."""
GRACE = timedelta(minutes=15)
"""After the deadline the trigger answers; if there is none, Airflow itself ends the task so much later."""


class StartRuns(EngineOperator):
    """Starts the runs that `runs` names; one that exists is left as it is. Returns `{"started", "existed"}`."""

    @abstractmethod
    def runs(self, store: "Store", run: "Run") -> "Sequence[ToStart]":
        """What follows; skipped where that is nothing."""

    def call(self, store: "Store", run: "Run") -> dict[str, int]:
        wanted = self.runs(store, run)
        if not wanted:
            raise AirflowSkipException("nothing follows from this")
        started, failure = 0, None
        for one in wanted:
            try:
                made = start_now(one.dag_id, one.run_id, one.conf)
            except AirflowRuntimeError as error:  # the others are not to wait for it
                self.log.error("%s %s was not started: %s", one.dag_id, one.run_id, error)
                failure = error
                continue
            started += made
            self.log.info("%s %s %s", one.dag_id, one.run_id, "started" if made else "exists")
        if failure is not None:
            raise failure
        return {"started": started, "existed": len(wanted) - started}


class FollowUp(StartRuns):
    """What follows a sweep: a run of `delisting` for every listing that nobody follows, a standby IP where one may start by itself, and
    once a week a word about what waits for people."""

    def runs(self, store: "Store", run: "Run") -> "Sequence[ToStart]":
        from email_engine.pipelines.delisting.follow import to_start
        from email_engine.pipelines.delisting.nag import nag
        from email_engine.pipelines.rbl_sweep.failover import failovers
        from email_engine_airflow.incident import base_url

        nag(store, run, base_url())
        return (*to_start(store, run), *failovers(store, run))


class OpenDelisting(EngineOperator):
    """Opens the follow-up of one listing, or does what the form asks: see `pipelines.delisting.follow` and `.by_hand`. Returns
    `{"listing", "subject"}`; skipped where nothing is left to follow."""

    def call(self, store: "Store", run: "Run") -> dict[str, Any]:
        from email_engine.pipelines.delisting.by_hand import act
        from email_engine.pipelines.delisting.follow import begin

        listing = run.internal("listing")
        if listing is None:
            listing = act(store, run)
        if listing is None:
            raise AirflowSkipException("the form asked for no more; see the log")
        return {"listing": listing, "subject": str(begin(store, listing, run))}


class OfListing(EngineOperator):
    """A step about one listing; `opened`: what `OpenDelisting` returned (templated)."""

    template_fields = ("opened",)

    def __init__(self, *, opened: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.opened = opened

    @property
    def listing(self) -> int:
        return int(self.opened["listing"])


class AskCause(HITLOperator, OfListing):
    """Asks a person about a listing and waits without a worker slot; an answer that lacks what it needs is asked for again. Returns
    what became of it, a sentence; skipped where the question has no sense (any more), with a sentence why.

    Args:
        part: a `blocklists.delisting.Part`: "standing" or "over"."""

    template_fields = ("opened",)

    def __init__(self, *, part: str, poll_seconds: float = 10.0, params: Any = None, **kwargs: Any) -> None:
        from email_engine.pipelines.delisting.choices import OPTIONS

        super().__init__(
            subject="A block list holds an IP: what is the cause?",
            options=list(OPTIONS),
            response_timeout=timedelta(days=DAYS),
            params={**(params or {}), **_fields()},
            **kwargs,
        )
        self.part = part
        self.poll_seconds = poll_seconds

    def execute(self, context: Any) -> Any:
        return EngineOperator.execute(self, context)

    def work(self, context: Any) -> Any:
        from email_engine.blocklists.delisting import Part
        from email_engine.pipelines.delisting.question import prepare
        from email_engine.plain_text import plain
        from email_engine_airflow.incident import base_url

        run = current_run(context)
        with self.store() as store:
            page = prepare(store, self.listing, Part(self.part), run, base_url())
        self.subject, self.body = page.subject, page.body
        if run.dry_run:
            self.log.info("%s\n%s", page.subject, plain(page.body))
        if page.over or run.dry_run:
            raise AirflowSkipException(page.over or "dry run: nobody is asked")
        self.log.info("waiting for an answer: %s", page.url)
        self._wait(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """`event`: from the trigger, or the person's answer from Airflow's API."""
        with self.answered(context):
            return self._complete(context, event)

    def _complete(self, context: Any, event: dict[str, Any]) -> Any:
        from email_engine.blocklists.delisting import Part
        from email_engine.pipelines.delisting import question
        from email_engine_airflow.incident import base_url

        run = current_run(context)
        with self.store() as store:
            if "ended" in event:
                why = question.ended(store, self.listing, Part(self.part), run)
                if why is not None:
                    raise AirflowSkipException(why)
                self._wait(context)
            if event.get("error_type") == "timeout":
                raise AirflowSkipException(question.not_answered(store, self.listing))
            by = (event.get("responded_by_user") or {}).get("name") or "somebody"
            (chosen,) = event["chosen_options"]
            given = event.get("params_input") or {}
            taken = question.answered(
                store, self.listing, Part(self.part), run, chosen, given, by, base_url()
            )
        self.log.info("%s", taken.said)
        if taken.again:
            self._wait(context)
        return taken.said

    def _wait(self, context: Any) -> None:
        from email_engine_airflow.triggers.delisting import DelistingTrigger

        ti_id = context["ti"].id
        upsert_hitl_detail(
            ti_id=ti_id,
            options=self.options,
            subject=self.subject,
            body=self.body,
            defaults=None,
            multiple=False,
            params={name: param.serialize() for name, param in (_fields() | _first_field()).items()},
            assigned_users=None,
        )
        deadline = datetime.now(UTC) + timedelta(days=DAYS)
        run_id = context["dag_run"].run_id
        self.defer(
            trigger=DelistingTrigger(
                str(ti_id), self.listing, self.part, run_id, deadline.isoformat(), self.poll_seconds
            ),
            method_name="execute_complete",
            timeout=timedelta(days=DAYS) + GRACE,
        )


def _fields() -> dict[str, Param]:
    def text(title: str, description: str, longest: int) -> Param:
        return Param(
            None, source="task", type=["null", "string"], maxLength=longest, title=title, description=description
        )  # fmt: skip

    return {
        "cause": text("Cause", _CAUSE, LONGEST_REASON),
        "owner": text("Owner", "On it: who does; empty: you.", LONGEST_NAME),
        "ticket": text("Ticket", "On it: number or address of your ticket.", LONGEST_NAME),
        "until": text("Until", "On it: UTC day such as 2026-12-24; empty: a week from now.", 10),
    }


_CAUSE = "What led to the listing and what was mended; what you do about it; or why you give the IP up."


def _first_field() -> dict[str, Param]:
    """As the page shows it: Airflow's buttons stay dead while it is empty. On the task it may be empty, for Airflow checks a task's own
    fields before it runs."""
    return {
        "cause": Param(
            None, source="task", type="string", minLength=3, maxLength=LONGEST_REASON, title="Cause, or what you do", description=_CAUSE
        )
    }  # fmt: skip


class RecheckListing(OfListing):
    """Asks the list again about the IP, with growing pauses: see `pipelines.delisting.recheck`. Between two looks it holds no worker
    slot. Returns the status; skipped where another run follows the listing."""

    def call(self, store: "Store", run: "Run") -> str:
        from email_engine.pipelines.delisting.recheck import recheck

        done = recheck(store, self.clients, self.listing, run, datetime.now(UTC))
        if done.others:
            raise AirflowSkipException(f"run {done.others} follows it now")
        if done.again_at:
            raise AirflowRescheduleException(done.again_at)
        return done.status.value


class GiveUpIp(StartRuns, OfListing):
    """Starts what follows where a person gave the IP up: see `pipelines.delisting.give_up`."""

    def runs(self, store: "Store", run: "Run") -> "Sequence[ToStart]":
        from email_engine.pipelines.delisting.give_up import runs_of_a_give_up

        return runs_of_a_give_up(store, self.listing, run)


class FinishDelisting(OfListing):
    """Tells the end of a follow-up once: see `pipelines.delisting.finish`."""

    def call(self, store: "Store", run: "Run") -> str:
        from email_engine.pipelines.delisting.finish import finish

        return finish(store, self.listing, run)
