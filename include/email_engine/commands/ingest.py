"""`email-engine ingest FILE...`: PowerMTA accounting files to a summary; nothing is stored."""

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from email_engine.accounting.read_files import Read, read_all
from email_engine.accounting.summarize import Counts
from email_engine.accounting.values import TALLIES, Key, ReplyText, Wording, most_frequent
from email_engine.commands.output import add_json, emit

SHOWN_TEXTS = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """FILE... and --json."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        type=Path,
        help="accounting file (CSV with header), also compressed by gzip",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Exit 1 if any row was unreadable."""
    files = read_all(list(dict.fromkeys(args.files)))
    rows: dict[Key, Counts] = defaultdict(Counts)
    by_source: dict[str, dict[str, Counts]] = defaultdict(lambda: defaultdict(Counts))
    for file in files:
        for key, counts in file.summary.rows():
            rows[key].add(counts)
            by_source[key[0].address or key[0].vmta][key[1]].add(counts)
    if args.json:
        emit(args, _export(files, rows, by_source), "")
    else:
        emit(args, None, _render(files, by_source))
    return 1 if any(file.summary.rejected_rows for file in files) else 0


def _numbers(counts: Counts) -> dict[str, Any]:
    return {
        "attempts": counts.attempts,
        "delivered": counts.delivered,
        "bounced": counts.bounced,
        "deferred": counts.deferred,
        "complained": counts.complained,
        **{name: dict(sorted(getattr(counts, name).items())) for name in TALLIES},
    }


def _export(
    files: list[Read], rows: dict[Key, Counts], by_source: dict[str, dict[str, Counts]]
) -> dict[str, Any]:
    return {
        "records": sum(file.summary.records for file in files),
        "rejected": sum(file.summary.rejected_rows for file in files),
        "rows": [
            {"ip": source.address, "vmta": source.vmta, "provider": provider, "hour": hour.isoformat()}
            | _numbers(counts)
            for (source, provider, hour), counts in sorted(rows.items(), key=lambda item: item[0])
        ],
        "replies": _replies(files),
        "files": [_file(file) for file in files],
        "sources": {
            source: {provider: _numbers(counts) for provider, counts in sorted(providers.items())}
            for source, providers in sorted(by_source.items())
        },
    }


def _replies(files: list[Read]) -> dict[str, Any]:
    """How much of the receivers' words the lexicon knows, and the most frequent of those that it does not."""
    failures = sum(file.summary.failures for file in files)
    unknown = sum(file.summary.unknown_failures for file in files)
    return {
        "failures": failures,
        "known": failures - unknown,
        "coverage": 1 - unknown / failures if failures else 1.0,
        "unknown_texts": [
            {"provider": provider, "outcome": outcome, "text": text}
            | {"count": one.count, "meaning": one.meaning, "example": one.example}
            for (provider, outcome, text), one in _unknown(files)
        ],
    }


def _unknown(files: list[Read]) -> list[tuple[Wording, ReplyText]]:
    found: dict[Wording, ReplyText] = {}
    for file in files:
        for wording, one in file.summary.texts.items():
            if wording in found:
                found[wording] = replace(found[wording], count=found[wording].count + one.count)
            else:
                found[wording] = one
    return most_frequent(found)[:SHOWN_TEXTS]


def _file(file: Read) -> dict[str, Any]:
    s = file.summary
    return {
        "file": str(file.path),
        "copy_of": file.copy_of,
        "refused": file.refused,
        "records": s.records,
        "by_type": dict(sorted(s.by_type.items())),
        "rejected_rows": s.rejected_rows,
        "rejected_rate": s.rejected_rate,
        "rejected": [{"line": r.line, "reason": r.reason} for r in s.rejected],
        "complaints_without_source": sum(1 for e in s.complaints if not (e.source.address or e.source.vmta)),
        "failures": s.failures,
        "unknown_failures": s.unknown_failures,
        "first_hour": s.first.isoformat() if s.first else None,
        "last_hour": s.last.isoformat() if s.last else None,
    }


def _render(files: list[Read], by_source: dict[str, dict[str, Counts]]) -> str:
    lines = []
    for file in files:
        s = file.summary
        if file.copy_of:
            lines.append(f"{file.path}: its rows stand in {file.copy_of} too, and count once")
            continue
        types = ", ".join(f"{count} {kind}" for kind, count in sorted(s.by_type.items()))
        lines.append(f"{file.path}: {s.records} records ({types}), {s.rejected_rows} unreadable")
        if file.refused:
            lines.append(f"  {s.rejected_rate:.1%} unreadable: the pipeline refuses such a file")
        lines += [f"  line {r.line}: {r.reason}" for r in s.rejected[:10]]
        if unknown := _file(file)["complaints_without_source"]:
            lines.append(f"  {unknown} complaints name no source")
    replies = _replies(files)
    if replies["failures"]:
        lines.append(
            f"replies: the lexicon knows {replies['coverage']:.1%} of {replies['failures']} bounces and deferrals"
        )
        lines += [
            f"  {one['count']} unknown: {one['provider']} {one['outcome']} {one['text']}"
            for one in replies["unknown_texts"][:3]
        ]
    head = ("source", "provider", "attempts", "delivered", "bounced", "deferred", "complained")
    rows = [
        (source, provider, *(str(n) for n in list(_numbers(counts).values())[:5]))
        for source, providers in sorted(by_source.items())
        for provider, counts in sorted(providers.items())
    ]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        cells = [
            c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
