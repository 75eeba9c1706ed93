"""331 to 336: what a whole configuration must have, and includes."""

from collections.abc import Iterator
from posixpath import dirname, isabs, join, normpath

from email_engine.pmta.lint.index import Index
from email_engine.pmta.lint.rule import ERROR, INFO, MAIN, WARNING, Hit, Rule, short

NO_LOG = Rule(
    "PM331",
    ERROR,
    "no log-file",
    "`log-file` is required.",
    "3.3.1; facts section 1.9",
    "write `log-file /var/log/pmta/pmta.log`",
    MAIN.replace("log-file /var/log/pmta/pmta.log\n", ""),
    MAIN,
)
NO_SPOOL = Rule(
    "PM332",
    ERROR,
    "no spool",
    "At least one <spool> is required.",
    "3.3.2; facts section 1.9",
    "write `<spool /var/spool/pmta>` and `</spool>`",
    MAIN.replace("<spool /var/spool/pmta>\n</spool>\n", ""),
    MAIN,
)
NO_POSTMASTER = Rule(
    "PM333",
    WARNING,
    "no postmaster",
    "A new installation must set it; undeliverable notices go there.",
    "3.3.1; facts section 1.9",
    "write `postmaster you@example.com`",
    MAIN.replace("postmaster ops@example.com\n", ""),
    MAIN,
)
NOT_READ = Rule(
    "PM334",
    WARNING,
    "an include that was not read",
    "What it names is not known, so names that are missing elsewhere may stand in it. An address (http) and a directory of "
    "another machine are an info.",
    "3.1",
    "correct the path, lint on the host, or give --root",
    "include vmtas.conf\n",
    "<virtual-mta vmta-1>\n  smtp-source-host 192.0.2.11 mail1.example.com\n</virtual-mta>\n",
)
CIRCLE = Rule(
    "PM335",
    ERROR,
    "an include in a circle",
    "A file that includes itself never ends.",
    "3.1",
    "delete the line",
    "include config\n",
    "<virtual-mta vmta-1>\n  smtp-source-host 192.0.2.11 mail1.example.com\n</virtual-mta>\n",
)

RULES = (NO_LOG, NO_SPOOL, NO_POSTMASTER, NOT_READ, CIRCLE)


def check_main(index: Index) -> Iterator[Hit]:
    """Only a whole configuration is asked for its main settings."""
    yield from _includes(index)
    if not index.whole:
        return
    severity = None if index.complete else INFO
    if "log-file" not in index.top:
        yield NO_LOG.hit(1, "no `log-file`", severity)
    if "spool" not in index.top and "spool" not in index.blocks:
        yield NO_SPOOL.hit(1, "no <spool>", severity)
    if "postmaster" not in index.top:
        yield NO_POSTMASTER.hit(1, "no `postmaster`", severity)


def _includes(index: Index) -> Iterator[Hit]:
    known = {normpath(file) for file in index.flat.files if file}
    for line, value in index.unread:
        if not value:
            continue
        if value.startswith(("http://", "https://")):
            yield NOT_READ.hit(line, "an include from a web address is not read", INFO)
            continue
        file = index.flat.file(line)
        path = normpath(join(dirname(file), value))
        if path in known or (isabs(value) and any(one.endswith(normpath(value)) for one in known)):
            yield CIRCLE.hit(line, f"`include {short(value)}` goes round in a circle")
            continue
        elsewhere = isabs(value) and (index.files is None or index.files.exists(value) is None)
        yield NOT_READ.hit(line, f"`include {short(value)}` was not read", INFO if elsewhere else None)
