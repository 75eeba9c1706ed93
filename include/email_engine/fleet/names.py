"""Which texts are safe in PowerMTA configuration, DNS and a shell alike.

PowerMTA prints no rule for names (facts: `#` starts a comment anywhere, `/` separates domain from VMTA, `{` is
reserved, case is unclear), so names are narrow: lower case letters, digits, `.`, `_`, `-`. Each check returns None
for a good text, otherwise what is allowed.
"""

import re
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address

from email_engine.pmta.release import ALLOWED as RELEASES
from email_engine.pmta.release import Release

Check = Callable[[str], str | None]

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
SELECTOR = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
CONNECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
FILE_PATH = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9._-]{0,99})+")
LOCAL_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
PORT = re.compile(r"[1-9][0-9]{0,4}")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
LONGEST_PATH = 255
ENGINE_FOLDER = "/etc/pmta/"
SYSTEM_FOLDERS = frozenset(
    f"/{name}"
    for name in (
        "bin",
        "boot",
        "dev",
        "etc",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "proc",
        "root",
        "run",
        "sbin",
        "sys",
        "usr",
    )
)
"""Nothing of PowerMTA's mail belongs below them (but below /usr/local)."""
SHARED_FOLDERS = frozenset(
    f"/{name}"
    for name in (
        "home", "media", "mnt", "opt", "srv", "tmp", "usr", "usr/local", "var", "var/lib", "var/lock", "var/log", "var/mail",
        "var/run", "var/spool", "var/tmp",
    )
)  # fmt: skip
"""Others have their files there too: PowerMTA's are in a folder below."""
FORBIDDEN = "'\"#\\`$<>"
LONGEST_TEXT = 200

_SECOND_LEVEL = frozenset({"co", "com", "org", "net", "gov", "ac", "edu", "gob", "gouv", "or", "ne", "go"})


def like(pattern: re.Pattern[str], allowed: str) -> Check:
    """A check for texts that the whole pattern matches."""
    return lambda text: None if pattern.fullmatch(text) else allowed


name = like(NAME, "1-63 of a-z 0-9 . _ -, starting with a letter or digit")
selector = like(SELECTOR, "a DNS label in lower case, such as s1")
connection = like(CONNECTION, "an Airflow connection id of letters, digits, _ . -")


def version(text: str) -> str | None:
    """A release of PowerMTA, with major and minor number."""
    try:
        Release.parse(text)
    except ValueError:
        return RELEASES
    return None


def file_path(text: str) -> str | None:
    """An absolute path in its normal form: no `..`, no `//`, no slash at its end."""
    good = len(text) <= LONGEST_PATH and FILE_PATH.fullmatch(text)
    return None if good else "an absolute path of letters, digits, . _ - without '..' and hidden files"


def engine_file(text: str) -> str | None:
    """A configuration file that the engine may overwrite."""
    good = file_path(text) is None and text.startswith(ENGINE_FOLDER) and text.endswith(".conf")
    return (
        None
        if good
        else f"a file of the engine's own below {ENGINE_FOLDER}, such as {ENGINE_FOLDER}email-engine.conf"
    )


def _of_the_system(path: str) -> bool:
    below = any(path == folder or path.startswith(f"{folder}/") for folder in SYSTEM_FOLDERS)
    return path in SHARED_FOLDERS or (below and not path.startswith("/usr/local/"))


def data_folder(text: str) -> str | None:
    """A folder of PowerMTA's own: neither the system's nor one where others have their files."""
    allowed = "a folder of PowerMTA's own, such as /var/log/pmta/done, and none of the system"
    return file_path(text) or (allowed if _of_the_system(text) else None)


def data_file(text: str) -> str | None:
    """A file that PowerMTA may write: in no folder of the system."""
    allowed = "a file of PowerMTA's own, such as /var/log/pmta/pmta.log, and none of the system"
    return file_path(text) or (allowed if _of_the_system(text) or text.count("/") < 2 else None)


def hostname(text: str) -> str | None:
    """A fully qualified name by RFC 1123 section 2.1, in lower case (IDN as `xn--`), at least two labels."""
    labels = text.split(".")
    good = len(text) <= 253 and len(labels) >= 2 and all(LABEL.fullmatch(part) for part in labels)
    return (
        None
        if good and not labels[-1].isdigit()
        else "a full host name of lower case letters, digits and - (international names as xn--...)"
    )


def mailbox(text: str) -> str | None:
    """An e-mail address without quotes or comments."""
    local, _, domain = text.rpartition("@")
    good = LOCAL_PART.fullmatch(local) and hostname(domain) is None
    return None if good else "an address such as postmaster@example.com"


def listener(text: str) -> str | None:
    """`IPv4:PORT`: how an IPv6 address stands before a port is not documented."""
    address, _, port = text.rpartition(":")
    try:
        IPv4Address(address)
        good = bool(PORT.fullmatch(port)) and int(port) <= 65535
    except AddressValueError:
        good = False
    return None if good else "an IPv4 address and a port, such as 10.0.0.5:2525"


def words(text: str) -> str | None:
    """Free text that is harmless in a comment, a message and a page."""
    good = text.isprintable() and text.strip() == text and 0 < len(text) <= LONGEST_TEXT
    if good and not any(character in text for character in FORBIDDEN):
        return None
    return f"1-{LONGEST_TEXT} printable characters on one line without {' '.join(FORBIDDEN)}"


def pattern(check: Check, *placeholders: str) -> Check:
    """A check for a text with placeholders such as `mail{n}.example.com`: it must be good once they are filled."""

    def checked(text: str) -> str | None:
        unknown = [found for found in PLACEHOLDER.findall(text) if found not in placeholders]
        if unknown:
            return "the placeholders " + ", ".join(f"{{{known}}}" for known in placeholders)
        return check(PLACEHOLDER.sub("1", text))

    return checked


def fill(text: str, **values: object) -> str:
    """Fills `{n}` and the like; no format language, so nothing in the file can reach into a value."""
    return PLACEHOLDER.sub(lambda match: str(values[match.group(1)]), text)


def organisational_domain(domain: str) -> str:
    """The domain that somebody registered: the last two labels, three under suffixes such as `co.uk`.

    Mailbox providers and DMARC (RFC 7489 section 3.2) judge by it. Without the public suffix list this is an
    approximation; where it errs it takes too long a name, never a public suffix such as `co.uk`."""
    labels = domain.split(".")
    long = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3:] if long else labels[-2:])
