"""341 to 344: MX rollups, and settings that they leave behind."""

from collections.abc import Iterator

from email_engine.fleet.providers import shipped_providers
from email_engine.pmta.language.tree import Directive
from email_engine.pmta.lint.index import MACRO, Index, Line, Settings, first_word
from email_engine.pmta.lint.rule import ERROR, INFO, MAIN, WARNING, Hit, Rule

_LIST = "<mx-rollup-list>\n  mx {}\n</mx-rollup-list>\n"
_ROLLED = "<domain google.rollup>\n  smtp-hosts lookup-mx:gmail.com\n  max-smtp-out 4\n</domain>\n"

NO_HOSTS = Rule(
    "PM341",
    ERROR,
    "rollup over a pattern without smtp-hosts",
    "For `*.name` PowerMTA must be told where to deliver: `smtp-hosts` in <domain NAME.rollup>, unless the line says "
    "rollup-by-ip. In a file that others include it is an info.",
    "r1 10.17; facts section 1.8",
    "write `smtp-hosts lookup-mx:DOMAIN` in `<domain NAME.rollup>`",
    MAIN + _LIST.format("*.google.com google.rollup"),
    MAIN + _LIST.format("*.google.com google.rollup") + _ROLLED,
)
LEFT_BEHIND = Rule(
    "PM342",
    WARNING,
    "settings for a provider whose queue is rolled up",
    "When a rollup is active its queue is NAME.rollup, and limits in <domain> of the provider's own name no longer count.",
    "r1 10.17; facts section 1.8",
    "write the limits into `<domain NAME.rollup>` too",
    _LIST.format("*.google.com google.rollup")
    + "<domain google.rollup>\n  smtp-hosts lookup-mx:gmail.com\n</domain>\n"
    + "<domain gmail.com>\n  max-smtp-out 4\n</domain>\n",
    _LIST.format("*.google.com google.rollup")
    + _ROLLED
    + "<domain gmail.com>\n  max-smtp-out 4\n</domain>\n",
)
NO_ROLLUP = Rule(
    "PM343",
    WARNING,
    "a <domain> for a rollup that does not exist",
    "No `mx` line leads to this queue, so its settings are never used.",
    "r1 10.17",
    "write `mx PATTERN NAME.rollup` into <mx-rollup-list>, or delete the block",
    MAIN + _ROLLED,
    MAIN + _LIST.format("*.google.com google.rollup") + _ROLLED,
)
NO_QUEUE = Rule(
    "PM344",
    WARNING,
    "queue-to without its <domain>",
    "The common queue has no MX records: `<domain NAME>` with `smtp-hosts` says where it delivers.",
    "3.3.10; facts section 1.8",
    "write `<domain NAME>` with `smtp-hosts`",
    MAIN + "<domain googlemail.com>\n  queue-to google\n</domain>\n",
    MAIN
    + "<domain googlemail.com>\n  queue-to google\n</domain>\n"
    + "<domain google>\n  smtp-hosts lookup-mx:gmail.com\n</domain>\n",
)

RULES = (NO_HOSTS, LEFT_BEHIND, NO_ROLLUP, NO_QUEUE)

_ENDING = ".rollup"
_LIMITS = (
    "max-msg-rate",
    "max-smtp-out",
    "max-connect-rate",
    "max-msg-per-connection",
    "backoff-max-msg-rate",
    "smtp-pattern-list",
    "retry-after",
)


def check_rollups(index: Index) -> Iterator[Hit]:
    """The list against the <domain> blocks of its queues."""
    entries = [
        (line + d.offset, d) for line, block in index.of("mx-rollup-list") for d in block.directives("mx")
    ]
    delivered = {s.pattern for _, s in index.domains if "smtp-hosts" in s.values}
    sure = index.whole and index.complete
    rolled = {_name(entry) for _, entry in entries}
    told: set[str] = set()
    for line, entry in entries:
        name = _name(entry)
        if "*" in entry.value and not entry.value.endswith("rollup-by-ip") and name not in told | delivered:
            told.add(name)
            message = f"no `smtp-hosts` in <domain {name}>"
            yield NO_HOSTS.hit(line, message, None if sure else INFO)
    if sure:
        for line, settings in index.all_domains:
            name = settings.pattern
            if name.endswith(_ENDING) and name not in rolled and "*" not in name:
                yield NO_ROLLUP.hit(line, f"no `mx` line leads to {name}")
    yield from _queues(index, delivered, sure)
    if entries:
        yield from _left_behind(index, entries)


def _name(entry: Directive) -> str:
    parts = entry.value.split()
    return parts[1].lower() if len(parts) > 1 else ""


def _queues(index: Index, delivered: set[str], sure: bool) -> Iterator[Hit]:
    if not sure:
        return
    for line, settings in index.all_domains:
        target = settings.get("queue-to").strip('"').lower()
        if target and target not in delivered and "." not in target:
            at = line + settings.offset("queue-to")
            yield NO_QUEUE.hit(at, f"no <domain {target}> with `smtp-hosts`")


def _left_behind(index: Index, entries: list[tuple[Line, Directive]]) -> Iterator[Hit]:
    """Where a provider's domains have limits, its rollup must have some in the same block."""
    rolled = _providers(index, entries)
    groups = {id(index.domains): (0, index.domains)}
    for sender in index.shapes:
        groups.setdefault(id(sender.shape), (sender.line, sender.domains))
    for line, domains in groups.values():
        limited = [(o, s) for o, s in domains if any(name in s.values for name in _LIMITS)]
        tuned = {name for _, settings in limited for name in _domains(index, settings)}
        for offset, settings in limited:
            queue = next((rolled[d] for d in _domains(index, settings) if d in rolled), None)
            if queue and queue not in tuned and settings.get("disable-mx-rollup") not in ("yes", "true"):
                message = f"<domain {settings.pattern}> has limits, but its queue is {queue}"
                yield LEFT_BEHIND.hit(line + offset, message)


def _domains(index: Index, settings: Settings) -> tuple[str, ...]:
    pattern = settings.pattern
    if not pattern.startswith("$"):
        return (pattern,)
    found = MACRO.fullmatch(settings.block.argument)
    return index.macros[found[1]][1] if found and found[1] in index.macros else ()


def _providers(index: Index, entries: list[tuple[Line, Directive]]) -> dict[str, str]:
    """Recipient domain to its rollup, only where that is sure: `smtp-hosts lookup-mx:DOMAIN` of the rollup says so, or
    every MX of a known provider leads there."""
    rollups = {_name(entry) for _, entry in entries}
    found: dict[str, str] = {}
    patterns = {first_word(entry.value)[0].lower(): _name(entry) for _, entry in entries}
    for provider in shipped_providers().all:
        names = {patterns.get(mx) for mx in provider.mx}
        name = names.pop() if len(names) == 1 else None
        if name:
            found |= dict.fromkeys(provider.domains, name)
    for _, settings in index.domains:
        if settings.pattern in rollups:
            for host in settings.get("smtp-hosts").replace(" ", "").split(","):
                if host.startswith("lookup-mx:"):
                    found[host.removeprefix("lookup-mx:").lower()] = settings.pattern
    return found
