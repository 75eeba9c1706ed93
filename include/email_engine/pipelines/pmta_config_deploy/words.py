"""What people read about a deployment: the first line says what happened, the lines below why and what to do."""

from collections.abc import Sequence

from email_engine.errors import AccessDenied, EngineError, HostKeyChanged, NotVerified, Unreachable
from email_engine.pipelines.trouble import LONGEST
from email_engine.plural import amount, brief
from email_engine.pmta.config.inventory import read_inventory
from email_engine.pmta.config.plan import DeployPlan
from email_engine.pmta.config.watch import WorseThanBefore
from email_engine.store.deployment.approvals import Approval, Superseded
from email_engine.store.deployment.deployments import LockLost

_TITLES: tuple[tuple[type[EngineError], str], ...] = (
    (WorseThanBefore, "{host} got worse after a deployment: the configuration from before is back"),
    (Unreachable, "{host}: {step}, {subject} cannot be reached"),
    (HostKeyChanged, "{host} shows another SSH host key: {step}"),
    (AccessDenied, "{host} refuses the login: {step}"),
    (LockLost, "{host}: a deployment stopped, another one took its place"),
    (Superseded, "{host}: a deployment was out of date, nothing was changed"),
    (NotVerified, "{host}: a deployment could not be verified"),
)


def failure_text(host: str, error: EngineError, *, planning: bool) -> str:
    """An alert about a deployment that did not come to its end."""
    step = "nothing was planned" if planning else "the deployment did not end"
    title = next((words for kind, words in _TITLES if isinstance(error, kind)), None)
    if title is None:
        title = "{host}: no configuration could be planned" if planning else "{host}: the deployment failed"
    return lines(
        title.format(host=host, step=step, subject=error.subject),
        f"{error.subject}: {brief(error.observed, LONGEST)}",
        f"Expected: {error.allowed}",
        f"Next: {error.next_step}",
    )


def news_text(
    plan: DeployPlan,
    text: str,
    *,
    first: bool = False,
    back_to: int | None = None,
    approved: str | None = None,
) -> str:
    """An alert about a configuration that runs now; the very first is told by its size alone, for everything in it is new."""
    if first:
        known = read_inventory(text)
        sizes = f"{amount(len(known.vmtas), 'virtual MTA')}, {amount(len(known.pools), 'pool')}"
        return lines(f"{plan.host}: first configuration, {sizes}", *([approved] if approved else []))
    what = f"the configuration of deployment {back_to} is back" if back_to else "new configuration runs"
    return lines(f"{plan.host}: {what}: {plan.counted}", *plan.details, *([approved] if approved else []))


def question_text(
    host: str, asked: Approval, why: Sequence[str], url: str, lowers: bool, phone_url: str
) -> str:
    """An alert about what the guard stopped: why, and what to do about it."""
    if asked.status == "refused":
        return lines(
            f"{host}: a change stays refused",
            *why,
            f"{asked.answered_by} refused it ({asked.reason or 'no reason given'}), so nobody is asked again; to deploy it all "
            "the same, run pmta_config_deploy by hand with `accept_breach` and a reason",
        )
    meanwhile = ["What only slows down is done at once; the rest waits."] if lowers else []
    return lines(
        f"{host}: a change waits for a person",
        *why,
        *meanwhile,
        f"Read the difference, then approve or reject: {url}",
        f"On a phone: {phone_url} (tap the sign beside the state).",
    )


def lines(title: str, *details: str) -> str:
    return "\n".join([title, *details])
