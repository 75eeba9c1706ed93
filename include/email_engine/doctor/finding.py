"""One line of the checklist, and how a check is run so that it can neither hang nor stop the others."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from email_engine.errors import EngineError
from email_engine.pmta.language.redaction import redact

TIMEOUT = 30.0
LONGEST = 500


class State(StrEnum):
    OK = "ok"
    WRONG = "wrong"
    NOT_SEEN = "not seen"


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """`subject`: what was looked at; `seen`: in words; `next_step`: empty where nothing is to be done."""

    subject: str
    state: State
    seen: str
    next_step: str = ""


def ok(subject: str, seen: str) -> DoctorFinding:
    return DoctorFinding(subject, State.OK, seen)


def wrong(subject: str, seen: str, next_step: str) -> DoctorFinding:
    return DoctorFinding(subject, State.WRONG, seen, next_step)


def not_seen(subject: str, why: str, next_step: str) -> DoctorFinding:
    return DoctorFinding(subject, State.NOT_SEEN, why, next_step)


Check = Callable[[], DoctorFinding]


@dataclass(frozen=True, slots=True)
class Named:
    """A check with the subject that its failure is told under."""

    subject: str
    check: Check


def run_check(named: Named, seconds: float = TIMEOUT) -> DoctorFinding:
    """The check's finding; whatever it raises, and its silence after `seconds`, is a finding too."""
    answer: list[DoctorFinding] = []

    def work() -> None:
        try:
            answer.append(named.check())
        except EngineError as error:
            answer.append(
                wrong(
                    named.subject,
                    f"{error.subject}: {error.observed}; expected {error.allowed}",
                    error.next_step,
                )
            )
        except Exception as error:  # noqa: BLE001 - one check never stops the others
            answer.append(
                not_seen(
                    named.subject, f"the check broke: {type(error).__name__}", "see the log, or report it as a bug"
                )
            )  # fmt: skip

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    found = (
        answer[0]
        if answer
        else wrong(
            named.subject, f"no answer within {seconds:g} s", "see whether it can be reached from this machine"
        )
    )  # fmt: skip
    return DoctorFinding(found.subject, found.state, _told(found.seen), _told(found.next_step))


def run_all(checks: Iterable[Named], seconds: float = TIMEOUT) -> list[DoctorFinding]:
    return [run_check(named, seconds) for named in checks]


def _told(text: str) -> str:
    line = " ".join(redact(text).split())
    return line if len(line) <= LONGEST else line[:LONGEST] + " ..."


def render_checklist(findings: Iterable[DoctorFinding]) -> str:
    """For people: what is wrong stands out, each with its next step below."""
    lines = []
    for found in findings:
        lines.append(f"{found.state:<9} {found.subject}: {found.seen}")
        if found.next_step:
            lines.append(f"          Next: {found.next_step}")
    return "\n".join(lines)
