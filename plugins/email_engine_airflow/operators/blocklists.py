"""The steps of `rbl_sweep` but the decision: probe the lists, sweep every IP, name the hosts to brake, publish."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk.exceptions import AirflowSkipException

from email_engine.pipelines.run import Run
from email_engine_airflow.operators.base import EngineOperator
from email_engine_airflow.run import current_run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from email_engine.blocklists.decide import OpenListing
    from email_engine.blocklists.model import BlockList, Health
    from email_engine.blocklists.sweep import Pair, SweepResult
    from email_engine.fleet.model import IpRecord

T = TypeVar("T")
PIPELINE = "rbl_sweep"
UNKNOWN_ALERT_RATE = 0.5
"""A believed list that leaves this share of its questions unanswered is told about."""


class BlocklistStep(EngineOperator):
    """Connection ids, and the store as long as a task needs it."""

    def __init__(
        self,
        *,
        engine_conn_id: str = "email_engine_db",
        dns_resolver_conn_id: str = "dns_resolver_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.engine_conn_id = engine_conn_id
        self.dns_resolver_conn_id = dns_resolver_conn_id

    def in_session(self, tenant: str, work: "Callable[[Connection], T]") -> T:
        from email_engine_airflow.hooks.engine_db import EngineDbHook

        store = EngineDbHook(self.engine_conn_id).get_conn()
        try:
            with store.session(tenant=tenant) as conn:
                return work(conn)
        finally:
            store.dispose()


class ProbeLists(BlocklistStep):
    """Probes every list in force, or those that param `lists` names.

    Returns `{"healthy": [names], "ipv6": [those of them whose IPv6 test points passed], "unhealthy": {name: reason}}`; tells people when a list's health changes."""

    def work(self, context: Any) -> dict[str, Any]:
        from secrets import token_hex

        from email_engine.blocklists.config import load_blocklists
        from email_engine.blocklists.model import ListStatus
        from email_engine.blocklists.sweep import probe_lists
        from email_engine.forms import require_short
        from email_engine_airflow.hooks.dns_resolver import DnsResolverHook

        run = current_run(context)
        require_short(run.params)
        lists = _chosen(load_blocklists()[0], run.params.get("lists"))
        hook = DnsResolverHook(self.dns_resolver_conn_id)
        healths = probe_lists(lists, hook.list_keys(), hook.get_conn().resolve_many, token_hex(12))
        probed = {health.list_name for health in healths}
        for x in lists:
            if x.status is ListStatus.RETIRED:
                self.log.info("%s is retired: %s", x.name, x.message)
            elif x.name not in probed:
                self.log.warning("%s is not asked: it needs the key %r in the DNS connection", x.name, x.key)
        for health in healths:
            self.log.info("%s: %s", health.list_name, "healthy" if health.healthy else health.reason)
        if not run.dry_run:
            self.in_session("*", lambda conn: _tell_health(conn, healths, run))
        return {
            "healthy": [h.list_name for h in healths if h.healthy],
            "ipv6": [h.list_name for h in healths if h.healthy and h.ipv6],
            "unhealthy": {h.list_name: h.reason for h in healths if not h.healthy},
        }


class SweepLists(BlocklistStep):
    """Asks every healthy list about every IP, and again about what is new, after param `confirm_after` or, where that is
    empty, after what the block-list file says.

    Args:
        health: what `ProbeLists` returned (templated).

    Returns one dict for each tenant that something was found for: `tenant`, `listed` (confirmed listings), `clean` (open
    listings that were answered "not listed"), `unknown` (list to number of its IPs)."""

    template_fields = ("health",)

    def __init__(self, *, health: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.health = health

    def work(self, context: Any) -> list[dict[str, Any]]:
        import time

        from email_engine.blocklists.config import load_blocklists, load_confirm_after
        from email_engine.blocklists.sweep import BlastRadius, believed, sweep
        from email_engine.fleet.model import IpState
        from email_engine.store.ips import load_ips, mark_swept
        from email_engine.store.listings import open_listings
        from email_engine_airflow.hooks.dns_resolver import DnsResolverHook

        run = current_run(context)
        asked = run.params.get("confirm_after")
        wait = load_confirm_after().total_seconds() if asked is None else float(asked)
        lists = believed(load_blocklists()[0], self.health["healthy"], self.health["ipv6"])
        records, standing = self.in_session(
            "*", lambda conn: (load_ips(conn, day=run.as_of.date()), open_listings(conn))
        )
        records = tuple(ip for ip in records if ip.state is not IpState.ABANDONED)
        by_id = {ip.ip_id: ip.address for ip in records}
        hook = DnsResolverHook(self.dns_resolver_conn_id)
        resolver = hook.get_conn()
        result = sweep(
            [ip.address for ip in records],
            lists,
            hook.list_keys(),
            {(by_id[x.ip_id], x.list_name): x.codes for x in standing if x.ip_id in by_id},
            resolver.resolve_many,
            resolver.turned().resolve_many,
            lambda: time.sleep(wait),
            BlastRadius(share_rate=float(run.params.get("blast_radius_rate", 0.10))),
        )
        self.log.info("%d IPs, asked %s, unknown %s", len(records), dict(result.asked), result.unknown())
        if not run.dry_run:
            answered = result.answered()
            swept = [ip.ip_id for ip in records if ip.address in answered]
            self.in_session("*", lambda conn: mark_swept(conn, swept, run.as_of))
            self.in_session("*", lambda conn: _tell_sweep(conn, result, run))
        return _by_tenant(records, {x.name: x for x in lists}, standing, result)


class HostsToBrake(BlocklistStep):
    """The MTA hosts that carry a brake, also one that was seen to hold; `[]` in a dry run.

    Looking again costs two commands a host, and finds what a person, a restart or another program took off since the
    last sweep, and what earlier runs could not put on or take off."""

    def work(self, context: Any) -> list[str]:
        from email_engine.store.brakes import engaged

        if current_run(context).dry_run:
            return []
        return self.in_session(
            "*",
            lambda conn: sorted({brake.mta_host for brake in engaged(conn)}),
        )


class PublishListings(BlocklistStep):
    """Starts what follows listings (its `outlets`) if this run applied a decision or completed a release; otherwise it is
    skipped.

    It reads what the run wrote, not the tasks' results: after a crash a cleared task still publishes."""

    def work(self, context: Any) -> int:
        from email_engine.store.listings import applied_in
        from email_engine.store.versions import made_by

        run = current_run(context)
        if run.dry_run:
            raise AirflowSkipException("dry run: nothing is published")
        count = self.in_session("*", lambda conn: applied_in(conn, PIPELINE, run.as_of.isoformat()))
        if not count and self.in_session("*", lambda conn: made_by(conn, run.dag_id, run.run_id)) is None:
            raise AirflowSkipException("nothing changed")
        return count


def _chosen(lists: "Sequence[BlockList]", names: Any) -> "list[BlockList]":
    from email_engine.errors import InputError

    wanted = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names or ())
    unknown = sorted(set(wanted) - {x.name for x in lists})
    if unknown:
        raise InputError(
            "param lists",
            ", ".join(unknown),
            f"names out of {', '.join(x.name for x in lists)}",
            "correct the param, or leave it empty for all",
        )
    return [x for x in lists if not wanted or x.name in wanted]


