"""Which hosts of the fleet are planned for."""

from dataclasses import dataclass

from sqlalchemy import Connection

from email_engine.errors import InputError
from email_engine.forms import require_short
from email_engine.pipelines.pmta_config_deploy.news import APPLIED, PLANNED
from email_engine.pipelines.run import Run
from email_engine.store.deployment import approvals, deployments
from email_engine.store.engine import Store
from email_engine.store.fleet import ips
from email_engine.store.telling import alerts


@dataclass(frozen=True, slots=True)
class Hosts:
    """`why_none`: what to say where nothing is to be done."""

    names: tuple[str, ...] = ()
    why_none: str | None = None


def hosts(store: Store, run: Run, *, by_the_clock: bool = False, on_change: bool = False) -> Hosts:
    """The hosts that carry IPs; param `host`, `rollback_to` or `approval` narrows it to one.

    A run `by_the_clock`, or one with param `only_failed`, has none unless a deployment failed or was killed and
    nothing went well since. What the guard stopped waits for a person. Neither it nor a run `on_change` has any while the warm-up has
    decided about no IP at all: every cap would be 1 a day, and nobody is to be asked about that.

    Raises InputError: params that lead nowhere."""
    require_short(run.params)
    if run.params.get("accept_breach") and not run.reason:
        raise InputError(
            "param accept_breach", "no reason", "a reason that others can read", "fill in `reason`"
        )
    with store.session(tenant="*") as conn:
        if (by_the_clock or run.internal("only_failed")) and not _failed(conn):
            return Hosts(why_none="no deployment failed since the last good one")
        if (on_change or by_the_clock) and not ips.any_allowance(conn):
            return Hosts(why_none="nothing was decided about any IP yet; warmup_advance comes first")
        names = [host.name for host in deployments.load_hosts(conn)]
        asked = _asked(conn, run)
    if run.params.get("accept_breach") and asked is None and len(names) > 1:
        raise InputError(
            "param accept_breach",
            f"no host: it would accept whatever the guard says about {', '.join(names)}",
            "one host, whose diff you have read",
            "fill in `host`",
        )
    if asked and asked not in names:
        raise InputError(
            "param host",
            f"{asked} carries no IP; the fleet's hosts are {', '.join(names)}",
            "one of them",
            "nothing was done; trigger again",
        )
    if not names:
        return Hosts(why_none="no host carries an IP")
    return Hosts((asked,) if asked else tuple(names))


def _asked(conn: Connection, run: Run) -> str | None:
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


def _failed(conn: Connection) -> bool:
    """Was a deployment killed, or is one told as anything but good news? What waits for a person is told elsewhere."""
    told = alerts.standing(conn, PLANNED, APPLIED)
    return bool(deployments.interrupted_hosts(conn)) or any(alert.severity != "info" for alert in told)
