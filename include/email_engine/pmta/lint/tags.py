"""One block's opening line against the grammar."""

import re

from email_engine.pmta.language.checks import BadValue
from email_engine.pmta.language.grammar import Grammar, TagRule, is_newer
from email_engine.pmta.language.tree import GLOBAL, Block
from email_engine.pmta.lint import pm1_syntax as syntax
from email_engine.pmta.lint import pm2_words as words
from email_engine.pmta.lint import pm3_places as scopes
from email_engine.pmta.lint import pm9_style as style
from email_engine.pmta.lint.finding import Severity
from email_engine.pmta.lint.index import first_word
from email_engine.pmta.lint.pm1_wrapped import TEMPLATE, placeholder
from email_engine.pmta.lint.rule import short
from email_engine.pmta.lint.values import ValueVerdict
from email_engine.pmta.release import Release

_GUESSES = 200
_MEANT = {
    "suppression-list": "address-list",
    "suppression-lists": "address-list",
    "vmta": "virtual-mta",
    "pool": "virtual-mta-pool",
}
_NO_ADDRESS = re.compile(r"(?!((25[0-5]|2[0-4]\d|1?\d?\d)(\.|$)){4})\d+\.\d+\.\d+\.\d+")
_OWN_QUEUE = re.compile(r"\{[A-Za-z]+\}")
_QUEUES = ("{sparkpost}", "{bounce}")
_PLAIN = re.compile(r"(?!.*(?:__|YOUR|[xX]\.[xX]))[A-Za-z0-9._*$-]*")


class TagJudge:
    """What is wrong with a block, its lines apart."""

    def __init__(self, grammar: Grammar, release: Release) -> None:
        self._grammar = grammar
        self._release = release
        self._guesses = 0
        self._standing: dict[tuple[str, str], list[ValueVerdict]] = {}

    def block(self, block: Block, parent: str) -> tuple[list[ValueVerdict], bool]:
        """Verdicts, and whether the lines inside can be judged."""
        tag, argument = block.tag, block.argument
        plain = _PLAIN.fullmatch(argument) or (tag == "acct-file" and argument.startswith("|"))
        if not plain and (place := placeholder(argument)):
            return [ValueVerdict(TEMPLATE, place)], tag in self._grammar.tags
        if not plain and syntax.is_xml(f"<{tag} {argument}>"):
            return [ValueVerdict(syntax.XML, f"`<{tag} ...>` is XML")], False
        if argument.endswith("{"):
            return [ValueVerdict(syntax.BRACES, f"`<{tag} ...` opens a block in braces")], False
        found = []
        if not block.closed:
            found.append(ValueVerdict(syntax.UNCLOSED, f"<{tag}> is not closed", remedy=f"add `</{tag}>`"))
        rule = self._grammar.tags.get(tag)
        if rule is None:
            return found + self._unknown(tag, parent), False
        standing = self._standing.get((tag, parent))
        if standing is None:
            standing = self._standing[tag, parent] = self._stands(rule, parent)
        return found + standing + self._argument(rule, argument, parent), True

    def _stands(self, rule: TagRule, parent: str) -> list[ValueVerdict]:
        tag, found = rule.name, []
        if parent not in rule.parents:
            places = " or ".join(
                "at global level" if p == GLOBAL else f"in <{p}>" for p in sorted(rule.parents)
            )
            at = "at global level" if parent == GLOBAL else f"in <{parent}>"
            message = f"<{tag}> may not stand {at}; it stands {places}"
            found.append(
                ValueVerdict(scopes.TAG_SCOPE, message, remedy=f"move the block: it stands {places}")
            )
        if is_newer(rule.since, self._release):
            message = f"<{tag}> came with {rule.since}, later than {self._release}"
            found.append(ValueVerdict(words.TOO_NEW, message))
        if rule.status == "deprecated":
            remedy = f"write <{rule.replaced_by}>" if rule.replaced_by else None
            found.append(ValueVerdict(style.DEPRECATED, f"<{tag}> is deprecated", remedy=remedy))
        return found

    def _unknown(self, tag: str, parent: str) -> list[ValueVerdict]:
        self._guesses += 1
        near = self._grammar.nearest_tag(tag[:60], parent) if self._guesses <= _GUESSES else None
        if tag.lower() in self._grammar.tags:
            remedy = f"write `<{tag.lower()}>`"
            return [ValueVerdict(words.UPPER_CASE, f"`<{tag}>` is written in lower case", remedy=remedy)]
        if tag in self._grammar.directives:
            message, remedy = f"`{tag}` is a directive, not a tag", f"write `{tag} VALUE` on one line"
            return [ValueVerdict(scopes.UNKNOWN_TAG, message, remedy=remedy)]
        near = _MEANT.get(tag.lower(), near)
        if near is None:
            return [ValueVerdict(scopes.UNKNOWN_TAG, f"unknown tag <{short(tag)}>")]
        message = f"unknown tag <{short(tag)}>; the nearest known one is <{near}>"
        return [ValueVerdict(scopes.UNKNOWN_TAG, message, remedy=f"write <{near}> if that is meant")]

    def _argument(self, rule: TagRule, argument: str, parent: str) -> list[ValueVerdict]:
        if rule.name == "domain" and (" " in argument or "," in argument):
            return [ValueVerdict(scopes.SEVERAL_DOMAINS, f"<domain {short(argument)}> names several domains")]
        if rule.name == "domain" and _OWN_QUEUE.fullmatch(argument) and argument not in _QUEUES:
            return [ValueVerdict(style.LEGACY, f"the queue {argument} is not in the 5.0 guide")]
        told = text_fault(argument)
        if told:
            return [told]
        if rule.name == "source" and _NO_ADDRESS.fullmatch(argument):
            message = f"<source {argument}>: no address, and therefore read as a name"
            return [ValueVerdict(scopes.TAG_ARGUMENT, message, Severity.WARNING, "correct the address")]
        check = rule.check if parent == GLOBAL else rule.nested_check
        try:
            check(argument)
        except BadValue as error:
            if not argument:
                return [
                    ValueVerdict(
                        scopes.TAG_ARGUMENT, f"<{rule.name}> has no argument; allowed is {error.expected}"
                    )
                ]
            shown = short(argument) if rule.name != "smtp-user" else short(first_word(argument)[0])
            shown = f"<{rule.name} {shown}>"
            wanted = "no argument" if error.expected == "``" else error.expected
            if rule.name == "address-list" and parent != GLOBAL:
                message = f"{shown}: in <{parent}> an address list needs no name"
                return [ValueVerdict(scopes.TAG_ARGUMENT, message, Severity.WARNING, "delete the name")]
            return [ValueVerdict(scopes.TAG_ARGUMENT, f"{shown}: allowed is {wanted}")]
        return []


def text_fault(text: str) -> ValueVerdict | None:
    """Bytes that are no text in a tag."""
    if "\ufffd" in text:
        return ValueVerdict(syntax.NOT_TEXT, "the line holds bytes that are not UTF-8")
    if any(c < " " and c != "\t" for c in text):
        return ValueVerdict(syntax.CONTROL, "the line holds control characters")
    return None
