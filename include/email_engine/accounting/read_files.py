"""Accounting files that lie on this machine, each record once; nothing is stored."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from email_engine.accounting.copies import Content, Copy, Known, content_of, copy_of
from email_engine.accounting.policy import shipped_accounting_policy
from email_engine.accounting.summarize import Summary, summarize
from email_engine.accounting.unpack import unpacked
from email_engine.errors import InputError
from email_engine.fleet.providers import shipped_providers


@dataclass(slots=True)
class Read:
    """One file: `copy_of` names the file that has all its rows, if one does; `refused`: a pipeline would not take it."""

    path: Path
    summary: Summary = field(default_factory=Summary)
    copy_of: str | None = None
    refused: bool = False


def read_all(paths: list[Path]) -> list[Read]:
    """Every record once: a copy of another file, or the beginning of one, is not read again."""
    for path in paths:
        _readable(path)
    with tempfile.TemporaryDirectory(prefix="email-engine-unpacked-") as folder:
        return _read_plain({path: unpacked(path, Path(folder), path.name) for path in paths})


def _read_plain(plain: dict[Path, Path]) -> list[Read]:
    """`plain`: each file and where its CSV lies."""
    paths = list(plain)
    if len(paths) == 1:
        return [_read(paths[0], plain[paths[0]])]
    contents = {path: content_of(plain[path]) for path in paths}
    known: list[tuple[Known, Content]] = []
    found: dict[Path, Read] = {}
    for path, content in sorted(contents.items(), key=lambda item: -item[1].size):
        beginnings = {c.size for c in contents.values() if c.size < content.size and c.opens(content.heads)}
        if beginnings:
            content = content_of(plain[path], beginnings)
        whole = _whole_of(content, known)
        if whole is not None:
            found[path] = Read(path, copy_of=whole)
            continue
        found[path] = _read(path, plain[path])
        records = found[path].summary.records
        taken = Known(
            0, str(path), content.size, content.digest, "taken", content.heads, None, False, records
        )
        known.append((taken, content))
    return [found[path] for path in paths]


def _read(path: Path, plain: Path) -> Read:
    summary = summarize(plain, path.name, shipped_providers())
    largest = shipped_accounting_policy().largest_rejected_rate
    return Read(path, summary, refused=summary.rejected_rate > largest)


def _whole_of(content: Content, known: list[tuple[Known, Content]]) -> str | None:
    kind, same = copy_of(content, [file for file, _ in known])
    if same is not None and kind is Copy.SAME:
        return same.name
    return next(
        (file.name for file, whole in known if whole.prefixes.get(content.size) == content.digest), None
    )


def _readable(path: Path) -> None:
    try:
        with path.open("rb"):
            return
    except OSError as error:
        observed = error.strerror or type(error).__name__
        raise InputError(str(path), observed, "a readable accounting file", "check the path") from None
