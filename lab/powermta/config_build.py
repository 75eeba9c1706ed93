"""Turns the tree of a configuration into the running model, or stops at the first contradiction."""

import re
from collections.abc import Iterable

from lab.powermta import record_fields
from lab.powermta.config_checks import check_tree
from lab.powermta.config_domains import DomainBlock, DomainSettings, UnknownMacroError, expand
from lab.powermta.config_model import (
    AcctFile,
    Model,
    PatternRule,
    Pool,
    ReplyRule,
    Rollup,
    Source,
    SourceHost,
    Vmta,
)
from lab.powermta.config_reader import Block, Line, Tree
from lab.powermta.config_values import interval, rate, seconds, size, truth

Macros = dict[str, tuple[str, ...]]


def build_model(tree: Tree) -> Model:
    """Raises ConfigurationError for names that are taken or unknown and for directives that exclude each other."""
    root = tree.root
    check_tree(tree)
    macros = _macros(root)
    return Model(
        vmtas={block.name: _vmta(block, macros) for block in root.blocks("virtual-mta")},
        pools={block.name: _pool(block, macros) for block in root.blocks("virtual-mta-pool")},
        sources=tuple(
            Source(block.name, {line.name: line.value for line in block.lines()})
            for block in root.blocks("source")
        ),
        acct_files=_acct_files(root),
        domains=DomainSettings(_domains(root, macros)),
        rollups=tuple(
            Rollup(*line.value.split()[:2])
            for block in root.blocks("mx-rollup-list")
            for line in block.lines("mx")
        ),
        pattern_lists={block.name: _pattern_rules(block) for block in root.blocks("pattern-list")},
        reply_lists={block.name: _reply_rules(block) for block in root.blocks("smtp-pattern-list")},
        fallback_vmta=_last(root, "invalid-virtual-mta-fallback"),
        digests={file: digest for file in tree.files if (digest := tree.digest(file))},
        macros=macros,
    )


def _last(block: Block, name: str, default: str = "") -> str:
    return next((line.value for line in reversed(list(block.lines(name)))), default)


def _macros(root: Block) -> Macros:
    macros: Macros = {}
    for line in root.lines("domain-macro"):
        name, _, values = line.value.partition(" ")
        if not re.fullmatch(r"\w+", name, re.ASCII):
            raise line.error(f'domain macro name "{name}" may hold letters, digits and underscores only')
        macros[name] = tuple(values.strip().split(","))
    for line in root.lines("domain-macro"):
        _expand(f"${line.value.split()[0]}", macros, line)
    return macros


def _expand(text: str, macros: Macros, place: Line | Block) -> tuple[str, ...]:
    try:
        return expand(text, macros)
    except UnknownMacroError as error:
        raise place.error(str(error)) from error


def _domains(block: Block, macros: Macros) -> tuple[DomainBlock, ...]:
    return tuple(
        DomainBlock(
            inner.name,
            _expand(inner.name, macros, inner),
            tuple((line.name, line.value) for line in inner.lines()),
        )
        for inner in block.blocks("domain")
    )


def _vmta(block: Block, macros: Macros) -> Vmta:
    sources = [line.value.split()[:2] for line in block.lines("smtp-source-host")]
    text = _last(block, "max-smtp-msg-rate", "unlimited")
    return Vmta(
        name=block.name,
        sources=tuple(SourceHost(address, host) for address, host in sources),
        rate=rate(text),
        rate_text=text,
        settings=tuple((line.name, line.value) for line in block.lines()),
        domains=_domains(block, macros),
    )


def _pool(block: Block, macros: Macros) -> Pool:
    return Pool(
        name=block.name,
        members=tuple(line.value for line in block.lines("virtual-mta")),
        rate=rate(_last(block, "max-smtp-msg-rate", "unlimited")),
        domains=_domains(block, macros),
    )


def _compile(text: str, line: Line) -> re.Pattern[str]:
    try:
        return re.compile(text[1:-1], re.IGNORECASE if not text.startswith("/(?-i)") else 0)
    except re.error as error:
        raise line.error(f"invalid regular expression {text}: {error}") from error


def _pattern_rules(block: Block) -> tuple[PatternRule, ...]:
    rules: list[PatternRule] = []
    nested = iter(list(block.blocks("pattern-list")))
    for line in block.lines():
        found = re.search(r"virtual-mta=([^\s,]+)", line.value)
        inner = _pattern_rules(next(nested)) if line.value.endswith("<pattern-list>") else ()
        written = re.search(r"/(?:[^/\\]|\\.)*/", line.value)
        pattern = _compile(written[0].replace("(?-i)", ""), line) if written and line.name != "*" else None
        rules.append(PatternRule(line.name, pattern, found[1] if found else "", inner))
    return tuple(rules)


def _reply_rules(block: Block) -> tuple[ReplyRule, ...]:
    rules = []
    for line in block.lines("reply"):
        end = line.value.rindex("/") + 1
        rules.append(ReplyRule(_compile(line.value[:end], line), tuple(line.value[end:].strip().split(","))))
    return tuple(rules)


def _acct_files(root: Block) -> tuple[AcctFile, ...]:
    files: dict[str, AcctFile] = {}
    for block in root.blocks("acct-file"):
        if block.name in files:
            raise block.error(f'accounting file "{block.name}" is defined twice')
        files[block.name] = _acct_file(block)
    return tuple(files.values())


def _acct_file(block: Block) -> AcctFile:
    records = tuple(_shorts(_last(block, "records", "d,b").split(",")))
    columns = {record: record_fields.DEFAULT[record] for record in records}
    for line in block.lines("record-fields"):
        kind, _, wish = line.value.partition(" ")
        record = record_fields.SHORT.get(kind, kind)
        try:
            chosen = record_fields.select(record, wish.strip())
        except ValueError as error:
            raise line.error(str(error)) from error
        if record in columns:
            columns[record] = chosen
    for line in block.lines("max-size"):
        if size(line.value) < 1 << 20 and not any(True for _ in block.lines("http-webhook-url")):
            raise line.error(f'invalid value "{line.value}" for "max-size", the least is 1M')
    if _last(block, "move-interval") and not _last(block, "move-to"):
        raise next(block.lines("move-interval")).error('"move-interval" works only with "move-to"')
    return AcctFile(
        path=block.name,
        records=records,
        columns=columns,
        move_to=_last(block, "move-to") or None,
        move_interval=seconds(_last(block, "move-interval", "1d")),
        max_size=size(_last(block, "max-size", "250M")),
        iso_times=truth(_last(block, "iso-times", "yes")),
        delete_after=interval(_last(block, "delete-after", "8d")),
        user_string=_last(block, "user-string"),
        queue_filter=tuple(filter(None, _last(block, "queue-filter").split(","))),
        header_maps=tuple(
            (record_fields.SHORT.get(kind, kind), header, column)
            for kind, header, column in (line.value.split() for line in block.lines("map-header-to-field"))
        ),
    )


def _shorts(kinds: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(record_fields.SHORT.get(kind, kind) for kind in kinds)
