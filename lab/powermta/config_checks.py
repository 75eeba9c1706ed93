"""Rules that hold between lines and blocks: names, references, exclusions, and the one rule of order."""

import re
from collections.abc import Iterator

from lab.powermta.config_reader import MAIN, Block, ConfigurationError, Line, Tree

_REFERENCES = (
    ("virtual-mta-pool", "virtual-mta", ("virtual-mta",)),
    ("virtual-mta", "cold-virtual-mta", ("virtual-mta",)),
    ("source", "default-virtual-mta", ("virtual-mta", "virtual-mta-pool")),
    ("source", "suppression-lists", ("address-list",)),
    ("domain", "smtp-pattern-list", ("smtp-pattern-list",)),
    ("virtual-mta", "rewrite-list", ("rewrite-list",)),
    ("virtual-mta-pool", "rewrite-list", ("rewrite-list",)),
)
_FREE = {"by-smtp-source-ip", "{default}", '""'}
_UNIQUE = (
    "pattern-list",
    "smtp-pattern-list",
    "domain-key-list",
    "address-list",
    "rewrite-list",
    "smtp-user",
)


def check_tree(tree: Tree) -> None:
    """Raises ConfigurationError for the first rule that is broken, in the order of the file as far as one line tells."""
    root = tree.root
    _names(root)
    _unique(root)
    _members(root)
    _exclusions(root)
    _pattern_list_order(root)
    _references(root)
    for block in root.blocks("smtp-pattern-list"):
        for line in block.lines("reply"):
            _actions(line)
    _rollups(root)
    if not any(True for _ in root.lines("log-file")):
        raise ConfigurationError(MAIN, tree.last_line, '"log-file" is required')
    if not any(True for _ in root.blocks("spool")) and not any(True for _ in root.lines("spool")):
        raise ConfigurationError(MAIN, tree.last_line, 'at least one "<spool>" is required')


def _names(root: Block) -> None:
    taken: dict[str, Block] = {}
    for block in root.blocks("virtual-mta", "virtual-mta-pool"):
        if block.name.startswith("{"):
            raise block.error(f'name "{block.name}" is reserved')
        if "*" in block.name:
            raise block.error(f'invalid name "{block.name}": "*" is a wildcard in queue names')
        if earlier := taken.get(block.name):
            raise block.error(
                f'name "{block.name}" is already used by <{earlier.tag}> in line {earlier.number}'
            )
        taken[block.name] = block


def _unique(root: Block) -> None:
    for tag in _UNIQUE:
        taken: dict[str, Block] = {}
        for block in root.blocks(tag):
            if earlier := taken.get(block.name):
                raise block.error(f"<{tag} {block.name}> is already defined in line {earlier.number}")
            taken[block.name] = block


def _members(root: Block) -> None:
    with_domains: dict[str, str] = {}
    for pool in root.blocks("virtual-mta-pool"):
        members = list(pool.lines("virtual-mta"))
        if not members:
            raise pool.error(f'pool "{pool.name}" has no virtual-mta')
        for at, line in enumerate(members):
            if any(line.value == other.value for other in members[:at]):
                raise line.error(f'virtual-mta "{line.value}" is listed twice in pool "{pool.name}"')
        if any(True for _ in pool.blocks("domain")):
            for line in members:
                if other_pool := with_domains.get(line.value):
                    raise line.error(
                        f'virtual-mta "{line.value}" is in two pools with <domain>: "{other_pool}" and "{pool.name}"'
                    )
                with_domains[line.value] = pool.name


def _exclusions(root: Block) -> None:
    for block in root.blocks("virtual-mta"):
        if proxies := list(block.lines("smtp-proxy-source-host")):
            for name in ("smtp-source-host", "use-proxy"):
                if any(True for _ in block.lines(name)):
                    raise proxies[0].error(f'"smtp-proxy-source-host" excludes "{name}" in one virtual-mta')


def _pattern_list_order(root: Block) -> None:
    seen: set[str] = set()
    for block in root.blocks("pattern-list", "source"):
        if block.tag == "pattern-list":
            seen.add(block.name)
            continue
        for line in block.lines("pattern-list"):
            if line.value not in seen:
                raise line.error(f'unknown pattern-list "{line.value}" (it must stand before the source)')


def _everywhere(block: Block) -> Iterator[Block]:
    yield block
    for inner in block.blocks():
        yield from _everywhere(inner)


def _references(root: Block) -> None:
    known: dict[str, set[str]] = {}
    for block in root.blocks():
        known.setdefault(block.tag, set()).add(block.name)
    for block in _everywhere(root):
        for tag, directive, targets in _REFERENCES:
            if block.tag != tag:
                continue
            for line in block.lines(directive):
                for name in line.value.split(","):
                    if name not in _FREE and not any(name in known.get(target, ()) for target in targets):
                        raise line.error(f'unknown {" or ".join(targets)} "{name}"')
        if block.tag == "pattern-list":
            for line in block.lines():
                for name in re.findall(r"virtual-mta=([^\s,]+)", line.value):
                    if name not in known.get("virtual-mta", set()) | known.get("virtual-mta-pool", set()):
                        raise line.error(f'unknown virtual-mta or virtual-mta-pool "{name}"')


def _actions(line: Line) -> None:
    actions = line.value[line.value.rindex("/") + 1 :].strip().split(",")
    names = [action.partition("=")[0] for action in actions]
    if "mode=backoff" in actions and "mode=normal" in actions:
        raise line.error('"mode=backoff" and "mode=normal" exclude each other')
    if "skip-mx" in names and "bounce-queue" in names:
        raise line.error('"skip-mx" and "bounce-queue" exclude each other')
    if "reenable-after" in names and "disable-source-ip" not in names[: names.index("reenable-after")]:
        raise line.error('"reenable-after" needs "disable-source-ip" before it')
    if "backoff-to-normal-after" in names and "mode=backoff" not in actions:
        raise line.error('"backoff-to-normal-after" needs "mode=backoff"')


def _rollups(root: Block) -> None:
    with_hosts = {
        block.name for block in root.blocks("domain") if any(True for _ in block.lines("smtp-hosts"))
    }
    for rollups in root.blocks("mx-rollup-list"):
        for line in rollups.lines("mx"):
            pattern, name, *by_ip = line.value.split()
            if pattern.startswith(("*", "[*")) and not by_ip and name not in with_hosts:
                raise line.error(f'"{name}" needs "smtp-hosts" in <domain {name}> (or "rollup-by-ip")')
