"""A rule of the linter as data: its page in docs/lint.md and its test are made from it."""

from dataclasses import dataclass
from typing import NamedTuple

from email_engine.pmta.lint.finding import Severity

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


class Hit(NamedTuple):
    """A finding before its file is known: `line` counts through all files of the configuration."""

    line: int
    rule: "Rule"
    message: str
    severity: Severity
    remedy: str


@dataclass(frozen=True, slots=True)
class Rule:
    """`source`: where it is documented (user guide 5.0 unless another is named; `field`: from operators' reports).

    `bad` yields this code and no error of another one, except those in `also`; `good` yields neither this code nor an error. Both
    are read as for release `version`, on a host with the addresses `host_ips` where the files in `absent` are missing
    (empty: nothing is known about files)."""

    code: str
    severity: Severity
    title: str
    why: str
    source: str
    remedy: str
    bad: str
    good: str
    also: tuple[str, ...] = ()
    version: str = "5.0"
    host_ips: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def hit(
        self, line: int, message: str, severity: Severity | None = None, remedy: str | None = None
    ) -> Hit:
        """A finding of this rule."""
        return Hit(line, self, message, severity or self.severity, remedy or self.remedy)


MAIN = """\
postmaster ops@example.com
log-file /var/log/pmta/pmta.log
smtp-listener 192.0.2.1:25
relay-domain fbl.example.com
run-as-root no
<spool /var/spool/pmta>
</spool>
<acct-file /var/log/pmta/acct.csv>
  records d,b,t,f
  record-fields d *,header_Message-Id
  record-fields b *,header_Message-Id
  record-fields t *,header_Message-Id
  record-fields f *,header_Message-Id
</acct-file>
<feedback-loop-processor>
  <address-list>
    domain fbl.example.com
  </address-list>
</feedback-loop-processor>
"""
"""What an example needs to count as a whole configuration."""


def short(text: str, most: int = 80) -> str:
    """Text for a message."""
    return text if len(text) <= most else f"{text[:most]}..."
