"""A configuration to its findings. Pure; what is known about the host comes in as arguments."""

from collections.abc import Iterable
from itertools import islice

from email_engine.pmta.language.assembly import Assembly
from email_engine.pmta.language.checks import BadValue
from email_engine.pmta.language.values import ip
from email_engine.pmta.lint.finding import LintFinding
from email_engine.pmta.lint.index import Files, Index
from email_engine.pmta.lint.pm1_wrapped import without_templates
from email_engine.pmta.lint.registry import CHECKS
from email_engine.pmta.release import Release

MOST = 20_000
"""More findings than anybody reads: the rest is not looked for."""


def lint(
    assembly: Assembly,
    *,
    version: str = "5.0",
    host_ips: Iterable[str] | None = None,
    files: Files | None = None,
    allow: Iterable[str] = (),
) -> tuple[LintFinding, ...]:
    """Findings by file and line.

    Args:
        version: PowerMTA's release, such as 4.5 or 5.0r5; ValueError if it is none.
        host_ips: all addresses of the host; None: not known.
        files: what is known of the host's files; None: nothing.
        allow: directives that the tables do not have and a later release does; nothing is known about their values.
    """
    known = frozenset(_plain(address) for address in host_ips) if host_ips is not None else None
    index = Index(assembly, Release.parse(version), known, files, frozenset(allow))
    hits = [hit for check in CHECKS for hit in islice(check(index), MOST)]
    found: set[LintFinding] = set()
    for line, rule, message, severity, remedy in without_templates(hits, index):
        place = index.flat.place(line)
        found.add(LintFinding(place.file, place.line, rule.code, severity, message, remedy))
    return tuple(sorted(found))


def _plain(address: str) -> str:
    try:
        return ip(address)
    except BadValue:
        return address
