"""What people read about a deployment: the first line says what happened, the lines below why and what to do."""

from email_engine.errors import AccessDenied, EngineError, HostKeyChanged, NotVerified, Unreachable
from email_engine.store.approvals import Superseded
from email_engine.store.deployments import LockLost

_TITLES: tuple[tuple[type[EngineError], str], ...] = (
    (Unreachable, "{host}: {step}, no answer"),
    (HostKeyChanged, "{host} shows another SSH host key: {step}"),
    (AccessDenied, "{host} refuses the login: {step}"),
    (LockLost, "{host}: a deployment stopped, another one took its place"),
    (Superseded, "{host}: a deployment was out of date, nothing was changed"),
    (NotVerified, "{host}: a deployment could not be verified"),
)


def failure_text(host: str, error: EngineError, *, planning: bool) -> str:
    """An alert about a deployment that did not come to its end."""
    step = "no configuration was planned for it" if planning else "the deployment did not end"
    title = next((words for kind, words in _TITLES if isinstance(error, kind)), None)
    if title is None:
        title = "{host}: no configuration could be planned" if planning else "{host}: the deployment failed"
    return lines(
        title.format(host=host, step=step),
        f"{error.subject}: {error.observed}",
        f"Expected: {error.allowed}",
        f"Next: {error.next_step}",
    )


def lines(title: str, *details: str) -> str:
    return "\n".join([title, *details])
