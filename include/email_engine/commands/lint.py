"""`email-engine lint FILE...`: PowerMTA configurations against what PowerMTA really does."""

import argparse
import ipaddress
from collections import Counter
from pathlib import Path

from email_engine.adapters.config_files import ConfigFiles
from email_engine.commands.output import add_json, emit
from email_engine.errors import InputError
from email_engine.mta.language.assembly import Assembly
from email_engine.mta.language.grammar import release
from email_engine.mta.language.lint import Finding, Severity, lint


def configure(parser: argparse.ArgumentParser) -> None:
    """FILE..., --version, --strict, --host-ip, --root."""
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
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Exit 1 on errors, with --strict on warnings too; InputError (2) if a FILE cannot be read."""
    try:
        release(args.version)
    except ValueError:
        raise InputError("--version", repr(args.version), "4.5, 5.0, 5.0r5 ...", "correct it") from None
    if args.root is not None and not args.root.is_dir():
        raise InputError("--root", str(args.root), "a directory", "correct it")
    host_ips = [_address(text) for text in args.host_ip] if args.host_ip else None
    found = set()
    for assembly, files in _assemblies(list(dict.fromkeys(args.files)), args.root):
        found |= set(lint(assembly, version=args.version, host_ips=host_ips, files=files))
    findings = sorted(found)
    counts = Counter(finding.severity for finding in findings)
    emit(args, _value(findings, counts), _text(findings, counts, args.files))
    return 1 if counts[Severity.ERROR] or (args.strict and counts[Severity.WARNING]) else 0


def _assemblies(names: list[str], root: Path | None) -> list[tuple[Assembly, ConfigFiles]]:
    """Each file that no other one includes, with what it includes."""
    read = {}
    for name in names:
        files = ConfigFiles(root)
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


def _value(findings: list[Finding], counts: Counter[Severity]) -> dict[str, object]:
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
        "errors": counts[Severity.ERROR],
        "warnings": counts[Severity.WARNING],
    }


def _text(findings: list[Finding], counts: Counter[Severity], names: list[str]) -> str:
    lines = []
    for one in findings:
        lines.append(f"{one.file}:{one.line}: {one.severity} {one.code} {one.message}")
        lines.append(f"    {one.remedy}")
    said = ", ".join(_count(counts[severity], severity) for severity in Severity)
    if not findings:
        said = f"{', '.join(names)}: nothing found"
    return "\n".join([*lines, said])


def _count(number: int, severity: Severity) -> str:
    return f"{number} {severity}{'s' if number != 1 else ''}"
