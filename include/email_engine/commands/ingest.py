"""`email-engine ingest FILE...`: PowerMTA accounting files to a summary; nothing is stored."""

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

from email_engine.commands.output import add_json, emit
from email_engine.errors import InputError
from email_engine.fleet.providers import provider_of
from email_engine.mta.accounting import Counts, Summary, summarize


def configure(parser: argparse.ArgumentParser) -> None:
    """FILE... and --json."""
    parser.add_argument(
        "files", metavar="FILE", nargs="+", type=Path, help="accounting file (CSV with header)"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Exit 1 if any row was unreadable."""
    summaries = {str(path): summarize(_read(path), path.name, provider_of) for path in args.files}
    by_source: dict[str, dict[str, Counts]] = defaultdict(lambda: defaultdict(Counts))
    for summary in summaries.values():
        for (source, provider, _), counts in summary.stats.items():
            by_source[source.address or source.vmta][provider].add(counts)
    emit(args, _export(summaries, by_source), _render(summaries, by_source))
    return 1 if any(summary.rejected_rows for summary in summaries.values()) else 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        observed = error.strerror or type(error).__name__
        raise InputError(str(path), observed, "a readable accounting file", "check the path") from None


def _numbers(counts: Counts) -> dict[str, Any]:
    return {
        "attempts": counts.attempts,
        "delivered": counts.delivered,
        "bounced": counts.bounced,
        "deferred": counts.deferred,
        "complained": counts.complained,
        "bounce_categories": dict(sorted(counts.bounce_categories.items())),
    }


def _export(summaries: dict[str, Summary], by_source: dict[str, dict[str, Counts]]) -> dict[str, Any]:
    return {
        "files": [
            {
                "file": name,
                "records": s.records,
                "by_type": dict(sorted(s.by_type.items())),
                "rejected_rows": s.rejected_rows,
                "rejected_rate": s.rejected_rate,
                "rejected": [{"line": r.line, "reason": r.reason} for r in s.rejected],
                "complaints_without_source": s.complaints_without_source,
                "first_hour": s.first.isoformat() if s.first else None,
                "last_hour": s.last.isoformat() if s.last else None,
            }
            for name, s in summaries.items()
        ],
        "sources": {
            source: {provider: _numbers(counts) for provider, counts in sorted(providers.items())}
            for source, providers in sorted(by_source.items())
        },
    }


def _render(summaries: dict[str, Summary], by_source: dict[str, dict[str, Counts]]) -> str:
    lines = []
    for name, s in summaries.items():
        types = ", ".join(f"{count} {kind}" for kind, count in sorted(s.by_type.items()))
        lines.append(f"{name}: {s.records} records ({types}), {s.rejected_rows} unreadable")
        lines += [f"  line {r.line}: {r.reason}" for r in s.rejected[:10]]
        if s.complaints_without_source:
            lines.append(f"  {s.complaints_without_source} complaints name no source")
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
