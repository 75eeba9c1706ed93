"""Versions of a host's configuration as the history keeps them: who, when, why, and the words of the commit."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

FILE_NAME = "email-engine.conf"
ENGINE = "email-engine <email-engine@email-engine.invalid>"
RESTORED = "restored"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_NOT_IN_NAMES = re.compile(r"[<>\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class ConfigVersion:
    """One deployment that reached its host. `status`: `verified`, or `rolled_back` (it was there and was taken back).

    `caused_by`: `actor` or `actor: reason`, as table deployments has it; `decisions`: ids of those that explain it."""

    deployment: int
    host: str
    text: str
    status: str
    digest: str
    previous_digest: str | None
    fleet_version: int
    caused_by: str
    at: datetime
    dag_id: str | None = None
    run_id: str | None = None
    approval: int | None = None
    rolled_back_to: int | None = None
    failed_step: str | None = None
    decisions: tuple[int, ...] = ()

    @property
    def author(self) -> str:
        """`name <address>` for git; the address is the name's own if it is one."""
        return identity(self.caused_by.partition(":")[0])


def identity(actor: str) -> str:
    """A person or a pipeline as git wants it; a mail address stands for itself."""
    name = " ".join(_NOT_IN_NAMES.sub(" ", actor).split()) or "unknown"
    if re.fullmatch(r"[^\s@]+@[^\s@]+", name):
        return f"{name.partition('@')[0]} <{name}>"
    return f"{name} <{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}@email-engine.invalid>"


def applied_message(version: ConfigVersion, found_before: bool, hidden: bool = False) -> str:
    """The commit of a configuration that was put on a host. `found_before`: the history has what it replaced;
    `hidden`: secrets in it are not shown, so its digest is not that of the commit's file."""
    what = f"back to deployment {version.rolled_back_to}" if version.rolled_back_to else "deployment"
    subject = f"{version.host}: {what} {'as ' if version.rolled_back_to else ''}{version.deployment}"
    result = "verified" if version.status == "verified" else "tried"
    result += " (secrets hidden)" if hidden else ""
    return _message(f"{subject}, fleet version {version.fleet_version}", version, result, found_before)


def restored_message(version: ConfigVersion) -> str:
    """The commit of what a host runs again after a deployment was taken back."""
    step = f" at {version.failed_step}" if version.failed_step else ""
    return _message(
        f"{version.host}: deployment {version.deployment} taken back{step}", version, RESTORED, True
    )


def found_message(host: str, digest: str, note: str) -> str:
    """The commit of a file that somebody else wrote and that the engine was about to replace."""
    trailers = [f"Digest: {digest}", "Result: found on the host"]
    return "\n".join([f"{host}: written by hand", "", _line(note), "", *trailers, ""])


def _message(subject: str, version: ConfigVersion, result: str, found_before: bool) -> str:
    reason = version.caused_by.partition(":")[2].strip()
    return "\n".join(
        [subject, "", *([_line(reason), ""] if reason else []), *_trailers(version, result, found_before), ""]
    )


def _trailers(version: ConfigVersion, result: str, found_before: bool) -> Iterator[str]:
    known = "" if found_before or version.previous_digest is None else " (its text was not kept)"
    pairs: Sequence[tuple[str, object]] = (
        ("Deployment", version.deployment),
        ("Result", result),
        ("Fleet-Version", version.fleet_version),
        ("DAG", version.dag_id),
        ("Run", version.run_id),
        ("Digest", version.digest),
        ("Previous", f"{version.previous_digest or 'none'}{known}"),
        ("Approval", version.approval),
        ("Back-To", version.rolled_back_to),
        ("Failed-Step", version.failed_step),
        ("Decisions", ranges(version.decisions)),
    )
    return (f"{name}: {_line(str(value))}" for name, value in pairs if value not in (None, ""))


def read_trailers(message: str) -> dict[str, str]:
    """The last paragraph of a commit's message by name."""
    lines = message.strip().rpartition("\n\n")[2].splitlines()
    return {name: value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}


def ranges(numbers: Collection[int]) -> str:
    """`3, 7-9`: ids in ascending order, neighbours drawn together."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def _line(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()
