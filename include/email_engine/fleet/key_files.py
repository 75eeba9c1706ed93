"""Where the private half of a DKIM key lies on its host: the fleet's `dkim.key_path`, whose `{selector}` is filled last."""

import re
from pathlib import PurePosixPath

from email_engine.errors import InputError
from email_engine.fleet import names

SELECTOR = "{selector}"


def key_file(pattern: str, selector: str) -> str:
    """The file of the key of `selector`; a pattern without `{selector}` is the file itself."""
    return pattern.replace(SELECTOR, selector)


def rotated_key_file(pattern: str, domain: str, selector: str) -> str:
    """The file of a later key of `domain`, which no other key has.

    What the pattern lacks of domain and selector stands before its ending: `/etc/pmta/dkim/news1.example.pem` becomes
    `/etc/pmta/dkim/news1.example.s202611.pem`.

    Raises:
        InputError: the selector, the domain or what they make of the path is not safe in a shell, PowerMTA and DNS alike."""
    path = PurePosixPath(key_file(pattern, selector))
    apart = re.sub(r"\{selector\}[.-]?", "/", pattern)
    has_domain = re.search(rf"(?<![a-z0-9.-]){re.escape(domain)}(?![a-z0-9-])", apart)
    missing = [] if has_domain else [domain]
    missing += [] if SELECTOR in pattern else [selector]
    ending = path.suffix if path.suffix in (".pem", ".key") else ""
    named = str(path.with_name(".".join([path.name.removesuffix(ending), *missing]) + ending))
    require_safe_key(domain, selector, named)
    return named


def require_safe_key(domain: str, selector: str, path: str) -> None:
    """Raises InputError for a name that a shell, PowerMTA or DNS could read in another way than it is meant."""
    checked = (
        ("domain", domain, names.hostname),
        ("selector", selector, names.selector),
        ("key file", path, names.file_path),
    )
    for what, text, check in checked:
        if allowed := check(text):
            raise InputError(
                f"DKIM key of {domain[:80]!r}",
                f"{what} {text[:120]!r}",
                allowed,
                "nothing was done; correct `domain` or `dkim` in fleet.yaml",
            )
