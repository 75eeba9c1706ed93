"""211 to 229: arguments that are missing, too many, in the wrong order, of the wrong kind."""

from email_engine.pmta.lint.rule import ERROR, WARNING, Rule

_VMTA = "<virtual-mta vmta-1>\n  smtp-source-host 192.0.2.11 mail1.example.com\n{}</virtual-mta>\n"
_SIGNED = "  <domain *>\n    dkim-sign yes\n  </domain>\n"

MISSING = Rule(
    "PM211",
    ERROR,
    "argument missing",
    "PowerMTA refuses the line: `argument missing`.",
    "3.3; 8.1",
    "write the value behind the keyword",
    "<domain *>\n  max-smtp-out\n</domain>\n",
    "<domain *>\n  max-smtp-out 2\n</domain>\n",
)
COUNT = Rule(
    "PM212",
    ERROR,
    "wrong number of arguments",
    "Arguments that the directive does not have make the line unreadable.",
    "3.3",
    "write as many arguments as the message says",
    _VMTA.format("").replace(" mail1.example.com", ""),
    _VMTA.format(""),
)
ORDER = Rule(
    "PM213",
    ERROR,
    "arguments in the wrong order",
    "`smtp-source-host` takes the IP first, then the host name.",
    "3.3.12; facts section 4",
    "swap them",
    _VMTA.format("").replace("192.0.2.11 mail1.example.com", "mail1.example.com 192.0.2.11"),
    _VMTA.format(""),
)
BAD_RATE = Rule(
    "PM214",
    ERROR,
    "bad rate or unit",
    "A rate is N/UNIT, 0 or unlimited. Units are d, day, h, hr, m, min, s, sec; `/hour` and `/minute` do not exist.",
    "3.2; facts section 4",
    "write for example 500/d, 250/h or 10/m",
    "<domain *>\n  max-msg-rate 1000/hour\n</domain>\n",
    "<domain *>\n  max-msg-rate 1000/h\n</domain>\n",
)
NO_DAY = Rule(
    "PM215",
    WARNING,
    "source-ip-max-msg-rate with a day",
    "Its syntax line lists hours, minutes and seconds only, though a second place of the guide says any rate.",
    "3.3.10; facts section 1.1",
    "write a rate an hour; for a day use `max-smtp-msg-rate N/d` in the <virtual-mta>",
    "<domain *>\n  source-ip-max-msg-rate 192.0.2.0/24 500/d\n</domain>\n",
    "<domain *>\n  source-ip-max-msg-rate 192.0.2.0/24 20/h\n</domain>\n",
)
BAD_UNIT = Rule(
    "PM216",
    ERROR,
    "bad time or size",
    "A time is digits and unit joined (units w d h m s), a size digits and one of b k m g t.",
    "3.2",
    "write for example 90s, 10m, 4d12h, or 64k, 250M",
    "<domain *>\n  retry-after 10min\n</domain>\n",
    "<domain *>\n  retry-after 10m\n</domain>\n",
)
BAD_VALUE = Rule(
    "PM217",
    ERROR,
    "a value of the wrong kind",
    "PowerMTA refuses what it cannot read as the kind of value that the directive takes.",
    "3.2, 3.3",
    "write a value of the kind that the message names",
    "<domain *>\n  use-starttls maybe\n</domain>\n",
    "<domain *>\n  use-starttls yes\n</domain>\n",
)
BLANKS = Rule(
    "PM218",
    ERROR,
    "blanks in a list",
    "Lists have commas without blanks.",
    "3.2",
    "delete the blanks round the commas",
    "<domain *>\n  retry-after 10m, 10m, 1h\n</domain>\n",
    "<domain *>\n  retry-after 10m,10m,1h\n</domain>\n",
)
FOUR_PARTS = Rule(
    "PM219",
    ERROR,
    "domain-key with four parts",
    "`domain-key` has exactly SELECTOR, DOMAIN or *, FILE. A domain in front takes the selector's place.",
    "3.3.12; facts sections 1.3 and 4",
    "write `domain-key SELECTOR,DOMAIN,FILE` (a parent domain covers its subdomains) or `SELECTOR,*,FILE`",
    _VMTA.format("  domain-key example.com,mail.example.com,*,/etc/pmta/s1.pem\n" + _SIGNED),
    _VMTA.format("  domain-key s1,example.com,/etc/pmta/s1.pem\n" + _SIGNED),
)
TOO_MANY = Rule(
    "PM220",
    ERROR,
    "more than 30 retry intervals",
    "`retry-after` and `backoff-retry-after` take at most 30 values; the last one repeats.",
    "3.3.10",
    "shorten the list",
    "<domain *>\n  retry-after " + ",".join(["10m"] * 31) + "\n</domain>\n",
    "<domain *>\n  retry-after " + ",".join(["10m"] * 30) + "\n</domain>\n",
)
NO_WEBHOOK_SIZE = Rule(
    "PM221",
    ERROR,
    "max-size of a file below 1M",
    "Only webhooks take less: 50K to 10M.",
    "3.3.11",
    "write 1M or more",
    "<acct-file /var/log/pmta/acct.csv>\n  max-size 500k\n</acct-file>\n",
    "<acct-file /var/log/pmta/acct.csv>\n  max-size 250M\n</acct-file>\n",
)
API_KEY = Rule(
    "PM222",
    ERROR,
    "API key of the wrong shape",
    "`http-api-key` and `api-key` take 32 to 128 characters of A-Z, a-z, 0-9 and _ (for <signals> 40 hexadecimal digits).",
    "3.3.1, 3.3.20; facts section 1.9",
    "make one with `openssl rand -hex 32`",
    "http-api-key secret\n",
    "http-api-key 0123456789abcdef0123456789abcdef\n",
)
ROLLUP_NAME = Rule(
    "PM223",
    ERROR,
    "rollup whose name does not end in .rollup",
    "The second argument of `mx` is the name of the common queue and must end in `.rollup`.",
    "r1 10.17; facts section 1.8",
    "write `mx PATTERN NAME.rollup`",
    "<mx-rollup-list>\n  mx mx.example.org example\n</mx-rollup-list>\n",
    "<mx-rollup-list>\n  mx mx.example.org example.rollup\n</mx-rollup-list>\n",
)
NO_SLASH = Rule(
    "PM229",
    ERROR,
    "a regular expression without its second slash",
    "An expression stands between two slashes; a slash inside has a backslash before it, and `#` cuts the line.",
    "3.2",
    r"close it with a slash; write \x23 for #",
    "<smtp-pattern-list replies>\n  reply /mailbox full skip-mx\n</smtp-pattern-list>\n",
    "<smtp-pattern-list replies>\n  reply /mailbox full/ skip-mx\n</smtp-pattern-list>\n",
)
KEY_FILE_QUOTED = Rule(
    "PM224",
    WARNING,
    "a path in quotes",
    "The guide writes paths as they are; quotes may become part of the name.",
    "3.2",
    "delete the quotes",
    'log-file "/var/log/pmta/pmta.log"\n<spool /var/spool/pmta>\n</spool>\n',
    "log-file /var/log/pmta/pmta.log\n<spool /var/spool/pmta>\n</spool>\n",
)

RULES = (
    MISSING,
    COUNT,
    ORDER,
    BAD_RATE,
    NO_DAY,
    BAD_UNIT,
    BAD_VALUE,
    BLANKS,
    FOUR_PARTS,
    TOO_MANY,
    NO_WEBHOOK_SIZE,
    API_KEY,
    ROLLUP_NAME,
    NO_SLASH,
    KEY_FILE_QUOTED,
)

_EXAMPLES = (
    ("CIDR RATE", "192.0.2.0/24 20/h"),
    ("CIDR VOLUME", "192.0.2.0/24 10m/h"),
    ("VOLUME", "10m/h or 500k/s"),
    ("DAY-RATE", "50/d or 50/d,100/d,200/d"),
)


def rate_remedy(spec: str) -> str | None:
    """What a right rate looks like where it is unlike most others; None: as the rule says."""
    return next((f"write for example {right}" for kind, right in _EXAMPLES if kind in spec), None)
