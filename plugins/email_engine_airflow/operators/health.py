"""Looking at MTA hosts: are they well, and does everything stand still that must?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from email_engine.pipelines.run import Run
from email_engine_airflow.operators.base import EngineOperator
from email_engine_airflow.run import current_run

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy import Connection

    from email_engine.health.host_facts import Expected, HealthFinding
    from email_engine.health.queue_ages import QueueGroup
    from email_engine.store.deployments import Deployment
    from email_engine.store.engine import Store
    from email_engine.store.hosts import SeenHost

EVENT = "mta_health"


class FindBrakes(EngineOperator):
    """The MTA hosts on which a brake stands, all of which are looked at again; `[]` in a dry run.

    IPs that left the fleet file by `email-engine fleet apply` while they were sending get theirs here."""

    def __init__(self, *, engine_conn_id: str = "email_engine_db", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.engine_conn_id = engine_conn_id

    def work(self, context: Any) -> list[str]:
        from email_engine.store.brakes import engaged
        from email_engine_airflow.hooks.engine_db import EngineDbHook

        run = current_run(context)
        if run.dry_run:
            return []
        store = EngineDbHook(self.engine_conn_id).get_conn()
        try:
            left = self._apart(lambda: self._stop_removed(store, run))
            with store.session(tenant="*") as conn:
                found = sorted({brake.mta_host for brake in engaged(conn)})
            self._apart(lambda: self._look_at_the_clock(store, run))
        finally:
            store.dispose()
        if left is not None and not found:
            raise left
        return found

    def _apart(self, work: "Callable[[], None]") -> Exception | None:
        """What fails here keeps no host from being looked at."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - it is logged, or raised where nothing else is to do
            self.log.warning("%s", error)
            return error
        return None

    def _stop_removed(self, store: "Store", run: Run) -> None:
        from email_engine.pipelines.emergency_stop import bound_waits
        from email_engine.pipelines.fleet import stop_removed

        with store.session(tenant="*") as conn:
            bound_waits(conn)
            stop_removed(conn, run)

    def _look_at_the_clock(self, store: "Store", run: Run) -> None:
        """Decisions in the future come from a clock that was ahead: said once, over when the last of them is past."""
        from datetime import UTC, datetime

        from email_engine.pipelines.trouble import origin
        from email_engine.store import clock

        seen = clock.Seen(origin(run.dag_id, self.task_id, clock.CAUSE), run.dag_id, run.run_id, self.task_id)
        with store.session(tenant="*") as conn:
            clock.look(conn, datetime.now(UTC), seen)


