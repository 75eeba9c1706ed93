"""What the linter has to say about one line."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """`error`: PowerMTA would not start, would refuse or lose mail, or the machine is open to strangers. `warning`: it works, but
    not as the line reads. `info`: worth knowing, or not to be decided from the files alone."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """`line` from 1; `code` as in docs/lint.md; `remedy` is what to do."""

    file: str
    line: int
    code: str
    severity: Severity
    message: str
    remedy: str