def _tell_health(conn: "Connection", healths: "Sequence[Health]", run: Run) -> None:
    """One alert for all lists that are not believed, news when these are others than before."""
    from email_engine.plural import amount
    from email_engine.store import alerts

    sick = sorted((h for h in healths if not h.healthy), key=lambda h: h.list_name)
    if not sick:
        alerts.clear(conn, "list_health", "all")
        return
    whole = len(sick) == len(healths)
    title = (
        "No block list can be believed, so no IP is judged; look at the resolver first" if whole
        else f"{amount(len(sick), 'block list')} of {len(healths)} not believed; what they say changes nothing"
    )  # fmt: skip
    text = "\n".join([title, *(f"{h.list_name}: {h.reason}" for h in sick)])
    state = ("none: " if whole else "") + ",".join(h.list_name for h in sick)
    severity = "critical" if whole else "warning"
    alerts.raise_alert(
        conn, "list_health", "all", state[:500], severity, text, dag_id=run.dag_id, run_id=run.run_id
    )


def _tell_sweep(conn: "Connection", result: "SweepResult", run: Run) -> None:
    from email_engine.store import alerts

    ids: dict[str, Any] = {"dag_id": run.dag_id, "run_id": run.run_id}
    unknown = result.unknown()
    for name, asked in result.asked.items():
        text, state = "", ""
        if name in result.held:
            state = "held"
            text = (
                f"Block list {name} newly lists {result.held[name]} of {asked} IPs at once and is held\n"
                "Nothing is done. If it is true, run rbl_sweep by hand with a larger blast radius."
            )
        elif name in result.faults:
            state, text = (
                "refuses",
                f"Block list {name} stopped answering us during the sweep\nSeen: {result.faults[name]}",
            )
        elif asked and unknown.get(name, 0) >= UNKNOWN_ALERT_RATE * asked:
            state = "unknown"
            text = f"Block list {name} left {unknown[name]} of {asked} IPs unknown; they keep their state."
        if text:
            severity = "critical" if state == "held" else "warning"
            alerts.raise_alert(conn, "list_sweep", name, state, severity, text, **ids)
        else:
            alerts.clear(conn, "list_sweep", name)


def _by_tenant(
    records: "Sequence[IpRecord]",
    lists: "Mapping[str, BlockList]",
    standing: "Sequence[OpenListing]",
    result: "SweepResult",
) -> list[dict[str, Any]]:
    from email_engine.blocklists.model import Listed, NotKnown, NotListed

    by_address = {ip.address: ip for ip in records}
    known = {(x.ip_id, x.list_name) for x in standing}
    found: dict[str, dict[str, Any]] = {}
    for pair, verdict in result.verdicts.items():
        ip = by_address[pair[0]]
        item = found.setdefault(ip.tenant, {"tenant": ip.tenant, "listed": [], "clean": [], "unknown": {}})
        if isinstance(verdict, Listed):
            item["listed"].append(_listing(ip.ip_id, lists[pair[1]], verdict, pair, result.reasons))
        elif isinstance(verdict, NotListed) and (ip.ip_id, pair[1]) in known:
            item["clean"].append({"ip_id": ip.ip_id, "list": pair[1]})
        elif isinstance(verdict, NotKnown):
            item["unknown"][pair[1]] = item["unknown"].get(pair[1], 0) + 1
    return [found[t] for t in sorted(found) if found[t]["listed"] or found[t]["clean"]]


def _listing(
    ip_id: int, blocklist: "BlockList", verdict: Any, pair: "Pair", reasons: "Mapping[Pair, str]"
) -> dict[str, Any]:
    return {
        "ip_id": ip_id,
        "list": blocklist.name,
        "zone": blocklist.zone,
        "codes": list(verdict.codes),
        "sublists": list(verdict.sublists),
        "class": verdict.list_class.value,
        "severity": verdict.severity.value,
        "severe": verdict.severe,
        "reason": reasons.get(pair, ""),
    }
