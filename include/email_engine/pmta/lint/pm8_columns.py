"""811, 815, 816: what accounting must hold so that it can be read and told by campaign."""

from collections.abc import Iterator

from email_engine.pmta.language.tree import Block
from email_engine.pmta.lint.index import Index, Line, Settings, first_word
from email_engine.pmta.lint.pm6_security import network
from email_engine.pmta.lint.pm8_accounting import kinds_of, short_kind
from email_engine.pmta.lint.rule import MAIN, WARNING, Hit, Rule, short

_FILE = (
    "<acct-file /var/log/pmta/acct.csv>\n  records d\n  record-fields d {}header_Message-Id\n</acct-file>\n"
)
_SOURCE = "<source 192.0.2.9>\n  always-allow-relaying yes\n  process-x-virtual-mta yes\n{}  smtp-service yes\n</source>\n"

UNREADABLE = Rule(
    "PM811",
    WARNING,
    "records that cannot be read for want of a column",
    "`email-engine ingest` refuses every row without timeLogged; deliveries, bounces and deferrals also need rcpt, and dlvSourceIp or "
    "vmta: without these nobody knows when, to whom and from where.",
    "3.3.11; r1 11.2",
    "write `record-fields TYPE *,header_Message-Id`, or add the columns that the message names",
    _FILE.format("timeQueued,orig,jobId,"),
    _FILE.format("*,"),
)
NO_JOB = Rule(
    "PM815",
    WARNING,
    "X-Job is not read where campaigns come in",
    "MailWizz names the campaign in X-Job. Without `process-x-job yes` accounting has no jobId, no campaign can be paused in PowerMTA, "
    "and the header goes out to the recipients. Asked of sources that relay and take X-Virtual-MTA.",
    "3.3.7.45; r1 12.8",
    "write `process-x-job yes` beside `process-x-virtual-mta yes`",
    MAIN + _SOURCE.format(""),
    MAIN + _SOURCE.format("  process-x-job yes\n"),
)
HIDDEN = Rule(
    "PM816",
    WARNING,
    "accounting with hidden recipients",
    "`email-engine ingest` refuses files whose recipients are hashed or redacted: their bounces would suppress addresses that do not "
    "exist. The engine itself keeps no more than a keyed hash, and the address encrypted until it is suppressed.",
    "3.3.11.16",
    "delete `privacy-policy`, or keep a second <acct-file> without it in the folder that the engine reads",
    _FILE.format("*,").replace("  records", "  privacy-policy redact\n  records"),
    _FILE.format("*,").replace("  records", "  privacy-policy retain\n  records"),
)
RULES = (UNREADABLE, NO_JOB, HIDDEN)

_ALWAYS = ("timelogged",)
_ATTEMPTS = ("d", "b", "t")
_SHOWN = {"timelogged": "timeLogged", "rcpt": "rcpt", "dlvsourceip": "dlvSourceIp"}


def check_columns(index: Index) -> Iterator[Hit]:
    """Each accounting file that is one, then the sources."""
    for line, block in index.of("acct-file"):
        settings = index.settings(block)
        if block.argument.startswith("|") or "http-webhook-url" in settings.values:
            continue
        yield from _columns(line, block, kinds_of(settings))
        policy = first_word(settings.get("privacy-policy"))[0]
        if policy not in ("", "retain"):
            yield HIDDEN.hit(line + settings.offset("privacy-policy"), f"`privacy-policy {policy} ...`")
    yield from _jobs(index)


def _columns(line: Line, block: Block, kinds: set[str]) -> Iterator[Hit]:
    fields: dict[str, set[str]] = {}
    places: dict[str, Line] = {}
    for directive in block.directives("record-fields", "map-header-to-field"):
        kind, rest = first_word(directive.value)
        kind = short_kind(kind)
        if directive.name == "map-header-to-field":
            if kind in fields:
                fields[kind].add(first_word(rest)[1].lower())
            continue
        names = [name.strip().lower() for name in rest.split(",")]
        fields.setdefault(kind, set()).update(names)
        places.setdefault(kind, line + directive.offset)
    for kind, names_of in fields.items():
        missing = _missing(kind, names_of) if kind in kinds else []
        if missing:
            yield UNREADABLE.hit(places[kind], f"records of {kind} have {', '.join(missing)}")


def _missing(kind: str, fields: set[str]) -> list[str]:
    def has(name: str) -> bool:
        return name in fields or ("*" in fields and f"!{name}" not in fields)

    wanted = (*_ALWAYS, "rcpt") if kind in _ATTEMPTS else _ALWAYS
    missing = [f"no {_SHOWN[name]}" for name in wanted if not has(name)]
    if kind in _ATTEMPTS and not has("dlvsourceip") and not has("vmta"):
        missing.append("neither dlvSourceIp nor vmta")
    return missing


_YES = ("yes", "true")
_TOLD = ("always-allow-relaying", "process-x-virtual-mta", "process-x-job", "jobid-header")


def _jobs(index: Index) -> Iterator[Hit]:
    sources = [(line, index.settings(block)) for line, block in index.of("source")]
    wide: dict[tuple[int, int, int], Settings] = {}
    for _, settings in sources:
        net = network(settings.block.argument)
        if net is not None:
            wide[net.version, net.prefixlen, int(net.network_address)] = settings
    for line, settings in sources:
        if settings.get("process-x-virtual-mta") not in _YES or settings.block.argument.startswith("{"):
            continue
        relays, _, job, header = (_said(settings, wide, name) for name in _TOLD)
        if relays in _YES and job not in _YES and not header:
            at = line + settings.offset("process-x-virtual-mta")
            yield NO_JOB.hit(
                at, f"<source {short(settings.block.argument)}> does not say `process-x-job yes`"
            )


def _said(settings: Settings, wide: dict[tuple[int, int, int], Settings], name: str) -> str:
    """A source's own word, else that of the narrowest network round it."""
    net = network(settings.block.argument)
    if name in settings.values or net is None:
        return settings.get(name)
    for length in range(net.prefixlen - 1, -1, -1):
        shift = net.max_prefixlen - length
        above = wide.get((net.version, length, int(net.network_address) >> shift << shift))
        if above is not None and name in above.values:
            return above.get(name)
    return ""
