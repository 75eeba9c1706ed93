"""The engine's file on a host: sections between marker comments, so that a tenant's part can stay as it stands."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from email_engine.errors import InputError
from email_engine.fleet.model import Mode

HOST = "host"
HEADER = (
    "# Written by email-engine; changes by hand are reported and then replaced by the next deployment.\n"
    "# Your own settings belong into files of your own: into /etc/pmta/config, where that is not this file.\n"
)
_MARKER = re.compile(r"# email-engine (begin|end) (host|tenant [a-z0-9][a-z0-9._-]{0,62})\s*")


@dataclass(frozen=True, slots=True)
class Section:
    """`tenant` None: the host's own part. `text` ends with a line break and holds no marker."""

    tenant: str | None
    text: str

    @property
    def title(self) -> str:
        return HOST if self.tenant is None else f"tenant {self.tenant}"


def split_sections(text: str) -> dict[str | None, str]:
    """Section texts by tenant (None: host) as they stand in a file; what stands outside of markers is left out.

    Raises InputError where markers do not pair up: then nobody can tell whose lines are whose."""
    found: dict[str | None, str] = {}
    title: str | None = None
    lines: list[str] = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        marker = _MARKER.fullmatch(line)
        if marker is None:
            if title is not None:
                lines.append(line)
            continue
        verb, name = marker.groups()
        key = None if name == HOST else name.removeprefix("tenant ")
        if (verb == "begin") is not (title is None) or (verb == "end" and name != title) or key in found:
            raise InputError(
                f"the engine's file, line {number}",
                f"marker `{line.strip()}` out of place",
                "begin and end of each section once, in turn",
                "put the markers back by hand, or deploy with `rollback_to` a version that was good",
            )
        if verb == "begin":
            title, lines = name, []
        else:
            found[key] = "".join(f"{one}\n" for one in lines)
            title = None
    if title is not None:
        raise InputError(
            "the engine's file",
            f"section {title} has no end marker",
            "begin and end of each section",
            "somebody or a full disk cut the file; deploy with `rollback_to` a version that was good",
        )
    return found


def compose(sections: tuple[Section, ...], running: str | None, modes: Mapping[str, Mode]) -> str:
    """The file's text: new sections for tenants in `act`, the standing ones for tenants in `observe`.

    `modes` names every tenant that has or had IPs on the host. Where all of them observe, the file stays exactly as it is
    (empty text if there is none)."""
    if modes and all(mode is Mode.OBSERVE for mode in modes.values()):
        return running or ""
    watched = {tenant for tenant, mode in modes.items() if mode is Mode.OBSERVE}
    standing = split_sections(running or "") if watched else {}
    texts = {section.tenant: section.text for section in sections if section.tenant not in watched}
    texts |= {tenant: text for tenant, text in standing.items() if tenant in watched}
    parts = [HEADER]
    for tenant in sorted(texts, key=lambda name: name or ""):
        title = Section(tenant, "").title
        parts.append(f"\n# email-engine begin {title}\n{texts[tenant]}# email-engine end {title}\n")
    return "".join(parts)


def digest(text: str | bytes) -> str:
    """SHA-256 of the file, as recorded in `deployments`."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()
