"""What must never reach a log, a diff or the history: passwords, keys and tokens in a configuration's text."""

import re

HIDDEN = "(hidden)"
_NAMED = re.compile(
    r"(?im)^([-+ ]?[ \t#]*[^\s<>#]*(?:pass?w[a-z]*|passphrase|api-?key|access-token|secret)[^\s<>]*[ \t]+)\S.*$"
)
_BEHIND_A_FILE = re.compile(r"(?im)^([-+ ]?[ \t#]*[a-z.-]*certificate[ \t]+\S+[ \t]+)[^\s#].*$")
_HASHED = re.compile(r"(?im)^([-+ ]?[ \t#]*privacy-policy[ \t]+(?:siphash|hmac)[a-z0-9-]*[ \t]+)\S.*$")
_ASSIGNED = re.compile(
    r"(?i)(\b(?:[\w-]*[-_])?(?:password|passwd|passphrase|secret|token|api-?key)=)[^\s&\"'>]+"
)
_IN_ADDRESS = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://)[^/\s@]+@")
_KEY = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)


def redact(text: str) -> str:
    """The text with the value of every directive that names a secret, passphrases behind a certificate's file, keys of hashes,
    `password=...`, credentials in addresses, and private keys hidden.

    Works on configurations and on their diffs, commented lines too; a text without secrets comes back unchanged."""
    text = _KEY.sub(lambda found: f"-----BEGIN {found.group(1)}----- {HIDDEN}", text)
    for pattern in (_NAMED, _BEHIND_A_FILE, _HASHED, _ASSIGNED):
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return _IN_ADDRESS.sub(rf"\g<1>{HIDDEN}@", text)