class CheckHost(EngineOperator):
    """Looks at one host, holds again what must stand still there, judges, and tells people what changed.

    One alert a condition, cleared when it is well again; what could not be seen changes no alert. A host that is away
    fails nothing: that is a finding. A dry run looks and judges; it writes nothing and so does not see the clock, nor does a
    look at a host all of whose tenants are in `observe`.
    Returns `{"host", "worst", "put_back", "checks"}`, checks as name to level.

    Args:
        mta_host: name of the host in the fleet."""

    template_fields: Sequence[str] = ("mta_host",)

    def __init__(self, *, mta_host: str, engine_conn_id: str = "email_engine_db", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mta_host = mta_host
        self.engine_conn_id = engine_conn_id

    def work(self, context: Any) -> dict[str, Any]:
        from email_engine.fleet.model import Mode
        from email_engine.health.host_facts import Level
        from email_engine.health.judge import judge, memory, report, seen_row
        from email_engine.health.policy import shipped_health_policy
        from email_engine.store import deployments, health, hosts
        from email_engine_airflow.hooks.engine_db import EngineDbHook
        from email_engine_airflow.operators.health_look import HostLook

        run, policy = current_run(context), shipped_health_policy()
        store = EngineDbHook(self.engine_conn_id).get_conn()
        try:
            with store.session(tenant="*") as conn:
                seen = hosts.load_host(conn, self.mta_host)
                last = deployments.last_verified(conn, self.mta_host)
                expected = _expected(conn, store, seen, last, run)
                acts = Mode.ACT in deployments.load_modes(conn, self.mta_host).values()
            config, writes = (last.config if last else None), acts and not run.dry_run
            facts = HostLook(store, seen, config, writes, run, self.log).facts()
            if facts.groups is not None:
                with store.session(tenant="*") as conn:
                    facts = replace(
                        facts, groups=_aged(conn, self.mta_host, facts.groups, run, policy.behind)
                    )
            findings = judge(facts, expected, seen.health, policy, run.as_of)
            for found in findings:
                level = self.log.info if found.level in (Level.GOOD, Level.INFO) else self.log.warning
                level("%s: %s: %s", found.level, found.check, found.told)
            row = seen_row(facts, expected, findings, run.as_of)
            if not run.dry_run:
                kept = memory(facts, seen.health, run.as_of) | {"checks": dict(report(findings))}
                ids = {"dag_id": run.dag_id, "run_id": run.run_id}
                with store.session(tenant="*") as conn:
                    hosts.save_health(conn, self.mta_host, kept, run.as_of)
                    newest = health.save_look(conn, self.mta_host, run.as_of, policy.kept, **row, **ids)
                    if newest and facts.groups is not None:
                        health.save_queues(conn, self.mta_host, run.as_of, facts.groups)
                    tell(conn, self.mta_host, findings, run)
        finally:
            store.dispose()
        return {
            "host": self.mta_host,
            "worst": row["worst"],
            "put_back": list(facts.put_back),
            "checks": {str(f.check): str(f.level) for f in findings},
        }


def _expected(
    conn: "Connection", store: "Store", seen: "SeenHost", last: "Deployment | None", run: Run
) -> "Expected":
    from email_engine.health.host_facts import Expected
    from email_engine.store import deployments, health
    from email_engine.store.host_trouble import strangers_by_host

    name = seen.host.name
    applying = deployments.interrupted(conn, name) is not None
    busy = applying and _under_way(store, name)
    return Expected(
        version=seen.host.version,
        digest=last.digest if last else None,
        under_way=busy,
        allowance=_allowance(conn, name, run),
        interrupted=applying and not busy,
        deployed_at=health.deployed_at(conn, name),
        unknown_sources=strangers_by_host(conn, run.as_of).get(name, 0),
    )


def _under_way(store: "Store", mta_host: str) -> bool:
    from email_engine.store.deployments import Busy, host_lock

    try:
        with host_lock(store, mta_host):
            return False
    except Busy:
        return True


def _aged(
    conn: "Connection", mta_host: str, seen: "tuple[QueueGroup, ...]", run: Run, behind: "timedelta"
) -> "tuple[QueueGroup, ...]":
    from email_engine.health.queue_ages import follow
    from email_engine.store import health

    before = health.earlier_looks(conn, mta_host)
    oldest = min((looks[0].at for looks in before.values() if looks), default=None)
    return follow(seen, before, health.departures(conn, mta_host, oldest), run.as_of, behind)


def _allowance(conn: "Connection", mta_host: str, run: Run) -> int:
    """Messages a day of all IPs there that send."""
    from email_engine.store.decisions import newest
    from email_engine.store.ips import load_ips

    day = run.no_earlier_than(newest(conn)).as_of.date()
    return sum(ip.allowance for ip in load_ips(conn, day=day, mta_host=mta_host) if ip.sends)


def tell(conn: "Connection", mta_host: str, findings: "Sequence[HealthFinding]", run: Run) -> None:
    """One alert a condition; one more when it is well again after a warning. A host that is away is the incident that other
    pipelines may have met too."""
    from email_engine.health.host_facts import Check, Level
    from email_engine.store import alerts

    standing: Mapping[str, Any] = {a.object: a for a in alerts.standing(conn, EVENT)}
    ids = (None, run.dag_id, run.run_id)
    for found in findings:
        thing = f"{mta_host} {found.check}"
        if found.level is Level.UNKNOWN:
            continue
        if found.check is Check.REACHABLE:
            _tell_reachable(conn, mta_host, found, run)
            continue
        if found.level is not Level.GOOD:
            state = f"{found.level} {found.state}"
            state += f" {run.run_id}" if found.check is Check.HOLDS and found.level is Level.WARNING else ""
            alerts.raise_alert(conn, EVENT, thing, state, str(found.level), f"{mta_host}: {found.told}", *ids)
            continue
        old = standing.get(thing)
        if old is None or old.state == "well":
            continue
        if old.severity == "info" or found.check is Check.HOLDS:
            alerts.clear(conn, EVENT, thing)
        else:
            told = f"{mta_host}: {found.check} is well again: {found.told}"
            alerts.raise_alert(conn, EVENT, thing, "well", "info", told, *ids, quiet=False)


def _tell_reachable(conn: "Connection", mta_host: str, found: "HealthFinding", run: Run) -> None:
    from datetime import UTC, datetime

    from email_engine.health.host_facts import Level
    from email_engine.pipelines.trouble import origin
    from email_engine.store import incidents

    cause, now = f"host {mta_host}", datetime.now(UTC)
    if found.level is Level.GOOD:
        incidents.over(conn, cause, now, f"{mta_host} can be used again")
        return
    trouble = incidents.Trouble(
        cause, f"{mta_host} cannot be reached", "critical", found.told, "a host that lets the engine in",
        "what stands still there stays so; see its network and the connection's test button under Admin > Connections",
        origin(run.dag_id, "check", f"{mta_host} reachable"), run.dag_id, run.run_id, "check",
    )  # fmt: skip
    incidents.note(conn, trouble, now)
