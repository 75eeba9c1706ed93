"""One directive against the grammar: name, place, release, arguments."""

import re
from typing import NamedTuple

from email_engine.pmta.language.checks import BadValue, Fault
from email_engine.pmta.language.grammar import ANY, LINE, DirectiveRule, Grammar, is_newer
from email_engine.pmta.language.redaction import redact
from email_engine.pmta.language.tree import GLOBAL, Directive
from email_engine.pmta.lint import pm1_syntax as syntax
from email_engine.pmta.lint import pm2_values as values
from email_engine.pmta.lint import pm2_words as words
from email_engine.pmta.lint import pm3_places as scopes
from email_engine.pmta.lint import pm5_limits as limits
from email_engine.pmta.lint import pm6_security as security
from email_engine.pmta.lint import pm8_accounting as accounting
from email_engine.pmta.lint import pm9_style as style
from email_engine.pmta.lint.finding import Severity
from email_engine.pmta.lint.naming import meant, replacement, shown_name
from email_engine.pmta.lint.pm1_wrapped import TEMPLATE, placeholder
from email_engine.pmta.lint.pm2_regexes import judge_regex
from email_engine.pmta.lint.pm2_replies import judge_actions
from email_engine.pmta.lint.rule import Rule, short
from email_engine.pmta.lint.wrong import NOT_POWERMTA
from email_engine.pmta.release import Release

SECRETS = frozenset(
    (
        "password",
        "auth-password",
        "http-api-key",
        "api-key",
        "access-token",
        "volume-audit-api-key",
        "privacy-policy",
    )
)
_KEYED = ("CIDR ", "DPATTERN ", "ADDRPATTERN ", "EMAIL")
"""Arguments of directives that may stand several times, once for each key."""
_LISTS = frozenset(("address-file", "tls-trusted-certificate", "api-key"))
_CLOSER = limits.JUDGED | style.JUDGED
_PATTERNS = frozenset(("", "reply", "mail-from", "rcpt-to", "header"))
_GUESSES = 200
_OWN_PLACES = "-template"
"""In the values of these directives PowerMTA itself fills `${hostname}` and the like in."""
_MULTIPLIED = re.compile(r"/\d+[a-z]")


class ValueVerdict(NamedTuple):
    """What is wrong with a text in a place, wherever it stands; None: as the rule says."""

    rule: Rule
    message: str
    severity: Severity | None = None
    remedy: str | None = None


class Known:
    """A directive in a kind of block: what every line of it tells, and what was said about values so far."""

    __slots__ = ("closer", "name", "once", "rule", "scope", "standing", "values")

    def __init__(
        self, name: str, scope: str, rule: DirectiveRule | None, standing: list[ValueVerdict]
    ) -> None:
        self.name = name
        self.scope = scope
        self.rule = rule
        self.standing = standing
        self.values: dict[str, tuple[ValueVerdict, ...]] = {}
        self.once = rule is not None and _stands_once(rule, scope)
        self.closer = rule is not None and ("REGEX" in rule.spec or name in _CLOSER)


