"""Closing the day of the warm-up: one tenant decided, the hosts to brake named, the new allowances published."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from email_engine_airflow.operators.base import EngineOperator
from email_engine_airflow.run import Run, current_run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from email_engine.warmup.plan import IpDecision
    from email_engine.warmup.policy import Policy

MOST_DAYS = 60


class TenantsToDecide(EngineOperator):
    """The names of the tenants, as a list that the next task can be mapped over.

    Args:
        fleet: what `SyncFleet` returned (templated)."""

    template_fields = ("fleet",)

    def __init__(self, *, fleet: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fleet = fleet

    def work(self, context: Any) -> list[str]:
        return list(self.fleet["tenants"])


class DecideWarmup(EngineOperator):
    """Closes the UTC day of one tenant, and before it every day that was missed (60 at most), in one transaction.

    For each IP: a decision with its inputs, and in `act` the day's statistics, plan, state, allowance from the day after on,
    and the brake for every IP that stops. A day that was decided is left alone, so running it again changes nothing. A dry
    run does the same work and rolls it back. Returns `{"tenant", "days", "version", "actions", "stopped"}`.
    Its log ends with the capacity plan: who has to wait for the tenant's quota, why and until when.

    Args:
        tenant: name of the tenant.

    Raises:
        AirflowFailException: param `day` is not over yet; nothing was decided."""

    template_fields = ("tenant",)

    def __init__(self, *, tenant: str, engine_conn_id: str = "email_engine_db", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tenant = tenant
        self.engine_conn_id = engine_conn_id

    def work(self, context: Any) -> dict[str, Any]:
        from email_engine.store.alerts import announce
        from email_engine.store.ips import lock_ips
        from email_engine.warmup.capacity_plan import capacity_words
        from email_engine.warmup.policy_file import load_policy
        from email_engine_airflow.hooks.engine_db import EngineDbHook
        from email_engine_airflow.operators.warmup_alerts import capacity_news, capacity_of, day_news

        run, policy = current_run(context), load_policy()
        _require_over(run)
        store = EngineDbHook(self.engine_conn_id).get_conn()
        try:
            with store.session(tenant=self.tenant) as conn:
                lock_ips(conn, self.tenant)
                days = _open_days(conn, self.tenant, run.day)
                ip_decisions, version = self._close(conn, days, policy, run)
                plan = capacity_of(conn, ip_decisions, policy, days, run)
                if run.dry_run:
                    self.log.info("dry run: everything is rolled back")
                    conn.rollback()
            if not run.dry_run:
                with store.session(tenant="*") as conn:
                    news = [
                        *day_news(conn, self.tenant, days, ip_decisions, run),
                        *capacity_news(conn, plan, run),
                    ]
                announce(store, news)
        finally:
            store.dispose()
        for ip_decision in ip_decisions:
            self.log.info(
                "%s %s: %s",
                ip_decision.observation.ip.address,
                ip_decision.proposal.action,
                ip_decision.reason,
            )
        for line in capacity_words(plan) if plan is not None else ():
            self.log.info(line)
        return {
            "tenant": self.tenant,
            "days": [day.isoformat() for day in days],
            "version": None if run.dry_run else version,
            "actions": dict(Counter(str(ip_decision.proposal.action) for ip_decision in ip_decisions)),
            "stopped": [
                str(ip_decision.observation.ip.address) for ip_decision in ip_decisions if ip_decision.stops
            ],
        }

    def _close(
        self, conn: "Connection", days: Sequence[date], policy: "Policy", run: Run
    ) -> "tuple[list[IpDecision], int | None]":
        from email_engine.fleet.model import SENDING_STATES
        from email_engine.store import observations, policies, warmup
        from email_engine.warmup.plan import plan_tenant
        from email_engine.warmup.snapshot import policy_document

        effective = run.day + timedelta(days=1)
        version: int | None = None
        all_outcomes: list[IpDecision] = []
        policies.remember(conn, policy.digest, policy_document(policy))
        for day in days:
            known = warmup.decided(conn, self.tenant, day)
            seen = observations.observe(conn, self.tenant, day, effective, policy, known_until=run.as_of)
            promised: Counter[str] = Counter()
            for observation in seen:
                if str(observation.ip.address) in known and observation.ip.state in SENDING_STATES:
                    promised[observation.ip.stream] += observation.standing
            todo = [observation for observation in seen if str(observation.ip.address) not in known]
            ip_decisions = plan_tenant(
                todo, policy, observations.quotas(conn, self.tenant), day, effective, promised
            )
            writing = warmup.Writing(
                day, effective, run.as_of, policy.digest, run.actor, run.dag_id, run.run_id, policy
            )
            version = warmup.record(conn, ip_decisions, writing) or version
            all_outcomes += ip_decisions
        return all_outcomes, version


class HostsToHold(EngineOperator):
    """The MTA hosts whose queues do not yet stand as the brakes in the database say.

    A brake that was seen to hold is not among them; `rbl_sweep` looks at every one again."""

    def __init__(self, *, engine_conn_id: str = "email_engine_db", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.engine_conn_id = engine_conn_id

    def work(self, context: Any) -> list[str]:
        from email_engine.store.brakes import engaged
        from email_engine_airflow.hooks.engine_db import EngineDbHook

        store = EngineDbHook(self.engine_conn_id).get_conn()
        try:
            with store.session(tenant="*") as conn:
                waiting = {
                    brake.mta_host
                    for brake in engaged(conn)
                    if brake.release_asked_at is not None
                    or not (brake.powermta_holds and brake.mailwizz_holds)
                }
        finally:
            store.dispose()
        return sorted(waiting)


def _require_over(run: Run) -> None:
    """A day that is not over has no accounting yet, and what waits for a date (a pause, a quarantine) would end early."""
    from airflow.sdk.exceptions import AirflowFailException

    from email_engine.errors import InputError

    if run.day >= run.as_of.date():
        error = InputError(
            "param day", f"{run.day} is not over at {run.as_of:%Y-%m-%d %H:%M} UTC", "a UTC day before the run's",
            "trigger again with an earlier day, or leave it empty",
        )  # fmt: skip
        raise AirflowFailException(str(error))


def _open_days(conn: "Connection", tenant: str, day: date) -> list[date]:
    """The days from the one after the last decided up to `day`, newest 60; `day` itself again for IPs that are new.

    A day before the last decided one is over: nothing is decided for it any more."""
    from email_engine.store.warmup import last_decided

    last = last_decided(conn, tenant)
    if last is None:
        return [day]
    if day < last:
        return []
    first = max(min(last + timedelta(days=1), day), day - timedelta(days=MOST_DAYS - 1))
    return [first + timedelta(days=n) for n in range((day - first).days + 1)]
