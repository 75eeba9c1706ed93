"""One root exception whose text always names subject, observed, allowed and the next step."""

from typing import Self


class EngineError(Exception):
    """Something a person must be able to act on.

    Args:
        subject: the thing that is wrong (a host, a file and line, a table).
        observed: what was seen; never a secret.
        allowed: what would have been right.
        next_step: what to do now.

    `cause` names the one thing that is wrong where the error itself knows it (`database`, `fleet file`, `connection NAME`): many
    tasks may meet it, people are told once. `told`: they were told of this very error already.
    """

    cause: str | None = None
    told: bool = False

    def __init__(self, subject: str, observed: str, allowed: str, next_step: str) -> None:
        super().__init__(subject, observed, allowed, next_step)
        self.subject = subject
        self.observed = observed
        self.allowed = allowed
        self.next_step = next_step

    def because_of(self, cause: str) -> Self:
        """This error, with `cause` as what is wrong unless it knows better itself."""
        self.cause = self.cause or cause
        return self

    def __str__(self) -> str:
        return f"{self.subject}: {self.observed}; expected {self.allowed}. Next: {self.next_step}"


class InputError(EngineError):
    """A file or a parameter that a person wrote is wrong; nothing was changed."""


class Unreachable(EngineError):
    """A remote system did not answer; its state is unknown."""


class AccessDenied(EngineError):
    """A remote system answered and refused our key, password or API key."""


class HostKeyChanged(EngineError):
    """The SSH host key is not the pinned one; nothing was sent."""


class Refused(EngineError):
    """A remote system understood the request and said no (`pmta test config`, a SQL guard)."""


class GuardBreach(EngineError):
    """A plan is larger or riskier than policy allows without a person."""


class NotVerified(EngineError):
    """A change was made but reading back did not show it."""
