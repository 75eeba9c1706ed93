"""Blocks that stand twice (rules in pm3_places.py)."""

from collections.abc import Iterator

from email_engine.pmta.lint.index import Index, Line, Settings
from email_engine.pmta.lint.pm3_places import BLOCK_TWICE, DOMAIN_TWICE
from email_engine.pmta.lint.rule import INFO, Hit, short

_NAMED = (
    "virtual-mta",
    "virtual-mta-pool",
    "source",
    "pattern-list",
    "smtp-pattern-list",
    "address-list",
    "rewrite-list",
    "domain-key-list",
    "smtp-user",
    "source-group",
    "proxy",
    "signals-filter",
)


def check_repeats(index: Index) -> Iterator[Hit]:
    """The same name or pattern a second time."""
    for tag in _NAMED:
        blocks = index.blocks.get(tag, ())
        first = index.names.get(tag, {})
        if len(blocks) == len(first):
            continue
        for line, block in blocks:
            if first[block.argument] != line:
                above = index.flat.place(first[block.argument])
                yield BLOCK_TWICE.hit(line, f"<{tag} {short(block.argument)}> stands also at {above}")
    yield from _domains(index, 0, index.domains)
    fine: set[int] = set()
    for sender in (*index.vmtas, *index.pools):
        if len(sender.domains) < 2:
            continue
        shape = id(sender.shape)
        if shape not in fine:
            hits = list(_domains(index, sender.line, sender.domains))
            yield from hits
            if not hits:
                fine.add(shape)


def _domains(index: Index, line: Line, domains: list[tuple[int, Settings]]) -> Iterator[Hit]:
    seen: dict[str, tuple[int, Settings]] = {}
    for offset, settings in domains:
        first = seen.setdefault(settings.pattern, (offset, settings))
        if first[0] == offset:
            continue
        before = first[1].values
        other = [
            name
            for name, (_, value) in settings.values.items()
            if name in before and before[name][1] != value and name != "include"
        ]
        above = index.flat.place(line + first[0])
        named = f"<domain {short(settings.block.argument)}> stands also at {above}"
        if other:
            yield DOMAIN_TWICE.hit(line + offset, f"{named} with another `{other[0]}`")
        else:
            yield DOMAIN_TWICE.hit(line + offset, named, INFO)
