"""Hosts and addresses as people write them into a connection, and how a message may show them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from email_engine.errors import InputError

HIDDEN = "***"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_USER = re.compile(r"(?is)\A([a-z][a-z0-9+.-]*://)?.*(?:@|%40)")
_BEHIND = re.compile(r"(?s)([?#]).*")
_NO_PATH = re.compile(r"[?#\s\\]|[^\x20-\x7e]")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
LONGEST = 120
HTTP = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Address:
    """`scheme` as written, lower case, or none; `host` without brackets; `port` of the address itself, else of its own field, else None;
    `path` with its leading slash, or empty."""

    scheme: str
    host: str
    port: int | None
    path: str

    def url(self, scheme: str) -> str:
        """As a URL; a scheme of its own wins, and the scheme's usual port is left out."""
        scheme = self.scheme or scheme
        port = "" if self.port in (None, HTTP.get(scheme)) else f":{self.port}"
        return f"{scheme}://{f'[{self.host}]' if ':' in self.host else self.host}{port}{self.path}"


def shown(text: str | None) -> str:
    """One address for a message: what may be a password (user info, query, fragment) is hidden, long ones are cut."""
    safe = _BEHIND.sub(rf"\1{HIDDEN}", _USER.sub(rf"\1{HIDDEN}@", (text or "").strip()))
    return "".join(c if c.isprintable() else "\ufffd" for c in safe[:LONGEST])


def parse_address(
    subject: str, text: str | None, port: int | None = None, schemes: Mapping[str, int] | None = None
) -> Address:
    """`host`, `host:port`, `[IPv6]:port`, `scheme://host:port/path`: the address's own port wins, `port` (a field of its own; 0 is
    none) stands in. A folder or file (`/run/mysqld.sock`) is a unix socket and comes back as the host.

    Raises InputError, whose text never holds user info: for a user or password in the address, a scheme that is not in `schemes`, what
    is no host name, and a port out of range. An empty text gives an empty host."""
    written = (text or "").strip()
    if "@" in written or "%40" in written:
        raise InputError(
            subject, f"host {shown(written)!r} carries a user or a password", "the bare address",
            "put user and password into the connection's Login and Password and leave the host bare; then change that password: "
            "hosts are shown in lists and logs",
        )  # fmt: skip
    field = _in_range(subject, port) if port else None
    if written.startswith("/"):
        return Address("", written, field, "")
    found = _SCHEME.match(written)
    scheme = found.group(1).lower() if found else ""
    if scheme and scheme not in (schemes or {}):
        raise InputError(
            subject, f"host {shown(written)!r} begins with {scheme}://",
            " or ".join(f"{name}://" for name in schemes) if schemes else "a bare host name or IP", "correct the connection's host",
        )  # fmt: skip
    rest = written[found.end() :] if found else written
    authority, slash, path = rest.partition("/")
    host, own = _split(subject, authority, written)
    if written:
        _refuse_no_host(subject, host, written)
    if _NO_PATH.search(path):
        _refuse(subject, written)
    if scheme in HTTP and not own and field == {"https": 80, "http": 443}[scheme]:
        raise InputError(
            subject, f"{shown(written)!r} with port {field}", "https with 443, or http with 80", "correct the scheme or the port",
        )  # fmt: skip
    return Address(scheme, host, own or field, (slash + path).rstrip("/") if path else "")


def refuse_odd_secret(subject: str, what: str, secret: str) -> None:
    """Raises InputError for a key or token that no header or address can carry; says where, never what."""
    at = next((n for n, c in enumerate(secret, 1) if not "!" <= c <= "~"), None)
    if at is not None:
        raise InputError(
            subject, f"character {at} of the {what} is a blank or no plain ASCII", "letters, digits and signs alone",
            f"copy the {what} again; a word processor or a chat may have changed it",
        )  # fmt: skip


def _split(subject: str, authority: str, written: str) -> tuple[str, int | None]:
    """Host and port of an authority; an IPv6 address may stand bare where no port follows."""
    if authority.startswith("["):
        host, closed, behind = authority[1:].partition("]")
        if not closed or (behind and not behind.startswith(":")):
            _refuse(subject, written)
        port = behind[1:]
    elif authority.count(":") > 1:
        host, port = authority, ""
    else:
        host, _, port = authority.partition(":")
    if port and not (port.isascii() and port.isdigit()):
        _refuse(subject, written)
    return host, _in_range(subject, int(port[:9])) if port else None


def _in_range(subject: str, port: int) -> int:
    if not 0 < port < 65536:
        raise InputError(subject, f"port {port}", "1 to 65535", "correct the connection's port")
    return port


def _refuse_no_host(subject: str, host: str, written: str) -> None:
    try:
        if isinstance(ip_address(host), IPv6Address) or ":" not in host:
            return
    except ValueError:
        pass
    try:
        plain = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        plain = ""
    labels = plain.removesuffix(".").split(".")
    if len(plain) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        _refuse(subject, written)


def _refuse(subject: str, written: str) -> None:
    """Behind a colon that leads to no port a password may stand, so such a host is not repeated."""
    odd = ":" in written.rpartition("://")[2].partition("/")[0]
    observed = "a host with something behind a colon that is no port" if odd else f"host {shown(written)!r}"
    raise InputError(
        subject, observed, "a host name or IP address, with :port where it is needed", "correct the connection's host"
    )  # fmt: skip
