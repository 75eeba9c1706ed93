"""A receiver's reply without what differs from one message to the next, so that equal replies are equal texts."""

import re

VARIABLE = (
    r"""[^\s<>"'(),;:\[\]]+@[^\s<>"'(),;:\[\]]+"""  # an address
    r"|\bas\(?[0-9]{3,}\)?|127\.255\.255"  # Microsoft's reference of any length; a list's refusal, whose last number stays
    r"|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.prod\b"  # Microsoft's host, whose domain stays: it tells who answers
    r"|(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}|[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9]{1,3}(?:-[0-9]{1,3}){3}"  # an IP, also within a name
    r"|\b[a-z0-9-]*[0-9][a-z]+[a-z0-9]*[0-9][a-z0-9]*(?:[.-][a-z0-9]+)*\b|\b[a-z]*[0-9]{2,}[a-z]+\b"  # an id
    r"|\?[^\s]+|[a-z0-9]*[0-9]{7,}[a-z0-9]*|\b[0-9]{4,}\b"  # the query of a link, long numbers
)
"""For Python and for RE2 alike; of a text in lower case. Codes such as s3150 or ofr006_103 stay: they are the message."""

MASK = "#"
LONGEST = 400
SHORTEST_NAME = 2
_VARIABLE = re.compile(VARIABLE, re.ASCII)
_ADDRESS = re.compile(r"""(?:"[^"@]{1,64}"|[^\s<>"(),;:\[\]]+)(?:@|%40)[^\s<>"'(),;:\[\]]+""", re.IGNORECASE)
_DOT = r"(?:\[?[.]\]?|[-_]|%2e)"
_IP = re.compile(
    r"(?:[0-9a-f][.-]){15,}[0-9a-f](?![0-9a-z])"  # IPv6 turned round, nibble by nibble
    r"|(?:[0-9a-f][.]){4,}ip6[.]\w+|(?:[0-9]{1,3}[.]){1,4}in-addr[.]arpa"
    r"|(?<![0-9a-z])(?:[0-9a-f]{0,4}(?::|%3a)){2,7}(?:[0-9]{1,3}(?:[.][0-9]{1,3}){3}|[0-9a-f]{0,4})"
    r"|(?<![0-9a-z])[0-9a-f]{1,4}(?:-{1,2}[0-9a-f]{1,4}){4,7}(?![0-9a-z])"
    rf"|[0-9]{{1,3}}(?:{_DOT}[0-9]{{1,3}}){{3}}"
    r"|(?<![0-9a-z])[0-9a-f]{4}:[0-9a-f]{4}(?![0-9a-z])"
    r"|(?<![0-9a-z])(?:0x[0-9a-f]{8}|(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{8})(?![0-9a-z])"
    r"|(?<![0-9])[0-9]{9,12}(?![0-9])",  # an IPv4 as one number, or padded with zeros
    re.IGNORECASE | re.ASCII,
)
_SMALL = re.compile(
    r"(?<![\w.])[0-9]{1,3}(?= ?(?:s|sec|seconds?|minutes?|hours?|messages?|recipients?|connections?)\b)",
    re.ASCII,
)


def plain(text: str) -> str:
    """The normal form of a reply: lower case, one line, ids, numbers and addresses masked, at most LONGEST characters."""
    return tidy(_VARIABLE.sub(MASK, text[:LONGEST].lower()))


def tidy(text: str) -> str:
    """The end of `plain`, of a text whose variable parts are masked."""
    return _SMALL.sub(MASK, " ".join(text.replace("\0", " ").split()))


def example(text: str, recipient: str) -> str:
    """The reply as it came, without its recipient, any other address and any IP. Of one that was cut at LONGEST the last word
    goes, which may be the beginning of an address."""
    if len(text) >= LONGEST:
        text = text[:LONGEST].rpartition(" ")[0]
    local = recipient.strip("<>").rpartition("@")[0]
    found = _ADDRESS.sub("<address>", " ".join(text.replace("\0", " ").split()))
    for name in dict.fromkeys((local, local.strip('"'), local.partition("+")[0])):
        if len(name) >= SHORTEST_NAME:
            found = re.sub(rf"(?i)(?<![^\W_]){re.escape(name)}(?![^\W_])", "<recipient>", found)
    return _IP.sub("<ip>", found)[:LONGEST]
