"""What an operator chooses beside the fleet, as they write it."""

from collections.abc import Sequence

from email_engine.addresses import shown
from email_engine.dnsauth.by_hand import parse_domain
from email_engine.errors import InputError
from email_engine.fleet.names import LOCAL_PART
from email_engine.records.model import Choices


def parse_choices(mx: Sequence[str] = (), rua: str | None = None) -> Choices:
    """Names as DNS has them (A-labels, lower case). `rua`: an address, with or without `mailto:`.

    Raises:
        InputError: a host or an address that is none.
    """
    hosts = tuple(dict.fromkeys(parse_domain("--mx", host) for host in mx))
    return Choices(hosts, _mailbox(rua) if rua is not None else "")


def _mailbox(text: str) -> str:
    written = text.strip()
    if written.lower().startswith("mailto:"):
        written = written[len("mailto:") :]
    local, _, domain = written.rpartition("@")
    if not LOCAL_PART.fullmatch(local):
        raise InputError(
            "--rua", repr(shown(text)), "one mail address, such as dmarc@example.com", "correct it"
        )
    return f"{local}@{parse_domain('--rua', domain)}"
