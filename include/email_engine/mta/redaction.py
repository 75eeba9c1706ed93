"""What must never reach a log, a diff or the history: passwords, keys and tokens in a configuration's text."""

import re

HIDDEN = "(hidden)"
_NAMED = re.compile(
    r"(?im)^([-+ ]?[ \t#]*[^\s<>#]*(?:password|passphrase|api-key|access-token|secret)[^\s<>]*[ \t]+)\S.*$"
)
_IN_ADDRESS = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://)[^/\s@]+@")
_KEY = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)


def redact(text: str) -> str:
    """The text with the value of every directive that names a secret, credentials in addresses, and private keys hidden.

    Works on configurations and on their diffs, commented lines too; a text without secrets comes back unchanged."""
    text = _KEY.sub(lambda found: f"-----BEGIN {found.group(1)}----- {HIDDEN}", text)
    text = _NAMED.sub(rf"\g<1>{HIDDEN}", text)
    return _IN_ADDRESS.sub(rf"\g<1>{HIDDEN}@", text)
