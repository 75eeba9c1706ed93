"""1xx: lines, tags and blocks that cannot be read."""

import re

from email_engine.pmta.lint.rule import ERROR, MAIN, WARNING, Rule

NOT_TEXT = Rule(
    "PM101",
    ERROR,
    "not UTF-8 text",
    "A configuration is UTF-8 text; other bytes are read as something else than was meant. In a comment it is a warning.",
    "3.1",
    "save the file as UTF-8",
    "postmaster m\ufffdller@example.com\n",
    "postmaster mueller@example.com\n",
)
CONTROL = Rule(
    "PM102",
    ERROR,
    "control character or binary data",
    "NUL bytes and the like come from damaged disks, cut uploads and editors in the wrong mode.",
    "3.1",
    "restore the line from a copy that is whole",
    "postmaster ops\x00@example.com\n",
    "postmaster ops@example.com\n",
)
NO_TAG = Rule(
    "PM103",
    ERROR,
    "a line with < that is no tag",
    "A tag stands alone on its line: `<name argument>` or `</name>`.",
    "3.1",
    "write `<tag NAME>` alone on its line, and `</tag>` on a later one",
    "<domain example.org\n  max-smtp-out 2\n",
    "<domain example.org>\n  max-smtp-out 2\n</domain>\n",
    also=("PM301",),
)
STRAY_CLOSE = Rule(
    "PM104",
    ERROR,
    "a closing tag that closes nothing",
    "PowerMTA does not start with a tag out of place.",
    "3.1",
    "delete the line, or put the opening tag back",
    "<domain example.org>\n  max-smtp-out 2\n</domain>\n</domain>\n",
    "<domain example.org>\n  max-smtp-out 2\n</domain>\n",
)
UNCLOSED = Rule(
    "PM105",
    ERROR,
    "a block that is not closed",
    "Everything behind the opening tag is read as part of the block.",
    "3.1",
    "add the closing tag on a line of its own",
    "<domain example.org>\n  max-smtp-out 2\n",
    "<domain example.org>\n  max-smtp-out 2\n</domain>\n",
)
BRACES = Rule(
    "PM106",
    ERROR,
    "a block in braces",
    "Many examples on the web show `name { ... }`; PowerMTA has no such blocks.",
    "3.1; facts section 4",
    "write `<tag NAME>` ... `</tag>`",
    "smtp-listener 127.0.0.1:2525 {\n}\n",
    "<smtp-listener 127.0.0.1:2525>\n</smtp-listener>\n",
)
XML = Rule(
    "PM107",
    ERROR,
    "XML",
    "PowerMTA's tags look like XML but have no attributes, no `/>` and no text between tags.",
    "3.1; facts section 4",
    "write `<tag NAME>`, one directive a line, `</tag>`",
    '<?xml version="1.0"?>\n<virtual-mta name="vmta-1">\n</virtual-mta>\n',
    "<virtual-mta vmta-1>\n  smtp-source-host 192.0.2.11 mail1.example.com\n</virtual-mta>\n",
)
TOO_DEEP = Rule(
    "PM108",
    ERROR,
    "blocks in blocks without end",
    "Only <domain>, <address-list>, <email-patterns> and <pattern-list> stand in other blocks.",
    "3.3",
    "close the outer blocks first",
    "<domain *>\n" * 21 + "</domain>\n" * 21,
    "<pattern-list a>\n  mail-from /x/ recipient-priority=50\n</pattern-list>\n",
    also=("PM104", "PM302"),
)
ASSIGNMENT = Rule(
    "PM109",
    ERROR,
    "a value behind = or :",
    "Between keyword and value stand blanks only.",
    "3.1",
    "write keyword, blank, value",
    MAIN + "total-max-smtp-out = 500\n",
    MAIN + "total-max-smtp-out 500\n",
)
OTHER_COMMENT = Rule(
    "PM110",
    ERROR,
    "a comment that does not start with #",
    "Only `#` starts a comment; `//`, `;`, `--` and `!` start an unknown directive, which stops the service from starting.",
    "3.1",
    "start the comment with #",
    "// limits of the big ones\n",
    "# limits of the big ones\n",
)
CUT_BY_COMMENT = Rule(
    "PM111",
    ERROR,
    "a regular expression that is cut by #",
    "`#` starts a comment anywhere, also between the slashes of a regular expression.",
    "3.1",
    r"write \x23 for #",
    "<smtp-pattern-list replies>\n  reply /error #42/ mode=backoff\n</smtp-pattern-list>\n",
    "<smtp-pattern-list replies>\n  reply /error \\x2342/ mode=backoff,backoff-to-normal-after=1h\n</smtp-pattern-list>\n",
)
OTHER_CLOSE = Rule(
    "PM114",
    WARNING,
    "a closing tag with another name",
    "A name may stand behind a closing tag, and PowerMTA is not known to compare it: it closes the block that is open. Then a closing "
    "or an opening tag is missing, or the name is a slip.",
    "3.3.19",
    "put the missing tag back, or write `</tag>` alone",
    "<domain a.example>\n  max-smtp-out 2\n</domain b.example>\n",
    "<domain a.example>\n  max-smtp-out 2\n</domain>\n",
)

RULES = (
    NOT_TEXT,
    CONTROL,
    NO_TAG,
    STRAY_CLOSE,
    UNCLOSED,
    BRACES,
    XML,
    TOO_DEEP,
    ASSIGNMENT,
    OTHER_COMMENT,
    CUT_BY_COMMENT,
    OTHER_CLOSE,
)
_XML = re.compile(r"<\?|</[A-Za-z-]+>.|.</|/>|=\s*[\"']|\s[\w-]+=|<!")


def is_xml(text: str) -> bool:
    """Does a line with a tag look like XML?"""
    return bool(_XML.search(text))


def unreadable(text: str, problem: str) -> tuple[Rule, str]:
    """The rule and message for a line that the parser could not read; only the tag is shown."""
    tag = re.match(r"</?\s*[A-Za-z0-9-]*", text)
    shown = tag[0] if tag else text[:1]
    if is_xml(text):
        return XML, f"`{shown}...` is XML"
    if text.rstrip().endswith("{"):
        return BRACES, f"`{shown}...` opens a block in braces"
    if "closes nothing" in problem:
        return STRAY_CLOSE, f"`{shown}>` {problem}"
    if "too many" in problem:
        return TOO_DEEP, f"`{shown}...` {problem}"
    return NO_TAG, f"`{shown}...` {problem}"
