"""201 to 209: directives that do not exist, or not for this release."""

from email_engine.pmta.lint.rule import ERROR, WARNING, Rule

UNKNOWN = Rule(
    "PM201",
    ERROR,
    "unknown directive",
    "One unknown directive stops the service from starting: `unknown directive` in pmta-startuperr.log.",
    "3.3; field",
    "correct the spelling, or delete the line",
    "<domain *>\n  max-smtp-outs 2\n</domain>\n",
    "<domain *>\n  max-smtp-out 2\n</domain>\n",
)
NOT_POWERMTA = Rule(
    "PM202",
    ERROR,
    "a directive of another program",
    "Often copied from the web or made by a machine; PowerMTA never had it and does not start with it.",
    "facts section 4",
    "see the message",
    "<virtual-mta vmta-1>\n  smtp-source-host 192.0.2.11 mail1.example.com\n  dkim-selector s1\n</virtual-mta>\n",
    "<virtual-mta vmta-1>\n  smtp-source-host 192.0.2.11 mail1.example.com\n"
    "  domain-key s1,example.com,/etc/pmta/s1.pem\n  <domain *>\n    dkim-sign yes\n  </domain>\n</virtual-mta>\n",
)
DEFAULT_POOL = Rule(
    "PM203",
    ERROR,
    "default-virtual-mta-pool",
    "`default-virtual-mta` takes the name of a virtual MTA or of a pool; there is no directive for pools alone.",
    "3.3.7; facts section 4",
    "write `default-virtual-mta NAME`",
    "<source 192.0.2.9>\n  default-virtual-mta-pool pool-a\n</source>\n",
    "<source 192.0.2.9>\n  default-virtual-mta by-smtp-source-ip\n</source>\n",
)
WEIGHT = Rule(
    "PM204",
    ERROR,
    "weight on a pool member",
    "`virtual-mta` in a pool takes one argument; members take turns and a capped member keeps its share.",
    "3.3.13; facts section 4",
    "delete the weight; to send less over an IP give its <virtual-mta> a `max-smtp-msg-rate`, or keep it out of the pool",
    "<virtual-mta vmta-1>\n  smtp-source-host 192.0.2.11 mail1.example.com\n</virtual-mta>\n"
    "<virtual-mta-pool pool-a>\n  virtual-mta vmta-1 weight 100\n</virtual-mta-pool>\n",
    "<virtual-mta vmta-1>\n  smtp-source-host 192.0.2.11 mail1.example.com\n</virtual-mta>\n"
    "<virtual-mta-pool pool-a>\n  virtual-mta vmta-1\n</virtual-mta-pool>\n",
)
NO_KEYWORD = Rule(
    "PM205",
    ERROR,
    "a line of a <pattern-list> without keyword",
    "Each line names what it looks at: mail-from, rcpt-to or header, then a regular expression and what follows from it.",
    "3.3.14; facts section 4",
    r"write `rcpt-to /@example\.org$/ virtual-mta=NAME`",
    "<virtual-mta vmta-1>\n  smtp-source-host 192.0.2.11 mail1.example.com\n</virtual-mta>\n"
    "<pattern-list routes>\n  news@example.com vmta-1\n</pattern-list>\n",
    "<virtual-mta vmta-1>\n  smtp-source-host 192.0.2.11 mail1.example.com\n</virtual-mta>\n"
    "<pattern-list routes>\n  mail-from /^news@example\\.com$/ virtual-mta=vmta-1\n</pattern-list>\n",
)
TOO_NEW = Rule(
    "PM206",
    ERROR,
    "newer than the release",
    "A directive that the installed release does not know stops it from starting.",
    "release notes",
    "delete the line, or upgrade PowerMTA first",
    "<domain *>\n  use-dane yes\n</domain>\n",
    "<domain *>\n  use-starttls yes\n</domain>\n",
    version="4.5",
)
MULTIPLIER = Rule(
    "PM207",
    ERROR,
    "rate with a multiplier before 5.0",
    "`83/10m` is new in 5.0; 4.5 knows only one unit of time.",
    "3.2",
    "write the rate for one day, hour, minute or second",
    "<domain *>\n  max-msg-rate 83/10m\n</domain>\n",
    "<domain *>\n  max-msg-rate 498/h\n</domain>\n",
    version="4.5",
)
UPPER_CASE = Rule(
    "PM208",
    WARNING,
    "a directive, tag or word that is not in lower case",
    "The guide writes all of them in lower case and does not say whether others are taken.",
    "3.3",
    "write it in lower case",
    "<domain *>\n  Max-Smtp-Out 2\n</domain>\n",
    "<domain *>\n  max-smtp-out 2\n</domain>\n",
)
IS_A_TAG = Rule(
    "PM209",
    ERROR,
    "a tag written as a directive",
    "This name opens a block.",
    "3.3",
    "write `<name ARGUMENT>`, its lines, and `</name>`",
    "smtp-pattern-list replies\n",
    "<smtp-pattern-list replies>\n</smtp-pattern-list>\n",
)

RULES = (UNKNOWN, NOT_POWERMTA, DEFAULT_POOL, WEIGHT, NO_KEYWORD, TOO_NEW, MULTIPLIER, UPPER_CASE, IS_A_TAG)
