"""`email-engine lint FILE...`: PowerMTA configurations against what PowerMTA really does."""

import argparse
import ipaddress
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from email_engine.commands.configurations import read_text, reader
from email_engine.commands.output import add_json, emit
from email_engine.errors import InputError
from email_engine.plural import amount
from email_engine.pmta.language.assembly import Assembly, assemble
from email_engine.pmta.lint import LintFinding, Severity, lint
from email_engine.pmta.lint.finding import grouped
from email_engine.pmta.release import Release

PLACES = 8
"""Lines that are named beside the first of many alike."""


def configure(parser: argparse.ArgumentParser) -> None:
    """FILE..., --version, --strict, --host-ip, --root, --allow."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="a configuration; one that another FILE includes is read in its place",
    )
    parser.add_argument("--version", default="5.0", help="release of PowerMTA: 4.5, 5.0 (default), 5.0r5 ...")
    parser.add_argument("--strict", action="store_true", help="exit 1 on warnings too")
    parser.add_argument(
        "--host-ip",
        metavar="IP",
        action="append",
        help="an address of the host, may be repeated; then source IPs that are none of them are errors",
    )
    parser.add_argument(
        "--root", metavar="DIR", type=Path, help="look absolute paths (includes, DKIM keys) up below DIR"
    )
    parser.add_argument(
        "--allow",
        metavar="NAME",
        action="append",
        default=[],
        help="a directive that a later release has and these tables do not, may be repeated",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Exit 1 on errors, with --strict on warnings too; InputError (2) if a FILE cannot be read."""
    try:
        Release.parse(args.version)
    except ValueError:
        raise InputError("--version", repr(args.version), "4.5, 5.0, 5.0r5 ...", "correct it") from None
    if args.root is not None and not args.root.is_dir():
        raise InputError("--root", str(args.root), "a directory", "correct it")
    host_ips = [_address(text) for text in args.host_ip] if args.host_ip else None
    found = set()
    for assembly, files in _assemblies(list(dict.fromkeys(args.files)), args.root):
        found |= set(lint(assembly, version=args.version, host_ips=host_ips, files=files, allow=args.allow))
    findings = sorted(found)
    counts = Counter(finding.severity for finding in findings)
    emit(args, _value(findings, counts), _text(findings, counts, args.files))
    return 1 if counts[Severity.ERROR] or (args.strict and counts[Severity.WARNING]) else 0


@dataclass(slots=True)
class _HostFiles:
    """Files of the host: below `root`, or None: on this machine. `followed`: what was read as an include."""

    root: Path | None
    followed: set[Path] = field(default_factory=set)

    def assemble(self, name: str) -> Assembly:
        """A configuration with its includes; raises InputError."""
        path = Path(name)
        if "\0" in name or (path.exists() and not (path.is_file() or path.is_fifo())):
            raise InputError(repr(name), "a directory or a device", "a file", "name the configuration file")
        read = reader(self.root)

        def follow(value: str, file: str) -> list[tuple[str, str]] | None:
            found = read(value, file)
            self.followed.update(Path(one).resolve() for one, _ in found or ())
            return found

        try:
            return assemble(read_text(path), name, follow)
        except RecursionError:
            raise InputError(name, "blocks in blocks without end", "a configuration", "correct it") from None

    def exists(self, path: str) -> bool | None:
        """None: where this machine, or the copy below `root`, does not have the directory either, or does not show it."""
        there = Path(path) if self.root is None else self.root / path.lstrip("/")
        try:
            if there.exists():
                return True
            return False if os.access(there.parent, os.X_OK) and there.parent.is_dir() else None
        except OSError:
            return None


def _assemblies(names: list[str], root: Path | None) -> list[tuple[Assembly, _HostFiles]]:
    """Each file that no other one includes, with what it includes."""
    read = {}
    for name in names:
        files = _HostFiles(root)
        read[name] = (files.assemble(name), files)
    left = list(names)
    for name in names:
        others = (other for other in left if other != name)
        if any(Path(name).resolve() in read[other][1].followed for other in others):
            left.remove(name)
    return [read[name] for name in left]


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InputError("--host-ip", repr(text), "an IP address", "correct it") from None


def _value(findings: list[LintFinding], counts: Counter[Severity]) -> dict[str, object]:
    return {
        "findings": [
            {
                "file": finding.file,
                "line": finding.line,
                "severity": finding.severity,
                "code": finding.code,
                "message": finding.message,
                "remedy": finding.remedy,
            }
            for finding in findings
        ],
        "causes": [
            {
                "code": alike[0].code,
                "severity": alike[0].severity,
                "message": alike[0].message,
                "remedy": alike[0].remedy,
                "count": len(alike),
                "places": [f"{one.file}:{one.line}" for one in alike],
            }
            for alike in grouped(findings)
        ],
        "errors": counts[Severity.ERROR],
        "warnings": counts[Severity.WARNING],
    }


def _text(findings: list[LintFinding], counts: Counter[Severity], names: list[str]) -> str:
    """One cause is told once, where it shows first; JSON has each line."""
    lines = []
    groups = grouped(findings)
    for alike in groups:
        first = alike[0]
        lines.append(f"{first.file}:{first.line}: {first.severity} {first.code} {first.message}")
        lines.append(f"    {first.remedy}")
        if len(alike) > 1:
            lines.append(f"    and {amount(len(alike) - 1, 'more line')}: {_places(first.file, alike[1:])}")
    causes = Counter(alike[0].severity for alike in groups)
    said = ", ".join(_count(causes[severity], counts[severity], severity) for severity in Severity)
    if not findings:
        said = f"{', '.join(names)}: nothing found"
    return "\n".join([*lines, said])


def _places(file: str, findings: Sequence[LintFinding]) -> str:
    """Line numbers, those of another file with its name."""
    shown = [str(one.line) if one.file == file else f"{one.file}:{one.line}" for one in findings[:PLACES]]
    return ", ".join([*shown, "..."] if len(findings) > PLACES else shown)


def _count(causes: int, number: int, severity: Severity) -> str:
    on = f" on {number} lines" if number > causes else ""
    return amount(causes, severity) + on
