"""Every line against the grammar. What was found for a text in a place is remembered: big configurations repeat themselves."""

from collections.abc import Iterator
from typing import NamedTuple

from email_engine.pmta.language.tree import GLOBAL, Block, Comment, Directive, Unreadable
from email_engine.pmta.lint import pm1_syntax as syntax
from email_engine.pmta.lint import pm3_places as scopes
from email_engine.pmta.lint.index import Index
from email_engine.pmta.lint.rule import INFO, WARNING, Hit
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
        for node in block.items:
            if isinstance(node, Directive):
                name = node.name
                known = names.get(name)
                if known is None:
                    known = names[name] = self._judge.known(scope, name)
                verdicts = known.values.get(node.value)
                if verdicts is None:
                    verdicts = known.values[node.value] = self._judge.directive(known, node.value)
                if verdicts or node.comment is not None:
                    found += self._told(node, verdicts)
                if known.once:
                    if name in seen:
                        found.append(_Fault(node.offset, _twice(seen[name], node)))
                    seen[name] = node
            elif isinstance(node, Block):
                found += self._block(node, scope)
            elif isinstance(node, Unreadable):
                rule, message = syntax.unreadable(node.text, node.problem)
                found.append(_Fault(node.offset, ValueVerdict(rule, message)))
            elif isinstance(node, Comment):
                found += [_Fault(node.offset, v) for v in self._judge.text(node.text, WARNING)]
        return found

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
        return found


def _twice(first: Directive, second: Directive) -> ValueVerdict:
    lines = second.offset - first.offset
    where = f"{lines} line{'s' if lines > 1 else ''} above"
    if first.value == second.value:
        return ValueVerdict(scopes.TWICE, f"`{second.name}` stands twice, also {where}, with one value", INFO)
    return ValueVerdict(scopes.TWICE, f"`{second.name}` stands twice, also {where} with another value")
