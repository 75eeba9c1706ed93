"""What the linter has to say about one line."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """`error`: PowerMTA would not start, would refuse or lose mail, or the machine is open to strangers. `warning`: it works, but
    not as the line reads. `info`: worth knowing, or not to be decided from the files alone."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, order=True)
class LintFinding:
    """`line` from 1; `code` as in docs/lint.md; `remedy` is what to do."""

    file: str
    line: int
    code: str
    severity: Severity
    message: str
    remedy: str


NAMED_ALONE = frozenset(
    {
        "PM231", "PM316", "PM317", "PM319", "PM321", "PM322", "PM502", "PM503", "PM506", "PM507",
        "PM701", "PM702", "PM704", "PM707", "PM708", "PM804", "PM815",
    }
)  # fmt: skip
"""Rules whose messages differ by the name of who has the trouble; the cause is one."""


def grouped(findings: Iterable[LintFinding]) -> tuple[tuple[LintFinding, ...], ...]:
    """Findings that differ in nothing but their place or whose they are, together: one cause that many lines show. In the order
    of the first of each."""
    groups: dict[tuple[str, Severity, str, str], list[LintFinding]] = {}
    for one in findings:
        message = "" if one.code in NAMED_ALONE else one.message
        groups.setdefault((one.code, one.severity, message, one.remedy), []).append(one)
    return tuple(map(tuple, groups.values()))
