"""The minutes after a deployment: the host is looked at now and then, and goes back by itself if it got worse."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from email_engine.adapters.powermta import PowerMta
from email_engine.adapters.powermta_watch import take_sample
from email_engine.errors import EngineError
from email_engine.pipelines.clients import Clients
from email_engine.pipelines.pmta_config_deploy.news import APPLIED, tell, told
from email_engine.pipelines.pmta_config_deploy.undo import undo
from email_engine.pipelines.run import Run
from email_engine.plural import amount
from email_engine.pmta.config.deploy_policy import DeployPolicy, deploy_policy
from email_engine.pmta.config.watch import (
    Sample,
    WatchJudgement,
    WatchVerdict,
    WorseThanBefore,
    judge_watch,
    read_sample,
)
from email_engine.store.deployment import deployments
from email_engine.store.deployment.deployments import Deployment
from email_engine.store.engine import Store
from email_engine.store.hosts.lock import Busy, host_lock

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watched:
    """`verdict`: None where nothing was to be watched, or nothing is known yet. `again_at`: the window is open, look again then;
    `superseded`: a sentence why this watch has no sense any more."""

    verdict: str | None = None
    again_at: datetime | None = None
    superseded: str | None = None


def watch_minutes(run: Run, policy: DeployPolicy) -> float:
    """Param `watch_minutes`, else the policy's."""
    asked = run.params.get("watch_minutes")
    return float(policy.watch.minutes if asked is None else asked)


def watch(store: Store, clients: Clients, host: str, deployment: int, run: Run) -> Watched:
    """Looks at the host once. To be called again at `again_at`, until the window ends: nothing here waits.

    Well: the others may follow. Worse, or unreadable at the end: the file from before comes back by the same road, but
    not above a cap that the deployment lowered. A newer deployment to the host ends the watch quietly. Everything it knows is
    in table deployments: killed and started again it goes on.

    Raises WorseThanBefore: the deployment was undone; Busy: another deployment has the host; EngineError: people were told."""
    with told(store, APPLIED, host, run):
        row, superseded = _row(store, deployment)
        if superseded:
            return Watched(superseded=superseded)
        if row.watched == WatchVerdict.WELL or row.status != "verified":
            return Watched(row.watched)
        reasons = row.message or "see the samples in column baseline"
        if row.watched != WatchVerdict.WORSE:
            policy = deploy_policy()
            end = (row.finished_at or row.started_at) + timedelta(minutes=watch_minutes(run, policy))
            judged = _judge(store, clients, row, policy, end)
            if judged.verdict is WatchVerdict.GO_ON:
                pause = timedelta(seconds=policy.watch.sample_seconds)
                return Watched(again_at=min(datetime.now(UTC) + pause, end))
            reasons = "; ".join(judged.reasons)
            with store.session(tenant="*") as conn:
                deployments.note_watched(conn, row.id, judged.verdict, reasons or None)
            if judged.verdict is WatchVerdict.WELL:
                return Watched(WatchVerdict.WELL.value)
        return _go_back(store, clients, row, reasons, run)


def _row(store: Store, deployment: int) -> tuple[Deployment, str | None]:
    """With a sentence where a newer deployment made this watch pointless."""
    with store.session(tenant="*") as conn:
        row = deployments.find(conn, deployment)
        newer = deployments.superseded_by(conn, row)
        if newer and row.watched is None:
            deployments.note_watched(conn, row.id, "superseded")
    if newer and row.status == "verified" and row.watched in (None, "superseded"):
        said = (
            f"superseded: deployment {newer.id} went to {row.mta_host} meanwhile, its own run looks after it"
        )
        return row, said
    return row, None


def _judge(
    store: Store, clients: Clients, row: Deployment, policy: DeployPolicy, end: datetime
) -> WatchJudgement:
    seen, now = dict(row.baseline or {}), datetime.now(UTC)
    sample: Sample | None = None
    try:
        with _host(store, clients, row) as mta:
            sample = take_sample(mta, frozenset(seen.get("leave_out", ())), now)
    except EngineError as error:
        log.warning("no sample: %s", error)
    since = [*seen.get("since", ()), sample.document() if sample else None]
    with store.session(tenant="*") as conn:
        deployments.note_baseline(conn, row.id, seen | {"since": since})
    judged = judge_watch(
        read_sample(seen["before"]) if "before" in seen else None,
        [read_sample(one) if one else None for one in since],
        policy.watch,
        over=now >= end,
    )
    said = "; ".join(judged.reasons) or judged.verdict.replace("_", " ")
    log.info("sample %d: %s: %s", len(since), _words(since[-1]), said)
    return judged


def _host(store: Store, clients: Clients, row: Deployment) -> PowerMta:
    with store.session(tenant="*") as conn:
        connection = deployments.host_of(conn, row.mta_host).connection
    return clients.mta(connection)


def _go_back(store: Store, clients: Clients, row: Deployment, reasons: str, run: Run) -> Watched:
    """Raises WorseThanBefore when the deployment is undone, and what kept it from that. Returns where another one took its
    place."""
    log.error("worse than before: %s", reasons)
    try:
        with host_lock(store, row.mta_host) as lock, _host(store, clients, row) as mta:
            done = undo(store, mta, row, reasons, run, lock)
    except Busy:
        raise
    except EngineError as error:
        text = (
            f"{row.mta_host} got worse after deployment {row.id}, and going back failed\n{reasons}\n{error.observed}\n"
            f"Next: {error.next_step}"
        )
        tell(store, APPLIED, row.mta_host, "WorseAndStuck", "critical", text, run)
        raise
    if done is None:
        return Watched(superseded="superseded: another configuration stands on the host by now")
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
