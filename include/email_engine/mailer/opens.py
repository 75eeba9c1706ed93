"""Opens and clicks of the mail of a day: whether a person was there or a program that fetches for nobody."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from email_engine.fleet.document import Section

WHOLE_SIGN = "="
"""Before a text that must be the whole user agent."""
MACHINE_AGENTS = (
    "=Mozilla/5.0",
    "barracuda",
    "bot/",
    "crawler",
    "curl/",
    "go-http-client",
    "headlesschrome",
    "mimecast",
    "proofpoint",
    "python-requests",
    "spider",
    "symantec",
    "trendmicro",
    "wget/",
)


@dataclass(frozen=True, slots=True)
class OpensPolicy:
    """`days`: mail of the last so many UTC days is counted anew; `machine_within`: what comes so soon after the mail was handed over
    is a machine's; `machine_agents`: parts of user agents, in lower case, or whole ones behind `=`."""

    days: int = 7
    machine_within: timedelta = timedelta(seconds=10)
    machine_agents: tuple[str, ...] = tuple(text.lower() for text in MACHINE_AGENTS)

    def is_machine(self, agent: str | None) -> bool:
        """Does the user agent name a program that fetches by itself? One that nobody noted proves no person."""
        seen = (agent or "").strip().lower()
        return not seen or any(
            seen == text[1:] if text.startswith(WHOLE_SIGN) else text in seen for text in self.machine_agents
        )

    def by_person(self, agent: str | None, at: datetime, sent: datetime) -> bool:
        """`at`: when it was fetched last; `sent`: when the mail was handed over."""
        return not self.is_machine(agent) and at - sent > self.machine_within


def read_opens_policy(top: Section) -> OpensPolicy:
    """Part `opens` of include/config/mailer.yaml; what it does not say is as usual."""
    usual = OpensPolicy()
    part = top.part("opens", "days", "machine_seconds", "machine_agents", needed=False)
    agents = (
        part.texts("machine_agents", _agent, needed="one or more parts of user agents")
        if part.has("machine_agents")
        else usual.machine_agents
    )
    seconds = part.number("machine_seconds", 0, 3_600, usual.machine_within // timedelta(seconds=1))
    return OpensPolicy(
        part.number("days", 1, 30, usual.days),
        timedelta(seconds=seconds),
        tuple(text.lower() for text in agents),
    )


def _agent(text: str) -> str | None:
    return None if 3 <= len(text.strip()) <= 200 else "3 to 200 characters of a user agent"


@dataclass(frozen=True, slots=True)
class OpenCounts:
    """Recipients of the mail of one IP and UTC day, each once: opened or clicked by a person; `machine_*`: by machines alone."""

    opened: int = 0
    machine_opened: int = 0
    clicked: int = 0
    machine_clicked: int = 0

    @property
    def total(self) -> int:
        return self.opened + self.machine_opened + self.clicked + self.machine_clicked

    def and_also(self, others: Iterable["OpenCounts"]) -> "OpenCounts":
        names = ("opened", "machine_opened", "clicked", "machine_clicked")
        rows = (self, *others)
        return OpenCounts(*(sum(getattr(row, name) for row in rows) for name in names))
