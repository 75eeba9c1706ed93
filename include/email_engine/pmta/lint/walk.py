"""Every line against the grammar. What was found for a text in a place is remembered: big configurations repeat themselves."""

from collections.abc import Iterator
from typing import NamedTuple

from email_engine.pmta.language.tree import GLOBAL, Block, Comment, Directive, Node, Unreadable
from email_engine.pmta.language.values import unquoted
from email_engine.pmta.lint import pm1_syntax as syntax
from email_engine.pmta.lint import pm1_wrapped as wrapped
from email_engine.pmta.lint import pm3_places as scopes
from email_engine.pmta.lint.broken_tags import CONTINUES
from email_engine.pmta.lint.index import Index
from email_engine.pmta.lint.rule import ERROR, INFO, WARNING, Hit, short
from email_engine.pmta.lint.tags import TagJudge
from email_engine.pmta.lint.values import Judge, Known, ValueVerdict


class _Fault(NamedTuple):
    """A verdict on a line inside of a block, `offset` lines below its opening."""

    offset: int
    verdict: ValueVerdict


def check_lines(index: Index) -> Iterator[Hit]:
    """All that one line, or the lines of one block, tell without looking elsewhere."""
    walker = _Walker(index)
    for offset, verdict in walker.faults(index.root, GLOBAL):
        yield Hit(
            offset,
            verdict.rule,
            verdict.message,
            verdict.severity or verdict.rule.severity,
            verdict.remedy or verdict.rule.remedy,
        )


class _Walker:
    def __init__(self, index: Index) -> None:
        self._judge = Judge(index.grammar, index.release, index.allow)
        self._tags = TagJudge(index.grammar, index.release)
        self._blocks: dict[tuple[int, str], list[_Fault]] = {}
        self._known: dict[str, dict[str, Known]] = {}

    def faults(self, block: Block, scope: str) -> list[_Fault]:
        """Faults of the lines in a block that stands for `scope`."""
        found: list[_Fault] = []
        names = self._known.setdefault(scope, {})
        seen: dict[str, Directive] = {}
        told = 0
        for at, node in enumerate(block.items):
            if at < told:
                continue
            if isinstance(node, Directive):
                name = node.name
                known = names.get(name)
                if known is None:
                    known = names[name] = self._judge.known(scope, name)
                verdicts = known.values.get(node.value)
                if verdicts is None:
                    verdicts = known.values[node.value] = self._judge.directive(known, node.value)
                if verdicts:
                    told = self._continued(block.items, at, known, verdicts)
                    found += self._wrapped(block.items, at, told)
                if at < told:
                    continue
                if verdicts or node.comment is not None:
                    found += self._told(node, verdicts)
                if known.once:
                    if name in seen:
                        found.append(_Fault(node.offset, _twice(seen[name], node)))
                    seen[name] = node
            elif isinstance(node, Block):
                found += self._block(node, scope)
            elif isinstance(node, Unreadable):
                found.append(_Fault(node.offset, _unreadable(node)))
            elif isinstance(node, Comment):
                found += [_Fault(node.offset, v) for v in self._judge.text(node.text, WARNING)]
        return found

    def _continued(
        self, items: tuple[Node, ...], at: int, known: Known, verdicts: tuple[ValueVerdict, ...]
    ) -> int:
        """Where the lines end that were one with a wrong line, 0 if it is wrong by itself."""
        node = items[at]
        if not isinstance(node, Directive) or not any(map(_is_error, verdicts)):
            return 0
        if known.rule is None and wrapped.goes_on_from_comment(items, at):
            return at + 1
        lines = [node.value]
        for count, below in enumerate(wrapped.following(items, at), 1):
            if not self._is_wrong(known.scope, below):
                break
            lines.append(wrapped.text_of(below))
            if known.rule is not None and any(
                not any(map(_is_error, self._judge.directive(known, text))) for text in wrapped.joined(lines)
            ):
                return at + count + 1
        return at + 2 if wrapped.is_open(node) and len(lines) > 1 else 0

    def _is_wrong(self, scope: str, node: Directive) -> bool:
        known = self._judge.known(scope, node.name)
        return any(map(_is_error, self._judge.directive(known, node.value)))

    def _wrapped(self, items: tuple[Node, ...], at: int, end: int) -> list[_Fault]:
        """One fault for each line that continues another."""
        if end == at + 1:
            message = "this line continues the comment above; each line of a comment starts with #"
            return [
                _Fault(items[at].offset, ValueVerdict(wrapped.WRAPPED, message, remedy="write # before it"))
            ]
        message = "this line continues the one above; a directive is one line"
        return [_Fault(node.offset, ValueVerdict(wrapped.WRAPPED, message)) for node in items[at + 1 : end]]

    def _told(self, node: Directive, verdicts: tuple[ValueVerdict, ...]) -> list[_Fault]:
        cut = self._judge.comment(node)
        if any(verdict.rule is syntax.CUT_BY_COMMENT for verdict in cut):
            verdicts = ()
        return [_Fault(node.offset, verdict) for verdict in (*verdicts, *cut)]

    def _block(self, block: Block, parent: str) -> list[_Fault]:
        if parent == GLOBAL:
            below = self._new(block, parent)
        else:
            key = (id(block), parent)
            known = self._blocks.get(key)
            below = known if known is not None else self._new(block, parent)
            self._blocks[key] = below
        if not below:
            return below
        return [_Fault(offset + block.offset, verdict) for offset, verdict in below]

    def _new(self, block: Block, parent: str) -> list[_Fault]:
        verdicts, known = self._tags.block(block, parent)
        found = [_Fault(0, verdict) for verdict in verdicts]
        if block.lead:
            name, _, value = block.lead.partition(" ")
            line = self._judge.known(parent, name)
            told = self._judge.directive(line, f"{value.strip()} <{block.tag}>".strip())
            found += [_Fault(0, v) for v in told]
        if known:
            found += self.faults(block, block.tag)
        if block.closing and unquoted(block.closing) != unquoted(block.argument):
            message = f"`</{block.tag} {short(block.closing)}>` closes <{block.tag} {short(block.argument)}>"
            found.append(_Fault(block.height, ValueVerdict(syntax.OTHER_CLOSE, message)))
        return found


def _is_error(verdict: ValueVerdict) -> bool:
    return (verdict.severity or verdict.rule.severity) is ERROR and verdict.rule is not wrapped.TEMPLATE


def _unreadable(node: Unreadable) -> ValueVerdict:
    if node.problem == CONTINUES:
        message = "this line continues the one above; a tag stands on one line"
        return ValueVerdict(wrapped.WRAPPED, message)
    place = wrapped.placeholder(node.text)
    if place:
        return ValueVerdict(wrapped.TEMPLATE, place)
    return ValueVerdict(*syntax.unreadable(node.text, node.problem))


def _twice(first: Directive, second: Directive) -> ValueVerdict:
    lines = second.offset - first.offset
    where = f"{lines} line{'s' if lines > 1 else ''} above"
    if first.value == second.value:
        return ValueVerdict(scopes.TWICE, f"`{second.name}` stands twice, also {where}, with one value", INFO)
    return ValueVerdict(scopes.TWICE, f"`{second.name}` stands twice, also {where} with another value")
