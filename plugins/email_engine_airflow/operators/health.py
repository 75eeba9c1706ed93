"""Looking at MTA hosts: are they well, and does everything stand still that must?"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException

from email_engine_airflow.run import Run, current_run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from email_engine.adapters.powermta import PowerMta
    from email_engine.mta.health import Facts, Finding
    from email_engine.store.engine import Store
    from email_engine.store.hosts import SeenHost

EVENT = "mta_health"
DIFF_LINES = 60
T = TypeVar("T")


class FindBrakes(BaseOperator):
    """The MTA hosts on which a brake stands, all of which are looked at again; `[]` in a dry run.

    IPs that left the fleet file by `email-engine fleet apply` while they were sending get theirs here."""

    def __init__(self, *, engine_conn_id: str = "email_engine_db", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.engine_conn_id = engine_conn_id

    def execute(self, context: Any) -> list[str]:
        from email_engine.store.brakes import engaged
        from email_engine_airflow.hooks.engine_db import EngineDbHook
        from email_engine_airflow.operators.fleet import stop_leavers

        run = current_run(context)
        if run.dry_run:
            return []
        store = EngineDbHook(self.engine_conn_id).get_conn()
        try:
            with store.session(tenant="*") as conn:
                stop_leavers(conn, run)
                return sorted({brake.mta_host for brake in engaged(conn)})
        finally:
            store.dispose()


class CheckHost(BaseOperator):
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

    def execute(self, context: Any) -> dict[str, Any]:
        from email_engine.fleet.model import Mode
        from email_engine.mta.health import Expected, Level, judge, memory, report
        from email_engine.mta.health_policy import shipped_health_policy
        from email_engine.store import deployments, hosts
        from email_engine_airflow.hooks.engine_db import EngineDbHook

        run, policy = current_run(context), shipped_health_policy()
        store = EngineDbHook(self.engine_conn_id).get_conn()
        try:
            with store.session(tenant="*") as conn:
                seen = hosts.load_host(conn, self.mta_host)
                last = deployments.last_verified(conn, self.mta_host)
                applying = deployments.interrupted(conn, self.mta_host) is not None
                busy = applying and _under_way(store, self.mta_host)
                expected = Expected(
                    version=seen.host.version,
                    digest=last.digest if last else None,
                    under_way=busy,
                    interrupted=applying and not busy,
                    allowance=_allowance(conn, self.mta_host, run),
                )
                acts = Mode.ACT in deployments.load_modes(conn, self.mta_host).values()
            facts = self._look(store, seen, last.config if last else None, acts and not run.dry_run, run)
            findings = judge(facts, expected, seen.health, policy, run.as_of)
            for found in findings:
                level = self.log.info if found.level in (Level.GOOD, Level.INFO) else self.log.warning
                level("%s: %s: %s", found.level, found.check, found.told)
            if not run.dry_run:
                kept = memory(facts, seen.health, run.as_of) | {"checks": dict(report(findings))}
                with store.session(tenant="*") as conn:
                    hosts.save_health(conn, self.mta_host, kept, run.as_of)
                    tell(conn, self.mta_host, findings, run)
        finally:
            store.dispose()
        return {
            "host": self.mta_host,
            "worst": str(max((f.level for f in findings), key=list(Level).index)),
            "put_back": list(facts.put_back),
            "checks": {str(f.check): str(f.level) for f in findings},
        }

    def _look(
        self, store: "Store", seen: "SeenHost", deployed: str | None, writes: bool, run: Run
    ) -> "Facts":
        from email_engine.errors import EngineError
        from email_engine.mta.health import Facts
        from email_engine_airflow.hooks.powermta import PowerMtaHook

        try:
            with PowerMtaHook(seen.host.connection).get_conn() as mta:
                return self._look_in(mta, store, seen, deployed, writes, run)
        except (EngineError, AirflowException) as error:
            return Facts(host_trouble=_brief(error))

    def _look_in(
        self, mta: "PowerMta", store: "Store", seen: "SeenHost", deployed: str | None, writes: bool, run: Run
    ) -> "Facts":
        from dataclasses import replace

        from email_engine.adapters import powermta_health as look
        from email_engine.errors import EngineError, Unreachable
        from email_engine.mta.health import Facts
        from email_engine.mta.layout import digest

        host = seen.host
        raw = self._try(lambda: mta.read(host.config_file) or b"")
        text = None if raw is None else raw.decode("utf-8", "replace")
        facts = Facts(file=None if raw is None else digest(raw) if raw else "")
        if text and deployed is not None and text != deployed:
            self._show(deployed, text)
        try:
            status = look.read_status(mta)
            facts = replace(facts, status=status)
            facts = self._hold(mta, store, text, facts, run)
        except Unreachable:
            raise
        except EngineError as error:
            facts = replace(facts, powermta_trouble=_brief(error))
        folders = [host.config_file.rpartition("/")[0] or "/", host.accounting_dir]
        facts = replace(
            facts,
            disks=self._try(lambda: look.read_disks(mta, folders)) or (),
            newest=self._try(lambda: look.newest_file(mta, host.accounting_dir)),
        )
        if not writes:
            return facts
        try:
            return replace(facts, clock_offset=mta.clock_offset(host.config_file))
        except Unreachable:
            raise
        except EngineError as error:
            return replace(facts, write_trouble=_brief(error))

    def _try(self, ask: Callable[[], T]) -> T | None:
        """What fails for itself is unknown; a host that went away ends the look."""
        from email_engine.errors import EngineError, Unreachable

        try:
            return ask()
        except Unreachable:
            raise
        except EngineError as error:
            self.log.warning("not seen: %s", error)
            return None

    def _hold(self, mta: "PowerMta", store: "Store", text: str | None, facts: "Facts", run: Run) -> "Facts":
        """Queues and sources as they stand; what must stand still and does not is held again.

        The database is asked again afterwards: what was let go meanwhile is let go here too. A deployment that is under
        way holds by itself."""
        from dataclasses import replace

        from email_engine.adapters.powermta_health import count_queues
        from email_engine.adapters.powermta_holds import hold_all, holds_of
        from email_engine.store.deployments import Busy, host_lock
        from email_engine_airflow.operators.deploy_standstill import read_standstill

        queues, switched_off = mta.queues("*/*"), mta.disabled_sources()
        facts = replace(facts, queues=count_queues(queues))
        if text is None:
            return facts
        still = read_standstill(store, self.mta_host, run, text)
        by_hand = [
            f"{hold.vmta} ({'source disabled' if hold.source_disabled else 'queues paused'})"
            for hold in holds_of(queues, switched_off, still.free)
            if hold.source_disabled or (hold.queues and not hold.unpaused)
        ]
        facts = replace(facts, by_hand=tuple(by_hand))
        others = [s for s in switched_off if not s.queue.startswith("*/")]
        if others:
            self.log.info(
                "PowerMTA itself disabled %d sources: %s",
                len(others),
                [f"{s.address} {s.queue}" for s in others[:10]],
            )
        loose = {hold.vmta for hold in holds_of(queues, switched_off, still.held) if not hold.holds}
        if not loose or run.dry_run:
            return replace(facts, loose=tuple(sorted(loose)))
        try:
            with host_lock(store, self.mta_host):
                held = hold_all(mta, [s for s in still.held if s.vmta in loose])
                wanted = {s.vmta for s in read_standstill(store, self.mta_host, run, text).held}
                for hold in held:
                    if hold.vmta not in wanted:
                        mta.let_go(hold.address, hold.vmta)
        except Busy:
            self.log.info("a deployment is under way; it holds what must stand still")
            return facts
        held = tuple(hold for hold in held if hold.vmta in wanted)
        return replace(
            facts,
            put_back=tuple(h.vmta for h in held if h.holds),
            loose=tuple(h.vmta for h in held if not h.holds),
        )

    def _show(self, deployed: str, found: str) -> None:
        """The lines that somebody edited, secrets hidden."""
        from difflib import unified_diff

        from email_engine.mta.redaction import redact

        lines = list(
            unified_diff(
                redact(deployed).splitlines(), redact(found).splitlines(), "deployed", "found", "", "", 1, ""
            )
        )
        for line in lines[:DIFF_LINES]:
            self.log.warning("%s", line)
        if len(lines) > DIFF_LINES:
            self.log.warning("... and %d lines more", len(lines) - DIFF_LINES)


def _brief(error: Exception) -> str:
    from email_engine.errors import EngineError

    return f"{error.observed}. Next: {error.next_step}" if isinstance(error, EngineError) else str(error)


def _under_way(store: "Store", mta_host: str) -> bool:
    from email_engine.store.deployments import Busy, host_lock

    try:
        with host_lock(store, mta_host):
            return False
    except Busy:
        return True


def _allowance(conn: "Connection", mta_host: str, run: Run) -> int:
    """Messages a day of all IPs there that send."""
    from email_engine.store.decisions import newest
    from email_engine.store.ips import load_ips

    day = run.no_earlier_than(newest(conn)).as_of.date()
    return sum(ip.allowance for ip in load_ips(conn, day=day, mta_host=mta_host) if ip.sends)


def tell(conn: "Connection", mta_host: str, findings: "Sequence[Finding]", run: Run) -> None:
    """One alert a condition; one more when it is well again after a warning."""
    from email_engine.mta.health import Check, Level
    from email_engine.store import alerts

    standing: Mapping[str, Any] = {a.object: a for a in alerts.standing(conn, EVENT)}
    ids = (None, run.dag_id, run.run_id)
    for found in findings:
        thing = f"{mta_host} {found.check}"
        if found.level is Level.UNKNOWN:
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
            alerts.raise_alert(
                conn, EVENT, thing, "well", "info", f"{mta_host}: well again: {found.told}", *ids
            )
