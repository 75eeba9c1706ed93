"""A receiver's reply without what differs from one message to the next, so that equal replies are equal texts."""

import re

VARIABLE = (
    r"""[^\s<>"'(),;:\[\]]+@[^\s<>"'(),;:\[\]]+"""  # an address
    r"|(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}|[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9]{1,3}(?:-[0-9]{1,3}){3}"  # an IP, also within a name
    r"|\b[a-z0-9-]*[0-9][a-z]+[a-z0-9]*[0-9][a-z0-9]*(?:[.-][a-z0-9]+)*\b|\b[a-z]*[0-9]{2,}[a-z]+\b"  # an id
    r"|\?[^\s]+|[a-z0-9]*[0-9]{7,}[a-z0-9]*|\b[0-9]{4,}\b"  # the query of a link, long numbers
)
"""For Python and for RE2 alike; of a text in lower case. Codes such as s3150 or ofr006_103 stay: they are the message."""

MASK = "#"
LONGEST = 400
_VARIABLE = re.compile(VARIABLE, re.ASCII)
_ADDRESS = re.compile(r"""[^\s<>"'(),;:\[\]]+@[^\s<>"'(),;:\[\]]+""")
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
    """The reply as it came, without its recipient and any other address."""
    local = recipient.strip("<>").rpartition("@")[0]
    found = _ADDRESS.sub("<address>", " ".join(text.replace("\0", " ").split()))
    if len(local) >= 3 and local.lower() in found.lower():
        found = re.sub(rf"(?i)(?<![a-z0-9]){re.escape(local)}(?![a-z0-9])", "<recipient>", found)
    return found[:LONGEST]