class Judge:
    """Remembers what it said about a directive in a kind of block."""

    def __init__(self, grammar: Grammar, release: Release, allow: frozenset[str] = frozenset()) -> None:
        self._grammar = grammar
        self._release = release
        self._allow = allow
        self._old = release.line < (5, 0)
        self._guesses = 0

    def known(self, scope: str, name: str) -> Known:
        """What is to be known of a directive in a kind of block."""
        key = LINE if not name else ANY if name == "*" and scope == "pattern-list" else name
        rule = None if name in NOT_POWERMTA else self._grammar.rule(key, scope)
        return Known(name, scope, rule, self._standing(rule, scope) if rule else [])

    def comment(self, node: Directive) -> tuple[ValueVerdict, ...]:
        """Whether a comment cuts something off that was meant."""
        if node.comment is None:
            return ()
        found = self.text(node.comment, Severity.WARNING)
        if node.name in SECRETS and not node.comment[:1].isspace():
            return (*found, ValueVerdict(security.HASH, f"`{node.name}` is cut at #, which starts a comment"))
        if node.name in _PATTERNS and _open_regex(node.value) and "/" in node.comment:
            cut = ValueVerdict(syntax.CUT_BY_COMMENT, "the expression is cut at #, which starts a comment")
            return (*found, cut)
        return found

    def text(self, text: str, gravity: Severity) -> tuple[ValueVerdict, ...]:
        """Whether it is text at all."""
        if text.isascii() and text.isprintable():
            return ()
        if "\ufffd" in text:
            return (ValueVerdict(syntax.NOT_TEXT, "the line holds bytes that are not UTF-8", gravity),)
        if any(c < " " and c != "\t" for c in text) or "\x7f" in text:
            return (ValueVerdict(syntax.CONTROL, "the line holds control characters", gravity),)
        return ()

    def directive(self, known: Known, value: str) -> tuple[ValueVerdict, ...]:
        """Everything about a directive that its own line and the block's kind tell."""
        rule = known.rule
        place = (
            "" if _OWN_PLACES in known.name else placeholder(f"{'' if rule else known.name} {value}".strip())
        )
        if place:
            return (ValueVerdict(TEMPLATE, place),)
        if rule is None or not (value.isascii() and value.isprintable()):
            told = self.text(known.name + value, Severity.ERROR)
            if told:
                return told
        if rule is None:
            return self._misplaced(known.scope, known.name, value)
        fault = self._fault(rule, known.scope, value)
        if fault:
            return (*known.standing, fault)
        if known.closer:
            return (*known.standing, *self._closer(rule, value))
        return tuple(known.standing)

    def _misplaced(self, scope: str, name: str, value: str) -> tuple[ValueVerdict, ...]:
        where = "global level" if scope == GLOBAL else f"<{scope}>"
        if value.endswith("{") or name in ("{", "}") or name.endswith("{"):
            return (ValueVerdict(syntax.BRACES, "a brace opens or closes nothing in PowerMTA"),)
        if name.startswith(("//", "/*", ";", "--", "!")):
            return (ValueVerdict(syntax.OTHER_COMMENT, f"`{name[:2]}` starts no comment"),)
        if scope == "pattern-list" and ("@" in name or name not in self._grammar.directives):
            return (
                ValueVerdict(
                    words.NO_KEYWORD, "a line of a pattern list starts with mail-from, rcpt-to or header"
                ),
            )
        if name == "default-virtual-mta-pool":
            return (ValueVerdict(words.DEFAULT_POOL, "`default-virtual-mta-pool` does not exist"),)
        if name == "format" and scope == "acct-file":
            return (ValueVerdict(accounting.FORMAT, "`format` does not exist: accounting files are CSV"),)
        if name in NOT_POWERMTA:
            told = ValueVerdict(words.NOT_POWERMTA, f"`{name}` is not PowerMTA", remedy=NOT_POWERMTA[name])
            return (told,)
        if name == "max-msg-rate" and scope in ("virtual-mta", "virtual-mta-pool"):
            return (ValueVerdict(limits.RATE_IN_VMTA, f"`max-msg-rate` directly in {where}"),)
        tag = self._grammar.tags.get(name)
        if tag is not None and scope in tag.parents:
            return (self._unknown(name, scope),)
        if name in self._grammar.directives:
            return (self._elsewhere(name, where, replacement(name, scope)),)
        return () if name in self._allow else (self._unknown(name, scope),)

    def _elsewhere(self, name: str, where: str, instead: str | None) -> ValueVerdict:
        allowed = sorted({scope for rule in self._grammar.directives[name] for scope in rule.scopes})
        places = " or ".join("at global level" if one == GLOBAL else f"in <{one}>" for one in allowed)
        at = "at global level" if where == "global level" else f"in {where}"
        return ValueVerdict(
            scopes.SCOPE,
            f"`{name}` may not stand {at}; it stands {places}",
            remedy=instead or f"move the line: it stands {places}",
        )

    def _unknown(self, name: str, scope: str) -> ValueVerdict:
        shown = shown_name(name)
        if name in self._grammar.tags:
            remedy = f"write `<{name} ...>`, its lines, and `</{name}>`"
            return ValueVerdict(words.IS_A_TAG, f"`{name}` is a tag", remedy=remedy)
        lower = name.lower()
        if lower != name and self._grammar.rule(lower, scope):
            return ValueVerdict(
                words.UPPER_CASE, f"`{shown}` is written `{lower}`", remedy=f"write `{lower}`"
            )
        if re.split("[=:]", name)[0] in self._grammar.directives and ("=" in name or name.endswith(":")):
            return ValueVerdict(
                syntax.ASSIGNMENT, f"`{re.split('[=:]', name)[0]}`: a sign between keyword and value"
            )
        self._guesses += 1
        more, instead = meant(self._grammar, name[:60], scope) if self._guesses <= _GUESSES else ("", None)
        return ValueVerdict(words.UNKNOWN, f"unknown directive `{shown}`{more}", remedy=instead)

    def _standing(self, rule: DirectiveRule, scope: str) -> list[ValueVerdict]:
        name, found = rule.name, []
        if is_newer(rule.since, self._release):
            message = f"`{name}` came with {rule.since}, later than {self._release}"
            found.append(ValueVerdict(words.TOO_NEW, message))
        if scope in rule.unsure:
            where = "at global level" if scope == GLOBAL else f"in <{scope}>"
            found.append(
                ValueVerdict(scopes.UNSURE, f"the guide leaves open whether `{name}` may stand {where}")
            )
        instead = rule.replaced_by
        remedy = f"write `{instead}`" if instead else None
        if rule.status == "deprecated":
            found.append(ValueVerdict(style.DEPRECATED, f"`{name}` is deprecated", remedy=remedy))
        elif rule.status == "legacy":
            found.append(ValueVerdict(style.LEGACY, f"`{name}` is not in the 5.0 guide", remedy=remedy))
        elif rule.status == "removed":
            gravity = None if self._release.surely_reaches(style.REMOVED_SINCE) else Severity.WARNING
            found.append(ValueVerdict(style.REMOVED, f"`{name}` was removed", gravity, remedy))
        return found

    def _fault(self, rule: DirectiveRule, scope: str, value: str) -> ValueVerdict | None:
        if rule.spec == "?":
            return None
        try:
            rule.check(value)
        except BadValue as error:
            return self._bad(rule, scope, value, error)
        except (ValueError, OverflowError, RecursionError):
            return ValueVerdict(values.BAD_VALUE, f"`{rule.name}`: the value cannot be read")
        if self._old and "RATE" in rule.spec and _MULTIPLIED.search(value):
            return ValueVerdict(
                words.MULTIPLIER, f"`{rule.name} {short(value)}`: a multiplier needs PowerMTA 5.0"
            )
        return None

    def _bad(self, rule: DirectiveRule, scope: str, value: str, error: BadValue) -> ValueVerdict | None:
        name, spec, expected = rule.name, rule.spec, error.expected
        shown = f"`{short(redact(f'{name} {value}'.strip()), 110)}`"
        if name == LINE:
            shown = f"`{short(value)}`"
        if not value:
            return ValueVerdict(values.MISSING, f"`{name}` has no value; allowed is {expected}")
        if value.startswith(("=", ": ")):
            return ValueVerdict(syntax.ASSIGNMENT, f"`{name}` and its value have a sign between them")
        if re.search(r"(^|\s)\{(\s|$)", value):
            return ValueVerdict(syntax.BRACES, f"{shown}: PowerMTA has no blocks in braces")
        if len(value) > 2 and value[0] == value[-1] == '"':
            if "PATH" in spec or "DIR" in spec:
                return ValueVerdict(values.KEY_FILE_QUOTED, f"{shown}: a path in quotes")
            if "NAME" in spec and self._takes(rule, value[1:-1]):
                return None
        if "REGEX" in spec and _open_regex(value):
            return ValueVerdict(values.NO_SLASH, f"{shown}: the expression is not closed by a slash")
        if value != value.lower() and self._takes(rule, value.lower()):
            return ValueVerdict(words.UPPER_CASE, f"{shown}: the guide writes it in lower case")
        special = self._special(rule, scope, value, error, shown)
        if special:
            return special
        if error.fault is Fault.ORDER:
            return ValueVerdict(values.ORDER, f"{shown}: wrong order; it takes {short(spec)}")
        if "RATE" in spec and error.fault is not Fault.COUNT:
            return ValueVerdict(
                values.BAD_RATE, f"{shown}: allowed is {expected}", None, values.rate_remedy(spec)
            )
        if error.fault is Fault.UNIT:
            return ValueVerdict(values.BAD_UNIT, f"{shown}: allowed is {expected}")
        if "with commas and without blanks" in expected:
            return ValueVerdict(values.BLANKS, f"{shown}: a list has commas without blanks")
        if error.fault is Fault.COUNT or (" " in value and self._takes(rule, value.split()[0])):
            wanted = expected if error.fault is Fault.COUNT else "one argument"
            return ValueVerdict(values.COUNT, f"{shown}: it takes {wanted}: {short(spec)}")
        return ValueVerdict(values.BAD_VALUE, f"{shown}: allowed is {expected}")

    def _special(
        self, rule: DirectiveRule, scope: str, value: str, error: BadValue, shown: str
    ) -> ValueVerdict | None:
        name = rule.name
        if name == "virtual-mta" and scope == "virtual-mta-pool" and " " in value:
            return ValueVerdict(words.WEIGHT, f"{shown}: a member is a name alone, without weight")
        if name == "domain-key" and value.count(",") == 3:
            return ValueVerdict(values.FOUR_PARTS, f"{shown}: four parts instead of three")
        if name == "records":
            return ValueVerdict(accounting.RECORDS, f"{shown}: allowed are d, b, t, tq, r, f, rb, rs")
        if name == "source-ip-max-msg-rate" and error.fault is Fault.UNIT and re.search(r"/\d*d", value):
            return ValueVerdict(values.NO_DAY, f"{shown}: allowed is {error.expected}")
        if "max30" in rule.spec and error.fault is Fault.COUNT:
            return ValueVerdict(
                values.TOO_MANY, f"`{name}` has {value.count(',') + 1} values, at most 30 are allowed"
            )
        if name in ("http-api-key", "api-key"):
            remedy = "write the key that the service gave you" if scope == "signals" else None
            return ValueVerdict(values.API_KEY, f"`{name}` is not {error.expected}", remedy=remedy)
        if name == "mx" and len(value.split()) > 1 and not value.split()[1].endswith(".rollup"):
            return ValueVerdict(values.ROLLUP_NAME, f"{shown}: the name does not end in .rollup")
        return None

    def _takes(self, rule: DirectiveRule, value: str) -> bool:
        try:
            rule.check(value)
        except ValueError:
            return False
        return True

    def _closer(self, rule: DirectiveRule, value: str) -> list[ValueVerdict]:
        """What the grammar's types do not see."""
        found = []
        if "REGEX" in rule.spec:
            found += [ValueVerdict(*told) for told in judge_regex(value)]
        if rule.name == "reply":
            found += [ValueVerdict(*told) for told in judge_actions(value, self._release)]
        found += [ValueVerdict(*told) for told in limits.judge_value(rule.name, value)]
        found += [ValueVerdict(*told) for told in style.judge_value(rule.name, value)]
        return found


def _open_regex(value: str) -> bool:
    slashes = re.findall(r"\\.|/", value)
    return sum(found == "/" for found in slashes) == 1


def _stands_once(rule: DirectiveRule, scope: str) -> bool:
    if rule.repeatable or rule.name in _LISTS or scope == "rewrite-list":
        return False
    return not rule.spec.startswith(_KEYED)
