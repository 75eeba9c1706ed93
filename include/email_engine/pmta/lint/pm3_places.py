"""301 to 309: what stands where it may not, and what stands twice."""

from email_engine.pmta.lint.rule import ERROR, INFO, WARNING, Rule

_VMTA = "<virtual-mta vmta-1>\n  smtp-source-host 192.0.2.11 mail1.example.com\n</virtual-mta>\n"

SCOPE = Rule(
    "PM301",
    ERROR,
    "directive in the wrong place",
    "Each directive is known in certain blocks only; elsewhere it is as good as unknown.",
    "3.3",
    "move the line",
    "max-msg-rate 100/h\n",
    "<domain *>\n  max-msg-rate 100/h\n</domain>\n",
)
TAG_SCOPE = Rule(
    "PM302",
    ERROR,
    "block in the wrong place",
    "Most blocks stand at global level only.",
    "3.3",
    "move the block",
    "<domain example.org>\n" + _VMTA + "</domain>\n",
    _VMTA + "<domain example.org>\n  max-smtp-out 2\n</domain>\n",
)
UNKNOWN_TAG = Rule(
    "PM303",
    ERROR,
    "unknown tag",
    "PowerMTA does not start with a block that it does not know.",
    "3.3",
    "correct the spelling, or delete the block",
    "<virtual-mtas vmta-1>\n</virtual-mtas>\n",
    _VMTA,
)
SEVERAL_DOMAINS = Rule(
    "PM304",
    ERROR,
    "several domains in one <domain>",
    "A <domain> takes one pattern.",
    "3.3.10; facts sections 1.1 and 4",
    "write `domain-macro NAME a.example,b.example` and `<domain $NAME>`",
    "<domain gmail.com googlemail.com>\n  max-smtp-out 2\n</domain>\n",
    "domain-macro google gmail.com,googlemail.com\n<domain $google>\n  max-smtp-out 2\n</domain>\n",
)
TAG_ARGUMENT = Rule(
    "PM305",
    ERROR,
    "wrong argument of a tag",
    "A tag without its name, with one too many, or with one of the wrong kind is refused.",
    "3.3",
    "write what the message names",
    "<virtual-mta-pool>\n</virtual-mta-pool>\n",
    _VMTA + "<virtual-mta-pool pool-a>\n  virtual-mta vmta-1\n</virtual-mta-pool>\n",
    also=("PM313",),
)
TWICE = Rule(
    "PM306",
    WARNING,
    "the same setting twice in a block",
    "Only one of the lines counts; with one value twice it is merely noise (info).",
    "3.3",
    "delete the line that is not meant",
    "<domain *>\n  max-smtp-out 2\n  max-smtp-out 20\n</domain>\n",
    "<domain *>\n  max-smtp-out 2\n</domain>\n",
)
DOMAIN_TWICE = Rule(
    "PM307",
    WARNING,
    "the same <domain> twice with other values",
    "Blocks may come in any order, so nothing says which of two values for one pattern counts.",
    "3.3.10; facts section 1.1",
    "join the blocks",
    "<domain example.org>\n  max-smtp-out 2\n</domain>\n<domain example.org>\n  max-smtp-out 20\n</domain>\n",
    "<domain example.org>\n  max-smtp-out 2\n</domain>\n<domain example.net>\n  max-smtp-out 20\n</domain>\n",
)
UNSURE = Rule(
    "PM308",
    INFO,
    "a place that the guide leaves open",
    "Seen in guides or in use, but not in the list of what this block takes.",
    "3.3; facts section 1.7",
    "let `pmta test config` decide",
    "always-allow-relaying no\n",
    "<source 192.0.2.9>\n  always-allow-relaying no\n</source>\n",
)
BLOCK_TWICE = Rule(
    "PM309",
    WARNING,
    "two blocks of one name",
    "The guide does not say whether they are joined or which one counts.",
    "3.3",
    "join the blocks, or give one another name",
    _VMTA + _VMTA.replace("192.0.2.11", "192.0.2.12"),
    _VMTA,
)

RULES = (
    SCOPE,
    TAG_SCOPE,
    UNKNOWN_TAG,
    SEVERAL_DOMAINS,
    TAG_ARGUMENT,
    TWICE,
    DOMAIN_TWICE,
    UNSURE,
    BLOCK_TWICE,
)
